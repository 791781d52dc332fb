"""One export file of Campaign, read strictly: a file that is not what it should be gives one reason, a row that is
not gives its own (campaign.md §8.2, §8.4).

Not for fetching and archiving files (``taking.py``). Memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from campaign_sync.events.kinds import (
    NO_CONTACT,
    NO_EMAIL,
    PROOF,
    Judged,
    delivery_event,
    event_id,
    tracking_event,
)
from campaign_sync.events.vocabulary import (
    DELIVERY_COLUMNS,
    EVENT_COLUMNS,
    OPTIONAL_COLUMNS,
    TRACKING_COLUMNS,
    Extract,
)
from campaign_sync.rows.transform import VERSION, Sifted

if TYPE_CHECKING:
    import pandas as pd

DELIVERY, TRACKING = "delivery_logs", "tracking_logs"
NO_EVENT = "no_event"  #: the column of a frame that says why a row is no event

ROWS = 10_000  # of a frame at most
BLOCK = 8 * 1024 * 1024  # bytes that are parsed at once, and more than the longest line
#: A clock may be a little fast. A file in another time zone than UTC is an hour or more in the future.
AHEAD = timedelta(minutes=15)
EARLIEST = 1753  # dataverse.md §11: the first year of a date column
EMAIL = 0
FALSE = ("0", "false", "no", "")  # campaign.md §8.2: how booleans are written is unconfirmed


class UnusableFile(Exception):
    """A file is set aside; ``reason`` says why. One that is ``incomplete`` may still be written."""

    def __init__(self, reason: str, *, incomplete: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.incomplete = incomplete


class ExportFile(NamedTuple):
    """A file that lies on this machine."""

    path: Path
    name: str  # as Campaign called it
    log: str  # DELIVERY or TRACKING
    extract: Extract

    def check(self) -> None:
        """Raises UnusableFile unless the file is whole, in its encoding, and has the columns of its log."""
        decode = codecs.getincrementaldecoder(self.extract.encoding)("strict").decode
        last, quotes = b"\n", 0
        try:
            with self._opened() as file:
                while piece := file.read(BLOCK):
                    decode(piece)
                    last = piece[-1:]
                    quotes += piece.count(b'"')
                decode(b"", True)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise UnusableFile("its gzip is cut off or damaged", incomplete=True) from None
        except UnicodeDecodeError:
            reason = f"is not {self.extract.encoding} (choose the encoding in Extract file)"
            raise UnusableFile(reason) from None
        if last != b"\n":
            raise UnusableFile("is cut off: its last line has no end", incomplete=True)
        if quotes % 2:
            # Everything up to the next quote would be one cell, rows and all.
            raise UnusableFile('a quote is never closed (set " as string delimiter in Extract file)')
        self._headers()

    def frames(self, now: datetime) -> Iterator[Sifted]:
        """The rows as frames of events and of rows that are none, and the rows that cannot be read.

        Raises UnusableFile if the file turns out to be no table.
        """
        import pyarrow as pa
        from pyarrow import csv as table_file

        headers = self._headers()
        bad: list[int] = []

        def remember(row: Any) -> str:
            bad.append(row.number or 0)
            return "skip"

        with self._opened() as file:
            try:
                reader = table_file.open_csv(
                    file,
                    read_options=table_file.ReadOptions(
                        block_size=BLOCK, use_threads=False, encoding=self.extract.encoding
                    ),
                    parse_options=table_file.ParseOptions(
                        delimiter=self.extract.delimiter,
                        newlines_in_values=True,
                        invalid_row_handler=remember,
                    ),
                    convert_options=table_file.ConvertOptions(
                        column_types=dict.fromkeys(headers.values(), pa.string()),
                        include_columns=list(headers.values()),
                        strings_can_be_null=False,
                    ),
                )
                first = 1
                for batch in reader:
                    lost, bad = bad, []
                    table = pa.Table.from_batches([batch]).rename_columns(list(headers))
                    for start in range(0, max(table.num_rows, 1), ROWS):
                        yield self._judged(table.slice(start, ROWS), first + start, lost, now)
                        lost = []
                    first += batch.num_rows
            except pa.ArrowInvalid:
                # Arrow's text quotes the line, and a line holds people's data
                raise UnusableFile("is not a table: its lines cannot be told apart") from None
        if bad:
            yield self._judged(_no_rows(headers), first, bad, now)

    def _opened(self) -> BinaryIO | gzip.GzipFile:
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        # Campaign compresses by itself when its disk fills (campaign.md §9), so the name says nothing.
        return gzip.open(self.path, "rb") if packed else self.path.open("rb")

    def _headers(self) -> dict[str, str]:
        """Our name of each column that is in the file → its header."""
        encoding = "utf-8-sig" if self.extract.encoding == "utf-8" else self.extract.encoding
        with self._opened() as file:
            line = file.readline(BLOCK).decode(encoding, "replace")
        found = next(csv.reader([line], delimiter=self.extract.delimiter), [])
        named = getattr(self.extract, self.log).columns
        required = DELIVERY_COLUMNS if self.log == DELIVERY else TRACKING_COLUMNS
        wanted = OPTIONAL_COLUMNS | required | named
        chosen = {name: header for name, header in wanted.items() if header in found}
        absent = [wanted[name] for name in dict.fromkeys((*required, *named)) if name not in chosen]
        if not line:
            raise UnusableFile("is empty, without even a header")
        if absent and len(found) < 2:
            raise UnusableFile(f"its header is not separated by {self.extract.delimiter!r}")
        if absent:
            raise UnusableFile(f"its header has no {', '.join(absent)}")
        if len(set(found)) < len(found):
            raise UnusableFile("its header names a column twice")
        return chosen

    def _judged(self, table: Any, first: int, lost: list[int], now: datetime) -> Sifted:
        import numpy as np
        import pandas as pd

        text = {name: table[name].to_pandas().astype(object).to_numpy() for name in table.column_names}
        rows = table.num_rows
        happened = pd.to_datetime(
            pd.Series(text["happened"], dtype=object), format=self.extract.strptime, errors="coerce", utc=True
        )
        refusals = _bad_times(happened, now)
        judge = self._delivery if self.log == DELIVERY else self._tracking
        keys: list[str] = []
        kinds: list[str] = []
        why: list[str | None] = []
        rejected: list[tuple[str, str] | None] = []
        for row in range(rows):
            log_id = _number(text["log_id"][row])
            judged, problem = judge(text, row)
            if log_id is None:
                problem = ("log_id", f"{table_name(self.log)}: the row has no number")
            elif any("\n" in each[row] for each in text.values()):
                problem = ("columns", 'a cell holds a line end: is " the string delimiter in Extract file?')
            elif not problem and judged.kind and refusals[row]:
                problem = ("happened", refusals[row])
            keys.append(
                f"{self.name}:row {first + row}"
                if log_id is None
                else event_id(judged.kind or table_name(self.log), log_id)
            )
            kinds.append(judged.kind)
            why.append(judged.no_event or None)
            rejected.append(problem)
        frame = _frame({**text, "kind": kinds, NO_EVENT: why}, happened, keys)
        stays = np.array([each is None for each in rejected], dtype=bool)
        gone = [(key, *each) for key, each in zip(keys, rejected, strict=True) if each is not None]
        gone += [
            (f"{self.name}:line {line}", "columns", "the line has more or fewer cells than the header")
            for line in lost
        ]
        return Sifted(frame[stays], removed_rows(gone))

    def _delivery(self, text: dict[str, Any], row: int) -> tuple[Judged, tuple[str, str] | None]:
        status, kind, reason = (
            _number(text[name][row]) for name in ("status", "failure_type", "failure_reason")
        )
        if status is None:
            return Judged(), ("status", f"status is not a number: {LABELS}")
        if excused := _excused(text, row):
            return Judged(no_event=excused), None
        failed = status == 2
        if failed and (kind is None or reason is None):
            return Judged(), ("failure_type", f"failure type and reason are not numbers: {LABELS}")
        return delivery_event(status, kind or 0, reason or 0), None

    def _tracking(self, text: dict[str, Any], row: int) -> tuple[Judged, tuple[str, str] | None]:
        kind = _number(text["url_type"][row])
        if kind is None:
            return Judged(), ("url_type", f"the type of the URL is not a number: {LABELS}")
        judged = tracking_event(kind)
        if not judged.kind and not judged.no_event:
            return judged, ("url_type", f"no such type of URL is known: {kind}")
        excused = _excused(text, row)
        return (Judged(no_event=excused) if excused else judged), None


LABELS = "untick “Export labels instead of internal values” in Extract file"


def table_name(log: str) -> str:
    """What a row of a log is called in reports."""
    return "delivery" if log == DELIVERY else "tracking"


def removed_rows(gone: list[tuple[str, str, str]], fate: str = "rejected") -> pd.DataFrame:
    """Rows that do not go on, of key, rule and reason, as ``Sifted`` has them."""
    import pandas as pd
    import pyarrow as pa

    version = pd.arrays.ArrowExtensionArray(pa.array([0] * len(gone), pa.int64()))
    return pd.DataFrame(
        {
            VERSION: version,
            "fate": text_column([fate] * len(gone)),
            "rule": text_column([rule for _, rule, _ in gone]),
            "reason": text_column([reason for _, _, reason in gone]),
        },
        index=pd.Index([key for key, _, _ in gone], name="event", dtype=object),
    )


def text_column(texts: list[str]) -> Any:
    """Texts as a column of a frame."""
    import pandas as pd
    import pyarrow as pa

    return pd.arrays.ArrowExtensionArray(pa.array(texts, pa.string()))


def event_schema() -> dict[str, Any]:
    """The columns of a frame of events with their Arrow types."""
    import pyarrow as pa

    texts = dict.fromkeys((*EVENT_COLUMNS, NO_EVENT), pa.string())
    return {VERSION: pa.int64()} | texts | {"happened": pa.timestamp("us", "UTC")}


def event_frame(columns: dict[str, Any], keys: list[str]) -> pd.DataFrame:
    """A frame of events; a column that is not given is empty, and so is an empty text."""
    import pandas as pd
    import pyarrow as pa

    made = {}
    for name, kind in event_schema().items():
        cells: Any = columns.get(name, [0 if name == VERSION else None] * len(keys))
        array = pa.array([None if each == "" or each is pd.NaT else each for each in cells], kind)
        made[name] = pd.arrays.ArrowExtensionArray(array)
    return pd.DataFrame(made, index=pd.Index(keys, name="event", dtype=object))


def _frame(columns: dict[str, Any], happened: Any, keys: list[str]) -> pd.DataFrame:
    contacts = [str(each).strip().lower() for each in columns["contact"]]
    return event_frame({**columns, "contact": contacts, "happened": happened.tolist()}, keys)


def _no_rows(headers: dict[str, str]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.array([], pa.string()) for name in headers})


def _excused(text: dict[str, Any], row: int) -> str:
    """Why a row of either log is no event of ours, if it says so."""
    if not text["contact"][row].strip():
        return NO_CONTACT
    if "proof" in text and text["proof"][row].strip().lower() not in FALSE:
        return PROOF
    if "message_type" in text and text["message_type"][row].strip() not in ("", str(EMAIL)):
        return NO_EMAIL
    return ""


def _number(cell: str) -> int | None:
    cell = cell.strip()
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) <= 18 else None


def _bad_times(happened: Any, now: datetime) -> list[str]:
    import pandas as pd

    latest = pd.Timestamp(now + AHEAD)
    return [
        "the time cannot be read, or does not exist"
        if pd.isna(each)
        else "the time is in the future: do the files have another time zone than UTC?"
        if each > latest
        else f"the time is before {EARLIEST}"
        if each.year < EARLIEST
        else ""
        for each in happened
    ]
