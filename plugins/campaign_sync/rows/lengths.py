"""Texts that a column may hold and a field cannot: seen in the metadata, before a row is read.

Not an error: such a row is rejected by itself (``convert``), and often there is none.
"""

from __future__ import annotations

from typing import NamedTuple

from campaign_sync.mapping.file import Mapping
from campaign_sync.rows.cells import kind_of
from campaign_sync.schema import Column, ResourceSchema, TableSchema


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
    return column.max_length if kind_of(column) == "text" else None


def too_long(mapping: Mapping, table: TableSchema, resource: ResourceSchema) -> list[TooLong]:
    """The text fields of a mapping that are shorter than what their column may hold.

    Recipes do not count, because each of them may leave a text as long as it was. A field of which every value is
    replaced has its length judged by ``fitting``.
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
        if most is not None and most > field.length:
            found.append(TooLong(target, column.name, most, field.length))
    return found
