"""Reading stored rows as JSON text: by condition, in order, by key, for collections, single rows and deltas.

Knows nothing of requests; annotations and expansions come on top (annotations, expand).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.columns import Column, Table
from sandbox.dataverse.projection import json_expression
from sandbox.dataverse.query import visible_column
from sandbox.dataverse.store import physical

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org


@dataclass
class Selection:
    """Which rows: SQL conditions over alias r, their parameters, sort terms (expression, descending)."""

    conditions: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)

    def add(self, condition: str, *parameters: Any) -> None:
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    @property
    def where(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""

    def after(self, last: Sequence[Any]) -> None:
        """Only rows that sort after the values of the last row seen; nulls sort first."""
        branches = []
        parameters: list[Any] = []
        for i, (expression, descending) in enumerate(self.order):
            step, value = _beyond(expression, descending, last[i])
            if step is None:
                continue
            same = [f"{earlier} IS ?" for earlier, _ in self.order[:i]]
            branches.append("(" + " AND ".join([*same, step]) + ")")
            parameters.extend([*last[:i], *value])
        self.add(f"({' OR '.join(branches) or '0'})", *parameters)


def _beyond(expression: str, descending: bool, value: Any) -> tuple[str | None, list[Any]]:
    if value is None:
        return (None, []) if descending else (f"{expression} IS NOT NULL", [])
    if descending:
        return f"({expression} < ? OR {expression} IS NULL)", [value]
    return f"{expression} > ?", [value]


def chosen_columns(org: Org, table: Table, select: Sequence[str] | None) -> list[Column]:
    """The columns of a $select; none means every column. Money brings its currency along (§3.2)."""
    if select is None:
        now = org.timestamp()
        return [column for column in table.columns.values() if column.visible_from <= now]
    columns: list[Column] = []
    for prop in select:
        column = visible_column(org, table, prop)
        if column not in columns:
            columns.append(column)
    currency = table.columns.get("transactioncurrencyid")
    if currency is not None and currency not in columns and any(c.type == "Money" for c in columns):
        columns.append(currency)
    return columns


@dataclass(frozen=True)
class Found:
    """Rows as JSON text, their keys and sort values, and whether there are more."""

    texts: list[str]
    ids: list[str]
    last: tuple[Any, ...]
    more: bool


def row_query(table: Table, columns: Sequence[Column], selection: Selection, limit: int) -> str:
    """SQL for rows as JSON text, key and sort values; one row more than `limit`."""
    order = ", ".join(
        f"{expression}{' DESC' if descending else ''}" for expression, descending in selection.order
    )
    sorts = "".join(f", {expression}" for expression, _ in selection.order)
    return (
        f'SELECT {json_expression(table, columns)}, r."{table.key}"{sorts} FROM {physical(table.name)} r'
        f"{selection.where}{' ORDER BY ' + order if order else ''} LIMIT {limit + 1}"
    )


def fetch(
    db: sqlite3.Connection, table: Table, columns: Sequence[Column], selection: Selection, limit: int
) -> Found:
    """Up to `limit` rows; the sort always ends in the primary key, so that pages join up."""
    rows = db.execute(row_query(table, columns, selection, limit), selection.parameters).fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    return Found(
        [row[0] for row in rows], [row[1] for row in rows], tuple(rows[-1][2:]) if rows else (), more
    )


def fetch_one(
    db: sqlite3.Connection, table: Table, columns: Sequence[Column], row_id: str
) -> dict[str, Any] | None:
    """One row as the JSON object a client would get."""
    selection = Selection([f'r."{table.key}" = ?'], [row_id])
    found = fetch(db, table, columns, selection, 1)
    return json.loads(found.texts[0]) if found.texts else None


def count(db: sqlite3.Connection, table: Table, selection: Selection, cap: int | None = None) -> int:
    inner = f"SELECT 1 FROM {physical(table.name)} r{selection.where}" + (f" LIMIT {cap}" if cap else "")
    return int(db.execute(f"SELECT count(*) FROM ({inner})", selection.parameters).fetchone()[0])


def version_of(db: sqlite3.Connection, table: Table, row_id: str) -> int | None:
    row = db.execute(
        f'SELECT versionnumber FROM {physical(table.name)} WHERE "{table.key}" = ?', (row_id,)
    ).fetchone()
    return None if row is None else int(row[0])
