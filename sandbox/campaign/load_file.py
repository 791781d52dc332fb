"""The Load file activity: a file's bytes become typed rows and rejected lines (campaign.md §8.1).

Knows nothing of resources: what a value may be in a field is decided when the row is written.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sandbox.campaign.import_declaration import Column, LoadFile

TOKENS = {"YYYY": r"(?P<Y>\d{4})", "MM": r"(?P<M>\d\d)", "DD": r"(?P<D>\d\d)",
          "HH": r"(?P<h>\d\d)", "mm": r"(?P<m>\d\d)", "SS": r"(?P<s>\d\d)"}  # fmt: skip
DEFAULT_FORMATS = {"date": "DD/MM/YYYY", "datetime": "DD/MM/YYYY HH:mm:SS"}
NOT_UTF_8 = re.compile("[\udc80-\udcff]")
INTEGER = re.compile(r"[+-]?\d{1,18}")

# Windows leaves five places of its Latin 1 empty and shows them as they are
codecs.register_error("campaign-1252", lambda e: (chr(e.object[e.start]), e.start + 1))  # type: ignore[attr-defined]


class FileRefused(Exception):
    """A file that the activity cannot load: the workflow becomes erroneous."""


class Line(NamedTuple):
    """One record of a file; `source` is the text it was read from."""

    number: int
    source: str
    cells: dict[str, Any]


class Reject(NamedTuple):
    """A record that goes no further, and why."""

    number: int
    source: str
    reason: str


class Loaded(NamedTuple):
    """What a file holds; `missing` are columns of the definition that it has not."""

    header: str
    lines: Iterator[Line | Reject]
    missing: tuple[str, ...]


class _Bad(Exception):
    """A cell that its column cannot be."""


def load_file(content: bytes, settings: LoadFile) -> Loaded:
    """Read a file's header; records come as they are asked for, in file order."""
    # a byte-order mark stays where it is: the first column is then called otherwise (§8.1)
    text = (
        content.decode("utf-8", "surrogateescape")
        if settings.encoding == "utf-8"
        else content.decode("cp1252", "campaign-1252")
    )
    records = _records(text, settings)
    for _ in range(settings.ignore_lines):
        next(records, None)
    if settings.header:
        _, header, names = next(records, (1, "", []))
    else:
        header, names = "", [column.name for column in settings.columns]
    declared = {column.name for column in settings.columns}
    missing, unknown = sorted(declared - set(names or ())), sorted(set(names or ()) - declared)
    if settings.check_columns and (missing or unknown or names is None):
        said = [
            f"{word} {', '.join(found)}" for word, found in (("without", missing), ("with", unknown)) if found
        ]
        raise FileRefused(f"the columns of the file do not match the definition: {'; '.join(said)}")
    return Loaded(header, _lines(records, names or [], settings), tuple(missing))


def readers(settings: LoadFile) -> dict[str, Callable[[str], Any]]:
    """Return what reads the cells of each column; raise ValueError for a format or zone that is none."""
    try:
        return {column.name: _reader(column, settings.time_zone) for column in settings.columns}
    except (KeyError, re.error):
        raise ValueError("a format or the time zone of load_file cannot be understood") from None


def _records(text: str, settings: LoadFile) -> Iterator[tuple[int, str, list[str] | None]]:
    """Yield number, source and cells of each record; None for cells that cannot be told apart."""
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if not settings.quote:
        for number, line in enumerate(lines, 1):
            source = line.removesuffix("\r")
            yield number, source, source.split(settings.separator)
        return
    at = 0
    while at < len(lines):
        start, source = at, lines[at].removesuffix("\r")
        at += 1
        if settings.quote not in source:
            yield start + 1, source, source.split(settings.separator)
            continue
        cells, closed = _quoted(source, settings)
        while not closed and settings.multiline and at < len(lines):
            source = f"{source}\n{lines[at].removesuffix(chr(13))}"
            at += 1
            if settings.quote in lines[at - 1]:
                cells, closed = _quoted(source, settings)
        if cells is None:  # the next record begins on the next line all the same
            at, source = start + 1, lines[start]
        yield start + 1, source, cells


def _quoted(source: str, settings: LoadFile) -> tuple[list[str] | None, bool]:
    """Return the cells of a record with string delimiters, None when they are wrong, and whether it ends."""
    pieces = source.split("\n")
    rows = [line + "\n" for line in pieces[:-1]] + pieces[-1:]
    try:
        found = list(csv.reader(rows, delimiter=settings.separator, quotechar=settings.quote, strict=True))
    except csv.Error as error:
        return None, "end of data" not in str(error)
    return (found[0] if len(found) == 1 else None), True


def _lines(records: Iterator[Any], names: list[str], settings: LoadFile) -> Iterator[Line | Reject]:
    known = readers(settings)
    used = [(at, name, known[name]) for at, name in enumerate(names) if name in known]
    # off: a column that is not there only warns, and its values are blank (§8.1)
    blank = {column.name: None for column in settings.columns if column.name not in names}
    for number, source, cells in records:
        if cells is None:
            yield Reject(number, source, "a string delimiter is not where it should be")
        elif len(cells) != len(names):
            yield Reject(number, source, f"{len(cells)} columns instead of {len(names)}")
        elif settings.encoding == "utf-8" and not source.isascii() and NOT_UTF_8.search(source):
            yield Reject(number, source, "not UTF-8")
        else:
            row = dict(blank)
            try:
                for at, name, read in used:
                    row[name] = read(cells[at])
            except _Bad as error:
                yield Reject(number, source, f"column {name}: {error}")
                continue
            yield Line(number, source, row)


def _reader(column: Column, time_zone: str) -> Callable[[str], Any]:
    """Return what reads a cell of a column: remapping, type, empty value, error processing."""
    convert = _converter(column, time_zone)
    empty_fails = column.empty == "error" or (
        column.empty == "error_for_numbers" and column.type in ("integer", "float")
    )

    def remapped(cell: str) -> Any:
        if cell in column.remap:
            cell = column.remap[cell]
        elif column.unmapped == "default":
            return column.default
        elif column.unmapped == "reject":
            raise _Bad("not in the list of remapped values")
        return convert(cell)

    value = remapped if column.remap else convert

    def read(cell: str) -> Any:
        try:
            if cell == "":
                if empty_fails:
                    raise _Bad("empty")
                return None
            return value(cell)
        except _Bad:
            if column.on_error == "reject":
                raise
            return column.default if column.on_error == "default" else None

    return read


def _converter(column: Column, time_zone: str) -> Callable[[str], Any]:
    match column.type:
        case "integer":
            return _integer
        case "float":
            return _float(column.decimal)
        case "date" | "datetime":
            return _moment(column.type, column.format or DEFAULT_FORMATS[column.type], ZoneInfo(time_zone))

    def text(cell: str) -> str:
        if column.length and len(cell) > column.length:
            raise _Bad(f"longer than {column.length}")
        return cell

    return text


def _integer(cell: str) -> int:
    if not INTEGER.fullmatch(cell):
        raise _Bad("not an integer")
    return int(cell)


def _float(decimal: str) -> Callable[[str], float]:
    form = re.compile(rf"[+-]?\d+(?:{re.escape(decimal)}\d+)?")

    def read(cell: str) -> float:
        if not form.fullmatch(cell):
            raise _Bad("not a number")
        return float(cell.replace(decimal, "."))

    return read


def _moment(kind: str, form: str, zone: ZoneInfo) -> Callable[[str], str]:
    """Return what reads a date, or a datetime in the activity's time zone, and writes it as it is stored."""
    pattern = re.escape(form)
    for token, group in TOKENS.items():
        pattern = pattern.replace(token, group, 1)
    compiled = re.compile(pattern)
    order = [name for name in "YMDhms" if name in compiled.groupindex]
    if not order[:3] == ["Y", "M", "D"]:
        raise ValueError(f"a {kind} cannot be read as {form}: it has no year, month and day")
    utc = zone.key == "UTC"

    def read(cell: str) -> str:
        match = compiled.fullmatch(cell)
        if match is None:
            raise _Bad(f"not a {kind} of the form {form}")
        try:
            if kind == "date":
                return date(*map(int, match.group(*order))).isoformat()
            when = datetime(*map(int, match.group(*order)), tzinfo=zone)  # type: ignore[misc,arg-type]
        except ValueError:
            raise _Bad(f"not a {kind}") from None
        shown = when if utc else when.astimezone(UTC)
        return f"{shown.isoformat(' ')[:19]}.000Z"

    return read
