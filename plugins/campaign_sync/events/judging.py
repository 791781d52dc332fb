"""Which rows of an export are which events, and which cannot be read (campaign.md §8.4, §12.1).

By columns: rows of which the log says the same are judged once. Not for reading files (``log_file.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.events.frames import NO_EVENT, Problems, event_frame, rows_where, without
from campaign_sync.events.kinds import (
    NO_CONTACT,
    NO_EMAIL,
    PROOF,
    Judged,
    delivery_event,
    tracking_event,
)
from campaign_sync.events.vocabulary import Extract
from campaign_sync.exports.export_file import QUOTES
from campaign_sync.exports.times import read_times
from campaign_sync.rows.transform import Sifted

if TYPE_CHECKING:
    import pyarrow as pa

DELIVERY, TRACKING = "delivery_logs", "tracking_logs"

EMAIL = 0
FALSE = ("0", "false", "no", "")  # campaign.md §8.2: how booleans are written is unconfirmed
LABELS = "untick “Export labels instead of internal values” in Extract file"
NUL = "a cell holds a NUL byte: the file is damaged; export its time again"
#: What of a row says which event it is.
TELLING = ("status", "failure_type", "failure_reason", "url_type", "contact", "proof", "message_type")


class Told(NamedTuple):
    """What rows that say the same are."""

    judged: Judged
    problem: tuple[str, str] | None = None


def judge_rows(
    table: pa.Table, log: str, extract: Extract, now: datetime, *, file: str, first: int
) -> Sifted:
    """Events, rows that are none, and rejected rows, of a part of a file.

    :param table: texts, with our names of the columns.
    :param first: the number of the first row in its file.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    text = {name: table[name].combine_chunks() for name in table.column_names}
    distinct, which = _distinct({name: _telling(text, name) for name in TELLING if name in text})
    told = [(_delivery if log == DELIVERY else _tracking)(cells) for cells in distinct]

    def each(values: list[Any], kind: pa.DataType = pa.string()) -> pa.Array:  # noqa: B008
        return pa.array(values, kind).take(which)

    numbers = _numbers(text["log_id"])
    happened, bad_times = read_times(text["happened"], extract, now)
    # The name of an event in reports and in the ledger: its kind and the number of its row (campaign.md §12.1).
    names = each([one.judged.kind or table_name(log) for one in told])
    keys = [
        key or f"{file}:row {first + row}"
        for row, key in enumerate(pc.binary_join_element_wise(names, numbers, ":").to_pylist())
    ]
    # Of several, the last that is said here counts.
    problems: Problems = {
        row: ("happened", reason) for row, reason in bad_times.items() if told[which[row].as_py()].judged.kind
    }
    for row in rows_where(each([one.problem is not None for one in told], pa.bool_())):
        problems[row] = told[which[row].as_py()].problem or ("", "")
    for character, reason in (("\0", NUL), ("\n", f"a cell holds a line end: {QUOTES}")):
        for column in text.values():
            problems |= dict.fromkeys(rows_where(pc.match_substring(column, character)), ("columns", reason))
    for row in rows_where(pc.is_null(numbers)):
        reason = f"{table_name(log)}: the row has no number, or one that is not digits only"
        problems[row] = ("log_id", reason)
    columns = {
        **text,
        "kind": each([one.judged.kind for one in told]),
        NO_EVENT: each([one.judged.no_event for one in told]),
        "contact": pc.utf8_lower(pc.utf8_trim_whitespace(text["contact"])),
        "happened": happened,
    }
    return without(event_frame(columns, keys), problems)


def table_name(log: str) -> str:
    """What a row of a log is called in reports."""
    return "delivery" if log == DELIVERY else "tracking"


def _telling(text: Mapping[str, pa.Array], name: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(text[name])
    # Of the contact, only whether there is one.
    return pc.not_equal(cells, "").cast(pa.string()) if name == "contact" else cells


def _distinct(columns: Mapping[str, pa.Array]) -> tuple[list[dict[str, str]], pa.Array]:
    """The combinations of cells that there are, and which of them each row has."""
    import numpy as np
    import pyarrow as pa

    which, examples = (
        np.zeros(len(next(iter(columns.values()))), dtype=np.int64),
        np.array([], dtype=np.int64),
    )
    for column in columns.values():
        coded = column.dictionary_encode()
        both = which * max(len(coded.dictionary), 1) + coded.indices.to_numpy()
        _, examples, which = np.unique(both, return_index=True, return_inverse=True)
    taken = {name: column.take(pa.array(examples)).to_pylist() for name, column in columns.items()}
    return [dict(zip(taken, cells, strict=True)) for cells in zip(*taken.values(), strict=True)], pa.array(
        which
    )


def _delivery(cells: dict[str, str]) -> Told:
    status, kind, reason = (_number(cells[name]) for name in ("status", "failure_type", "failure_reason"))
    if status is None:
        return Told(Judged(), ("status", f"status is not a number: {LABELS}"))
    if excused := _excused(cells):
        return Told(Judged(no_event=excused))
    if status == 2 and (kind is None or reason is None):
        return Told(Judged(), ("failure_type", f"failure type and reason are not numbers: {LABELS}"))
    return Told(delivery_event(status, kind or 0, reason or 0))


def _tracking(cells: dict[str, str]) -> Told:
    kind = _number(cells["url_type"])
    if kind is None:
        return Told(Judged(), ("url_type", f"the type of the URL is not a number: {LABELS}"))
    judged = tracking_event(kind)
    if not judged.kind and not judged.no_event:
        return Told(judged, ("url_type", f"no such type of URL is known: {kind}. Please report it"))
    excused = _excused(cells)
    return Told(Judged(no_event=excused) if excused else judged)


def _excused(cells: dict[str, str]) -> str:
    """Why a row of either log is no event of ours, if it says so."""
    if cells["contact"] == "false":
        return NO_CONTACT
    if cells.get("proof", "").lower() not in FALSE:
        return PROOF
    if cells.get("message_type", "") not in ("", str(EMAIL)):
        return NO_EMAIL
    return ""


def _number(cell: str) -> int | None:
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) <= 18 else None


def _numbers(column: pa.Array) -> pa.Array:
    """Whole numbers as texts, in the one way to write them; what is none is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(column)
    good = pc.match_substring_regex(cells, "^[0-9]{1,18}$")
    return pc.if_else(good, cells, None).cast(pa.int64()).cast(pa.string())
