"""What became of one row of a flow, in plain words, and what a person can do: from what the ledger and Airflow know.

Pure. Not for asking either (``ledger/one_key.py``, ``airflow_state.py``) nor for the answer's form (``contact.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from campaign_sync.ledger.one_key import Parked, Rejected, Remembered, Sent
from campaign_sync.page.airflow_state import Flow
from campaign_sync.waits import CHILDREN

#: What became of a row. dropped: a filter let it pass no longer; unknown: the ledger has nothing of it.
Fate = Literal["rejected", "parked", "in_doubt", "arrived", "dropped", "deleted", "absent", "unknown"]

#: Of several flows the one is told first that says why something is not there.
ORDER: tuple[Fate, ...] = (
    "rejected", "parked", "in_doubt", "deleted", "dropped", "absent", "arrived", "unknown",
)  # fmt: skip


#: Campaign's logs name the profile.
MAILED = "Campaign has had it, though: there are e-mail events of it"


class Verdict(NamedTuple):
    """What became of a row."""

    fate: Fate
    said: str  # a sentence without times, which readers have in their own zone
    since: datetime | None
    remedy: str  # what to do; empty: nothing


def verdict(flow: Flow, known: Remembered, *, has_run: bool) -> Verdict:
    """What became of a row in a flow to Campaign.

    :param has_run: whether the flow has ever begun a run.
    """
    sent = known.sent.get(flow.dag_id)
    if rejected := known.rejected.get(flow.dag_id):
        return _rejected(rejected, sent)
    if parked := known.parked.get(flow.dag_id):
        return _parked(parked, sent)
    if sent is None:
        unknown = _unknown(flow, has_run=has_run)
        return unknown._replace(said=f"{unknown.said}. {MAILED}") if known.arrived_events else unknown
    if sent.in_doubt:
        return Verdict("in_doubt", _doubt(sent), sent.updated_at, "Nothing: the next run looks at it again")
    if sent.present:
        return _arrived(flow, sent)
    if sent.mapping_sha is None:
        said = "It is not in Campaign: it was gone in Dynamics, or did not pass the filter, when a run looked"
        return Verdict("absent", said, sent.updated_at, "Preview it to see what a run would do with it now")
    said = "It was in Campaign and was deleted there: it is gone in Dynamics, or no longer passes the filter"
    return Verdict("deleted", said, sent.updated_at, "Preview it to see what a run would do with it now")


def untold(flow: str, known: Remembered) -> Verdict | None:
    """Why a flow of opt-outs could not tell a side about a contact; None: it could, or nothing was to be told."""
    if rejected := known.rejected.get(flow):
        said = f"It could not be told: {_how(rejected)}"
        return Verdict("rejected", said, rejected.first_seen, "Nothing: each run looks at the contact again")
    if parked := known.parked.get(flow):
        return Verdict("parked", f"It is told later: {_clause(parked.reason)}", parked.first_seen, "")
    return None


def event_verdict(key: str, flows: Iterable[str], known: Remembered) -> tuple[str, Verdict] | None:
    """What became of an e-mail event, and in which flow, if the key is one's."""
    for flow in flows:
        arrived = [each for each in known.arrived_events if (each.flow, each.event) == (flow, key)]
        waiting = [each for each in known.waiting_events if (each.flow, each.event) == (flow, key)]
        if arrived:
            return flow, Verdict(
                "arrived", "It is an e-mail event, and is in Dynamics", arrived[0].settled_at, ""
            )
        if waiting:
            said = "It is an e-mail event, and waits for its contact, whom Dynamics does not know"
            remedy = "Nothing: every run looks for the contact, as long as the mapping lets events wait"
            return flow, Verdict("parked", said, waiting[0].first_seen, remedy)
        if rejected := known.rejected.get(flow):
            said = f"It is an e-mail event, and was {_how(rejected)}"
            remedy = "Mend the reason, and have Campaign export its time again"
            return flow, Verdict("rejected", said, rejected.first_seen, remedy)
    return None


def _rejected(rejected: Rejected, sent: Sent | None) -> Verdict:
    before = "Its latest change" if sent and sent.present else "It"
    said = f"{before} was {_how(rejected)}"
    if sent and sent.present:
        said += ". An earlier state of it is in Campaign"
    remedy = "Correct the row in Dynamics, which is read by itself then, or the mapping"
    return Verdict("rejected", said, rejected.first_seen, remedy)


def _how(rejected: Rejected) -> str:
    times = "once" if rejected.tries == 1 else f"{rejected.tries:,} times"
    why = f", because {_clause(rejected.reason)}" if rejected.reason else ""
    return f"rejected at the step {rejected.step} by the rule “{rejected.rule}”{why}; tried {times}"


def _parked(parked: Parked, sent: Sent | None) -> Verdict:
    if parked.kind == CHILDREN:
        said = f"It is to be deleted in Campaign, and {_clause(parked.reason)}"
        remedy = f"Nothing, if those records of {parked.waits_for} will go as well: it goes after them"
        return Verdict("parked", said, parked.first_seen, remedy)
    its = "Its latest change waits" if sent and sent.present else "It waits"
    if parked.waits_for:
        said = f"{its} for its parent, the record {parked.waits_key} of {parked.waits_for}, to be in Campaign"
        return Verdict(
            "parked", said, parked.first_seen, "See what holds the parent up; it follows by itself"
        )
    return Verdict(
        "parked", f"{its}: {_clause(parked.reason)}", parked.first_seen, "Nothing: it follows by itself"
    )


def _doubt(sent: Sent) -> str:
    what = "A write or a deletion" if sent.going else "A write"
    there = "; what was sent before is in Campaign" if sent.present and not sent.going else ""
    return f"{what} of it was begun, and what came of it is not known yet{there}"


def _arrived(flow: Flow, sent: Sent) -> Verdict:
    if not sent.hash:
        said = "It is in Campaign, and no longer passes the filter: later changes are not sent"
        return Verdict("dropped", said, sent.updated_at, "Preview it to see which condition it does not pass")
    said = "It is in Campaign, and nothing has been sent since"
    if flow.paused:
        return Verdict(
            "arrived", f"{said}; but the flow is paused", sent.updated_at, "Unpause the flow: changes wait"
        )
    return Verdict("arrived", said, sent.updated_at, "")


def _unknown(flow: Flow, *, has_run: bool) -> Verdict:
    if flow.broken:
        return Verdict(
            "unknown", "It was never seen: the flow's mapping is broken", None, "Mend the mapping file"
        )
    if not has_run:
        remedy = "Unpause the flow: that starts the first load" if flow.paused else "Start the flow"
        return Verdict("unknown", "It was never seen: the flow has never run", None, remedy)
    if flow.paused:
        said = (
            "It was never seen, and the flow is paused: what changed in Dynamics since then has not been read"
        )
        return Verdict("unknown", said, None, "Unpause the flow")
    said = (
        "Nothing is known of it: it has not come in the change feed yet, was dropped by the filter, which leaves "
        "no trace, or there is no such row"
    )
    if flow.progress is not None:
        said += ". A run is under way"
    return Verdict(
        "unknown", said, None, "Preview it: that asks Dynamics for the row, and tells what a run would do"
    )


def _clause(reason: str) -> str:
    return reason.rstrip(". ")
