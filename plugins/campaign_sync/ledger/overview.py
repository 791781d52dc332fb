"""How flows stand, as people ask: what waits and since when, what was rejected, what the latest runs did.

Not for what a run needs to know (``ledger.py``). No answer reads more than a bounded part of the ledger, so that none
becomes slower as it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    Text,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)

from campaign_sync.ledger.database import Database
from campaign_sync.ledger.events import UNKNOWN_CONTACT
from campaign_sync.ledger.searching import COUNTED
from campaign_sync.ledger.tables import Utc, parked, places, records, rejections, runs


class Standing(NamedTuple):
    """How a flow stands."""

    waiting: int  # rows that are known and not settled: parked, in doubt, or events whose contact is unknown
    more_waiting: bool  # than were counted
    waiting_since: datetime | None  # the one that waits longest
    rejected: int
    more_rejected: bool
    up_to: datetime | None  # when the place in the change feed moved last
    place: str | None  # reading | placed | expired


class PastRun(NamedTuple):
    """A run as the ledger remembers it."""

    run_id: str
    started: datetime
    ended: datetime | None
    state: str  # running | success | failed
    tally: dict[str, int] | None


def standings(database: Database, flows: Sequence[str]) -> dict[str, Standing]:
    """How each of these flows stands, as one state of the ledger."""
    with database.read() as connection:
        return {flow: _standing(connection, flow) for flow in flows}


def past_runs(
    database: Database, flow: str, before: tuple[datetime, str] | None = None, limit: int = 50
) -> list[PastRun]:
    """The runs of a flow, the latest first.

    :param before: start and id of the run with which the page before ended.
    """
    query = _RUNS.where(runs.c.flow == flow).limit(limit)
    if before is not None:
        started, run_id = literal(before[0], Utc), literal(before[1])
        query = query.where(tuple_(runs.c.started, runs.c.run_id) < tuple_(started, run_id))
    with database.read() as connection:
        found = [PastRun(*row) for row in connection.execute(query)]
    # While it is running, the tally's place holds something else (tables.py).
    return [run._replace(tally=None) if run.state == "running" else run for run in found]


def last_runs(database: Database, flows: Sequence[str]) -> dict[str, PastRun]:
    """The latest run of each flow that has ended."""
    with database.read() as connection:
        found = {flow: connection.execute(_LAST, {"flow": flow}).one_or_none() for flow in flows}
        return {flow: PastRun(*run) for flow, run in found.items() if run is not None}


def _bounded(time: Column[datetime], *where: ColumnElement[bool]) -> ScalarSelect[int]:
    """How many there are, counted to one more than people are told."""
    # In their order: SQLite would otherwise read all records of a flow to count the few that are in doubt.
    some = select(time).where(*where).order_by(time).limit(COUNTED + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _first(column: Column[datetime], *where: ColumnElement[bool]) -> ScalarSelect[datetime]:
    return select(func.min(column)).where(*where).scalar_subquery()


_FLOW = bindparam("flow", type_=Text)

#: The zero written out: SQLite takes the index of these few rows only if it sees the index's own words.
_IN_DOUBT = (records.c.flow == _FLOW, records.c.doubt > literal_column("0"))
_PARKED = (parked.c.flow == _FLOW,)
_UNKNOWN_CONTACT = (rejections.c.flow == _FLOW, rejections.c.rule == UNKNOWN_CONTACT)

#: Made once: putting it together takes longer than the database takes for it.
_STANDING = select(
    _bounded(records.c.updated_at, *_IN_DOUBT),
    _bounded(parked.c.first_seen, *_PARKED),
    _bounded(rejections.c.first_seen, *_UNKNOWN_CONTACT),
    _first(records.c.updated_at, *_IN_DOUBT),
    _first(parked.c.first_seen, *_PARKED),
    _first(rejections.c.first_seen, *_UNKNOWN_CONTACT),
    _bounded(rejections.c.first_seen, rejections.c.flow == _FLOW),
    select(places.c.moved_at).where(places.c.flow == _FLOW).scalar_subquery(),
    select(places.c.state).where(places.c.flow == _FLOW).scalar_subquery(),
)


def _standing(connection: Connection, flow: str) -> Standing:
    *found, rejected, up_to, place = connection.execute(_STANDING, {"flow": flow}).one()
    counts, times = found[:3], found[3:]
    return Standing(
        sum(min(count, COUNTED) for count in counts),
        any(count > COUNTED for count in counts),
        min((time for time in times if time is not None), default=None),
        min(rejected, COUNTED),
        rejected > COUNTED,
        up_to,
        place,
    )


_RUNS = select(*(runs.c[name] for name in PastRun._fields)).order_by(
    runs.c.started.desc(), runs.c.run_id.desc()
)
_LAST = _RUNS.where(runs.c.flow == _FLOW, runs.c.state != "running").limit(1)
