"""Rejected and parked rows as people look for them: by key, rule and run, a page at a time, keys and reasons only.

Not for what a run does with them (``parking.py``, ``settle.py``). Every query has an index that it walks from where the
last page ended, so that the hundredth page takes as long as the first, whatever the ledger holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    func,
    literal,
    null,
    select,
    tuple_,
    type_coerce,
    union_all,
)

from campaign_sync.ledger.database import Database
from campaign_sync.ledger.tables import Utc, parked, rejections

What = Literal["rejected", "parked"]

#: Rows are counted up to here; beyond it people are told "more than".
COUNTED = 10_000

#: Sorts after every text that begins like the one before it.
LAST = "\U0010ffff"


class Row(NamedTuple):
    """A row that did not arrive."""

    flow: str
    source_key: str
    step: str | None  # of a rejected row; a parked one waits in load
    rule: str  # what rejected it; of a parked row the flow it waits for
    reason: str
    waits_key: str | None  # of a parked row: the record it waits for
    run_id: str  # which run looked at it last
    first_seen: datetime
    last_seen: datetime
    tries: int | None  # of a rejected row: how often it was tried


class Wanted(NamedTuple):
    """Which rows are looked for; what is empty says nothing."""

    flows: Sequence[str]
    key: str = ""  # begins so
    rule: str = ""
    run_id: str = ""


class After(NamedTuple):
    """The row that the page before ended with."""

    first_seen: datetime
    source_key: str
    flow: str


class Rule(NamedTuple):
    """Rows of a flow that share a rule, or wait for the same flow."""

    rule: str
    rows: int
    more: bool  # than were counted


_TABLES: dict[What, tuple[Table, Column[str]]] = {
    "rejected": (rejections, rejections.c.rule),
    "parked": (parked, parked.c.waits_for),
}


def find_rows(
    database: Database, what: What, wanted: Wanted, after: After | None = None, limit: int = 50
) -> list[Row]:
    """The next rows: those that came last first; where a key is looked for, in the order of keys."""
    if not wanted.flows:
        return []
    by_key = wanted.key != ""
    with database.read() as connection:
        pages = [
            _page(connection, what, flow, wanted, after).limit(limit).subquery() for flow in wanted.flows
        ]
        found = union_all(*(select(page) for page in pages)).subquery()
        columns = [found.c[name] for name in Row._fields]
        order = (
            (_bytewise(connection, found.c.source_key), found.c.flow)
            if by_key
            else (found.c.first_seen.desc(), found.c.source_key.desc(), found.c.flow.desc())
        )
        return [Row(*row) for row in connection.execute(select(*columns).order_by(*order).limit(limit))]


def rules_of(database: Database, what: What, flow: str, most: int = 200) -> list[Rule]:
    """By which rules rows of a flow are rejected, or for which flows they wait, with how many of each."""
    table, rule = _TABLES[what]
    here = table.c.flow == flow
    # From one rule to the next through the index, instead of through all rows.
    steps = select(select(func.min(rule)).where(here).scalar_subquery().label("rule")).cte(
        "steps", recursive=True
    )
    following = select(func.min(rule)).where(here, rule > steps.c.rule).scalar_subquery()
    steps = steps.union_all(select(following).where(steps.c.rule.is_not(None)))
    with database.read() as connection:
        query = select(steps.c.rule).where(steps.c.rule.is_not(None)).limit(most)
        names = list(connection.execute(query).scalars())
        counts = [_counted(connection, table, here, rule == name) for name in names]
    return [Rule(name, min(rows, COUNTED), rows > COUNTED) for name, rows in zip(names, counts, strict=True)]


def plain_key(typed: str) -> str:
    """A key as the ledger has it: Dataverse's ids are copied in capitals and in braces as well."""
    text = typed.strip().strip("{}")
    return text.lower() if re.fullmatch("[0-9A-Fa-f-]+", text) else text


def _counted(connection: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    some = select(literal(1)).select_from(table).where(*where).limit(COUNTED + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _page(connection: Connection, what: What, flow: str, wanted: Wanted, after: After | None) -> Select[Any]:
    table, rule = _TABLES[what]
    here = [table.c.flow == flow]
    if wanted.rule:
        here.append(rule == wanted.rule)
    if wanted.run_id:
        here.append(table.c.run_id == wanted.run_id)
    query = select(*_columns(what))
    if wanted.key:
        key = _bytewise(connection, table.c.source_key)
        here += [key >= wanted.key, key < wanted.key + LAST]
        if after is not None:
            here.append(key >= after.source_key if flow > after.flow else key > after.source_key)
        return query.where(*here).order_by(key)
    if after is not None:
        place = tuple_(table.c.first_seen, table.c.source_key)
        ended = tuple_(literal(after.first_seen, Utc), literal(after.source_key))
        here.append(place <= ended if flow < after.flow else place < ended)
    return query.where(*here).order_by(table.c.first_seen.desc(), table.c.source_key.desc())


def _columns(what: What) -> list[ColumnElement[Any]]:
    of: dict[str, ColumnElement[Any]] = dict(_TABLES[what][0].c)
    of |= (
        {"waits_key": null()}
        if what == "rejected"
        else {"step": null(), "rule": parked.c.waits_for, "tries": type_coerce(null(), Integer)}
    )
    return [of[name].label(name) for name in Row._fields]


def _bytewise(connection: Connection, column: ColumnElement[str]) -> ColumnElement[str]:
    """The column in the order of its bytes, the only one in which what begins alike stands together."""
    return column.collate("C") if connection.dialect.name == "postgresql" else column
