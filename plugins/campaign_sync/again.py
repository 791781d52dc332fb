"""Trying rejected rows again: what it comes to, for each kind of flow. For the page and the command.

Not for starting a run (``page/airflow_acts.py``), and nothing here reads or writes a value of a person.
"""

from __future__ import annotations

from typing import NamedTuple

from campaign_sync.consent.reading import Contacts
from campaign_sync.ledger.again import Which, judge_again, waiting_and_others
from campaign_sync.ledger.database import Database
from campaign_sync.mapping.kinds import Kind
from campaign_sync.run.extract import Source

__all__ = ["Again", "Which", "try_again"]

NOTHING = "No row is rejected like that, or not any more"

#: An event's row is in Campaign's export file: we do not keep it, so there is nothing of ours to look at again.
FROM_ITS_FILE = (
    "cannot be tried again from here, as only Campaign's export files have the rows: once the reason is mended, move "
    "the file back from the folder of those that are done, or export its time again (docs/export_workflows.md)"
)


class Again(NamedTuple):
    """What becomes of rejected rows that somebody wants tried again."""

    rows: int  # that runs look at again
    others: int  # that no run can look at again by itself
    told: str  # for people: what happens, and what they have to do


def try_again(database: Database, flow: str, kind: Kind, which: Which) -> Again:
    """Mark rejected rows so that the next run looks at them as they are then; doing it twice is harmless."""
    if kind == "events":
        return _events(*waiting_and_others(database, flow, which))
    at_once = (Contacts if kind == "opt_outs" else Source).AT_ONCE
    rows = judge_again(database, flow, which)
    if not rows:
        return Again(0, 0, NOTHING)
    told = f"The next run looks at {_counted(rows, kind)} as {'it is' if rows == 1 else 'they are'} then"
    parts = f", and later runs at the others: {at_once:,} go in one" if rows > at_once else ""
    return Again(rows, 0, f"{told}{parts}")


def _events(waiting: int, others: int) -> Again:
    told = []
    if waiting:
        told.append(f"The next run looks for the contact of {_counted(waiting, 'events')}, as every run does")
    if others:
        told.append(f"{_counted(others, 'events')} {FROM_ITS_FILE}")
    return Again(waiting, others, ". ".join(told) or NOTHING)


def _counted(rows: int, kind: Kind) -> str:
    name = {"rows": "row", "events": "event", "opt_outs": "contact"}[kind]
    return f"{rows:,} {name}{'s' * (rows != 1)}"
