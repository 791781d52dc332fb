"""The statements of one settling: staged outcomes and rejections become what the ledger remembers.

Not for transactions or staging (``ledger.py`` calls these, inside one). Every statement may run twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from campaign_sync.ledger.database import insert_into
from campaign_sync.ledger.tables import BEGUN, EARLIER, GOING, LATE, NOBODY, records, rejections, runs
from campaign_sync.ledger.tables import staged_outcomes as outcome
from campaign_sync.ledger.tables import staged_rejections as refusal


def settle_outcomes(
    connection: Connection,
    flow: str,
    run_id: str,
    mapping_sha: str,
    now: datetime,
    *,
    staged: Mapping[str, int],
    linked: bool,
) -> None:
    """What Campaign did, and what needed no call.

    :param staged: how many rows each result has.
    :param linked: whether rows of this flow name records of others.
    """
    written, deleted, dropped = (
        sum(staged.get(each, 0) for each in results)
        for results in (("created", "updated"), ("deleted",), ("dropped",))
    )
    accepted = _upsert_written(connection, flow, run_id, mapping_sha, now) if written else 0
    if deleted:
        _update_deleted(connection, flow, run_id, now)
    if deleted or accepted < written:
        _mark_overtaken(connection, flow)
    if dropped or staged.get("unchanged"):
        _confirm(connection, flow, run_id)
        _remember_absent(connection, flow, run_id, now)
    if dropped:
        _leave_dropped(connection, flow, linked=linked)
    _clear_rejections(connection, flow)


def settle_rejections(
    connection: Connection, flow: str, run_id: str, mapping_sha: str, now: datetime
) -> None:
    """What should have gone and could not."""
    _upsert_rejections(connection, flow, run_id, mapping_sha, now)
    _lift_doubt(connection, flow, run_id)


def _upsert_written(connection: Connection, flow: str, run_id: str, mapping_sha: str, now: datetime) -> int:
    """How many of them nothing newer is known of."""
    row = {
        "flow": literal(flow),
        "source_key": outcome.c.source_key,
        "version": func.coalesce(outcome.c.version, 0),
        "sent_hash": outcome.c.sent_hash,
        "present": literal(True),
        "doubt": literal(0),
        "run_id": literal(run_id),
        "mapping_sha": literal(mapping_sha),
        "updated_at": literal(now, records.c.updated_at.type),
    }
    written = select(*row.values()).where(outcome.c.result.in_(("created", "updated")))
    insert = insert_into(connection, records).from_select(list(row), written.order_by(outcome.c.source_key))
    changed = {name: insert.excluded[name] for name in row if name not in ("flow", "source_key")}
    return connection.execute(
        insert.on_conflict_do_update(
            index_elements=["flow", "source_key"],
            set_=changed | _what_stays_open(run_id),
            where=insert.excluded.version >= records.c.version,
        ),
        execution_options={"preserve_rowcount": True},
    ).rowcount


def _update_deleted(connection: Connection, flow: str, run_id: str, now: datetime) -> None:
    # A deletion has no version of its own (dataverse.md §4.3), but row versions only grow: it is newer than
    # the newest we know. Counting one up keeps a late read of the old row from bringing it back.
    there = or_(records.c.present, records.c.doubt > 0)
    version = func.coalesce(outcome.c.version, records.c.version + case((there, 1), else_=0))
    connection.execute(
        update(records)
        .where(_staged(flow, "deleted"), _not_older())
        .values(version=version, sent_hash=None, present=False, updated_at=now, **_what_stays_open(run_id))
    )


def _what_stays_open(run_id: str) -> dict[str, ColumnElement[Any]]:
    """Doubt and run of a row whose write has been answered.

    If another run has begun with it since this one did, which of the two writes reached Campaign last is unknown.
    """
    open_ = records.c.doubt.bitwise_and(LATE | GOING)
    beside = and_(records.c.doubt > 0, records.c.run_id != run_id)
    late = records.c.doubt.bitwise_and(LATE) > 0
    return {
        "doubt": case((beside, open_.bitwise_or(EARLIER)), (late, open_), else_=0),
        "run_id": case((beside, NOBODY), else_=run_id),
    }


def _mark_overtaken(connection: Connection, flow: str) -> None:
    # Two runs wrote the same row and the newer one has settled: what was known stays known, but which of the
    # two writes reached Campaign last is not.
    overtaken = outcome.c.version < records.c.version
    staged = _staged(flow, "created", "updated", "deleted")
    gone = case((outcome.c.result == "deleted", GOING), else_=0)
    doubt = records.c.doubt.bitwise_and(LATE | GOING).bitwise_or(EARLIER).bitwise_or(gone)
    connection.execute(update(records).where(staged, overtaken).values(doubt=doubt, run_id=NOBODY))


def _confirm(connection: Connection, flow: str, run_id: str) -> None:
    """What needed no call raises what is known of the row's version; unless, of a row that was left as it is, the plan
    knew less than the ledger does by now.
    """
    newer = and_(outcome.c.version > records.c.version, records.c.doubt == 0)
    # Gone, and nothing was to be deleted when that was planned; another run has begun with the row since.
    created = or_(
        and_(records.c.present, outcome.c.version.is_(None)), and_(~records.c.present, records.c.doubt > 0)
    )
    come = and_(outcome.c.result == "unchanged", created, records.c.run_id != run_id)
    told = {
        "version": case((newer, outcome.c.version), else_=records.c.version),
        "doubt": case((come, records.c.doubt.bitwise_or(EARLIER)), else_=records.c.doubt),
        "run_id": case((come, NOBODY), else_=records.c.run_id),
    }
    staged = _staged(flow, "unchanged", "dropped")
    connection.execute(update(records).where(staged, or_(newer, come)).values(told))


def _leave_dropped(connection: Connection, flow: str, *, linked: bool) -> None:
    # A row that is no longer ours to send needs no second look. Of a linked flow, it names nobody any more
    # (``links.py``), so should it come back, it is written whatever its values.
    dropped = and_(_staged(flow, "dropped"), _not_older())
    if not linked:
        dropped = and_(dropped, records.c.doubt > 0)
    connection.execute(update(records).where(dropped).values(doubt=0, sent_hash=None))


def _remember_absent(connection: Connection, flow: str, run_id: str, now: datetime) -> None:
    """Rows that are gone or filtered out, and not in Campaign: another run which has not ended, and may have read them
    before, is not to create them (``begin.py``).

    Only beside such a run: else the ledger would fill with rows that were never ours to send. For what is filtered
    out, only beside one that began earlier: a backfill's many would be kept for the short runs beside it, which read
    of them in the change feed.
    """
    beside = and_(runs.c.flow == flow, runs.c.run_id != run_id, runs.c.state == "running")
    if not connection.execute(select(exists().where(beside))).scalar():
        return
    mine = runs.alias("mine")
    began = select(mine.c.started).where(mine.c.flow == flow, mine.c.run_id == run_id).scalar_subquery()
    row = {
        "flow": literal(flow),
        "source_key": outcome.c.source_key,
        "version": func.coalesce(outcome.c.version, records.c.version, 1),
        "present": literal(False),
        "doubt": literal(0),
        "run_id": literal(run_id),
        "updated_at": literal(now, records.c.updated_at.type),
    }
    known = and_(records.c.flow == flow, records.c.source_key == outcome.c.source_key)
    absent = (
        select(*row.values())
        .select_from(outcome.outerjoin(records, known))
        .where(
            outcome.c.result.in_(("unchanged", "dropped")),
            or_(outcome.c.version.is_(None), exists().where(beside, runs.c.started < began)),
        )
        .order_by(outcome.c.source_key)
    )
    insert = insert_into(connection, records).from_select(list(row), absent)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["flow", "source_key"],
            set_={name: insert.excluded[name] for name in ("version", "run_id", "updated_at")},
            where=and_(
                ~records.c.present, records.c.doubt == 0, insert.excluded.version >= records.c.version
            ),
        )
    )


def _clear_rejections(connection: Connection, flow: str) -> None:
    settled = exists().where(
        outcome.c.source_key == rejections.c.source_key,
        or_(outcome.c.version.is_(None), outcome.c.version >= rejections.c.version),
    )
    among = rejections.c.source_key.in_(select(outcome.c.source_key))
    connection.execute(delete(rejections).where(rejections.c.flow == flow, among, settled))


def _upsert_rejections(
    connection: Connection, flow: str, run_id: str, mapping_sha: str, now: datetime
) -> None:
    seen = literal(now, rejections.c.first_seen.type)
    row = {
        "flow": literal(flow),
        "source_key": refusal.c.source_key,
        "version": func.coalesce(refusal.c.version, records.c.version, 0),
        "step": refusal.c.step,
        "rule": refusal.c.rule,
        "reason": refusal.c.reason,
        "mapping_sha": literal(mapping_sha),
        "run_id": literal(run_id),
        "first_seen": seen,
        "last_seen": seen,
        "tries": literal(1),
    }
    known = and_(records.c.flow == flow, records.c.source_key == refusal.c.source_key)
    current = (
        select(*row.values())
        .select_from(refusal.outerjoin(records, known))
        .where(or_(records.c.version.is_(None), row["version"] >= records.c.version))
        .order_by(refusal.c.source_key)
    )
    insert = insert_into(connection, rejections).from_select(list(row), current)
    kept = ("flow", "source_key", "first_seen", "tries")
    changed = {name: insert.excluded[name] for name in row if name not in kept}
    again = case((rejections.c.run_id == run_id, rejections.c.tries), else_=rejections.c.tries + 1)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["flow", "source_key"],
            set_=changed | {"tries": again},
            where=insert.excluded.version >= rejections.c.version,
        )
    )


def _lift_doubt(connection: Connection, flow: str, run_id: str) -> None:
    # Only this run's own, and only where no earlier write is in doubt as well: a refusal of the second write
    # says nothing about the first. A row of which nothing else is known is forgotten again.
    refused = select(refusal.c.source_key).where(refusal.c.certain)
    doubted = and_(
        records.c.flow == flow,
        records.c.source_key.in_(refused),
        records.c.doubt.in_((BEGUN, BEGUN | GOING)),
        records.c.run_id == run_id,
    )
    connection.execute(delete(records).where(doubted, records.c.version == 0, ~records.c.present))
    connection.execute(update(records).where(doubted).values(doubt=0))


def _not_older() -> ColumnElement[bool]:
    return or_(outcome.c.version.is_(None), outcome.c.version >= records.c.version)


def _staged(flow: str, *results: str) -> ColumnElement[bool]:
    # The list of keys looks superfluous beside the join, but without it SQLite walks through the whole flow.
    keys = select(outcome.c.source_key).where(outcome.c.result.in_(results))
    return and_(
        records.c.flow == flow,
        records.c.source_key.in_(keys),
        records.c.source_key == outcome.c.source_key,
        outcome.c.result.in_(results),
    )
