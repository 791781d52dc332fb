"""The statements about parked rows: those that wait for a record of another flow to arrive, or for records to go.

Not for transactions or staging (``ledger.py`` runs these, inside one), nor for what a row waits for (``links.py``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    delete,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
)

from campaign_sync.ledger.database import insert_into
from campaign_sync.ledger.links import surely_there
from campaign_sync.ledger.tables import links, parked, records, rejections, runs
from campaign_sync.ledger.tables import staged_outcomes as outcome
from campaign_sync.ledger.tables import staged_parked as coming
from campaign_sync.waits import CHILDREN, PARENT


def wait_is_over() -> ColumnElement[bool]:
    """Whether what a parked row waited for has come about; asked anew each time, so no event can be missed."""
    parent = records.alias("parent")
    there = exists().where(
        parent.c.flow == parked.c.waits_for, parent.c.source_key == parked.c.waits_key, surely_there(parent)
    )
    named = exists().where(links.c.parent_flow == parked.c.flow, links.c.parent_key == parked.c.source_key)
    return case((parked.c.kind == PARENT, there), else_=~named)


def released_query(flow: str, mapping_sha: str) -> Select[Any]:
    """Keys of parked rows to look at again: their wait is over, or another version of the mapping judged them."""
    return (
        select(parked.c.source_key)
        .where(parked.c.flow == flow, or_(parked.c.mapping_sha != mapping_sha, wait_is_over()))
        .order_by(parked.c.source_key)
    )


def still_waiting(flow: str, key: ColumnElement[str], mapping_sha: str) -> ColumnElement[bool]:
    """Whether the row of this key is parked, and a look at it would only park it again."""
    return exists().where(
        parked.c.flow == flow,
        parked.c.source_key == key,
        parked.c.mapping_sha == mapping_sha,
        ~wait_is_over(),
    )


def settle_parked(connection: Connection, flow: str, run_id: str, mapping_sha: str, now: datetime) -> None:
    """The staged rows wait from now on; what rejected them once no longer does."""
    seen = literal(now, parked.c.first_seen.type)
    row = {
        "flow": literal(flow),
        "source_key": coming.c.source_key,
        # A deletion has no version of its own, and is newer than what waited before it.
        "version": func.coalesce(coming.c.version, parked.c.version, records.c.version, 0),
        "kind": coming.c.kind,
        "waits_for": coming.c.waits_for,
        "waits_key": coming.c.waits_key,
        "reason": coming.c.reason,
        "mapping_sha": literal(mapping_sha),
        "run_id": literal(run_id),
        "first_seen": seen,
        "last_seen": seen,
    }
    known = and_(records.c.flow == flow, records.c.source_key == coming.c.source_key)
    before = and_(parked.c.flow == flow, parked.c.source_key == coming.c.source_key)
    current = (
        select(*row.values())
        .select_from(coming.outerjoin(records, known).outerjoin(parked, before))
        .where(or_(records.c.version.is_(None), row["version"] >= records.c.version))
        .order_by(coming.c.source_key)
    )
    insert = insert_into(connection, parked).from_select(list(row), current)
    kept = ("flow", "source_key", "first_seen")
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["flow", "source_key"],
            set_={name: insert.excluded[name] for name in row if name not in kept},
            where=and_(
                insert.excluded.version >= parked.c.version,
                or_(insert.excluded.kind == CHILDREN, _may_end(flow, run_id)),
            ),
        )
    )
    waits = exists().where(parked.c.flow == flow, parked.c.source_key == rejections.c.source_key)
    among = rejections.c.source_key.in_(select(coming.c.source_key))
    connection.execute(delete(rejections).where(rejections.c.flow == flow, among, waits))


def clear_parked(connection: Connection, flow: str, run_id: str, *settled: FromClause) -> None:
    """Staged outcomes and rejections, unless they are of an older version, end a row's wait.

    :param settled: which of the two are staged.
    """
    for table in settled:
        deleted = outcome.c.result == "deleted" if table is outcome else false()
        newer = and_(table.c.version >= parked.c.version, or_(deleted, _may_end(flow, run_id)))
        ends = exists().where(
            table.c.source_key == parked.c.source_key, or_(table.c.version.is_(None), newer)
        )
        among = parked.c.source_key.in_(select(table.c.source_key))
        connection.execute(delete(parked).where(parked.c.flow == flow, among, ends))


def _may_end(flow: str, run_id: str) -> ColumnElement[bool]:
    """Whether what this run read of a row may end its wait. A deletion that waits has no version to compare: it yields
    only to a read of which it is certain that it came later.
    """
    began = select(runs.c.started).where(runs.c.flow == flow, runs.c.run_id == run_id).scalar_subquery()
    return or_(parked.c.kind != CHILDREN, func.coalesce(parked.c.last_seen < began, true()))
