"""What a sandbox holds at its start: generated people, or tables from CSV files.

Seeds know Dataverse's column names and JSON types; how rows are stored is not their business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TableSeed:
    """The rows of one table, and the types of its columns that are not standard ones.

    `rows` hold Dataverse's JSON property names (lookups: "_x_value") and JSON-typed values. `columns` maps
    logical names to "String", "Memo", "Integer", "Decimal", "Boolean", "DateTime", "DateOnly" or
    "Lookup:<table>"; custom tables list every column but their key.
    """

    table: str
    rows: Iterable[dict[str, Any]]
    columns: dict[str, str] | None = None
