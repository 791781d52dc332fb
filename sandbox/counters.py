"""Counters and the journal of requests, for assertions about what a client did.

No values of records pass through here: paths are journaled without their query values.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any

JOURNAL_LENGTH = 10_000


class Counters:
    """Counts by name and remembers the last requests; safe to call from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._journal: deque[dict[str, Any]] = deque(maxlen=JOURNAL_LENGTH)
        self._written = 0

    def add(self, name: str, n: int = 1) -> None:
        with self._lock:
            self._counts[name] += n

    def get(self, name: str) -> int:
        return self._counts.get(name, 0)

    def snapshot(self) -> dict[str, int]:
        """Return all counters by name, sorted."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def journal(self, system: str, method: str, path: str, status: int | None, **more: Any) -> None:
        """Remember one request; a status of None means that no answer was sent."""
        with self._lock:
            self._written += 1
            entry = {
                "number": self._written,
                "system": system,
                "method": method,
                "path": path,
                "status": status,
            }
            self._journal.append({**entry, **more})

    def entries(self, system: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Return the remembered requests, oldest first, of one system and with a number above `after`."""
        with self._lock:
            entries = list(self._journal)
        return [e for e in entries if e["number"] > after and system in (None, e["system"])]

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()
            self._journal.clear()
            self._written = 0
