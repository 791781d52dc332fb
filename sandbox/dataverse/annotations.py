"""Annotations on request: formatted values, lookup names, navigation properties (dataverse.md §3.1, §11)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.columns import CHOICES, Column, Table
from sandbox.dataverse.exact import exact_number
from sandbox.dataverse.options import Prefer
from sandbox.dataverse.org import to_moment
from sandbox.dataverse.store import kind_column, physical

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

FORMATTED = "OData.Community.Display.V1.FormattedValue"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
LOGICAL_NAME = "Microsoft.Dynamics.CRM.lookuplogicalname"


def annotate(
    org: Org,
    db: sqlite3.Connection,
    table: Table,
    columns: Sequence[Column],
    rows: list[dict[str, Any]],
    prefer: Prefer,
) -> list[dict[str, Any]]:
    """The same rows with annotations before the values they belong to; nothing for nulls."""
    if prefer.annotations is None:
        return rows
    notes = {column.wire_name: _Notes(org, db, table, column, rows, prefer) for column in columns}
    return [_annotated(row, notes, table.key) for row in rows]


def _annotated(row: dict[str, Any], notes: dict[str, _Notes], key: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in row.items():
        if value is not None and name in notes:
            for annotation, content in notes[name].of(value, row[key]):
                out[f"{name}@{annotation}"] = content
        out[name] = value
    return out


class _Notes:
    """What may be said about one column's values on one page."""

    def __init__(
        self,
        org: Org,
        db: sqlite3.Connection,
        table: Table,
        column: Column,
        rows: list[dict[str, Any]],
        prefer: Prefer,
    ) -> None:
        self._org, self._table, self._column = org, table, column
        self._formatted = prefer.wants(FORMATTED)
        self._lookups = column.is_lookup and (prefer.wants(NAVIGATION) or prefer.wants(LOGICAL_NAME))
        self._wants_navigation, self._wants_name = prefer.wants(NAVIGATION), prefer.wants(LOGICAL_NAME)
        self._kinds: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._labels = {option.value: option.label for option in column.options}
        if column.is_lookup and (self._lookups or self._formatted):
            self._load(db, rows)

    def _load(self, db: sqlite3.Connection, rows: list[dict[str, Any]]) -> None:
        column, table = self._column, self._table
        ids = [row[table.key] for row in rows if row.get(column.wire_name) is not None]
        for start in range(0, len(ids), 500):
            chunk = ids[start : start + 500]
            marks = ",".join("?" * len(chunk))
            sql = (
                f'SELECT "{table.key}", "{kind_column(column)}" FROM {physical(table.name)} '
                f'WHERE "{table.key}" IN ({marks})'
            )
            for row_id, kind in db.execute(sql, chunk):
                self._kinds[row_id] = kind or column.targets[0]
        for target in column.targets:
            parent = self._org.catalogue.tables.get(target)
            if parent is None:
                continue
            wanted = list({row[column.wire_name] for row in rows if row.get(column.wire_name)})
            for start in range(0, len(wanted), 500):
                chunk = wanted[start : start + 500]
                marks = ",".join("?" * len(chunk))
                sql = (
                    f'SELECT "{parent.key}", "{parent.title}" FROM {physical(target)} '
                    f'WHERE "{parent.key}" IN ({marks})'
                )
                self._names.update(
                    (row_id, name) for row_id, name in db.execute(sql, chunk) if name is not None
                )

    def of(self, value: Any, row_id: str) -> list[tuple[str, Any]]:
        notes: list[tuple[str, Any]] = []
        if self._formatted:
            text = (
                self._names.get(value)
                if self._column.is_lookup
                else formatted(self._column, self._labels, value)
            )
            if text is not None:
                notes.append((FORMATTED, text))
        if self._lookups:
            kind = self._kinds.get(row_id, self._column.targets[0])
            navigation = self._org.catalogue.navigation_of(self._table.name, self._column.name, kind)
            if self._wants_navigation and navigation:
                notes.append((NAVIGATION, navigation))
            if self._wants_name:
                notes.append((LOGICAL_NAME, kind))
        return notes


def formatted(column: Column, labels: dict[int, str], value: Any) -> str | None:
    """A value as a user sees it (en-US, UTC); None where there is nothing to say."""
    if column.type in CHOICES or column.type == "Boolean":
        return labels.get(int(value))
    if column.type == "MultiSelectPicklist":
        return "; ".join(labels.get(int(part), part) for part in str(value).split(","))
    if column.type == "Money":
        return f"€{exact_number(value):,.{column.precision or 2}f}"
    if column.type in ("Decimal", "Double"):
        return f"{exact_number(value):,.{column.precision or 2}f}"
    if column.type in ("Integer", "BigInt"):
        return f"{value:,}"
    if column.type == "DateTime":
        day = to_moment(value) if "T" in value else to_moment(f"{value}T00:00:00Z")
        date = f"{day.month}/{day.day}/{day.year}"
        return date if column.format == "DateOnly" else f"{date} {day.hour % 12 or 12}:{day:%M} {day:%p}"
    return None
