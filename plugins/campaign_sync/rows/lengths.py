"""Texts that a column may hold and a field cannot: what the metadata says, and which rows of a frame are such.

Not an error: such a row is rejected by itself (``convert``), and often there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.mapping.file import Mapping
from campaign_sync.rows.cells import kind_of
from campaign_sync.rows.transform import map_rows, replace_values
from campaign_sync.schema import Column, ResourceSchema, TableSchema

if TYPE_CHECKING:
    import pandas as pd


#: Characters of what is not text but travels as such: 2026-02-03, 2026-02-03T04:05:06Z, false.
WRITTEN = {"date": 10, "datetime": 20, "boolean": 5}


class TooLong(NamedTuple):
    """A mapped field that is shorter than its column."""

    target: str
    column: str
    holds: int  # characters that the column may hold
    takes: int  # characters that the field takes


def longest(column: Column, *, by_value: bool = False) -> int | None:
    """The most characters that a cell of a column may have as text; None if the metadata does not say.

    :param by_value: a choice goes as its technical value, not as its label
    """
    if kind_of(column) == "choice" and column.options:
        shown = map(str, column.options) if by_value else column.options.values()
        return max(map(len, shown))
    return column.max_length if kind_of(column) == "text" else WRITTEN.get(kind_of(column))


def too_long(mapping: Mapping, table: TableSchema, resource: ResourceSchema) -> list[TooLong]:
    """The text fields of a mapping that are shorter than what their column may hold.

    Recipes do not count, because each of them may leave a text as long as it was; only iso_date is known to cut a
    time. A field of which every value is replaced has its length judged by ``fitting``.
    """
    found = []
    for target, how in mapping.map.items():
        column, field, replacement = (
            table.column(how.source),
            resource.fields.get(target),
            mapping.replace.get(target),
        )
        if column is None or field is None or field.type != "string" or field.length is None:
            continue
        if replacement is not None and replacement.otherwise != "keep":
            continue
        most = longest(column, by_value=(how.picklist or mapping.extract.picklists) == "value")
        if how.using and how.using[-1] == "iso_date" and kind_of(column) == "datetime":
            most = WRITTEN["date"]
        if most is not None and most > field.length:
            found.append(TooLong(target, column.name, most, field.length))
    return found


def longer_rows(
    frame: pd.DataFrame, found: TooLong, mapping: Mapping, table: TableSchema, resource: ResourceSchema
) -> list[str]:
    """The keys of the rows that would be rejected because this field is too short, after recipes and replacements."""
    target = found.target
    replace = {name: each for name, each in mapping.replace.items() if name == target}
    alone = mapping.model_copy(update={"map": {target: mapping.map[target]}, "replace": replace})
    mapped = map_rows(frame, alone, table, resource)
    lost = (mapped.removed, replace_values(mapped.kept, alone, resource).removed)
    reason = f"characters, {resource.fields[target].name} takes {found.takes}"
    return [
        str(key) for rows in lost for key in rows.index[rows["reason"].str.endswith(reason).to_numpy(bool)]
    ]
