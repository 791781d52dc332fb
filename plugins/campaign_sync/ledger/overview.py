"""How flows stand, as people ask: what waits and since when, what was rejected, what the latest runs did.

Not for what a run needs to know (``ledger.py``). No answer reads more than a bounded part of the ledger, so that none
becomes slower as it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    ScalarSelect,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)

from campaign_sync.ledger.database import Database
from campaign_sync.ledger.events import UNKNOWN_CONTACT
from campaign_sync.ledger.tables import Utc, parked, places, records, rejections, runs

#: Rows of a flow are counted up to here, as each look counts those of all flows; beyond it people are told "more than".
MOST = 1_000


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
    if not flows:
        return {}
    with database.read() as connection:
        return {
            row[0]: _standing(*row[1:]) for row in connection.execute(_standings(len(flows)), _named(flows))
        }


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
    if not flows:
        return {}
    with database.read() as connection:
        return {
            row[0]: PastRun(*row[1:]) for row in connection.execute(_last_runs(len(flows)), _named(flows))
        }


def _named(flows: Sequence[str]) -> dict[str, str]:
    return {f"flow_{number}": flow for number, flow in enumerate(flows)}


def _wanted(count: int) -> Subquery:
    """So many flows as a table, so that one statement asks about all of them."""
    flows = (select(bindparam(f"flow_{number}", type_=Text).label("flow")) for number in range(count))
    return union_all(*flows).subquery("wanted")


@lru_cache
def _standings(count: int) -> Select[Any]:
    """Made once for each number of flows: putting it together takes longer than the database takes for it."""
    wanted = _wanted(count)
    # The zero written out: SQLite takes the index of these few rows only if it sees the index's own words.
    in_doubt = (records.c.updated_at, records.c.flow == wanted.c.flow, records.c.doubt > literal_column("0"))
    waits = (parked.c.first_seen, parked.c.flow == wanted.c.flow)
    refused = (rejections.c.first_seen, rejections.c.flow == wanted.c.flow)
    unknown = (*refused, rejections.c.rule == UNKNOWN_CONTACT)

    def bounded(time: Column[datetime], *where: ColumnElement[bool]) -> ScalarSelect[int]:
        """How many there are, counted to one more than people are told."""
        # In their order: SQLite would otherwise read all records of a flow to count the few that are in doubt.
        some = select(time).where(*where).order_by(time).limit(MOST + 1).correlate(wanted).subquery()
        return select(func.count()).select_from(some).scalar_subquery()

    def first(column: Column[Any], *where: ColumnElement[bool]) -> ScalarSelect[Any]:
        return select(func.min(column)).where(*where).correlate(wanted).scalar_subquery()

    here = places.c.flow == wanted.c.flow
    return select(
        wanted.c.flow,
        *(bounded(*each) for each in (in_doubt, waits, unknown, refused)),
        *(first(*each) for each in (in_doubt, waits, unknown)),
        first(places.c.moved_at, here),
        first(places.c.state, here),
    )


def _standing(in_doubt: int, waiting: int, unknown: int, rejected: int, *more: Any) -> Standing:
    *times, up_to, place = more
    counts = (in_doubt, waiting, unknown)
    return Standing(
        sum(min(count, MOST) for count in counts),
        any(count > MOST for count in counts),
        min((time for time in times if time is not None), default=None),
        min(rejected, MOST),
        rejected > MOST,
        up_to,
        place,
    )


@lru_cache
def _last_runs(count: int) -> Select[Any]:
    wanted, ended = _wanted(count), runs.alias("ended")
    last = (
        select(ended.c.run_id)
        .where(ended.c.flow == wanted.c.flow, ended.c.state != "running")
        .order_by(ended.c.started.desc(), ended.c.run_id.desc())
        .limit(1)
        .correlate(wanted)
        .scalar_subquery()
    )
    the_last = and_(runs.c.flow == wanted.c.flow, runs.c.run_id == last)
    columns = [runs.c[name] for name in PastRun._fields]
    return select(wanted.c.flow, *columns).select_from(wanted.join(runs, the_last))


_RUNS = select(*(runs.c[name] for name in PastRun._fields)).order_by(
    runs.c.started.desc(), runs.c.run_id.desc()
)
