"""Rows as the bytes of a file that Campaign's Load file reads (campaign.md §8.1): columns, formats, quotes, gzip.

Not for which rows go by file nor for names of files (``run/parts.py``), nor for sending them. What stands in a file
must leave in Campaign what the same rows leave by REST: rows of which a file cannot promise that are told apart.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from isal import igzip

from campaign_sync.arrow import one_array

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import Field, ResourceSchema

OPERATION = "op"
WRITE, DELETE = "U", "D"
SEPARATOR, QUOTE = ";", '"'

#: Characters of a cell that Python's csv reads at most. Its own limit is 131,072, and a text of Dynamics has a million.
LONGEST = 2**31 - 1

#: What Load file may not read as a whole number: more digits than 18.
LARGEST = 10**18
LEVEL = 1  # of isal: as small as zlib makes it at 6, in a tenth of the time


class FileColumn(NamedTuple):
    """One column of the file, as the Load file activity has to be told."""

    name: str  # in the header: the field's name in Campaign
    field: str  # of the mapping
    type: str  # text, integer, float, date, datetime
    format: str
    length: int | None
    insert_only: bool  # of a field with `updates: false`


def file_columns(mapping: Mapping, resource: ResourceSchema) -> list[FileColumn]:
    """The columns of a mapping's file after ``op``, in the mapping's order."""
    found = []
    for target, how in mapping.map.items():
        field = resource.fields[target]
        kind, form = _KINDS.get(field.type, ("text", ""))
        if field.type == "enumeration":
            form = "one of: " + ", ".join(field.values or ())
        length = field.length if kind == "text" else None
        found.append(FileColumn(field.name, target, kind, form, length, not how.updates))
    return found


def describe(columns: list[FileColumn]) -> str:
    """The columns as a table, ``op`` included, for the person who builds the workflow."""
    lines = [("column", "type", "length", "format", "on update")]
    lines.append((OPERATION, "text", "1", f"{WRITE} insert or update, {DELETE} delete", "-"))
    for each in columns:
        length = str(each.length or "") if each.type == "text" else ""
        lines.append(
            (each.name, each.type, length, each.format, "insert only" if each.insert_only else "write")
        )
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


_KINDS = {
    "integer": ("integer", "12"),
    "float": ("float", "12.5 (decimal point, no thousands separator)"),
    "boolean": ("integer", "0 or 1"),
    "date": ("date", "YYYY/MM/DD"),
    "datetime": ("datetime", "YYYY/MM/DD HH:mm:SS (UTC)"),
}


def carried(frame: pd.DataFrame, resource: ResourceSchema) -> NDArray[np.bool_]:
    """Which rows a file carries unharmed: no carriage returns, whole seconds, at most 18 digits."""
    import numpy as np
    from pyarrow import compute

    good = np.ones(len(frame), dtype=bool)
    for name in frame.columns if len(frame) else ():
        if str(name).startswith("@"):
            continue
        values, kind = one_array(frame[name]), resource.fields[name].type
        bad = None
        if kind == "datetime":
            bad = compute.invert(compute.match_substring_regex(values, pattern=r"^$|\.000Z$"))
        elif kind == "integer":
            bad = compute.or_(compute.greater_equal(values, LARGEST), compute.less_equal(values, -LARGEST))
        elif kind not in ("boolean", "float", "date") and b"\r" in _bytes(values):
            bad = compute.match_substring(values, "\r")  # a reader of lines may take it for an end of one
        if bad is not None:
            good &= ~compute.fill_null(bad, False).to_numpy(zero_copy_only=False)
    return good


def file_bytes(
    written: pd.DataFrame,
    deleted: list[str],
    columns: list[FileColumn],
    resource: ResourceSchema,
    key_field: str,
) -> bytes:
    """A whole file, compressed: header, rows to create or update, keys to delete.

    :param written: the mapped fields; an empty text or date is an empty cell, which unsets the field.
    """
    header = SEPARATOR.join([OPERATION, *(column.name for column in columns)])
    text = b"".join(
        [header.encode(), b"\n", *_rows(written, columns, resource), *_gone(deleted, columns, key_field)]
    )
    return igzip.compress(text, LEVEL, mtime=0)


def read_lines(lines: Iterable[str]) -> Iterator[list[str]]:
    """The cells of each row of such a file, or of one in which Campaign gives lines of it back."""
    csv.field_size_limit(LONGEST)  # of the whole process, so it never gets smaller
    return csv.reader(lines, delimiter=SEPARATOR, quotechar=QUOTE)


def file_without(compressed: bytes, keys: Collection[str], key_column: str) -> bytes:
    """A file without the lines of these keys; the others are as they were."""
    record: list[str] = []  # the lines of one row, of which a text may have several

    def lines() -> Iterator[str]:
        text: bytes = igzip.decompress(compressed)  # type: ignore[no-untyped-call]
        for line in io.StringIO(text.decode(), newline="\n"):
            record.append(line)
            yield line

    rows = read_lines(lines())
    at = next(rows).index(key_column)
    kept = record.copy()
    record.clear()
    for cells in rows:
        if cells[at] not in keys:
            kept += record
        record.clear()
    return igzip.compress("".join(kept).encode(), LEVEL, mtime=0)


def _rows(frame: pd.DataFrame, columns: list[FileColumn], resource: ResourceSchema) -> Iterator[bytes]:
    import pyarrow as pa

    if not len(frame):
        return
    cells = [_cells(one_array(frame[column.field]), resource.fields[column.field]) for column in columns]
    yield _lines([pa.repeat(WRITE, len(frame)), *cells])


def _gone(keys: list[str], columns: list[FileColumn], key_field: str) -> Iterator[bytes]:
    import pyarrow as pa

    if not keys:
        return
    blank = pa.repeat("", len(keys))
    named = _quoted(pa.array(keys, pa.string()))
    yield _lines(
        [pa.repeat(DELETE, len(keys)), *(named if each.field == key_field else blank for each in columns)]
    )


def _cells(values: pa.Array, field: Field) -> pa.Array:
    """A field's values as cells; what is missing or empty is an empty cell."""
    import pyarrow as pa
    from pyarrow import compute

    if field.type == "boolean":
        return compute.fill_null(values.cast(pa.int8()).cast(pa.string()), "0")
    if field.type == "integer":
        return compute.fill_null(values.cast(pa.string()), "0")
    if field.type == "float":
        return compute.fill_null(_decimals(values), "0")
    values = compute.fill_null(values, "")
    if field.type in ("date", "datetime"):
        # "2026-02-03 04:05:06.000Z" → "2026/02/03 04:05:06"; the day alone for a date
        day = compute.replace_substring(compute.utf8_slice_codeunits(values, 0, 10), "-", "/")
        if field.type == "date":
            return day
        return compute.binary_join_element_wise(day, compute.utf8_slice_codeunits(values, 10, 19), "")
    return _quoted(values)


def _decimals(values: pa.Array) -> pa.Array:
    """Numbers with a decimal point and never an exponent, which Load file does not read."""
    from decimal import Decimal

    import pyarrow as pa
    from pyarrow import compute

    text = values.cast(pa.float64()).cast(pa.string())
    if not compute.any(compute.match_substring(text, "e")).as_py():
        return text
    plain = [each and (format(Decimal(each), "f") if "e" in each else each) for each in text.to_pylist()]
    return pa.array(plain, pa.string())


def _quoted(text: pa.Array) -> pa.Array:
    """Cells with quotes where they need them."""
    from pyarrow import compute

    data = _bytes(text)
    marks = [mark for mark in (SEPARATOR, QUOTE, "\n") if mark.encode() in data]
    if not marks:
        return text
    needs = compute.match_substring(text, marks[0])
    for mark in marks[1:]:
        needs = compute.or_(needs, compute.match_substring(text, mark))
    doubled = compute.replace_substring(text, QUOTE, QUOTE + QUOTE) if QUOTE in marks else text
    return compute.if_else(needs, compute.binary_join_element_wise(QUOTE, doubled, QUOTE, ""), text)


def _lines(columns: list[pa.Array]) -> bytes:
    import pyarrow as pa
    from pyarrow import compute

    rows = compute.binary_join_element_wise(*columns, SEPARATOR)
    every = pa.ListArray.from_arrays(pa.array([0, len(rows)], pa.int32()), rows)
    text: bytes = compute.binary_join(every, "\n")[0].as_buffer().to_pybytes()
    return text + b"\n"


def _bytes(text: pa.Array) -> bytes:
    """All texts in a row: a quick look for a character that hardly any of them holds."""
    import numpy as np
    import pyarrow as pa

    if not len(text):
        return b""
    _, offsets, data = text.cast(pa.string()).buffers()
    if data is None:
        return b""
    ends = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(data)[ends[0] : ends[-1]].tobytes()
