"""The statements about links: who names whom in Campaign, whose parents are surely there, and who may be written now.

Not for transactions or staging (``ledger.py`` runs these, inside one), nor for rows that wait (``parking.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from zlib import crc32

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    delete,
    distinct,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from campaign_sync.ledger.database import insert_into
from campaign_sync.ledger.tables import BEGUN, GOING, linked_fields, links, records
from campaign_sync.ledger.tables import staged_deletions as doomed
from campaign_sync.ledger.tables import staged_keys as wanted
from campaign_sync.ledger.tables import staged_links as linked
from campaign_sync.ledger.tables import staged_outcomes as outcome
from campaign_sync.ledger.tables import staged_rejections as refusal
from campaign_sync.ledger.tables import staged_writes as going
from campaign_sync.waits import CHILDREN, PARENT, for_children, for_parent

THERE, COMING, LEAVING = 0, 1, 2

ADVISORY_LOCKS = 0x11_4B5  # any number, the same for every task: the first half of the locks on flows


class Withheld(NamedTuple):
    """A row that may not be written now, and what it waits for (``waits.COLUMNS``)."""

    key: str
    kind: str
    waits_for: str
    waits_key: str
    reason: str


def surely_there(table: FromClause = records) -> ColumnElement[bool]:
    """In Campaign, whatever it holds, and not about to go; only then may another record name it (campaign.md §6.3)."""
    return and_(table.c.present, table.c.doubt.bitwise_and(GOING) == 0)


def lock_flows(connection: Connection, reads: Iterable[str], writes: Iterable[str]) -> None:
    """Lets a flow's deletions and the rows that name its records go one after the other, until the end of this
    transaction.

    For Postgres: SQLite has one writer at a time. Not row locks: a settling locks rows in any order, and two that wait
    for each other would be a failed task. Must come before the first row is changed, and once.
    """
    if connection.dialect.name != "postgresql":
        return
    # Two flows may share a number: the lock of the one that is written counts then.
    modes = {_number(flow): func.pg_advisory_xact_lock_shared for flow in reads}
    modes |= {_number(flow): func.pg_advisory_xact_lock for flow in writes}
    for number, lock in sorted(modes.items(), key=lambda each: each[0]):
        connection.execute(select(lock(ADVISORY_LOCKS, number)))


def orphans_among_staged(connection: Connection) -> list[Withheld]:
    """Of the staged links, those whose parent is not surely there; one per row."""
    query = (
        select(linked.c.source_key, linked.c.parent_flow, linked.c.parent_key)
        .where(_unmet())
        .order_by(linked.c.source_key, linked.c.field)
    )
    return _first_each(_for_parent(*row) for row in connection.execute(query))


def orphans_among_records(connection: Connection, flow: str) -> list[Withheld]:
    """Of the records with the staged keys, those that name, or may name, a parent that is not surely there."""
    parent = records.alias("parent")
    there = exists().where(
        parent.c.flow == links.c.parent_flow,
        parent.c.source_key == links.c.parent_key,
        surely_there(parent),
    )
    query = (
        select(links.c.source_key, links.c.parent_flow, links.c.parent_key)
        .where(links.c.flow == flow, links.c.source_key.in_(select(wanted.c.source_key)), ~there)
        .order_by(links.c.source_key, links.c.field)
    )
    return _first_each(_for_parent(*row) for row in connection.execute(query))


def named_records(connection: Connection, flow: str, staged: FromClause) -> list[Withheld]:
    """Of the staged keys, those that records of other flows name, or may name."""
    query = (
        select(
            links.c.parent_key,
            links.c.flow,
            func.count(distinct(links.c.source_key)),
            func.min(links.c.source_key),
        )
        .where(links.c.parent_flow == flow, links.c.parent_key.in_(select(staged.c.source_key)))
        .group_by(links.c.parent_key, links.c.flow)
        .order_by(links.c.parent_key, links.c.flow)
    )
    return _first_each(_for_children(*row) for row in connection.execute(query))


def withhold_orphans(connection: Connection) -> None:
    """Takes those of the staged keys out whose staged links name a parent that is not surely there."""
    orphaned = select(linked.c.source_key).where(_unmet())
    connection.execute(delete(going).where(going.c.source_key.in_(orphaned)))


def withhold_named(connection: Connection, flow: str) -> None:
    """Takes those of the staged keys out that are to be deleted and that others name."""
    named = exists().where(links.c.parent_flow == flow, links.c.parent_key == doomed.c.source_key)
    still = select(doomed.c.source_key).where(named)
    connection.execute(delete(going).where(going.c.source_key.in_(still)))


def begin_links(connection: Connection, flow: str) -> None:
    """What the staged rows named and will name: until they are settled, they may name either."""
    goes = linked.c.source_key.in_(select(going.c.source_key))
    sent = exists().where(linked.c.source_key == links.c.source_key, linked.c.field == links.c.field)
    among = links.c.source_key.in_(select(going.c.source_key))
    connection.execute(update(links).where(links.c.flow == flow, among, sent).values(state=LEAVING))
    row = {
        "flow": literal(flow),
        "source_key": linked.c.source_key,
        "field": linked.c.field,
        "parent_flow": linked.c.parent_flow,
        "parent_key": linked.c.parent_key,
        "state": literal(COMING),
    }
    new = select(*row.values()).where(linked.c.parent_key.is_not(None), goes)
    insert = insert_into(connection, links).from_select(list(row), new.order_by(linked.c.source_key))
    connection.execute(insert.on_conflict_do_update(index_elements=list(row)[:-1], set_={"state": THERE}))


def settle_links(connection: Connection, flow: str) -> None:
    """After the staged outcomes are settled: what was written names its new parents only, what is gone nobody.

    A row that was dropped is no longer ours to maintain, so it holds no parent back either.
    """
    # Each beginning at the few staged rows: a join would have SQLite walk through all records of the flow.
    mine = records.c.flow == flow, records.c.source_key == outcome.c.source_key
    written = select(outcome.c.source_key).where(
        outcome.c.result.in_(("created", "updated")),
        exists().where(*mine, records.c.present, records.c.doubt == 0),
    )
    gone = select(outcome.c.source_key).where(
        outcome.c.result == "deleted",
        ~exists().where(*mine, or_(records.c.present, records.c.doubt > 0)),
    )
    dropped = select(outcome.c.source_key).where(
        outcome.c.result == "dropped", ~exists().where(*mine, records.c.version > outcome.c.version)
    )
    of_flow = links.c.flow == flow
    for which in (and_(links.c.state == LEAVING, links.c.source_key.in_(written)),
                  links.c.source_key.in_(gone), links.c.source_key.in_(dropped)):  # fmt: skip
        connection.execute(delete(links).where(of_flow, which))
    connection.execute(
        update(links)
        .where(of_flow, links.c.source_key.in_(written), links.c.state == COMING)
        .values(state=THERE)
    )


def take_back_links(connection: Connection, flow: str, run_id: str) -> None:
    """Of the staged rejections those that were surely refused name what they named before; before their doubt is
    lifted (``settle.py``).
    """
    begun = exists().where(
        records.c.flow == flow,
        records.c.source_key == refusal.c.source_key,
        records.c.doubt == BEGUN,
        records.c.run_id == run_id,
    )
    refused = select(refusal.c.source_key).where(refusal.c.certain, begun)
    mine = and_(links.c.flow == flow, links.c.source_key.in_(refused))
    connection.execute(delete(links).where(mine, links.c.state == COMING))
    connection.execute(update(links).where(mine, links.c.state == LEAVING).values(state=THERE))


def let_go(connection: Connection, flow: str, fields: Mapping[str, str]) -> None:
    """Forgets what records name through fields that the mapping no longer maps as links.

    :param fields: field → parent flow, as the mapping has it.
    """
    of_flow = linked_fields.c.flow == flow
    known = select(linked_fields.c.field, linked_fields.c.parent_flow).where(of_flow)
    if {tuple(row) for row in connection.execute(known)} == set(fields.items()):
        return
    gone = delete(links).where(links.c.flow == flow)
    if fields:
        gone = gone.where(tuple_(links.c.field, links.c.parent_flow).not_in(list(fields.items())))
    connection.execute(gone)
    connection.execute(delete(linked_fields).where(of_flow))
    for field, parent_flow in fields.items():
        connection.execute(insert(linked_fields).values(flow=flow, field=field, parent_flow=parent_flow))


def _unmet() -> ColumnElement[bool]:
    there = exists().where(
        records.c.flow == linked.c.parent_flow,
        records.c.source_key == linked.c.parent_key,
        surely_there(),
    )
    return and_(linked.c.parent_key.is_not(None), ~there)


def _for_parent(key: str, flow: str, parent: str) -> Withheld:
    return Withheld(key, PARENT, flow, parent, for_parent(flow))


def _for_children(key: str, flow: str, count: int, child: str) -> Withheld:
    return Withheld(key, CHILDREN, flow, child, for_children(flow, count))


def _first_each(found: Iterable[Withheld]) -> list[Withheld]:
    first: dict[str, Withheld] = {}
    for each in found:
        first.setdefault(each.key, each)
    return list(first.values())


def _number(flow: str) -> int:
    return crc32(flow.encode()) - 2**31  # the second half of an advisory lock is a signed 32-bit number
