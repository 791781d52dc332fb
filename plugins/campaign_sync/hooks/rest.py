"""Sends requests: tokens, retries, throttling, redacted wire log, and refusals that say who must do what.

Not for knowing any system: what is transient and what a code means comes from a System (remedies.py)."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import requests

from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.answers import LOST, Answer, loads, masked, names_in
from campaign_sync.hooks.pace import HeldError, Pace, Patience
from campaign_sync.hooks.sessions import Bearer, is_within
from campaign_sync.hooks.wire import receive

log = logging.getLogger(__name__)

TRANSIENT = frozenset({LOST, 429, 502, 503, 504})
THROTTLED = frozenset({429, 503})

Parsed = TypeVar("Parsed")


class Remedy(NamedTuple):
    """What a status, a code or a text means, and who must do what. First hit in a table wins."""

    status: int | None
    match: str
    """Part of the code or the message, in lower case; "" for any."""
    problem: str
    remedy: str


class System(NamedTuple):
    """What sending needs to know about one system."""

    name: str
    remedies: tuple[Remedy, ...]
    passing_codes: frozenset[str] = frozenset()
    """Codes of errors that pass by themselves, whatever their status."""
    row_codes: frozenset[str] = frozenset()
    """Those of them that one row can go on to meet while others are written."""
    passing_reads: frozenset[int] = frozenset()
    """Statuses that pass by themselves when a read gets them with a code that no remedy knows."""
    doubtful: str = ""
    """A text that is believed only when it comes twice."""


class Rest:
    """Requests to one system, for all threads of a hook: one session per thread, one token, one pace."""

    def __init__(
        self,
        system: System,
        base: str,
        open_session: Callable[[], requests.Session],
        *,
        bearer: Bearer | None = None,
        pace: Pace | None = None,
        patience: Patience | None = None,
        read_timeout: float = 60.0,
    ) -> None:
        self.system = system
        self.base = base
        self.pace = pace or Pace()
        self.patience = patience or Patience()
        self._bearer = bearer
        self._open_session = open_session
        self._opening = threading.Lock()
        self._local = threading.local()
        self._timeout = (10.0, read_timeout)  # campaign.md §10; dataverse.md §7

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        repeat: bool = True,
    ) -> Answer:
        """Returns the system's answer, whatever it says; raises only when the system stays busy or away.

        `repeat=False` is for requests that must not run twice: when the effect is unknown, the answer comes
        back (status LOST, 502, 503 or 504) instead of a second request.
        """
        self.stay_home(url)
        waited, renewed, attempt = 0.0, False, 1
        while True:
            if self._bearer:
                self._bearer.value()  # what may take long is done before: a pause holds what has not begun
            try:
                waited += self.pace.wait(self.patience.budget - waited)
            except HeldError as held:
                told = {"Retry-After": str(math.ceil(held.seconds))}
                raise self.give_up(Answer(method, url, 429, told, sent=False)) from None
            answer = self._send(method, url, headers or {}, body)
            if answer.status == 401 and self._bearer and not renewed:
                self._bearer.refuse(answer.token)
                renewed = True
                continue
            if not self.is_passing(answer):
                self.pace.answered()
                return answer
            delay = answer.retry_after or self.patience.delay(attempt)
            out_of_tries = attempt >= self.patience.attempts and answer.status != 429
            if out_of_tries or waited + delay > self.patience.budget:
                raise self.give_up(answer)
            holds_all = answer.status in THROTTLED or bool(answer.retry_after)
            if holds_all and not answer.retry_after:
                self.pace.pause(delay)  # which the next wait of every thread counts
            if not repeat and answer.status != 429 and answer.sent:
                return answer
            if not holds_all:
                self.pace.sleep(delay)
                waited += delay
            attempt += 1

    def ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """Returns a good answer to a request that may be repeated, or raises."""
        content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        answer = self.exchange(method, url, headers=headers, body=content)
        if self.system.doubtful and self.system.doubtful in answer.error.message.lower():
            self.pace.sleep(self.patience.delay(1))
            answer = self.exchange(method, url, headers=headers, body=content)
        if not answer.ok:
            raise self.refusal(answer)
        return answer

    def fetch(
        self, url: str, parse: Callable[[bytes], Parsed], *, headers: Mapping[str, str] | None = None
    ) -> Parsed:
        """Returns a parsed answer; a ValueError of `parse` means a damaged body, which is asked for again."""
        for attempt in range(1, self.patience.attempts + 1):
            answer = self.ask("GET", url, headers=headers)
            try:
                return parse(answer.body)
            except ValueError:
                if attempt < self.patience.attempts:
                    self.pace.sleep(self.patience.delay(attempt))
        if answer.is_html:
            remedy = f"Check the host of the connection: {self.base}"
            raise self._refused(answer, "a web page instead of data", remedy)
        raise self.give_up(answer._replace(problem="the answer arrives damaged, again and again"))

    def json(self, url: str, *, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Returns a JSON object."""
        return self.fetch(url, _object, headers=headers)

    def refusal(self, answer: Answer, *, quote: bool = True) -> RefusedError:
        """Returns the error for an answer that will not change by itself.

        :param quote: whether the system's own words may be shown; not for writes, whose refusals quote values
        """
        code, message = answer.error
        known = self._known(answer)
        if known:
            return self._refused(answer, known.problem, known.remedy, code)
        problem = f"refused: {masked(message, names_in(answer.url))}" if message and quote else "refused"
        remedy = "If the text does not say what is wrong, report it with the request id"
        return self._refused(answer, problem, remedy, code)

    def is_passing(self, answer: Answer) -> bool:
        """Whether the same request may succeed later."""
        if answer.status in TRANSIENT or answer.cut:
            return True
        if answer.ok and answer.method != "GET" and answer.is_html:
            return True  # a write was answered by somebody in between
        if answer.ok:
            return False
        if answer.method == "GET" and answer.status in self.system.passing_reads and not self._known(answer):
            return True
        return answer.error.code.lower() in self.system.passing_codes

    def may_be_of_one_row(self, answer: Answer) -> bool:
        """Whether a passing answer can be about the row that was sent, and not about the service as a whole."""
        return answer.error.code.lower() in self.system.row_codes

    def is_known(self, answer: Answer) -> bool:
        """Whether a remedy says what a refusal means: then it is not about one row."""
        return self._known(answer) is not None

    def give_up(self, answer: Answer) -> TransientError:
        """Returns the error for a system that stays busy or away."""
        remedy = f"Airflow tries again; if it stays so, check {self.base} and the network"
        problem = answer.problem or "the service is not able to answer now"
        if answer.status == 429:
            problem, remedy = (
                "too many requests: the service's limits are reached",
                "Airflow tries again later",
            )
        known = self._known(answer)
        if known and known.match:
            remedy = known.remedy
        status, wait = answer.status or None, answer.retry_after
        return TransientError(self.system.name, answer.path, status, problem, remedy, answer.request_id, wait)

    def _known(self, answer: Answer) -> Remedy | None:
        said = " ".join(answer.error).lower()
        fitting = (each for each in self.system.remedies if each.status in (None, answer.status))
        return next((each for each in fitting if each.match in said), None)

    def _refused(self, answer: Answer, problem: str, remedy: str, code: str = "") -> RefusedError:
        name, status = self.system.name, answer.status or None
        return RefusedError(name, answer.path, status, code, problem, remedy, answer.request_id)

    def stay_home(self, url: str) -> None:
        """A link out of an answer may point anywhere: the token goes to the configured place only."""
        if not is_within(url, self.base):
            problem = "an answer or a stored link leads to another host or path than the connection's"
            remedy = f"Nothing was sent there. The connection says {self.base}: was it changed?"
            raise RefusedError(self.system.name, "", None, "", problem, remedy)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            with self._opening:
                session = self._local.session = self._open_session()
        return session

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        started = time.monotonic()
        told: Mapping[str, str] = {}
        try:
            answer = receive(self.system.name, self._session(), method, url, headers, body, self._timeout)
            told = answer.headers
            if answer.retry_after and self.is_passing(answer):
                self.pace.pause(answer.retry_after)  # before anybody takes this one's place
        finally:
            self.pace.ended(told)
        milliseconds = (time.monotonic() - started) * 1000
        log.debug(
            "%s %s %s: %s in %.0f ms",
            self.system.name,
            method,
            answer.path,
            answer.status or answer.problem,
            milliseconds,
        )
        return answer


def _object(body: bytes) -> dict[str, Any]:
    found = loads(body)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found
