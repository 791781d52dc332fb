"""Alternate keys: finding rows by them, keeping them unique, building their index (dataverse.md §5)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.address import FORBIDDEN
from sandbox.dataverse.columns import Key, Table
from sandbox.dataverse.errors import refuse
from sandbox.dataverse.odata import Literal
from sandbox.dataverse.patterns import fold
from sandbox.dataverse.query import TEXTS, value_for
from sandbox.dataverse.store import physical

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org


def key_of(org: Org, table: Table, values: Mapping[str, Literal]) -> Key | None:
    """The alternate key whose columns are named, if active; None means the primary key."""
    names = set()
    for prop in values:
        column = table.column_of(prop)
        names.add(column.name if column is not None else prop)
    if names == {table.key}:
        return None
    for key in table.keys:
        if set(key.columns) == names:
            if key.status(org.timestamp()) != "Active":
                raise refuse("EntityKeyNotDefined", table=table.name)
            return key
    raise refuse("KeyNotValid", table=table.name)


def stored_key(org: Org, table: Table, values: Mapping[str, Literal]) -> dict[str, Any]:
    """The key's values as stored; characters that make GET and PATCH fail are refused."""
    found: dict[str, Any] = {}
    for prop, literal in values.items():
        column = table.column_of(prop)
        if column is None:
            raise refuse("KeyNotValid", table=table.name)
        bad = literal.kind == "string" and FORBIDDEN.intersection(literal.value)
        if bad and org.option("encoded_key_characters") == "fail":
            text = "A potentially dangerous Request.Path value was detected from the client."
            raise refuse("QuerySyntax", text=text)
        found[column.name] = None if literal.kind == "null" else value_for(column, literal)
    return found


def find_row(org: Org, table: Table, key: str | Mapping[str, Literal]) -> str | None:
    """The id of the row that a key in an URL names, or None."""
    with org.store.read() as db:
        if isinstance(key, str):
            values: dict[str, Any] = {table.key: key}
        else:
            key_of(org, table, key)
            values = stored_key(org, table, key)
        return find_by_values(db, table, values)


def find_by_values(
    db: sqlite3.Connection, table: Table, values: Mapping[str, Any], but: str = ""
) -> str | None:
    """The id of a row other than `but` with these values; text is compared without case."""
    conditions = []
    for name in values:
        texts = table.columns[name].type in TEXTS
        conditions.append(f'dv_fold("{name}") = ?' if texts else f'"{name}" = ?')
    conditions.append(f'"{table.key}" <> ?')
    sql = f'SELECT "{table.key}" FROM {physical(table.name)} WHERE {" AND ".join(conditions)}'
    row = db.execute(sql, [*(fold(value) for value in values.values()), but]).fetchone()
    return None if row is None else str(row[0])


def check_unique(org: Org, db: sqlite3.Connection, table: Table, row: Mapping[str, Any], row_id: str) -> None:
    """Refuse a row that violates a key; rows with a null in the key are not compared."""
    now = org.timestamp()
    for key in table.keys:
        if key.status(now) == "Failed":
            continue
        values = {name: row.get(name) for name in key.columns}
        if None not in values.values() and find_by_values(db, table, values, row_id) is not None:
            raise refuse(
                "DuplicateRecordEntityKey", key=key.label or key.schema, columns=", ".join(key.columns)
            )


def build_index(org: Org, table: Table, columns: tuple[str, ...]) -> bool:
    """Index a new key's columns; say whether the rows already there are unique."""
    terms = [f'dv_fold("{name}")' if table.columns[name].type in TEXTS else f'"{name}"' for name in columns]
    filled = " AND ".join(f'"{name}" IS NOT NULL' for name in columns)
    with org.store.write() as transaction:
        name = f"k_{table.name}_{'_'.join(columns)}"
        transaction.db.execute(
            f'CREATE INDEX IF NOT EXISTS "{name}" ON {physical(table.name)} ({", ".join(terms)})'
        )
        groups = f"WHERE {filled} GROUP BY {', '.join(terms)} HAVING count(*) > 1"
        sql = f"SELECT 1 FROM {physical(table.name)} {groups} LIMIT 1"
        return transaction.db.execute(sql).fetchone() is None
