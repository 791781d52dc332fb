"""E-mail events: which are in Dynamics, and whose, which wait for their contact, and which export files were taken.

Not for writing activities (``hooks``), nor for deciding how long an event waits (``events/extract.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Select, Table, and_, delete, func, literal, select

from campaign_sync.ledger.database import Database, insert_into
from campaign_sync.ledger.frames import key_columns
from campaign_sync.ledger.tables import (
    events,
    export_files,
    rejections,
    staged_events,
    waiting_events,
)
from campaign_sync.ledger.tables import staged_keys as wanted

if TYPE_CHECKING:
    import pyarrow as pa

EVENT_TABLES = (events, waiting_events, export_files)

#: Exports repeat rows for hours or days. What comes later still makes no second activity: its id is taken.
KEPT = timedelta(days=90)

DONE, ASIDE, INCOMPLETE = "done", "aside", "incomplete"
UNKNOWN_CONTACT = "unknown contact"
NO_SUCH_CONTACT = "Dynamics has no such contact; the event is tried again when there is one"


class Settled(NamedTuple):
    """An event that is in Dynamics: no more of it than its keys and its time."""

    event: str
    contact: str
    happened: datetime
    delivery: str  # its name in Campaign; may be empty
    created: bool  # now; else its activity was there already
    task: bool | None  # whether it was followed up; None: not now, perhaps before


class Waiting(NamedTuple):
    """An event whose contact is unknown."""

    event: str
    contact: str
    columns: dict[str, Any]  # what the export said of it
    first_seen: datetime


class Refused(NamedTuple):
    """An event that cannot become an activity."""

    event: str
    step: str
    rule: str
    reason: str


class TakenFile(NamedTuple):
    """An export file, and what became of it."""

    name: str
    sha: str
    size: int
    state: str  # DONE, ASIDE, INCOMPLETE
    reason: str
    rows: int
    run_id: str


class Events:
    """The tables of events and of export files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def settled(self, flow: str, keys: Iterable[str]) -> set[str]:
        """Those of these events that are in Dynamics."""
        return self._among(events, flow, keys)

    def still_waiting(self, flow: str, keys: Iterable[str]) -> set[str]:
        """Those of these events that wait for their contact."""
        return self._among(waiting_events, flow, keys)

    def settle(
        self,
        flow: str,
        run_id: str,
        mapping_sha: str,
        now: datetime,
        *,
        settled: Sequence[Settled],
        waiting: Sequence[Waiting],
        refused: Sequence[Refused],
        dropped: Iterable[str] = (),
    ) -> None:
        """Remembers what became of a batch's events in one transaction; doing it twice is harmless.

        An event that is in Dynamics waits no longer, whatever another run found. One that waits is a rejected row too.

        :param dropped: what the mapping no longer brings, and what need not wait or be listed any more.
        """
        told = [
            *refused,
            *(Refused(each.event, "load", UNKNOWN_CONTACT, NO_SUCH_CONTACT) for each in waiting),
        ]
        others = {
            "waiting": [each.event for each in waiting],
            "refused": [each.event for each in refused],
            "dropped": [*dropped],
        }
        with self._database.write() as connection:
            self._database.stage(connection, staged_events, _fate_columns(settled, others))
            given: dict[str, Any] = {"event": staged_events.c.source_key, **staged_events.c}
            given |= {"flow": literal(flow), "run_id": literal(run_id)}
            given["settled_at"] = literal(now, events.c.settled_at.type)
            names = [each.name for each in events.columns]
            arrived = select(*(given[name] for name in names)).where(staged_events.c.fate == "settled")
            insert = insert_into(connection, events).from_select(names, arrived)
            connection.execute(insert.on_conflict_do_nothing())
            # Another worker on the same file may have been luckier since.
            query = select(events.c.event).where(
                events.c.flow == flow, events.c.event.in_(_of("waiting", "refused"))
            )
            there = set(connection.execute(query).scalars())
            _upsert_waiting(
                connection, flow, run_id, now, [each for each in waiting if each.event not in there]
            )
            _upsert_rejections(
                connection, flow, run_id, mapping_sha, now, [each for each in told if each.event not in there]
            )
            for table, column, over in (
                (waiting_events, waiting_events.c.event, _of("settled", "refused", "dropped")),
                (rejections, rejections.c.source_key, _of("settled", "dropped")),
            ):
                connection.execute(delete(table).where(table.c.flow == flow, column.in_(over)))

    def waiting(self, flow: str, at_once: int = 5000) -> Iterator[list[Waiting]]:
        """The events that wait for their contact, some at a time, in the order of their names."""
        columns = [waiting_events.c[name] for name in Waiting._fields]
        after = ""
        while True:
            query = select(*columns).where(waiting_events.c.flow == flow, waiting_events.c.event > after)
            with self._database.read() as connection:
                found = connection.execute(query.order_by(waiting_events.c.event).limit(at_once)).all()
            if not found:
                return
            yield [Waiting(*row) for row in found]
            after = found[-1].event

    def count_waiting(self, flow: str) -> int:
        """How many events wait for their contact."""
        query = select(func.count()).select_from(waiting_events).where(waiting_events.c.flow == flow)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def file(self, flow: str, name: str, sha: str) -> TakenFile | None:
        """What is known of a file of this content."""
        columns = [export_files.c[each] for each in TakenFile._fields]
        this = and_(export_files.c.flow == flow, export_files.c.name == name, export_files.c.sha == sha)
        with self._database.read() as connection:
            row = connection.execute(select(*columns).where(this)).one_or_none()
        return TakenFile(*row) if row else None

    def files(self, flow: str, limit: int = 100) -> list[TakenFile]:
        """The files that were looked at last, the latest first."""
        columns = [export_files.c[each] for each in TakenFile._fields]
        query = select(*columns).where(export_files.c.flow == flow)
        ordered = query.order_by(export_files.c.last_seen.desc(), export_files.c.name.desc()).limit(limit)
        with self._database.read() as connection:
            return [TakenFile(*row) for row in connection.execute(ordered)]

    def newest(self, flow: str, names: re.Pattern[str]) -> datetime | None:
        """When the last file with such a name was taken, or set aside: half a file is no sign of life."""
        query = select(export_files.c.name, export_files.c.last_seen).where(
            export_files.c.flow == flow, export_files.c.state != INCOMPLETE
        )
        with self._database.read() as connection:
            return max(
                (seen for name, seen in connection.execute(query) if names.fullmatch(name)), default=None
            )

    def remember(self, flow: str, files: Sequence[TakenFile], now: datetime) -> None:
        """Remembers what became of files, and forgets what is long over."""
        with self._database.write() as connection:
            for each in files:
                row = each._asdict() | {"flow": flow, "first_seen": now, "last_seen": now}
                insert = insert_into(connection, export_files).values(**row)
                changed = {name: row[name] for name in ("state", "reason", "rows", "run_id", "last_seen")}
                connection.execute(
                    insert.on_conflict_do_update(index_elements=["flow", "name", "sha"], set_=changed)
                )
            for table, column in (
                (events, events.c.settled_at),
                (export_files, export_files.c.last_seen),
                (rejections, rejections.c.last_seen),
            ):
                connection.execute(delete(table).where(table.c.flow == flow, column < now - KEPT))

    def _among(self, table: Table, flow: str, keys: Iterable[str]) -> set[str]:
        with self._database.read() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            among = table.c.event.in_(select(wanted.c.source_key))
            return set(connection.execute(select(table.c.event).where(table.c.flow == flow, among)).scalars())


def _fate_columns(settled: Sequence[Settled], others: Mapping[str, Sequence[str]]) -> dict[str, pa.Array]:
    """The columns of ``staged_events``, in the order of the keys, so that two writers do not block each other."""
    import pyarrow as pa

    nothing = (None,) * (len(Settled._fields) - 1)
    rows: list[tuple[Any, ...]] = [(each.event, "settled", *each[1:]) for each in settled]
    rows += [(key, fate, *nothing) for fate, keys in others.items() for key in keys]
    rows.sort(key=itemgetter(0, 1))
    kinds = {"happened": pa.timestamp("us", "UTC"), "created": pa.bool_(), "task": pa.bool_()}
    return {
        column.name: pa.array([row[at] for row in rows], kinds.get(column.name, pa.string()))
        for at, column in enumerate(staged_events.columns)
    }


def _of(*fates: str) -> Select[tuple[str]]:
    return select(staged_events.c.source_key).where(staged_events.c.fate.in_(fates))


def _upsert_waiting(
    connection: Connection, flow: str, run_id: str, now: datetime, waiting: Sequence[Waiting]
) -> None:
    insert = insert_into(connection, waiting_events)
    rows = [
        {
            "flow": flow, "event": each.event, "contact": each.contact, "columns": each.columns, "run_id": run_id,
            "first_seen": now, "last_seen": now,
        }
        for each in waiting
    ]  # fmt: skip
    changed = {name: insert.excluded[name] for name in ("last_seen", "run_id")}
    if rows:
        connection.execute(insert.on_conflict_do_update(index_elements=["flow", "event"], set_=changed), rows)


def _upsert_rejections(
    connection: Connection,
    flow: str,
    run_id: str,
    mapping_sha: str,
    now: datetime,
    refused: Sequence[Refused],
) -> None:
    rows = [
        {
            "flow": flow, "source_key": each.event, "version": 0, "step": each.step, "rule": each.rule,
            "reason": each.reason, "mapping_sha": mapping_sha, "run_id": run_id, "first_seen": now, "last_seen": now,
            "tries": 1,
        }
        for each in refused
    ]  # fmt: skip
    insert = insert_into(connection, rejections)
    kept = ("flow", "source_key", "first_seen", "tries")
    if rows:
        changed: dict[str, Any] = {name: insert.excluded[name] for name in rows[0] if name not in kept}
        changed["tries"] = rejections.c.tries + 1
        connection.execute(
            insert.on_conflict_do_update(index_elements=["flow", "source_key"], set_=changed), rows
        )
