"""Dataverse cells → Campaign values, as ``conversions`` says (I5).

What cannot be carried over unharmed is refused with column and reason, never altered or cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from campaign_sync.rows.cells import as_text
from campaign_sync.schema import Field

#: Numbers a Campaign field of that resType holds (campaign.md §2.3); an unknown one is taken as the 32-bit
#: `long`.
RANGES = {"byte": 2**7, "short": 2**15, "long": 2**31, "int64": 2**63}

#: Names that stand for "nothing chosen" in Campaign's enumerations (campaign.md §5).
UNSET = ("unknown", "none")


class Refusal(NamedTuple):
    """Rows, by position, that a field cannot take, and why."""

    positions: Any  # numpy array of integers
    reasons: list[str]


class Converted(NamedTuple):
    """Values in Campaign's form, none of them null (campaign.md §4.2), and the rows that have none."""

    values: Any
    refusals: list[Refusal]


def convert(array: Any, field: Field, source: str) -> Converted:
    """Cells as values of a Campaign field; ``source`` is the column's name, for reasons."""
    import pyarrow as pa
    import pyarrow.compute as pc

    refusals: list[Refusal] = []
    if pa.types.is_string(array.type) and (field.type != "string" or field.mandatory):
        array = pc.if_else(pc.equal(array, ""), None, array)  # an empty text is an empty cell

    def refuse(bad: Any, why: str | Callable[[int], str]) -> None:
        positions = _true(bad)
        if len(positions):
            reasons = [
                f"{source}: {why if isinstance(why, str) else why(each)}" for each in positions.tolist()
            ]
            refusals.append(Refusal(positions, reasons))

    empty = pc.is_null(array)
    if field.mandatory:
        refuse(empty, f"empty, and {field.name} is mandatory in Campaign")
    values = _TYPES.get(field.type, _string)(array, field, refuse)
    return Converted(pc.fill_null(values, _emptied(field, empty, refuse)), refusals)


def _emptied(field: Field, empty: Any, refuse: Any) -> Any:
    """What clears a field (campaign.md §4.2: never null)."""
    if field.type == "enumeration":
        unset = next((name for name in UNSET if name in (field.values or ())), None)
        if unset is None:
            refuse(empty, f"empty, and {field.name} has no name for that; add a replacement for ~")
        return unset or ""
    return {"integer": 0, "float": 0.0, "boolean": False}.get(field.type, "")


def _string(array: Any, field: Field, refuse: Any) -> Any:
    import pyarrow.compute as pc

    text = as_text(array)
    if _may_have_controls(text):
        refuse(
            pc.match_substring_regex(text, pattern=r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"),
            "holds a control character",
        )
    if field.length is not None and _longest_bytes(text) > field.length:
        lengths = pc.utf8_length(text)
        takes = f"characters, {field.name} takes {field.length}"
        refuse(pc.greater(lengths, field.length), lambda position: f"{lengths[position]} {takes}")
    return text


def _integer(array: Any, field: Field, refuse: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    limit = RANGES.get(field.technical, RANGES["long"])
    if pa.types.is_boolean(array.type):
        return array.cast(pa.int64())
    if pa.types.is_string(array.type):
        readable = pc.match_substring_regex(array, pattern=r"^(0|-?[1-9][0-9]{0,17})$")
        refuse(pc.invert(readable), "does not read as a whole number")
        array = pc.if_else(readable, array, None).cast(pa.int64())
    if not pa.types.is_integer(array.type):
        whole = pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array.cast(pa.float64())), 2.0**63))
        refuse(pc.invert(whole), f"has a fraction, {field.name} takes whole numbers")
        array = pc.if_else(whole, array, None).cast(pa.int64())
    if limit < 2**63:
        outside = pc.or_(pc.less(array, -limit), pc.greater_equal(array, limit))
        refuse(outside, f"outside the range of {field.name} (±{limit:,})")
    return array


def _float(array: Any, field: Field, refuse: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    given = array
    if pa.types.is_string(array.type):
        readable = pc.match_substring_regex(
            array, pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
        )
        refuse(pc.invert(readable), "does not read as a number")
        given = array = pc.if_else(readable, array, None)
    if pa.types.is_decimal(given.type):
        array = array.cast(
            pa.string()
        )  # Arrow's own way from a decimal misses the nearest double now and then
    number = array.cast(pa.float64(), safe=False)
    refuse(pc.invert(pc.is_finite(number)), "is not a finite number")
    if pa.types.is_integer(given.type):
        exact = pc.equal(number.cast(given.type, safe=False), given)
        refuse(pc.invert(exact), f"more digits than {field.name} keeps")
    if pa.types.is_decimal(given.type):
        # What is sent is the shortest text of the number: 7921040.73, although the double next to it has more digits.
        wide = pa.decimal256(76, 38)
        exact = pc.equal(number.cast(pa.string()).cast(wide), given.cast(wide))
        refuse(pc.invert(exact), f"more digits than {field.name} keeps")
    if (
        field.technical == "float"
    ):  # single precision: the shortest text of the stored number must be the number
        kept = number.cast(pa.float32(), safe=False).cast(pa.string()).cast(pa.float64())
        refuse(pc.not_equal(kept, number), f"more digits than {field.name} keeps")
    return number


def _boolean(array: Any, _: Field, refuse: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(array.type):
        return array
    yes, no = ("true", "false") if pa.types.is_string(array.type) else (1, 0)
    true = pc.equal(array, pa.scalar(yes, array.type))
    refuse(pc.invert(pc.or_(true, pc.equal(array, pa.scalar(no, array.type)))), f"neither {yes} nor {no}")
    return true


def _date(array: Any, _: Field, refuse: Any) -> Any:
    import pyarrow.compute as pc

    shaped = pc.match_substring_regex(array, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    refuse(pc.invert(shaped), "does not read as a date (YYYY-MM-DD)")
    array = pc.if_else(shaped, array, None)
    refuse(_impossible(array), "this date does not exist")
    return array


def _datetime(array: Any, _: Field, refuse: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(array.type):
        pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$"
        shaped = pc.match_substring_regex(array, pattern=pattern)
        refuse(pc.invert(shaped), "does not read as a time (YYYY-MM-DDTHH:MM:SSZ)")
        array = pc.if_else(shaped, array, None)
        lost = _impossible(pc.utf8_slice_codeunits(array, 0, 10))
        refuse(lost, "this date does not exist")
        array = pc.if_else(lost, None, array).cast(pa.timestamp("us", "UTC"))
    refuse(pc.less(pc.year(array), 1), "this date does not exist")
    finer = pc.not_equal(pc.microsecond(array), 0)
    refuse(finer, "finer than milliseconds")
    plain = array.cast(pa.timestamp("ms", "UTC"), safe=False).cast(
        pa.timestamp("ms")
    )  # twenty times faster as text
    return pc.binary_join_element_wise(plain.cast(pa.string()), "Z", "")  # "2026-02-03 04:05:06.000Z"


def _enumeration(array: Any, field: Field, refuse: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = as_text(array)
    known = pc.is_in(text, value_set=pa.array(field.values or (), pa.string()))
    refuse(pc.and_(pc.is_valid(text), pc.invert(known)), f"not one of the names of {field.name}")
    return text


_TYPES: dict[str, Callable[[Any, Field, Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "enumeration": _enumeration,
}


def _true(mask: Any) -> Any:
    """The positions where a mask is true; null counts as false."""
    import numpy as np
    import pyarrow.compute as pc

    if not pc.any(mask).as_py():  # the usual case, without making an array
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(pc.fill_null(mask, False).to_numpy(zero_copy_only=False))


def _impossible(dates: Any) -> Any:
    """Where a text of the form YYYY-MM-DD is no day of the calendar, such as 30 February."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        dates.cast(pa.date32())
    except pa.ArrowInvalid:  # at least one is impossible: look at them one by one, each only once
        different = dates.dictionary_encode()
        bad = pa.array([not _exists(text) for text in different.dictionary.to_pylist()], pa.bool_())
        return pc.take(bad, different.indices)
    return pc.starts_with(dates, "0000")  # a year to Arrow, and to nobody else


def _exists(text: str) -> bool:
    from datetime import date

    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _may_have_controls(text: Any) -> bool:
    """A quick look at the bytes, so that the regular expression runs only where it may find something."""
    data = _bytes(text)
    return bool(((data < 32) & (data != 9) & (data != 10) & (data != 13)).any() or (data == 127).any())


def _longest_bytes(text: Any) -> int:
    """The bytes of the longest text; a text has at most as many characters."""
    import numpy as np

    offsets = _offsets(text)
    return int(np.diff(offsets).max(initial=0))


def _bytes(text: Any) -> Any:
    import numpy as np

    offsets, data = _offsets(text), text.buffers()[2]
    if data is None or not len(offsets):
        return np.empty(0, np.uint8)
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]


def _offsets(text: Any) -> Any:
    import numpy as np

    buffer = text.buffers()[1]
    if buffer is None or not len(text):
        return np.zeros(0, np.int32)
    return np.frombuffer(buffer, np.int32)[text.offset : text.offset + len(text) + 1]
