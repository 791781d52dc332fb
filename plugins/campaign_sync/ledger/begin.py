"""The statements of one beginning: which of the staged rows may be written now, and the mark on them while they are.

Two runs may hold one row in different versions: a backfill beside the schedule, or a run that was killed beside the
next. Not for transactions or staging (``ledger.py`` calls these, inside one).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from campaign_sync.ledger.database import insert_into
from campaign_sync.ledger.tables import BEGUN, EARLIER, GOING, LATE, NOBODY, parked, records, runs
from campaign_sync.ledger.tables import staged_deletions as doomed
from campaign_sync.ledger.tables import staged_keys as wanted
from campaign_sync.ledger.tables import staged_writes as write
from campaign_sync.settings import import_timeout
from campaign_sync.waits import CHILDREN

#: How long after its beginning a write may still reach Campaign, even if the process that sent it is gone. A run that
#: has not ended may wait longer for an import (``settings.import_timeout``).
UNDER_WAY = timedelta(hours=1)


def begin_writes(
    connection: Connection, flow: str, run_id: str, now: datetime, *, versioned: bool, deletes: bool
) -> set[str]:
    """Marks the staged rows as in doubt, and returns their keys. If `versioned`, these are only those that may be
    written; the others are staged no longer. If `deletes`, deletions are staged as well, and marked as such.

    Not written is a row of which something newer is known. Nor one that another run wrote or deleted since this run
    began, or parked for deletion, where one of the two is a deletion: it tells no version, so which of the two came
    later nobody can say (dataverse.md §4.3). That row is left in doubt, and the next run looks at it as it is then.
    """
    row = _here(records.c.source_key)
    planned = select(write.c.version).where(write.c.source_key == row).scalar_subquery()
    older = func.coalesce(planned < records.c.version, false())
    undecided = _undecided(connection, flow, run_id, row, planned)
    leaves = write.c.source_key.in_(select(doomed.c.source_key)) if deletes else false()
    new = {
        "flow": literal(flow),
        "source_key": write.c.source_key,
        "version": literal(0),
        "present": literal(False),
        "doubt": case((leaves, BEGUN | GOING), else_=BEGUN),
        "run_id": literal(run_id),
        "updated_at": literal(now, records.c.updated_at.type),
    }
    rows = select(*new.values()).where(write.c.source_key.is_not(None)).order_by(write.c.source_key)
    insert = insert_into(connection, records).from_select(list(new), rows)
    keys = set(connection.execute(select(write.c.source_key)).scalars())
    marked = connection.execute(
        insert.on_conflict_do_update(
            index_elements=["flow", "source_key"],
            set_={
                "doubt": _begun_again(run_id, now).bitwise_or(insert.excluded.doubt),
                "run_id": run_id,
                "updated_at": now,
            },
            where=~older & ~undecided if versioned else None,
        ),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    if marked == len(keys):  # as a rule nobody is overtaken, and there is nothing to find out
        return keys
    staged = and_(records.c.flow == flow, records.c.source_key.in_(select(write.c.source_key)))
    mine = and_(records.c.run_id == run_id, records.c.updated_at == now)
    left = and_(staged, ~mine, ~older)
    doubt = records.c.doubt.bitwise_or(EARLIER)
    connection.execute(update(records).where(left).values(doubt=doubt, run_id=NOBODY))
    unmarked = ~exists().where(records.c.flow == flow, records.c.source_key == write.c.source_key, mine)
    connection.execute(delete(write).where(unmarked))
    return set(connection.execute(select(write.c.source_key)).scalars())


def put_in_doubt(connection: Connection, flow: str, now: datetime) -> None:
    """Has the next runs look at the staged keys as they are then: what is believed of them may be wrong, even that
    they are in Campaign.
    """
    new = {
        "flow": literal(flow),
        "source_key": wanted.c.source_key,
        "version": literal(0),
        "present": literal(False),
        "doubt": literal(EARLIER | GOING),
        "run_id": literal(NOBODY),
        "updated_at": literal(now, records.c.updated_at.type),
    }
    rows = select(*new.values()).where(wanted.c.source_key.is_not(None)).order_by(wanted.c.source_key)
    insert = insert_into(connection, records).from_select(list(new), rows)
    # If a run is just writing the row, its answer does not settle this.
    doubt = records.c.doubt.bitwise_or(EARLIER | GOING)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["flow", "source_key"],
            set_={"doubt": doubt, "run_id": NOBODY, "updated_at": now},
        )
    )


def to_look_at(now: datetime) -> ColumnElement[bool]:
    """Records in doubt that a run should look at: nobody is writing them, or nobody can be any more."""
    settled_or_left = and_(records.c.doubt.bitwise_and(BEGUN | EARLIER) > 0, ~_at_work())
    return and_(records.c.doubt > 0, or_(settled_or_left, ~_under_way(now)))


def _undecided(
    connection: Connection,
    flow: str,
    run_id: str,
    row: ColumnElement[str],
    planned: ColumnElement[int],
) -> ColumnElement[bool]:
    started = connection.execute(
        select(runs.c.started).where(runs.c.flow == flow, runs.c.run_id == run_id)
    ).scalar()
    if started is None:
        return false()
    meanwhile = and_(records.c.run_id != run_id, records.c.updated_at > started)
    deleted = and_(~records.c.present, records.c.version > 0)
    # A deletion that waits has left no trace in the record.
    waits = exists().where(
        parked.c.flow == flow,
        parked.c.source_key == row,
        parked.c.kind == CHILDREN,
        parked.c.run_id != run_id,
        parked.c.last_seen > started,
    )
    return or_(and_(meanwhile, or_(deleted, planned.is_(None))), waits)


def _begun_again(run_id: str, now: datetime) -> ColumnElement[int]:
    """Beside another run's write that is still open, the row is in doubt for longer than this write. Not beside one
    that is settled: a row that changes often would never be sure again.
    """
    open_, late = (records.c.doubt.bitwise_and(bit) > 0 for bit in (BEGUN, LATE))
    outlives = and_(open_, case((records.c.run_id == run_id, late), else_=_under_way(now)))
    begun = case((records.c.doubt == 0, BEGUN), (outlives, BEGUN | EARLIER | LATE), else_=BEGUN | EARLIER)
    return begun.bitwise_or(records.c.doubt.bitwise_and(GOING))


def _under_way(now: datetime) -> ColumnElement[bool]:
    """Whether a record's last write may still reach Campaign."""
    waits_for_import = and_(_at_work(), records.c.updated_at >= now - import_timeout())
    return or_(records.c.updated_at >= now - UNDER_WAY, waits_for_import)


def _at_work() -> ColumnElement[bool]:
    """Whether the run that wrote a record last has not ended."""
    ours = and_(runs.c.flow == _here(records.c.flow), runs.c.run_id == _here(records.c.run_id))
    return exists().where(ours, runs.c.state == "running")


def _here(column: ColumnElement[str]) -> ColumnElement[str]:
    # By its name: inside ON CONFLICT, SQLAlchemy would take the column for one of another look at the whole table.
    return literal_column(f"{records.name}.{column.key}")
