"""A mapping's own examples: rows given by a person, run through filter, map, replace and check, compared
with what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.mapping.file import Mapping
from campaign_sync.mapping.vocabulary import Example
from campaign_sync.rows.cells import KINDS
from campaign_sync.rows.transform import VERSION, Sifted, filter_rows, map_rows, replace_values
from campaign_sync.schema import ResourceSchema, TableSchema

if TYPE_CHECKING:
    import pandas as pd


class ExampleResult(NamedTuple):
    """What became of an example."""

    name: str
    line: int
    passed: bool
    difference: str  # what came instead of what was expected; empty if it passed


def run_examples(mapping: Mapping, table: TableSchema, resource: ResourceSchema) -> list[ExampleResult]:
    """Runs each example of a mapping on its own."""
    results = []
    for number, example in enumerate(mapping.examples):
        difference = _difference(example, mapping, table, resource)
        results.append(
            ExampleResult(example.name, mapping.line("examples", number), not difference, difference)
        )
    return results


def frame_of(rows: Sequence[dict[str, Any]], table: TableSchema) -> pd.DataFrame:
    """Rows written by hand as a frame such as extract makes; columns may bear logical or wire names, absent
    ones are empty.
    """
    import pandas as pd
    import pyarrow as pa

    types = {"integer": pa.int64(), "choice": pa.int64(), "decimal": pa.float64(), "boolean": pa.bool_()}
    arrays: dict[str, Any] = {}
    for column in table.columns.values():
        values = [row.get(column.wire, row.get(column.name)) for row in rows]
        arrays[column.wire] = pa.array(values, types.get(KINDS.get(column.type, ""), pa.string()))
    keys = [str(row.get(table.key) or f"row-{number}") for number, row in enumerate(rows, start=1)]
    arrays[table.key] = pa.array(keys, pa.string())
    index = pd.Index(pd.arrays.ArrowExtensionArray(arrays[table.key]), name=table.key)
    columns = {VERSION: pa.array(range(1, len(rows) + 1), pa.int64()), **arrays}
    return pd.DataFrame(
        {name: pd.arrays.ArrowExtensionArray(array) for name, array in columns.items()}, index=index
    )


def _difference(example: Example, mapping: Mapping, table: TableSchema, resource: ResourceSchema) -> str:
    expected = {"dropped": example.dropped, "rejected": example.rejected}
    fate, rule, row = outcome(example.given, mapping, table, resource)
    if example.loads is None:
        wanted = next((each, name) for each, name in expected.items() if name)
        return "" if (fate, rule) == wanted else f"expected {' by '.join(wanted)}, got {_told(fate, rule)}"
    if fate != "loaded":
        return f"expected to load, got {_told(fate, rule)}"
    wrong = {field: row[field] for field, value in example.loads.items() if not _same(row[field], value)}
    return "; ".join(
        f"{field}: expected {example.loads[field]!r}, got {value!r}" for field, value in wrong.items()
    )


def outcome(
    given: dict[str, Any], mapping: Mapping, table: TableSchema, resource: ResourceSchema
) -> tuple[str, str, dict[str, Any]]:
    """What becomes of one row: its fate (loaded, dropped, rejected), the rule, and what would be written."""
    from campaign_sync.rows.checks import check_rows

    frame = frame_of([given], table)
    steps: tuple[Callable[[pd.DataFrame], Sifted], ...] = (
        lambda rows: filter_rows(rows, mapping, table),
        lambda rows: map_rows(rows, mapping, table, resource),
        lambda rows: replace_values(rows, mapping, resource),
        lambda rows: check_rows(rows, mapping).sifted,
    )
    for step in steps:
        frame, removed = step(frame)
        if len(removed):
            return str(removed["fate"].iloc[0]), str(removed["rule"].iloc[0]), {}
    return "loaded", "", {str(field): value for field, value in frame.iloc[0].items()}


def _same(written: Any, expected: Any) -> bool:
    empty = expected is None and written in ("", 0, False)
    return empty or (written == expected and isinstance(written, bool) == isinstance(expected, bool))


def _told(fate: str, rule: str) -> str:
    return f"{fate} by {rule}" if rule else fate
