"""Queries for plans (run/load.py), healing (run/healing.py) and full comparisons (compare/): of which rows there is
something new, which listed rows differ, which keys are known.

Not for transactions or staging (``ledger.py`` runs these, inside one), nor for what follows from what they find.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select

from campaign_sync.ledger.parking import still_waiting
from campaign_sync.ledger.tables import parked, records, rejections, runs
from campaign_sync.ledger.tables import staged_keys as wanted
from campaign_sync.ledger.tables import staged_readings as reading
from campaign_sync.ledger.tables import staged_versions as listed


def news_query(flow: str) -> Select[Any]:
    """Keys of the staged rows and what is known of them, without those that need no call and no note: they are in
    Campaign just so, beyond doubt, and neither rejected nor parked.
    """
    known = and_(records.c.flow == flow, records.c.source_key == reading.c.source_key)
    same = and_(
        records.c.version == reading.c.version,
        records.c.sent_hash == reading.c.sent_hash,
        records.c.present,
        records.c.doubt == 0,
    )
    told = [
        exists().where(table.c.flow == flow, table.c.source_key == reading.c.source_key)
        for table in (rejections, parked)
    ]
    return (
        select(
            reading.c.source_key,
            records.c.version,
            records.c.sent_hash,
            records.c.present,
            records.c.doubt,
        )
        .select_from(reading.outerjoin(records, known))
        .where(or_(~func.coalesce(same, False), *told))
    )


def differing_query(flow: str, mapping_sha: str) -> Select[Any]:
    """Keys of those of the staged rows of which the ledger does not know this very version, and that it is settled.

    Settled is a row that is in Campaign as of this version, beyond doubt, one that this mapping rejected in this
    version, or one that waits in this version and whose wait is not over. A row that is not in Campaign always
    differs: a deletion's version is made up (``settle.py``).
    """
    # A run that failed because of too many rejected rows must not succeed by being repeated: they count again (C3).
    reported = exists().where(
        runs.c.flow == flow, runs.c.run_id == rejections.c.run_id, runs.c.state == "success"
    )
    rejected = and_(
        rejections.c.version == listed.c.version, rejections.c.mapping_sha == mapping_sha, reported
    )
    written = and_(func.coalesce(records.c.present, False), records.c.version == listed.c.version)
    differs = or_(
        func.coalesce(records.c.doubt, 0) > 0,
        and_(rejections.c.source_key.is_(None), ~func.coalesce(written, False)),
        and_(rejections.c.source_key.is_not(None), ~rejected),
    )
    known = and_(records.c.flow == flow, records.c.source_key == listed.c.source_key)
    refused = and_(rejections.c.flow == flow, rejections.c.source_key == listed.c.source_key)
    beside = listed.outerjoin(records, known).outerjoin(rejections, refused)
    same = exists().where(
        parked.c.flow == flow,
        parked.c.source_key == listed.c.source_key,
        parked.c.version == listed.c.version,
    )
    waits = and_(same, still_waiting(flow, listed.c.source_key, mapping_sha))
    return select(listed.c.source_key).select_from(beside).where(differs, ~waits)


def state_query(flow: str) -> Select[Any]:
    """All that is known of the staged keys: of the record, its rejection, whether it waits, or is just written."""
    known = and_(records.c.flow == flow, records.c.source_key == wanted.c.source_key)
    refused = and_(rejections.c.flow == flow, rejections.c.source_key == wanted.c.source_key)
    waits = and_(parked.c.flow == flow, parked.c.source_key == wanted.c.source_key)
    at_work = exists().where(
        runs.c.flow == flow, runs.c.run_id == records.c.run_id, runs.c.state == "running"
    )
    return select(
        wanted.c.source_key,
        records.c.version,
        records.c.sent_hash,
        func.coalesce(records.c.present, False),
        func.coalesce(records.c.doubt, 0),
        records.c.updated_at,
        rejections.c.version,
        parked.c.version,
        and_(func.coalesce(records.c.doubt, 0) > 0, at_work),
    ).select_from(wanted.outerjoin(records, known).outerjoin(rejections, refused).outerjoin(parked, waits))


def expected_queries(flow: str) -> tuple[Select[Any], ...]:
    """Keys whose rows must exist in Dynamics: in Campaign or in doubt; and others that were rejected or are parked.

    Several queries, each in the order of a primary key, so that a part of each can be read at a time.
    """
    there = or_(records.c.present, records.c.doubt > 0)
    return (
        select(records.c.source_key).where(records.c.flow == flow, there).order_by(records.c.source_key),
        *(
            select(table.c.source_key)
            .where(
                table.c.flow == flow,
                ~exists().where(records.c.flow == flow, records.c.source_key == table.c.source_key, there),
            )
            .order_by(table.c.source_key)
            for table in (rejections, parked)
        ),
    )
