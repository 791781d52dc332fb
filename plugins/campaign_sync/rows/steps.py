"""The four steps between extract and load under one signature, for operators, preview and examples alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.rows.transform import Sifted, filter_rows, map_rows, replace_values

if TYPE_CHECKING:
    import pandas as pd

    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import ResourceSchema, TableSchema

STEPS = ("filter", "map", "replace", "check")


class Stepped(NamedTuple):
    """What a step made of its rows; `checks` and `page` only from check."""

    sifted: Sifted
    checks: list[dict[str, Any]]
    page: str


def take_step(
    step: str, frame: pd.DataFrame, mapping: Mapping, table: TableSchema, resource: ResourceSchema
) -> Stepped:
    """Take one step with a frame of rows.

    Raises QualityError if a check says `otherwise: stop` and fails, MappingError if the mapping does
    not fit the frame.
    """
    if step == "filter":
        return Stepped(filter_rows(frame, mapping, table), [], "")
    if step == "map":
        return Stepped(map_rows(frame, mapping, table, resource), [], "")
    if step == "replace":
        return Stepped(replace_values(frame, mapping, resource), [], "")
    from campaign_sync.rows.checks import check_rows

    checked = check_rows(frame, mapping)
    return Stepped(checked.sifted, checked.results, checked.html)


def take_all_steps(
    frame: pd.DataFrame, mapping: Mapping, table: TableSchema, resource: ResourceSchema
) -> Iterator[tuple[str, Stepped]]:
    """Take the four steps one after the other, each with the rows that the one before kept."""
    for step in STEPS:
        stepped = take_step(step, frame, mapping, table, resource)
        yield step, stepped
        frame = stepped.sifted.kept
