"""Which keys a read has listed: on disk, because they are as many as the rows and memory must not grow with them (N1).

Not the ledger: it lasts as long as the read, and nobody else sees it. A process that is killed leaves nothing behind.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from campaign_sync.errors import RefusedError

#: An empty name is SQLite's for a database in a file without a name, gone when it is closed (it honours SQLITE_TMPDIR
#: and TMPDIR, and prefers /var/tmp to a /tmp that may be memory).
WITHOUT_NAME = ""


class Listed:
    """A set of keys that may be larger than memory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(WITHOUT_NAME, isolation_level=None)
        # Nothing here outlives the process, so nothing needs to be safe on disk.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32000"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE listed (key TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID")

    def add(self, keys: Iterable[str]) -> None:
        """Remembers keys; a key may come again."""
        with _room_on_disk():
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR IGNORE INTO listed VALUES (?)", ((key,) for key in sorted(keys))
            )
            self._database.execute("COMMIT")

    def lacks(self, keys: Sequence[str]) -> list[str]:
        """Those of these keys that were never added, in their order."""
        query = (
            "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM listed WHERE listed.key = value)"
        )
        with _room_on_disk():
            return [key for (key,) in self._database.execute(query, (json.dumps(keys),))]

    def close(self) -> None:
        """Forgets all, and frees the disk."""
        self._database.close()


@contextmanager
def _room_on_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        remedy = "Free disk space in the folder for temporary files, or name another one in SQLITE_TMPDIR"
        raise RefusedError("storage", "temporary files", None, "", str(error), remedy) from error
