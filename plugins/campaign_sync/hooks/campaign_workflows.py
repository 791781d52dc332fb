"""Campaign's workflows: their state, the command to start one, signals to one (campaign.md §7).

Not for when to signal, nor for what an import did (``run/settle.py``)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.answers import Answer, loads, masked
from campaign_sync.hooks.forms import documented
from campaign_sync.hooks.rest import Rest

log = logging.getLogger(__name__)

State = Literal["editing", "running", "paused", "finished", "failed", "unknown"]
Taken = Literal["accepted", "refused", "unknown"]

# campaign.md §7.1: no source tells which key and which form; the colour "Warning" is a paused workflow
STATE_KEYS = ("logicalStatus", "state", "status", "workflowStatus")
STATES: dict[str, State] = {
    "edition": "editing", "editing": "editing", "0": "editing",
    "started": "running", "in progress": "running", "11": "running",
    "warning": "paused", "paused": "paused", "13": "paused",
    "finished": "finished", "20": "finished",
    "error": "failed", "erroneous": "failed", "failed": "failed",
}  # fmt: skip
#: What the sender is called in a signal (campaign.md §7.3: mandatory).
SOURCE = "campaign_sync"
PARAMETER = "inFile"


class Workflow(NamedTuple):
    """A workflow as it is now."""

    name: str
    state: State
    trigger: str
    """Where its signal is sent to; "" if it has none that takes the parameter."""


class Workflows:
    """Calls about workflows, by their internal names.

    :param once: sends a request a single time; what a signal did is seen by its effect, not by asking again.
    """

    def __init__(self, rest: Rest, once: Rest) -> None:
        self._rest = rest
        self._once = once

    def read(self, name: str) -> Workflow:
        """The workflow, whatever form its state has. Raises RefusedError if there is none of that name."""
        url = self._url(name)
        answer = self._rest.exchange("GET", url)
        if answer.status == 404:
            problem = f"there is no workflow whose internal name is {name}"
            remedy = "Correct load.import_workflow: the internal name stands in the workflow's properties"
            raise RefusedError("Campaign", answer.path, 404, "", problem, remedy)
        found = _object(answer) if answer.ok else None
        if found is None:
            raise self._rest.refusal(answer)
        state = _state(found)
        if state == "unknown":
            log.warning("Campaign: the state of workflow %s cannot be read: %s", name, masked(answer.text))
        with documented("Campaign", answer.path):
            return Workflow(name, state, _trigger(found))

    @staticmethod
    def require_signal(workflow: Workflow) -> None:
        """Raises RefusedError if the workflow has no signal that takes our parameter."""
        if not workflow.trigger:
            raise _no_parameter(workflow.name)

    def start(self, name: str) -> None:
        """Asks Campaign to start a workflow; it does so when it finds the time (campaign.md §7.2)."""
        headers = {"Content-Type": "application/json;charset=utf-8"}
        self._rest.ask("POST", f"{self._url(name)}/commands", headers=headers, body={"method": "start"})

    def signal(self, workflow: Workflow, value: str) -> Taken:
        """Signals a workflow once and says what Campaign made of it.

        Refused is a signal within ten minutes of another (campaign.md §7.3: the answer is a text, whatever its
        status); unknown is one whose answer was lost, or is empty.
        """
        self.require_signal(workflow)
        body = json.dumps({"source": SOURCE, "parameters": {PARAMETER: value}}).encode()
        headers = {"Content-Type": "application/json;charset=utf-8"}
        try:
            answer = self._once.exchange("POST", workflow.trigger, headers=headers, body=body, repeat=False)
        except TransientError as error:
            if error.system != "Campaign":
                raise  # no token, so nothing was sent
            return "refused" if error.status == 429 else "unknown"
        if answer.ok and (answer.cut or answer.is_html or not answer.body.strip()):
            return "unknown"
        if not _is_json(answer) and not answer.is_html:
            log.info("Campaign: the signal to %s was not taken: %s", workflow.name, masked(answer.text))
            return "refused"
        if answer.ok:
            return "accepted"
        if "defined in signal activity" in answer.text.lower():
            raise _no_parameter(workflow.name)
        raise self._rest.refusal(answer)

    def _url(self, name: str) -> str:
        return f"{self._rest.base}/workflow/execution/{quote(name, safe='')}"


def _state(found: Mapping[str, Any]) -> State:
    for key in STATE_KEYS:
        said = STATES.get(str(found.get(key, "")).strip().lower())
        if said:
            return said
    return "unknown"


def _trigger(found: Mapping[str, Any]) -> str:
    """The address of the signal that declares our parameter; the key that holds declarations is nobody's promise."""
    activities = (found.get("activities") or {}).get("activity")
    if not isinstance(activities, dict):
        return ""
    triggers = {
        str(each["trigger"]["href"]): f'"{PARAMETER}"' in json.dumps(each)
        for each in activities.values()
        if isinstance(each, dict) and isinstance(each.get("trigger"), dict) and each["trigger"].get("href")
    }
    return next((href for href, declares in triggers.items() if declares), "")


def _no_parameter(name: str) -> RefusedError:
    return RefusedError(
        "Campaign",
        f"/workflow/execution/{name}",
        None,
        "",
        f"workflow {name} has no External signal with a parameter {PARAMETER}",
        f"Open the workflow and declare the text parameter {PARAMETER} in its External signal "
        "(docs/import_workflow.md)",
    )


def _object(answer: Answer) -> dict[str, Any] | None:
    try:
        found = loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _is_json(answer: Answer) -> bool:
    try:
        loads(answer.body)
    except ValueError:
        return False
    return True
