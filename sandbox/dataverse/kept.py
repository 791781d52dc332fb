"""Large pages that were made once, kept in a file as the bytes that are sent, until any row changes.

A page costs more to make than to send; a client that is measured should not wait for it. Not for small pages, nor for
those with annotations or expansions.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SMALLEST = 500  # rows: less is made anew sooner than a file is written
MOST = 4 * 1024**3  # bytes of the file; what comes later is made each time


@dataclass(frozen=True)
class Page:
    """The rows of one page as JSON text without the brackets of the list, and what its links need."""

    rows: bytes
    count: int = 0
    first_id: str = ""
    last_id: str = ""
    last: tuple[Any, ...] = ()
    """The sort values of the last row."""
    more: bool = False


class KeptPages:
    """Pages by question, all of one state of the organisation; safe to call from threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._file: Any = None
        self._end = 0
        self._state: Hashable = None
        self._places: dict[Hashable, tuple[int, int, Page]] = {}

    def find(self, state: Hashable, question: Hashable) -> Page | None:
        """The page that was kept for a question in this very state, or None."""
        with self._lock:
            if state != self._state or question not in self._places:
                return None
            start, length, page = self._places[question]
            return replace(page, rows=os.pread(self._file.fileno(), length, start))

    def keep(self, state: Hashable, question: Hashable, page: Page) -> None:
        """Keep a page; pages of another state are forgotten."""
        if page.count < SMALLEST:
            return
        with self._lock:
            if state != self._state:
                self._forget()
                self._state = state
            if self._end + len(page.rows) > MOST:
                return
            if not self._written(page.rows):
                return
            self._places[question] = (self._end, len(page.rows), replace(page, rows=b""))
            self._end += len(page.rows)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._forget()

    def _written(self, rows: bytes) -> bool:
        """Whether the file took a page: a full disk only means that it is made again."""
        try:
            if self._file is None:
                # without a name: gone with the process, however that ends
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            return os.pwrite(self._file.fileno(), rows, self._end) == len(rows)
        except OSError:
            return False

    def _forget(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._end, self._state, self._places = None, 0, None, {}
