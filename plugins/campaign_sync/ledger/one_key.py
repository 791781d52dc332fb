"""All that the ledger remembers under one key, over several flows: for people who ask what became of one row.

Keys, versions, times, rules and reasons, never values. Each question is answered by a primary key or an index of its
own, so that it takes as long in a ledger of ten million rows as in a small one. Not for lists (``searching.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, func, select

from campaign_sync.ledger.consent import Entry, entries_of
from campaign_sync.ledger.database import Database
from campaign_sync.ledger.tables import (
    GOING,
    WHOSE_EVENTS,
    events,
    links,
    parked,
    records,
    rejections,
    runs,
    schema_version,
    waiting_events,
)
from campaign_sync.run.row_hashes import DIGEST, TAG

#: How many of a contact's events of each kind of list are looked at; hardly anybody has as many within 90 days.
MOST_EVENTS = 1000

#: Of a hash that people see: enough to tell two apart.
SHOWN = 6


class Sent(NamedTuple):
    """A record, as it was last certainly sent."""

    flow: str
    version: int  # of the source row
    hash: str  # the beginning of what was sent, as a hash; empty: nothing was, or it is no longer known
    fields: int  # that were not empty
    present: bool  # is it in Campaign
    in_doubt: bool  # a write was begun, and its outcome is not known
    going: bool  # one of those writes was a deletion
    run_id: str  # empty: two runs had it in hand at once
    mapping_sha: str | None
    updated_at: datetime


class Rejected(NamedTuple):
    """Why a row could not go."""

    flow: str
    step: str
    rule: str
    reason: str
    mapping_sha: str
    run_id: str
    first_seen: datetime
    last_seen: datetime
    tries: int


class Parked(NamedTuple):
    """What a row waits for."""

    flow: str
    kind: str  # parent: to arrive; children: to leave, before this one may be deleted
    waits_for: str
    waits_key: str
    reason: str
    mapping_sha: str
    run_id: str
    first_seen: datetime
    last_seen: datetime


class Named(NamedTuple):
    """A record of another flow that this one names."""

    flow: str
    field: str
    parent_flow: str
    parent_key: str


class WaitingEvent(NamedTuple):
    """An event of a contact that Dynamics does not know."""

    flow: str
    event: str
    run_id: str
    first_seen: datetime
    last_seen: datetime


class ArrivedEvent(NamedTuple):
    """An event that is in Dynamics; all but the first three are None if a version before 9 settled it."""

    flow: str
    event: str
    settled_at: datetime
    contact: str | None
    happened: datetime | None
    delivery: str | None  # its name in Campaign; may be empty
    created: bool | None  # by the run; False: the activity was there already
    task: bool | None  # whether it was followed up; None: not by the run, perhaps by one before
    run_id: str | None


class Remembered(NamedTuple):
    """All that the ledger has under one key, each by flow."""

    sent: dict[str, Sent]
    rejected: dict[str, Rejected]
    parked: dict[str, Parked]
    named: list[Named]
    consents: dict[str, list[Entry]]
    arrived_events: list[ArrivedEvent]  # the key is a contact's, or an event's own; the latest first
    waiting_events: list[WaitingEvent]  # the same; what waits longest first
    whose_since: datetime | None  # events that were settled before have no contact; None: there are none

    def knows(self, flow: str) -> bool:
        """Whether there is anything of a flow."""
        by_flow = (self.sent, self.rejected, self.parked, self.consents)
        of_events = {each.flow for each in self.arrived_events} | {each.flow for each in self.waiting_events}
        return flow in of_events or any(flow in each for each in by_flow)


def remembered(database: Database, flows: Sequence[str], key: str) -> Remembered:
    """What is remembered under a key in these flows, as one state of the ledger."""
    with database.read() as connection:
        return Remembered(
            sent={row.flow: _sent(row) for row in _rows(connection, records, flows, key)},
            rejected={row.flow: _as(Rejected, row) for row in _rows(connection, rejections, flows, key)},
            parked={row.flow: _as(Parked, row) for row in _rows(connection, parked, flows, key)},
            named=[_as(Named, row) for row in _rows(connection, links, flows, key)],
            consents={flow: found for flow in flows if (found := entries_of(connection, flow, key))},
            arrived_events=_arrived(connection, flows, key),
            waiting_events=_waiting(connection, flows, key),
            whose_since=_whose_since(connection),
        )


def have_run(database: Database, flows: Sequence[str]) -> set[str]:
    """Those of these flows that have ever begun a run."""
    with database.read() as connection:
        return {
            flow
            for flow in flows
            if connection.execute(select(runs.c.run_id).where(runs.c.flow == flow).limit(1)).first()
        }


def _rows(connection: Connection, table: Table, flows: Sequence[str], key: str) -> Sequence[Any]:
    here = table.c.flow.in_(flows), table.c.source_key == key
    return connection.execute(select(table).where(*here).order_by(*table.primary_key)).all()


def _as(kind: Any, row: Any) -> Any:
    return kind(*(getattr(row, name) for name in kind._fields))


def _sent(row: Any) -> Sent:
    stored = row.sent_hash or b""
    return Sent(
        flow=row.flow,
        version=row.version,
        hash=stored[:SHOWN].hex(),
        fields=max(len(stored) - DIGEST, 0) // TAG,
        present=row.present,
        in_doubt=row.doubt > 0,
        going=bool(row.doubt & GOING),
        run_id=row.run_id,
        mapping_sha=row.mapping_sha,
        updated_at=row.updated_at,
    )


def _arrived(connection: Connection, flows: Sequence[str], key: str) -> list[ArrivedEvent]:
    query = select(*(events.c[name] for name in ArrivedEvent._fields))
    own = query.where(events.c.flow.in_(flows), events.c.event == key)
    # The flow as an expression: else SQLite prefers the primary key, and goes through all events of a flow.
    of_contact = query.where((events.c.flow + "").in_(flows), events.c.contact == key)
    latest = of_contact.order_by(events.c.happened.desc(), events.c.event).limit(MOST_EVENTS + 1)
    found: list[Any] = [row for query in (own, latest) for row in connection.execute(query)]
    return [ArrivedEvent(*row) for row in found]


def _waiting(connection: Connection, flows: Sequence[str], key: str) -> list[WaitingEvent]:
    columns = [waiting_events.c[name] for name in WaitingEvent._fields]
    of_flows = waiting_events.c.flow.in_(flows)
    # Two questions instead of one with OR: each has an index.
    own = select(*columns).where(of_flows, waiting_events.c.event == key)
    of_contact = select(*columns).where(of_flows, waiting_events.c.contact == key).limit(MOST_EVENTS)
    found = [*connection.execute(own), *connection.execute(of_contact)]
    return [WaitingEvent(*row) for row in sorted(found, key=lambda row: (row.first_seen, row.event))]


def _whose_since(connection: Connection) -> datetime | None:
    began, since = connection.execute(
        select(func.min(schema_version.c.version), func.min(schema_version.c.since))
    ).one()
    return since if began < WHOSE_EVENTS else None
