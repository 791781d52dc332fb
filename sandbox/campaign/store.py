"""Rows at rest: SQLite, one table per tenant and resource, the row as JSON, indexes on the JSON's columns.

A row holds only what differs from the unset value, links by row number. Uniqueness is the database's (B12).
The loop writes over one connection; threads read over their own.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Row(NamedTuple):
    """One stored record."""

    id: int
    data: dict[str, Any]


class DuplicateKey(Exception):
    """A unique index refused a row; `index` is its name."""

    def __init__(self, index: str) -> None:
        super().__init__(index)
        self.index = index


def column(name: str, alias: str = "") -> str:
    """Return the SQL for a column of the JSON; unset text counts as NULL, so that keys allow many of it."""
    prefix = f"{alias}." if alias else ""
    return f"nullif(json_extract({prefix}data, '$.{name}'), '')"


class Store:
    """The tables of all tenants in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()
        self._writer = self._connect()
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT)")
        self._counts: dict[str, int] = {}
        self._owner = threading.get_ident()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA cache_size = -32000")
        return connection

    @property
    def _reader(self) -> sqlite3.Connection:
        """This thread's connection: the writer's on the loop, one of its own elsewhere."""
        if threading.get_ident() == self._owner:
            return self._writer
        if not hasattr(self._threads, "connection"):
            self._threads.connection = self._connect()
        return self._threads.connection  # type: ignore[no-any-return]

    def belong_to_this_thread(self) -> None:
        """Make the calling thread (the loop's) the one that uses the writer."""
        self._owner = threading.get_ident()

    # ---- settings --------------------------------------------------------------------------------

    def setting(self, name: str) -> Any:
        row = self._reader.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else _decode(row[0])

    def set(self, name: str, value: Any) -> None:
        text = _encode(value).decode()
        self._writer.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, text))

    def secret(self) -> bytes:
        """Return the secret that PKeys come from; made once per file."""
        if self.setting("secret") is None:
            self.set("secret", secrets.token_hex(32))
        return bytes.fromhex(self.setting("secret"))

    # ---- tables ----------------------------------------------------------------------------------

    def prepare(
        self, table: str, unique: Mapping[str, Sequence[str]], plain: Mapping[str, Sequence[str]]
    ) -> None:
        """Create a table and exactly these indexes; raise DuplicateKey if its rows break a unique one."""
        sql = (
            f'CREATE TABLE IF NOT EXISTS "{table}" (id INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT NOT NULL)'
        )
        self._writer.execute(sql)
        wanted = {f"{table}:{n}": ("UNIQUE ", c) for n, c in unique.items()}
        wanted |= {f"{table}:~{n}": ("", c) for n, c in plain.items()}
        listed = self._writer.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
            (table,),
        )
        there = {name for (name,) in listed}
        for name in there - wanted.keys():
            self._writer.execute(f'DROP INDEX "{name}"')
        for name in wanted.keys() - there:
            kind, columns = wanted[name]
            terms = ", ".join(column(c) for c in columns)
            with _naming_duplicates():
                self._writer.execute(f'CREATE {kind}INDEX "{name}" ON "{table}" ({terms})')

    def count(self, table: str) -> int:
        """Return the number of rows, hidden ones included, without scanning each time."""
        if table not in self._counts:
            self._counts[table] = self._reader.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
        return self._counts[table]

    def clear(self) -> None:
        """Forget all rows and settings but the secret."""
        keep = self.setting("secret")
        listed = self._writer.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in listed:
            if name not in ("setting", "sqlite_sequence"):
                self._writer.execute(f'DROP TABLE "{name}"')
        self._writer.execute("DELETE FROM setting")
        self._writer.execute("DELETE FROM sqlite_sequence")
        self._counts.clear()
        if keep is not None:
            self.set("secret", keep)

    # ---- rows ------------------------------------------------------------------------------------

    def insert(self, table: str, data: Mapping[str, Any]) -> int:
        with _naming_duplicates():
            cursor = self._writer.execute(
                f'INSERT INTO "{table}" (data) VALUES (?)', (_encode(data).decode(),)
            )
        if table in self._counts:
            self._counts[table] += 1
        return cursor.lastrowid or 0

    def insert_many(self, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert rows in one transaction; all or none."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            with _naming_duplicates():
                cursor = self._writer.executemany(
                    f'INSERT INTO "{table}" (data) VALUES (?)', ((_encode(row).decode(),) for row in rows)
                )
            self._writer.execute("COMMIT")
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise
        self._counts.pop(table, None)
        return cursor.rowcount

    def replace_many(self, table: str, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Write rows under their numbers, over those that are there; inside a transaction of the caller's."""
        self._writer.executemany(
            f'INSERT OR REPLACE INTO "{table}" (id, data) VALUES (?, ?)',
            ((number, _encode(data).decode()) for number, data in rows),
        )
        self._counts.pop(table, None)

    def last(self, table: str) -> int:
        """Return the highest number that a row has or had."""
        found = self._reader.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return found[0] if found else 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make several writes one: much faster, and all or none."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            self._writer.execute("ROLLBACK")
            self._counts.clear()
            raise

    def update(self, table: str, row: int, data: Mapping[str, Any]) -> None:
        with _naming_duplicates():
            self._writer.execute(f'UPDATE "{table}" SET data = ? WHERE id = ?', (_encode(data).decode(), row))

    def delete(self, table: str, row: int) -> bool:
        gone = self._writer.execute(f'DELETE FROM "{table}" WHERE id = ?', (row,)).rowcount > 0
        if gone and table in self._counts:
            self._counts[table] -= 1
        return gone

    def select(
        self, table: str, where: str = "1", values: Sequence[Any] = (), order: str = "r.id", limit: int = -1
    ) -> Iterator[Row]:
        """Yield rows of a table (alias `r`) that meet an SQL condition."""
        sql = f'SELECT r.id, r.data FROM "{table}" r WHERE {where} ORDER BY {order} LIMIT ?'
        for row, data in self._reader.execute(sql, (*values, limit)):
            yield Row(row, _decode(data))

    def first(self, table: str, where: str, values: Sequence[Any] = ()) -> Row | None:
        return next(self.select(table, where, values, limit=1), None)

    def tally(self, table: str, where: str, values: Sequence[Any] = ()) -> int:
        count: int = self._reader.execute(
            f'SELECT count(*) FROM "{table}" r WHERE {where}', values
        ).fetchone()[0]
        return count

    def close(self) -> None:
        self._writer.close()


class _naming_duplicates:
    """Turn SQLite's integrity error into DuplicateKey with the index's name."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.IntegrityError):
            text = str(error)
            raise DuplicateKey(text.partition("'")[2].rpartition("'")[0].partition(":")[2]) from None
