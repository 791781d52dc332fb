"""What the two sides say, as frames of one form: index contact; which side, when, and for each pair what it says.

Pure. Not for reading either side (``reading.py``), nor for who wins (``rule.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from campaign_sync.consent.plan import CAMPAIGN, DYNAMICS, Contact, Heard
from campaign_sync.consent.rule import Said
from campaign_sync.rows.cells import cells
from campaign_sync.rows.transform import VERSION
from campaign_sync.schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from campaign_sync.consent.file import OptOutMapping

#: Columns besides the pairs': which side a row is of, the time of the row as a whole, and whether it was just read, so
#: that nothing that is known can be newer. A pair's own time stands in the column `<attribute>@at`.
SIDE, AT, FRESH = "@side", "@at", "@fresh"

#: Beside a pair's column, `<attribute>@empty`: whether its cell counts as no only because it is empty.
EMPTY = "@empty"

#: The number of a row in its frame, while a step is taken.
ROW = "@row"

MODIFIED = "modifiedon"


def frame_of(
    columns: Mapping[str, Any], keys: Sequence[str], side: str, mapping: OptOutMapping
) -> pd.DataFrame:
    """A frame of one side's rows; a column of the form that is not given is empty, others are kept as they are."""
    import pandas as pd
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    types = {VERSION: pa.int64(), SIDE: pa.string(), AT: moment, FRESH: pa.bool_()}
    for attribute in mapping.pairs:
        types |= {attribute: pa.bool_(), f"{attribute}{AT}": moment}
    usual = {VERSION: [0] * len(keys), SIDE: [side] * len(keys), FRESH: [True] * len(keys)}
    made = {}
    for name, kind in types.items():
        given = columns.get(name, usual.get(name, [None] * len(keys)))
        made[name] = given if isinstance(given, pa.Array) else pa.array(given, kind, from_pandas=True)
    made |= {name: each for name, each in columns.items() if name not in types}
    arrays = {name: pd.arrays.ArrowExtensionArray(each) for name, each in made.items()}
    return pd.DataFrame(arrays, index=pd.Index([str(each) for each in keys], name="contact", dtype=object))


def dynamics_frame(rows: pd.DataFrame, mapping: OptOutMapping, table: TableSchema) -> pd.DataFrame:
    """Rows of Dynamics as a frame: what the columns of the pairs hold, and the columns that the filter needs."""
    columns: dict[str, Any] = {VERSION: _array(rows, VERSION), AT: _cells(rows, MODIFIED, table)}
    for attribute, pair in mapping.pairs.items():
        columns[attribute] = _cells(rows, pair.column, table)
        columns[f"{attribute}{AT}"] = columns[AT]
    for name in _filtered(mapping):
        columns[_wire(name, table)] = _array(rows, _wire(name, table))
    return frame_of(columns, rows.index.astype(str).str.lower().tolist(), DYNAMICS, mapping)


def with_filtered(
    frame: pd.DataFrame, rows: pd.DataFrame, mapping: OptOutMapping, table: TableSchema
) -> pd.DataFrame:
    """Rows of Campaign beside what the filter needs of their contacts; empty where there is no such contact."""
    wanted = [_wire(name, table) for name in _filtered(mapping)]
    found = rows.reindex(index=frame.index, columns=wanted)  # of no contact there are not even columns
    return frame.assign(**{name: found[name].array for name in wanted})


def has_filtered(frame: pd.DataFrame, mapping: OptOutMapping, table: TableSchema) -> bool:
    """Whether a frame has what the filter needs."""
    return all(_wire(name, table) in frame.columns for name in _filtered(mapping))


def _filtered(mapping: OptOutMapping) -> tuple[str, ...]:
    """The columns of Dynamics that the filter names."""
    from campaign_sync.mapping.conditions import conditions

    found = conditions(mapping.filter.root) if mapping.filter else ()
    return tuple(sorted({each.column for _, each in found}))


def contacts_of(rows: pd.DataFrame, mapping: OptOutMapping, table: TableSchema) -> dict[str, Contact]:
    """Contacts as Dynamics has them now, by key, in the meaning of their columns."""
    if not len(rows):
        return {}
    frame = filled(meant(dynamics_frame(rows, mapping, table), mapping), mapping)
    plain = {name: _plain(frame[name]) for name in (VERSION, AT, *mapping.pairs)}
    return {
        str(key): Contact(
            plain[VERSION][row], plain[AT][row], {name: plain[name][row] for name in mapping.pairs}
        )
        for row, key in enumerate(frame.index)
    }


def meant(frame: pd.DataFrame, mapping: OptOutMapping) -> pd.DataFrame:
    """The frame, in which true means no in every pair's column."""
    import pandas as pd
    import pyarrow.compute as pc

    made: dict[str, Any] = {}
    ours = _array(frame, SIDE)
    for attribute, pair in mapping.pairs.items():
        if pair.no_is:
            continue
        cell = _array(frame, attribute)
        turned = pc.if_else(pc.equal(ours, DYNAMICS), pc.invert(cell), cell)
        made[attribute] = pd.arrays.ArrowExtensionArray(turned)
    return frame.assign(**made) if made else frame


def filled(frame: pd.DataFrame, mapping: OptOutMapping) -> pd.DataFrame:
    """The frame, in which empty cells say what the mapping has them say; that is never yes."""
    import pandas as pd
    import pyarrow.compute as pc

    made = {}
    for attribute in mapping.replace:
        cell = _array(frame, attribute)
        made[attribute] = pd.arrays.ArrowExtensionArray(pc.fill_null(cell, True))
        made[f"{attribute}{EMPTY}"] = pd.arrays.ArrowExtensionArray(pc.is_null(cell))
    return frame.assign(**made) if made else frame


def heard_of(frame: pd.DataFrame, mapping: OptOutMapping) -> dict[str, list[Heard]]:
    """What the rows of Campaign in a frame say, by contact."""
    rows = frame[(frame[SIDE] == CAMPAIGN).to_numpy(dtype=bool)]
    plain = {name: _plain(rows[name]) for name in (AT, FRESH, *_named(mapping))}
    empty = {name: _plain(rows[f"{name}{EMPTY}"]) for name in mapping.pairs if f"{name}{EMPTY}" in rows}
    found: dict[str, list[Heard]] = {}
    for row, key in enumerate(rows.index):
        whole = plain[AT][row]
        said = {}
        for attribute in mapping.pairs:
            no, at = plain[attribute][row], plain[f"{attribute}{AT}"][row]
            # The time of the profile stands in for a no, never for a yes, which any edit would make newer.
            said[attribute] = Said(no, at or (whole if no else None))
        silent = frozenset(name for name, cells in empty.items() if cells[row])
        found.setdefault(str(key), []).append(Heard(whole, said, bool(plain[FRESH][row]), silent))
    return found


def said_beside(
    removed: pd.DataFrame, before: pd.DataFrame, kept: pd.DataFrame, mapping: OptOutMapping
) -> pd.DataFrame:
    """The rows that a step removed, beside what they said: all that is left of what Campaign says of contacts that the
    filter holds back.

    :param before: the rows before the step, with their numbers in ``ROW``, as `kept` has them.
    """
    lost = before[~before[ROW].isin(kept[ROW]).to_numpy(dtype=bool)]
    return removed.assign(**{name: lost[name].array for name in (SIDE, AT, FRESH, *_named(mapping))})


def _named(mapping: OptOutMapping) -> Iterator[str]:
    for attribute in mapping.pairs:
        yield from (attribute, f"{attribute}{AT}")


def _wire(name: str, table: TableSchema) -> str:
    column = table.column(name)
    assert column is not None, "the schemas were read with it"
    return column.wire


def _cells(rows: pd.DataFrame, name: str, table: TableSchema) -> pa.Array:
    column = table.column(name)
    assert column is not None, "the schemas were read with it"
    return cells(rows, column)


def _array(rows: pd.DataFrame, name: str) -> pa.Array:
    from campaign_sync.rows.cells import arrow

    return arrow(rows[name])


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Cells as Python's own values, None for empty ones."""
    from campaign_sync.rows.cells import arrow

    found: list[Any] = arrow(column).to_pylist()
    return found
