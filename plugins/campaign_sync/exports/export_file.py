"""One export file of Campaign, read strictly: a file that is not what it should be gives one reason, a row that is
not gives its own (campaign.md §8.2).

Not for fetching and archiving files (``taking.py``), nor for what a row is (``events/log_file.py``,
``consent/optout_file.py``). Memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from campaign_sync.exports.vocabulary import DELIMITERS
from campaign_sync.rows.transform import Sifted

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000  # of a frame at most
QUOTES = 'set " as string delimiter in Extract file'
BLOCK = 8 * 1024 * 1024  # bytes that are parsed at once, and more than the longest line
LONGEST_HEADER = 64 * 1024  # bytes
LARGEST = 64 * 1024**3  # bytes of a file once it is unpacked: a gzip may hold a thousand times what it weighs


class UnusableFile(Exception):
    """A file is set aside; ``reason`` goes on after its name. One that is ``incomplete`` may still be written."""

    def __init__(self, reason: str, *, incomplete: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.incomplete = incomplete


@dataclass(frozen=True)
class ExportFile(ABC):
    """A file that lies on this machine; what its columns and rows are, each kind of file says for itself."""

    path: Path
    name: str  # as Campaign called it
    log: str  # the field of `extract` that names such files
    extract: Any  # an ExportFiles with the fields of its kind

    def check(self) -> None:
        """Raises UnusableFile unless the file is whole, in its encoding, and has the columns of its log."""
        decode = codecs.getincrementaldecoder(self.extract.encoding)("strict").decode
        last, quotes, size = b"\n", 0, 0
        try:
            with self._opened() as file:
                while piece := file.read(BLOCK):
                    decode(piece)
                    last = piece[-1:]
                    quotes += piece.count(b'"')
                    size += len(piece)
                    if size > LARGEST:
                        raise UnusableFile(f"holds more than {LARGEST // 1024**3} GB: export less at once")
                decode(b"", True)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise UnusableFile("has a gzip that is cut off or damaged", incomplete=True) from None
        except UnicodeDecodeError:
            reason = f"is not {self.extract.encoding}: choose that encoding in Extract file"
            raise UnusableFile(f"{reason}, or set extract.encoding in the mapping") from None
        if last != b"\n":
            raise UnusableFile("is cut off: its last line has no end", incomplete=True)
        if quotes % 2:
            # Everything up to the next quote would be one cell, rows and all.
            raise UnusableFile(f"has a quote that is never closed: {QUOTES}")
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
                        yield self.judged(table.slice(start, ROWS), now, first + start, lost)
                        lost = []
                    first += batch.num_rows
            except pa.ArrowInvalid:
                # Arrow's text quotes the line, and a line holds people's data
                raise UnusableFile("is not a table: its lines cannot be told apart") from None
        if bad:
            yield self.judged(_no_rows(headers), now, first, bad)

    @abstractmethod
    def wanted(self, found: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """The header of each column that may be there, and the columns that must be, by our names.

        :param found: the headers of the file.
        """

    @abstractmethod
    def judged(self, rows: pa.Table, now: datetime, first: int, lost: list[int]) -> Sifted:
        """Some rows as a frame, and those of them that do not go on.

        :param rows: texts, with our names of the columns.
        :param first: the number of the first row in the file.
        :param lost: lines that have more or fewer cells than the header.
        """

    def _opened(self) -> BinaryIO | gzip.GzipFile:
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        # Campaign compresses by itself when its disk fills (campaign.md §9), so the name says nothing.
        return gzip.open(self.path, "rb") if packed else self.path.open("rb")

    def _headers(self) -> dict[str, str]:
        """Our name of each column that is in the file → its header."""
        encoding = "utf-8-sig" if self.extract.encoding == "utf-8" else self.extract.encoding
        with self._opened() as file:
            begins = file.readline(LONGEST_HEADER + 1)
        if len(begins) > LONGEST_HEADER:
            raise UnusableFile("is not a table: it has no header")
        line = begins.decode(encoding, "replace")
        found = next(csv.reader([line], delimiter=self.extract.delimiter), [])
        wanted, required = self.wanted(found)
        chosen = {name: header for name, header in wanted.items() if header in found}
        absent = [wanted[name] for name in dict.fromkeys(required) if name not in chosen]
        if not line:
            raise UnusableFile("is empty, without even a header", incomplete=True)
        if absent and len(found) < 2:
            said = f"is not separated by {self.extract.delimiter!r}{_separated_by(line)}"
            raise UnusableFile(
                f"{said}: set that separator in Extract file, or extract.delimiter in the mapping"
            )
        if absent:
            raise UnusableFile(
                f"has no column {', '.join(absent)}: add it in Extract file, or tell its header in the mapping"
            )
        if twice := sorted({each for each in found if found.count(each) > 1}):
            raise UnusableFile(f"names a column twice: {', '.join(twice)}")
        return chosen


def _no_rows(headers: dict[str, str]) -> pa.Table:
    import pyarrow as pa

    return pa.table({name: pa.array([], pa.string()) for name in headers})


def _separated_by(header: str) -> str:
    """What a header seems to be separated by instead."""
    most = max(DELIMITERS, key=header.count)
    return f" but by {most!r}" if header.count(most) else ""
