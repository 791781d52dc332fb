"""Contacts who could not be told: which of them a run looks at again, and how many wait to be told a no.

None is given up, as somebody's no may depend on it. Each is looked at after about half of the time for which it has
waited, a day at most, or a month where another flow tells when it is time; the longest not looked at first. Not for the
statements that list them (``parking.py``, ``settle.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, case, exists, func, literal, select, union_all, update

from campaign_sync.ledger.links import surely_there
from campaign_sync.ledger.tables import consents, parked, records, rejections
from campaign_sync.ledger.tables import staged_keys as wanted

#: For so long every run looks; and how long it is between two looks at most.
AT_ONCE, AT_MOST = timedelta(minutes=1), timedelta(days=1)

#: The same of contacts that wait for a flow of rows. It tells when it is time (``parking.py``), but knows nothing of
#: records that come another way; and each look is an engine call, for people of whom it may never make a record.
AT_MOST_BESIDE = timedelta(days=30)


def due_query(flow: str, now: datetime, limit: int) -> Select[Any]:
    """The contacts that it is time to look at again."""
    beside = parked.c.waits_for != ""
    some = union_all(
        *(
            select(table.c.source_key, table.c.last_seen).where(
                table.c.flow == flow, _is_due(table, now, at_most), *more
            )
            for table, at_most, more in (
                (rejections, AT_MOST, ()),
                (parked, AT_MOST, (~beside,)),
                (parked, AT_MOST_BESIDE, (beside,)),
            )
        )
    ).subquery()
    return select(some.c.source_key).order_by(some.c.last_seen, some.c.source_key).limit(limit)


def waiting_query(flow: str) -> Select[int, Any]:
    """How many contacts, of whom a no is known that holds, wait to be told, and since when the first of them."""
    some = union_all(
        *(
            select(table.c.first_seen).where(
                table.c.flow == flow,
                exists().where(
                    consents.c.flow == flow, consents.c.source_key == table.c.source_key, consents.c.agreed
                ),
            )
            for table in (rejections, parked)
        )
    ).subquery()
    return select(func.count(), func.min(some.c.first_seen)).select_from(some)


def late_query(flow: str, before: datetime) -> Select[Any]:
    """The contacts, of whom a no is known that holds, who wait to be told since before a time, the longest first.

    Of those that are parked, only where the flow of rows has a record which Campaign did not show even after that: for
    others it may never make one.
    """
    hidden = exists().where(
        records.c.flow == parked.c.waits_for,
        records.c.source_key == parked.c.waits_key,
        surely_there(),
        records.c.updated_at < parked.c.last_seen,
    )
    some = union_all(
        *(
            select(table.c.source_key, table.c.first_seen).where(
                table.c.flow == flow,
                table.c.first_seen < before,
                exists().where(
                    consents.c.flow == flow, consents.c.source_key == table.c.source_key, consents.c.agreed
                ),
                *more,
            )
            for table, more in ((rejections, ()), (parked, (hidden,)))
        )
    ).subquery()
    return select(some.c.source_key).order_by(some.c.first_seen, some.c.source_key)


def looked_at(flow: str, mapping_sha: str, now: datetime) -> Iterator[Update]:
    """Statements that remember that the staged keys have been looked at by this version of the mapping, to no avail."""
    for table in (rejections, parked):
        among = table.c.source_key.in_(select(wanted.c.source_key))
        yield update(table).where(table.c.flow == flow, among).values(last_seen=now, mapping_sha=mapping_sha)


def _is_due(table: Any, now: datetime, at_most: timedelta) -> ColumnElement[bool]:
    kind, waits, age = table.c.last_seen.type, [], AT_ONCE
    waits.append((table.c.first_seen > literal(now - age, kind), literal(now, kind)))
    while age < 2 * at_most:
        waits.append((table.c.first_seen > literal(now - 2 * age, kind), literal(now - age / 2, kind)))
        age *= 2
    due: ColumnElement[bool] = table.c.last_seen <= case(*waits, else_=literal(now - at_most, kind))
    return due
