"""Carries out one planned write against Campaign, with one engine call where one is enough.

Not for deciding what to write (run/plan.py) and not for reading the texts of errors (campaign_answers.py)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import quote

from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.campaign_answers import Verdict, judge
from campaign_sync.hooks.campaign_metadata import wire_name
from campaign_sync.hooks.rest import Rest
from campaign_sync.schema import ResourceSchema
from campaign_sync.writes import Outcome, Result, Write

REFUSED = "refused by Campaign"
UNKNOWN = "unknown error"
HIDDEN = "hidden or changed by another"
UNSAFE = "a key that cannot stand in a URL"
HEADERS = {"Content-Type": "application/json;charset=utf-8"}
# campaign.md §11: how often an answer is heard before it is believed
TRIES = {"unknown": 3, "gateway": 2}
# campaign.md §3.5: "@" begins a PKey, and paths end or climb at these
UNSAFE_KEY = re.compile(r"^@|[/\\]|^\.{0,2}$|[\x00-\x1f\x7f]")


class Unclear:
    """Counts the writes in a row, of all threads, that Campaign answered without saying what is wrong."""

    MOST = 4  # one more is an outage, not bad rows: campaign.md §11 knows no other word for one

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row = 0

    def note(self, outcome: Outcome) -> bool:
        """Says whether there were too many."""
        with self._lock:
            self._in_a_row = self._in_a_row + 1 if outcome.rule == UNKNOWN else 0
            return self._in_a_row > self.MOST


class Writer(NamedTuple):
    """Writes records of one resource; many threads call it at once."""

    rest: Rest
    resource: ResourceSchema
    key_field: str
    unclear: Unclear

    def write(self, write: Write) -> Outcome:
        """Carries out one write; raises only what ends the run."""
        if UNSAFE_KEY.search(write.key):
            reason = (
                "the key is empty, begins with @ or holds a slash: Campaign would take it for something else"
            )
            return Outcome(write.key, "rejected", UNSAFE, reason)
        key = wire_name(self.resource, self.key_field)
        changes, whole = write.body, write.body
        if write.kind == "create" and write.found is not None:
            changes = write.found
        elif write.kind == "update" and write.instead is not None:
            whole = write.instead
        try:
            record = _json({key: write.key, **self._on_the_wire(whole, key)})
            story = _Story(self, write.key, _json(self._on_the_wire(changes, key)), record)
        except ValueError:
            return Outcome(write.key, "rejected", REFUSED, "a value cannot be written as JSON")
        tell = {"create": story.create, "update": story.update, "amend": story.amend, "delete": story.delete}
        outcome = tell[write.kind]()
        if self.unclear.note(outcome):
            raise self._outage(outcome)
        return outcome

    def _outage(self, outcome: Outcome) -> TransientError:
        path = f"/{self.resource.endpoint}"
        problem = f"more than {Unclear.MOST} writes in a row failed: {outcome.reason}"
        remedy = "Airflow tries again; if it stays so, ask the administrator of the Campaign instance"
        return TransientError("Campaign", path, 500, problem, remedy)

    def _on_the_wire(self, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Names as this instance spells them; no PATCH names the key (campaign.md §3.5)."""
        named = {wire_name(self.resource, name): value for name, value in body.items()}
        return {name: value for name, value in named.items() if name != key}


class _Story:
    """What is tried for one record, and what comes of it."""

    def __init__(self, writer: Writer, key: str, changes: bytes, record: bytes) -> None:
        self.rest, self.resource, self.key = writer.rest, writer.resource, key
        self.collection = f"{writer.rest.base}/{writer.resource.endpoint}"
        self.url = f"{self.collection}/{quote(key, safe='')}"
        self.changes, self.record = changes, record

    def create(self) -> Outcome:
        verdict = self._post()
        if verdict.meaning == "duplicate":
            return self._take_over("created" if verdict.late else "updated")
        return self._outcome(verdict, "created")

    def update(self) -> Outcome:
        verdict = self._call("PATCH", self.url, self.changes)
        if verdict.meaning != "missing":
            return self._outcome(verdict, "updated")
        verdict = self._post()
        if verdict.meaning == "duplicate":
            return self._take_over("created") if verdict.late else self._hidden()
        return _in_doubt(self._outcome(verdict, "created"))

    def amend(self) -> Outcome:
        verdict = self._call("PATCH", self.url, self.changes)
        if verdict.meaning == "missing":  # gone, hidden, or not there yet (campaign.md §6.3)
            return Outcome(self.key, "missing", certain=False)
        return self._outcome(verdict, "updated")

    def delete(self) -> Outcome:
        verdict = self._call("DELETE", self.url)
        if verdict.meaning == "missing":  # gone, or hidden: a 404 does not tell (campaign.md §6.3)
            return Outcome(self.key, "unchanged", certain=False)
        return self._outcome(verdict, "deleted")

    def _take_over(self, result: Result) -> Outcome:
        """Gives the record that is there already our values."""
        verdict = self._call("PATCH", self.url, self.changes)
        return self._hidden() if verdict.meaning == "missing" else _in_doubt(self._outcome(verdict, result))

    def _post(self) -> Verdict:
        """Creates once: after a lost answer, looks up before anything is repeated (campaign.md §4.8)."""
        for attempt in range(1, self.rest.patience.attempts + 1):
            answer = self._exchange("POST", self.collection, self.record, repeat=False)
            verdict = self._judged(answer)
            if verdict.meaning == "duplicate" and attempt > 1:
                return verdict._replace(late=True)
            if verdict.meaning != "lost":
                return verdict
            self.rest.pace.sleep(self.rest.patience.delay(attempt))
            if self._call("GET", self.url).meaning == "done":
                return Verdict("duplicate", late=True)
        raise self.rest.give_up(answer)

    def _call(self, method: str, url: str, body: bytes | None = None) -> Verdict:
        return self._judged(self._exchange(method, url, body))

    def _exchange(self, method: str, url: str, body: bytes | None, repeat: bool = True) -> Answer:
        """An unclear 500 is heard again before it is believed."""
        for attempt in count(1):
            answer = self.rest.exchange(method, url, headers=HEADERS, body=body, repeat=repeat)
            if attempt >= TRIES.get(judge(answer, ()).meaning, 1):
                return answer
            self.rest.pace.sleep(self.rest.patience.delay(attempt))
        raise AssertionError("counting ends only by returning")

    def _judged(self, answer: Answer) -> Verdict:
        verdict = judge(answer, self.resource.fields)
        if verdict.meaning in ("gateway", "refused"):
            raise self.rest.refusal(answer, quote=False)
        if verdict.meaning == "bad mapping":
            field = f"the field {verdict.field}" if verdict.field else "a field of the mapping"
            remedy = (
                "Take it out of the mapping; if it was just added in Campaign, publish the resource first"
            )
            raise RefusedError(
                "Campaign",
                answer.path,
                answer.status,
                answer.error.code,
                f"{verdict.reason}: {field}",
                remedy,
            )
        return verdict

    def _outcome(self, verdict: Verdict, done: Result) -> Outcome:
        if verdict.meaning == "done":
            return Outcome(self.key, done)
        if verdict.meaning == "missing":  # of a POST: about the body, not the address (campaign.md §13, T6)
            return Outcome(self.key, "rejected", REFUSED, "a record that this one refers to is missing")
        if verdict.meaning == "unknown":
            return Outcome(self.key, "rejected", UNKNOWN, verdict.reason, certain=False)
        return Outcome(self.key, "rejected", REFUSED, verdict.reason)

    def _hidden(self) -> Outcome:
        reason = (
            "Campaign says that the record exists and does not show it: another unique field has the same "
            "value, or the record is hidden by its organisational unit or by a missing linked record"
        )
        return Outcome(self.key, "rejected", HIDDEN, reason, certain=False)


def _in_doubt(outcome: Outcome) -> Outcome:
    """A first call found the record gone, or there: what was known before is no longer true."""
    return outcome._replace(certain=False) if outcome.result == "rejected" else outcome


def _json(flat: Mapping[str, Any]) -> bytes:
    """Items nest: `location.city` is written as {"location": {"city": …}} (campaign.md §4.2)."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        item, _, part = name.partition(".")
        if part:
            nested.setdefault(item, {})[part] = value
        else:
            nested[item] = value
    return json.dumps(nested, ensure_ascii=False, allow_nan=False).encode()
