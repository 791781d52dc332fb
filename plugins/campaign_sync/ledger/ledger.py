"""What we have written where, and where each flow stands in the change feed: keys and hashes only.

Not for deciding what to write (``plan.py``). Order of a delivery: ``begin`` → the calls → ``settle`` →
``end_run``; a crash between any two repeats work, and neither loses nor doubles it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from sqlalchemy import Connection, and_, case, delete, exists, func, literal, select, update

from campaign_sync.errors import ReconcileError
from campaign_sync.ledger.begin import begin_writes, to_look_at
from campaign_sync.ledger.comparing import differing_query, expected_queries
from campaign_sync.ledger.database import Database, insert_into
from campaign_sync.ledger.frames import (
    key_columns,
    known_frame,
    outcome_columns,
    rejected_frame,
    rejection_columns,
    write_columns,
)
from campaign_sync.ledger.settle import settle_outcomes, settle_rejections
from campaign_sync.ledger.tables import places, records, rejections, runs
from campaign_sync.ledger.tables import staged_keys as wanted
from campaign_sync.ledger.tables import staged_outcomes as outcome
from campaign_sync.ledger.tables import staged_rejections as refusal
from campaign_sync.ledger.tables import staged_versions as listed
from campaign_sync.ledger.tables import staged_writes as planned

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Counts", "Ledger", "Move", "Place", "Run"]


class Place(NamedTuple):
    """Where a flow stands in the change feed."""

    state: Literal["reading", "placed", "expired"]  # reading: the first full read is not settled yet
    delta_link: str | None
    run_id: str
    moved_at: datetime


#: How often a row in doubt is looked at again while Campaign refuses it for reasons it does not tell.
TRIES = 5

#: Keys that are read at a time when all of them are looked through.
KEYS_AT_ONCE = 5_000


class Counts(NamedTuple):
    """How many rows of a flow the ledger knows."""

    present: int  # in Campaign
    absent: int  # deleted from it, or never arrived
    in_doubt: int  # of both: a write was begun and its outcome is unknown
    rejected: int


class Move(NamedTuple):
    """A step of a flow's place in the change feed."""

    from_link: str | None
    to_link: str
    heals: bool = False  # a place that has expired moves only if what it missed was found


class Run(NamedTuple):
    """One run of a flow."""

    run_id: str
    started: datetime
    ended: datetime | None
    state: str
    tally: dict[str, int] | None


class Ledger:
    """The memory of all flows, at a database URL (``sqlite:///<path>`` or ``postgresql://…``)."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def known(self, flow: str, keys: Iterable[str]) -> pd.DataFrame:
        """What is known of these keys: index key, columns version, sent_hash, present, in_doubt."""
        with self._database.read() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            found = connection.execute(
                select(
                    records.c.source_key,
                    records.c.version,
                    records.c.sent_hash,
                    records.c.present,
                    records.c.doubt,
                )
                .where(records.c.flow == flow)
                .where(records.c.source_key.in_(select(wanted.c.source_key)))
            )
            return known_frame(found.all())

    def begin(
        self, flow: str, keys: Iterable[str], run_id: str, versions: Iterable[int | None] | None = None
    ) -> set[str]:
        """Marks rows as in doubt before the first call goes out, and returns the keys of those that may go.

        Without it, a crash between Campaign's answer and :meth:`settle`, followed by a change of the source
        back to the old value, would look unchanged for ever while Campaign holds the other value.

        :param versions: of the rows as they were planned, one for each key (None: a deletion, which has none); rows
            that another run has overtaken meanwhile may not go. Without versions, all may.
        """
        with self._database.write() as connection:
            self._database.stage(connection, planned, write_columns(keys, versions))
            return begin_writes(connection, flow, run_id, _now(), versioned=versions is not None)

    def settle(
        self, flow: str, outcomes: pd.DataFrame, rejected: pd.DataFrame, run_id: str, mapping_sha: str
    ) -> None:
        """Remembers a batch's outcomes and rejections in one transaction; doing it twice is harmless.

        A version is never lowered, and a row with an outcome loses its rejection.

        :param outcomes: index key; version (null: a deletion, which has none), sent_hash, result (created,
            updated, deleted, unchanged, dropped).
        :param rejected: index key; version, step, rule, reason, and ``certain``: the system surely refused.
        """
        with self._database.write() as connection:
            self._database.stage(connection, outcome, outcome_columns(outcomes))
            self._database.stage(connection, refusal, rejection_columns(rejected))
            settle_outcomes(connection, flow, run_id, mapping_sha, _now())
            settle_rejections(connection, flow, run_id, mapping_sha, _now())

    def rejected(self, flow: str, limit: int | None = None, rule: str | None = None) -> pd.DataFrame:
        """Rows that should have gone and could not, the longest waiting first; of one rule only, if named."""
        columns = [column for column in rejections.c if column.name != "flow"]
        query = select(*columns).where(rejections.c.flow == flow)
        if rule is not None:
            query = query.where(rejections.c.rule == rule)
        with self._database.read() as connection:
            ordered = query.order_by(rejections.c.first_seen, rejections.c.source_key).limit(limit)
            return rejected_frame(connection.execute(ordered).all())

    def unsettled(self, flow: str, mapping_sha: str, limit: int) -> set[str]:
        """Keys to look at again: judged by another version of the mapping, or in doubt and not refused often.

        A row that a run which has not ended is just writing is left to that run, for an hour at most.
        """
        judged = (
            select(rejections.c.source_key)
            .where(rejections.c.flow == flow, rejections.c.mapping_sha != mapping_sha)
            .order_by(rejections.c.first_seen, rejections.c.source_key)
        )
        refused = and_(
            rejections.c.flow == records.c.flow,
            rejections.c.source_key == records.c.source_key,
            rejections.c.tries >= TRIES,
        )
        doubted = (
            select(records.c.source_key)
            .where(records.c.flow == flow, to_look_at(_now()), ~exists().where(refused))
            .order_by(records.c.updated_at, records.c.source_key)
        )
        with self._database.read() as connection:
            found = [connection.execute(query.limit(limit)).scalars() for query in (judged, doubted)]
            return {key for keys in found for key in keys}

    def differing(self, flow: str, mapping_sha: str, keys: pa.Array, versions: pa.Array) -> list[str]:
        """Those of these rows that the ledger does not know as settled in just this version (I15)."""
        with self._database.read() as connection:
            self._database.stage(connection, listed, {"source_key": keys, "version": versions})
            return list(connection.execute(differing_query(flow, mapping_sha)).scalars())

    def expected(self, flow: str) -> Iterator[list[str]]:
        """All keys in Campaign, in doubt or rejected, some thousands at a time, each in a transaction of its own."""
        for query in expected_queries(flow):
            (key,) = query.selected_columns
            part = [""]
            while part:
                with self._database.read() as connection:
                    after = query.where(key > part[-1]).limit(KEYS_AT_ONCE)
                    part = list(connection.execute(after).scalars())
                if part:
                    yield part

    def place(self, flow: str) -> Place | None:
        """Where a flow stands in the change feed."""
        with self._database.read() as connection:
            return _place(connection, flow)

    def open_place(self, flow: str, run_id: str) -> None:
        """Remembers that a first full read is under way; a flow that has a place keeps it."""
        opened = {"delta_link": None, "state": "reading", "run_id": run_id, "moved_at": _now()}
        with self._database.write() as connection:
            insert = insert_into(connection, places).values(flow=flow, **opened)
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["flow"], set_=opened, where=places.c.state != "placed"
                )
            )

    def expire_place(self, flow: str) -> None:
        """Remembers that Dataverse no longer knows the place (dataverse.md §4.5)."""
        with self._database.write() as connection:
            connection.execute(
                update(places).where(places.c.flow == flow).values(state="expired", moved_at=_now())
            )

    def start_run(self, flow: str, run_id: str) -> None:
        """Remembers that a run began; a run that is cleared and repeated keeps its first start."""
        with self._database.write() as connection:
            insert = insert_into(connection, runs).values(
                flow=flow, run_id=run_id, started=_now(), state="running"
            )
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["flow", "run_id"], set_={"state": "running", "ended": None}
                )
            )

    def end_run(
        self, flow: str, run_id: str, state: str, tally: dict[str, int], move: Move | None = None
    ) -> None:
        """Remembers how a run ended and, in the same transaction, moves the place."""
        with self._database.write() as connection:
            if move is not None:
                _move(connection, flow, move, run_id)
            ended = {"ended": _now(), "state": state, "tally": tally}
            insert = insert_into(connection, runs).values(flow=flow, run_id=run_id, started=_now(), **ended)
            connection.execute(insert.on_conflict_do_update(index_elements=["flow", "run_id"], set_=ended))

    def runs(self, flow: str, limit: int = 10) -> list[Run]:
        """The latest runs of a flow, newest first."""
        columns = (runs.c.run_id, runs.c.started, runs.c.ended, runs.c.state, runs.c.tally)
        with self._database.read() as connection:
            query = select(*columns).where(runs.c.flow == flow).order_by(runs.c.started.desc()).limit(limit)
            return [Run(*row) for row in connection.execute(query)]

    def is_empty(self, flow: str) -> bool:
        """Whether nothing of this flow was ever written, nor begun to be."""
        with self._database.read() as connection:
            return not connection.execute(select(exists().where(records.c.flow == flow))).scalar()

    def has_present(self, flow: str) -> bool:
        """Whether any record of this flow is in Campaign; unlike :meth:`counts`, at once."""
        with self._database.read() as connection:
            there = exists().where(records.c.flow == flow, records.c.present)
            return bool(connection.execute(select(there)).scalar())

    def counts(self, flow: str) -> Counts:
        """How many rows are in Campaign, absent, in doubt and rejected."""
        one = literal(1)
        query = select(
            func.count(case((records.c.present, one))),
            func.count(case((~records.c.present, one))),
            func.count(case((records.c.doubt > 0, one))),
        ).where(records.c.flow == flow)
        waiting = select(func.count()).select_from(rejections).where(rejections.c.flow == flow)
        with self._database.read() as connection:
            return Counts(*connection.execute(query).one(), connection.execute(waiting).scalar_one())

    def forget(self, flow: str) -> None:
        """Forgets a flow entirely: the next run starts as its first."""
        with self._database.write() as connection:
            for table in (places, records, rejections, runs):
                connection.execute(delete(table).where(table.c.flow == flow))


def _place(connection: Connection, flow: str) -> Place | None:
    columns = (places.c.state, places.c.delta_link, places.c.run_id, places.c.moved_at)
    row = connection.execute(select(*columns).where(places.c.flow == flow)).one_or_none()
    return Place(*row) if row else None


def _move(connection: Connection, flow: str, move: Move, run_id: str) -> None:
    moved = {"delta_link": move.to_link, "state": "placed", "run_id": run_id, "moved_at": _now()}
    here = [places.c.flow == flow, places.c.delta_link.is_not_distinct_from(move.from_link)]
    if not move.heals:
        here.append(places.c.state != "expired")
    changed = connection.execute(update(places).where(*here).values(**moved))
    if changed.rowcount:
        return
    found = _place(connection, flow)
    if found is None or (found.delta_link, found.run_id) != (move.to_link, run_id):
        raise ReconcileError(
            "the place in the change feed is not where this run began: moved by another run, or reset",
            f"flow {flow}, run {run_id}",
            "Nothing is lost: what this run wrote is remembered. Trigger the flow once more",
        )


def _now() -> datetime:
    return datetime.now(UTC)
