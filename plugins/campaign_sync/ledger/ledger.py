"""What we have written where, and where each flow stands in the change feed: keys and hashes only.

Not for deciding what to write (``run/plan.py``). Order of a delivery: ``begin`` → the calls → ``settle`` →
``end_run``; a crash between any two repeats work, and neither loses nor doubles it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from sqlalchemy import (
    Connection,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from campaign_sync.errors import ReconcileError
from campaign_sync.ledger.begin import begin_writes, put_in_doubt, to_look_at
from campaign_sync.ledger.comparing import differing_query, expected_queries, news_query, state_query
from campaign_sync.ledger.consent import Consents
from campaign_sync.ledger.database import Database, insert_into
from campaign_sync.ledger.events import EVENT_TABLES, Events
from campaign_sync.ledger.frames import (
    key_columns,
    known_frame,
    link_columns,
    outcome_columns,
    parked_columns,
    parked_frame,
    reading_columns,
    rejected_frame,
    rejection_columns,
    state_frame,
    waits_frame,
    write_columns,
)
from campaign_sync.ledger.links import (
    Withheld,
    begin_links,
    let_go,
    lock_flows,
    named_records,
    orphans_among_records,
    orphans_among_staged,
    settle_links,
    surely_there,
    take_back_links,
    withhold_named,
    withhold_orphans,
)
from campaign_sync.ledger.parking import (
    clear_parked,
    released_query,
    settle_parked,
    still_waiting,
)
from campaign_sync.ledger.settle import settle_outcomes, settle_rejections
from campaign_sync.ledger.signals import Signals
from campaign_sync.ledger.tables import (
    consents,
    heard_in_full,
    linked_fields,
    links,
    parked,
    places,
    read_in_full,
    records,
    rejections,
    runs,
)
from campaign_sync.ledger.tables import staged_deletions as doomed
from campaign_sync.ledger.tables import staged_keys as wanted
from campaign_sync.ledger.tables import staged_links as linked
from campaign_sync.ledger.tables import staged_outcomes as outcome
from campaign_sync.ledger.tables import staged_parked as waiting
from campaign_sync.ledger.tables import staged_readings as reading
from campaign_sync.ledger.tables import staged_rejections as refusal
from campaign_sync.ledger.tables import staged_versions as listed
from campaign_sync.ledger.tables import staged_writes as planned

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Counts", "Ledger", "Move", "Place", "Run", "Running"]


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
    absent: int  # deleted from it, or never arrived; rows that another run is not to create among them
    in_doubt: int  # of both: a write was begun and its outcome is unknown
    rejected: int
    parked: int = 0


class Begun(NamedTuple):
    """Which of the rows that a run wants to write may go."""

    keys: set[str]
    waiting: pd.DataFrame  # what some of the others wait for: index key; kind, waits_for, waits_key, reason


class Compared(NamedTuple):
    """What the ledger knows of rows that were read."""

    settled: pd.Index[
        str
    ]  # in Campaign, beyond doubt, in this very version and with this hash, and nothing besides
    known: pd.DataFrame  # of the others, as of ``Ledger.known``


class Move(NamedTuple):
    """A step of a flow's place in the change feed."""

    from_link: str | None
    to_link: str
    heals: bool = False  # a place that has expired moves only if what it missed was found


class Running(NamedTuple):
    """A run that has not ended."""

    run_id: str
    backfill: bool


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
        self.signals = Signals(self._database)
        self.events = Events(self._database)
        self.consents = Consents(self._database)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps a connection open for the operations meanwhile, of a process that does many of them."""
        with self._database.held():
            yield

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

    def compared(self, flow: str, readings: pd.DataFrame) -> Compared:
        """What is known of rows that were read, in one look that leaves out those of which nothing new is to be known.

        :param readings: index key; version, sent_hash (null: nothing is claimed of the row).
        """
        with self._database.read() as connection:
            self._database.stage(connection, reading, reading_columns(readings))
            found = connection.execute(news_query(flow)).all()
        news = [key for key, *_ in found]
        return Compared(
            readings.index[~readings.index.isin(news)],
            known_frame(row for row in found if row[1] is not None),
        )

    def there(self, flow: str, keys: Iterable[str]) -> set[str]:
        """Those of these keys whose records are surely in Campaign, so that another record may name them."""
        with self._database.read() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            among = records.c.source_key.in_(select(wanted.c.source_key))
            found = select(records.c.source_key).where(records.c.flow == flow, among, surely_there())
            return set(connection.execute(found).scalars())

    def children(self, flow: str, keys: Iterable[str]) -> pd.DataFrame:
        """Those of these keys that records of other flows name, or may name, and what their deletion waits for."""
        with self._database.read() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            return waits_frame(named_records(connection, flow, wanted))

    def orphans(self, flow: str, keys: Iterable[str]) -> pd.DataFrame:
        """Those of these keys whose records name, or may name, a parent that is not surely in Campaign, so that
        Campaign may hide them (campaign.md §6.3), and what they wait for.
        """
        with self._database.read() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            return waits_frame(orphans_among_records(connection, flow))

    def state(self, flow: str, keys: Iterable[str]) -> pd.DataFrame:
        """All that is known of these keys, one row each: index key, columns version (missing: not known), sent_hash,
        present, in_doubt, updated_at, refused (the version that was rejected; missing: none was), waits (the version
        that is parked; missing: none is), busy (in doubt, and the run that writes it has not ended).
        """
        with self._database.read() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            return state_frame(connection.execute(state_query(flow)).all())

    def begin(
        self,
        flow: str,
        keys: Iterable[str],
        run_id: str,
        versions: Iterable[int | None] | None = None,
        *,
        names: pd.DataFrame | None = None,
        deletions: Collection[str] = (),
    ) -> Begun:
        """Marks rows as in doubt before the first call goes out, and says which may go.

        Without it, a crash between Campaign's answer and :meth:`settle`, followed by a change of the source
        back to the old value, would look unchanged for ever while Campaign holds the other value.

        Other runs and other flows write at the same time. A row that another run has overtaken since the plan was made
        may not go. Nor may one that would break a link, because a parent has gone or a child has come.

        :param versions: of the rows as they were planned, one for each key (None: a deletion, which has none).
            Without them nobody has overtaken anybody.
        :param names: index key; field, parent_flow, parent_key (null: nobody): what the rows will name in Campaign, a
            line for each linked field that is sent.
        :param deletions: those of the keys that are to be deleted.
        """
        named = names if names is not None and len(names) else None
        with self._database.write() as connection:
            self._database.stage(connection, planned, write_columns(keys, versions))
            refused: list[Withheld] = []
            if named is not None or deletions:
                parents = () if named is None else named["parent_flow"].unique()
                lock_flows(connection, reads=parents, writes=[flow] if deletions else [])
            if named is not None:
                self._database.stage(connection, linked, link_columns(named))
                refused += orphans_among_staged(connection)
                withhold_orphans(connection)
            if deletions:
                self._database.stage(connection, doomed, key_columns(deletions))
                refused += named_records(connection, flow, doomed)
                withhold_named(connection, flow)
            versioned, deletes = versions is not None, bool(deletions)
            going = begin_writes(connection, flow, run_id, _now(), versioned=versioned, deletes=deletes)
            if named is not None:
                begin_links(connection, flow)
        return Begun(going, waits_frame(refused))

    def doubt(self, flow: str, keys: Iterable[str]) -> None:
        """Has the flow's next runs look at these rows as they are now, whatever was believed of them.

        A row of which nothing is known is created if it is there; one that was refused often is tried again.
        """
        with self._database.write() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            put_in_doubt(connection, flow, _now())
            among = rejections.c.source_key.in_(select(wanted.c.source_key))
            connection.execute(update(rejections).where(rejections.c.flow == flow, among).values(tries=0))

    def settle(
        self,
        flow: str,
        outcomes: pd.DataFrame,
        rejected: pd.DataFrame,
        run_id: str,
        mapping_sha: str,
        *,
        parked: pd.DataFrame | None = None,
        linked: bool = False,
    ) -> None:
        """Remembers a batch's outcomes and rejections in one transaction; doing it twice is harmless.

        A version is never lowered, and a row is rejected, parked or neither.

        :param outcomes: index key; version (null: a deletion, which has none), sent_hash, result (created,
            updated, deleted, unchanged, dropped).
        :param rejected: index key; version, step, rule, reason, and ``certain``: the system surely refused.
        :param parked: index key; version, kind, waits_for, waits_key, reason.
        :param linked: whether rows of this flow name records of others, so that :meth:`begin` was told which.
        """
        waits = parked is not None and len(parked) > 0
        if not (len(outcomes) or len(rejected) or waits):
            return
        with self._database.write() as connection:
            if len(outcomes):
                columns = outcome_columns(outcomes)
                self._database.stage(connection, outcome, columns)
                staged = Counter(columns["result"].to_pylist())
                settle_outcomes(connection, flow, run_id, mapping_sha, _now(), staged=staged, linked=linked)
                if linked:
                    settle_links(connection, flow)
                clear_parked(connection, flow, run_id, outcome)
            if len(rejected):
                self._database.stage(connection, refusal, rejection_columns(rejected))
                if linked:
                    take_back_links(connection, flow, run_id)
                settle_rejections(connection, flow, run_id, mapping_sha, _now())
                clear_parked(connection, flow, run_id, refusal)
            if parked is not None and waits:
                self._database.stage(connection, waiting, parked_columns(parked))
                settle_parked(connection, flow, run_id, mapping_sha, _now())

    def taken_over(self, flow: str, keys: Iterable[str], run_id: str) -> set[str]:
        """Those of these keys whose records another run was the last to begin with, or to write."""
        with self._database.read() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            among = records.c.source_key.in_(select(wanted.c.source_key))
            others = select(records.c.source_key).where(
                records.c.flow == flow, among, records.c.run_id != run_id
            )
            return set(connection.execute(others).scalars())

    def rejected(self, flow: str, limit: int | None = None, rule: str | None = None) -> pd.DataFrame:
        """Rows that should have gone and could not, the longest waiting first; of one rule only, if named."""
        columns = [column for column in rejections.c if column.name != "flow"]
        query = select(*columns).where(rejections.c.flow == flow)
        if rule is not None:
            query = query.where(rejections.c.rule == rule)
        with self._database.read() as connection:
            ordered = query.order_by(rejections.c.first_seen, rejections.c.source_key).limit(limit)
            return rejected_frame(connection.execute(ordered).all())

    def parked(self, flow: str, limit: int | None = None) -> pd.DataFrame:
        """Rows that wait for a record of another flow to arrive, or for records that name them to go; the longest
        waiting first.
        """
        columns = [column for column in parked.c if column.name != "flow"]
        query = select(*columns).where(parked.c.flow == flow)
        with self._database.read() as connection:
            ordered = query.order_by(parked.c.first_seen, parked.c.source_key).limit(limit)
            return parked_frame(connection.execute(ordered).all())

    def unsettled(self, flow: str, mapping_sha: str, limit: int) -> set[str]:
        """Keys to look at again: judged by another version of the mapping, in doubt and not refused often, or parked
        and no longer waiting.

        A row that a run which has not ended is just writing is left to that run, for as long as it may wait for an
        import.
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
            # The zero written out: SQLite takes the index of these few rows only if it sees the index's own words.
            .where(records.c.flow == flow, records.c.doubt > literal_column("0"))
            .where(to_look_at(_now()), ~exists().where(refused))
            .where(~still_waiting(flow, records.c.source_key, mapping_sha))
            .order_by(records.c.updated_at, records.c.source_key)
        )
        with self._database.read() as connection:
            queries = (judged, doubted, released_query(flow, mapping_sha))
            return {key for query in queries for key in connection.execute(query.limit(limit)).scalars()}

    def differing(self, flow: str, mapping_sha: str, keys: pa.Array, versions: pa.Array) -> list[str]:
        """Those of these rows that the ledger does not know as settled in just this version (I15)."""
        with self._database.read() as connection:
            self._database.stage(connection, listed, {"source_key": keys, "version": versions})
            return list(connection.execute(differing_query(flow, mapping_sha)).scalars())

    def expected(self, flow: str) -> Iterator[list[str]]:
        """All keys in Campaign, in doubt, rejected or parked: some thousands at a time, each in a transaction of its
        own.
        """
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

    def start_run(
        self, flow: str, run_id: str, links: Mapping[str, str] | None = None, *, backfill: bool = False
    ) -> None:
        """Remembers that a run began; a run that is cleared and repeated keeps its first start.

        :param links: field → parent flow, as the mapping has it; what records name through other fields is let go.
        :param backfill: the run is a backfill's; its id does not tell (airflow.md §5).
        """
        begun = {"state": "running", "tally": {"backfill": True} if backfill else None}
        with self._database.write() as connection:
            let_go(connection, flow, links or {})
            insert = insert_into(connection, runs).values(flow=flow, run_id=run_id, started=_now(), **begun)
            connection.execute(
                insert.on_conflict_do_update(index_elements=["flow", "run_id"], set_=begun | {"ended": None})
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

    def first_run(self, flow: str) -> datetime | None:
        """When the first run of a flow began."""
        query = select(func.min(runs.c.started)).where(runs.c.flow == flow)
        with self._database.read() as connection:
            found: datetime | None = connection.execute(query).scalar_one()
            return found

    def running(self, flow: str) -> list[Running]:
        """The runs of a flow that have begun and not ended, as far as the ledger was told."""
        with self._database.read() as connection:
            query = select(runs.c.run_id, runs.c.tally).where(runs.c.flow == flow, runs.c.state == "running")
            return [
                Running(run_id, "backfill" in (tally or {})) for run_id, tally in connection.execute(query)
            ]

    def is_empty(self, flow: str) -> bool:
        """Whether nothing of this flow was ever written, nor begun to be, nor waits to be."""
        # A row that never came is remembered as well, for a while of no interest here (``settle.py``).
        written = or_(records.c.present, records.c.doubt > 0, records.c.mapping_sha.is_not(None))
        known = or_(exists().where(records.c.flow == flow, written), exists().where(parked.c.flow == flow))
        with self._database.read() as connection:
            return not connection.execute(select(known)).scalar()

    def has_present(self, flow: str) -> bool:
        """Whether any record of this flow is in Campaign; unlike :meth:`counts`, at once."""
        with self._database.read() as connection:
            there = exists().where(records.c.flow == flow, records.c.present)
            return bool(connection.execute(select(there)).scalar())

    def counts(self, flow: str) -> Counts:
        """How many rows are in Campaign, absent, in doubt, rejected and parked."""
        one = literal(1)
        query = select(
            func.count(case((records.c.present, one))),
            func.count(case((~records.c.present, one))),
            func.count(case((records.c.doubt > 0, one))),
        ).where(records.c.flow == flow)
        others = [
            select(func.count()).select_from(table).where(table.c.flow == flow)
            for table in (rejections, parked)
        ]
        with self._database.read() as connection:
            counted = [connection.execute(each).scalar_one() for each in others]
            return Counts(*connection.execute(query).one(), *counted)

    def forget(self, flow: str) -> None:
        """Forgets a flow entirely: the next run starts as its first."""
        with self._database.write() as connection:
            own = (places, records, rejections, runs, links, linked_fields, parked, consents, heard_in_full)
            for table in (*own, read_in_full, *EVENT_TABLES):
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
