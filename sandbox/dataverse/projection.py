"""Stored rows to JSON text inside SQLite: a row's JSON is made without Python seeing the values."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sandbox.dataverse.columns import Column, Table

_ARGUMENTS = 90  # SQLite functions take about a hundred


def json_expression(table: Table, columns: Sequence[Column], alias: str = "r") -> str:
    """SQL for one row's JSON object: etag, the columns as asked, the primary key (§12.2/6)."""
    key = table.columns[table.key]
    shown = list(columns) if key in columns else [*columns, key]
    pieces: list[tuple[str, str]] = [('{"@odata.etag":"W/\\"%s\\""', f'{alias}."versionnumber"')]
    for column in shown:
        name = json.dumps(column.wire_name).replace("%", "%%")
        pieces.append((f",{name}:%s", value_expression(column, alias)))
    return (
        " || ".join(_format(pieces[i : i + _ARGUMENTS]) for i in range(0, len(pieces), _ARGUMENTS))
        + " || '}'"
    )


def _format(pieces: Sequence[tuple[str, str]]) -> str:
    template = "".join(text for text, _ in pieces).replace("'", "''")
    return f"printf('{template}', {', '.join(expression for _, expression in pieces)})"


def value_expression(column: Column, alias: str = "r") -> str:
    """SQL for the JSON text of one value (§11)."""
    name = f'{alias}."{column.name}"'
    if column.type == "Boolean":
        return f"CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END"
    if column.type in ("Decimal", "Money"):
        return f"ifnull({name}, 'null')"
    return f"json_quote({name})"
