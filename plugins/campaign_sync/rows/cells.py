"""The cells of a Dataverse column as Arrow: one form per type, whatever form the page or the file had. And
their text.

Not for target types (``convert``).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from campaign_sync.arrow import in_one_piece
from campaign_sync.errors import SyncError
from campaign_sync.schema import CHOICES, Column

if TYPE_CHECKING:
    import pandas as pd

#: Column type -> the kind of cell, which decides operators and conversions. Anything not here travels as
#: text (I5).
KINDS = {
    "String": "text",
    "Memo": "text",
    "Integer": "integer",
    "BigInt": "integer",
    "Decimal": "decimal",
    "Money": "decimal",
    "Double": "decimal",
    "Boolean": "boolean",
    "DateTime": "datetime",
    "DateOnly": "date",
    **dict.fromkeys(CHOICES, "choice"),
    "MultiSelectPicklist": "choices",
}


def kind_of(column: Column) -> str:
    """text, integer, decimal, boolean, datetime, date, choice, choices or other."""
    return KINDS.get(column.type, "other")


def cells(frame: pd.DataFrame, column: Column) -> Any:
    """One column of a frame as an Arrow array: numbers as numbers, times as UTC timestamps, dates and the
    rest as text.
    """
    import pyarrow as pa

    if column.wire not in frame.columns:
        raise SyncError(
            f"column {column.wire} is not in the extracted rows",
            remedy="Clear the extract task to read them again",
        )
    array = arrow(frame[column.wire])
    wanted = {
        "integer": pa.int64(),
        "choice": pa.int64(),
        "boolean": pa.bool_(),
        "datetime": pa.timestamp("us", "UTC"),
    }.get(kind_of(column), pa.string())
    if kind_of(column) == "decimal":
        wanted = array.type if pa.types.is_decimal(array.type) else pa.float64()
    try:
        return array if array.type == wanted else array.cast(wanted)
    except pa.ArrowInvalid:
        # Arrow's text would quote the cell, and Airflow logs the whole chain
        problem = f"column {column.wire} holds something that is no {column.type}"
        raise SyncError(
            problem, remedy="The table's metadata and its rows disagree: was the column changed?"
        ) from None


def arrow(series: pd.Series[Any]) -> Any:
    """A column of a frame as one Arrow array."""
    import pyarrow as pa

    return in_one_piece(pa.array(series))


def as_text(array: Any) -> Any:
    """The canonical text of each cell: 1, 12.5, true, 2026-02-03, 2026-02-03T04:05:06Z. Empty stays empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(array.type):
        fine = pc.any(
            pc.or_(pc.not_equal(pc.millisecond(array), 0), pc.not_equal(pc.microsecond(array), 0))
        ).as_py()
        unit = array.type.unit if fine else "s"
        plain = array.cast(pa.timestamp(unit, "UTC"), safe=False).cast(pa.timestamp(unit))
        text = pc.replace_substring(plain.cast(pa.string()), pattern=" ", replacement="T")
        return pc.binary_join_element_wise(text, "Z", "")
    if pa.types.is_decimal(array.type):  # 12.5000 and 12.50 are the same number
        text = array.cast(pa.string())
        fraction = pc.match_substring(text, ".")
        trimmed = pc.utf8_rtrim(pc.utf8_rtrim(text, characters="0"), characters=".")
        return pc.if_else(fraction, trimmed, text)
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def parse_moment(text: str, now: datetime, days: int | None) -> datetime:
    """A date or time of a mapping as an aware time; without an offset it is UTC; ``days`` ago counts back
    from ``now``.
    """
    from datetime import UTC, timedelta

    if days is not None:
        return now - timedelta(days=days)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
