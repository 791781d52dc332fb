"""Rows at rest: an SQLite table per table, a column per column, so that pages are made inside SQLite.

Knows versions, deletions and transactions; knows nothing of JSON, OData or rights.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.dataverse.columns import Column, Table
from sandbox.dataverse.patterns import fold, like

# Decimals stay text (digits as stored, §11); everything else has the type SQLite compares rightly.
_AFFINITY = {
    "Integer": "INTEGER",
    "BigInt": "INTEGER",
    "Picklist": "INTEGER",
    "State": "INTEGER",
    "Status": "INTEGER",
    "Boolean": "INTEGER",
    "Double": "REAL",
    "Decimal": "",
    "Money": "",
}
# nobody deletes these, so nobody asks who points at them
_PLATFORM = frozenset({"systemuser", "team", "businessunit", "transactioncurrency", "sdkmessage"})
_DDL = """
CREATE TABLE IF NOT EXISTS org (name TEXT PRIMARY KEY, value);
CREATE TABLE IF NOT EXISTS deletions (tbl TEXT, id TEXT, version INTEGER, deletedon REAL);
CREATE INDEX IF NOT EXISTS deletions_by_version ON deletions (tbl, version);
INSERT OR IGNORE INTO org VALUES ('version', 5000);
INSERT OR IGNORE INTO org VALUES ('metadata', '7654321');
"""


def physical(table: str) -> str:
    return f'"t_{table}"'


def kind_column(column: Column) -> str:
    """The companion column that remembers which table a polymorphic lookup points at."""
    return f"{column.name}@table"


class Transaction:
    """What a write sees: the connection and the organisation-wide row version (§12.2/8)."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.version: int = db.execute("SELECT value FROM org WHERE name = 'version'").fetchone()[0]
        self._first = self.version

    def next_version(self) -> int:
        self.version += 1
        return self.version

    def finish(self) -> None:
        if self.version != self._first:
            self.db.execute("UPDATE org SET value = ? WHERE name = 'version'", (self.version,))

    def bury(self, table: str, row_id: str, when: float) -> None:
        """Write a deletion down, for change tracking."""
        self.db.execute(
            "INSERT INTO deletions VALUES (?, ?, ?, ?)", (table, row_id, self.next_version(), when)
        )


class Store:
    """One SQLite file: a writer behind a lock, a reader per thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._open: Transaction | None = None
        self._writing_thread = 0
        self._writer = self._connect(cache_megabytes=64)
        self._writer.executescript(_DDL)

    def _connect(self, cache_megabytes: int) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=512)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=OFF",
            f"cache_size=-{cache_megabytes * 1024}",
            "temp_store=MEMORY",
        ):
            db.execute(f"PRAGMA {pragma}")
        db.execute("PRAGMA busy_timeout=60000")
        db.execute("PRAGMA mmap_size=4294967296")
        db.create_function("dv_fold", 1, fold, deterministic=True)
        db.create_function("dv_like", 2, like, deterministic=True)
        return db

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction; nested calls in one thread join it: so change sets and bulk messages are atomic."""
        with self._lock:
            if self._open is not None:
                yield self._open
                return
            self._writer.execute("BEGIN IMMEDIATE")
            self._open, self._writing_thread = Transaction(self._writer), threading.get_ident()
            try:
                yield self._open
                self._open.finish()
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            else:
                self._writer.execute("COMMIT")
            finally:
                self._open = None

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A snapshot: what is read inside belongs together. A thread that writes sees its own transaction."""
        if self._writing_thread == threading.get_ident() and self._open is not None:
            yield self._open.db
            return
        db = self._reader()
        if db.in_transaction:
            yield db
            return
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("COMMIT")

    def _reader(self) -> sqlite3.Connection:
        db = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = self._connect(cache_megabytes=8)
            self._readers.append(db)
        return db

    def high_water(self, db: sqlite3.Connection) -> int:
        return int(db.execute("SELECT value FROM org WHERE name = 'version'").fetchone()[0])

    def state(self, db: sqlite3.Connection) -> tuple[Any, ...] | None:
        """What changes with every row and every definition; None inside a transaction that writes."""
        if db is self._writer:
            return None
        return tuple(db.execute("SELECT value FROM org WHERE name IN ('version', 'metadata') ORDER BY name"))

    def remember(self, name: str, value: Any) -> None:
        with self.write() as transaction:
            transaction.db.execute("INSERT OR REPLACE INTO org VALUES (?, ?)", (name, json.dumps(value)))

    def recall(self, name: str) -> Any:
        with self.read() as db:
            row = db.execute("SELECT value FROM org WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def forget(self, prefix: str) -> None:
        with self.write() as transaction:
            transaction.db.execute("DELETE FROM org WHERE name GLOB ?", (prefix + "*",))

    def recall_all(self, prefix: str) -> list[Any]:
        with self.read() as db:
            rows = db.execute(
                "SELECT value FROM org WHERE name GLOB ? ORDER BY rowid", (prefix + "*",)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def lay_out(self, table: Table) -> None:
        """Create the table, or the columns it lacks."""
        with self.write() as transaction:
            db = transaction.db
            there = {row[1] for row in db.execute(f"PRAGMA table_info({physical(table.name)})")}
            wanted = [definition for column in table.columns.values() for definition in _definitions(column)]
            if not there:
                body = ", ".join(f'"{name}" {affinity}' for name, affinity in wanted)
                db.execute(f"CREATE TABLE {physical(table.name)} ({body})")
                db.execute(
                    f'CREATE UNIQUE INDEX "i_{table.name}_key" ON {physical(table.name)} ("{table.key}")'
                )
                for name in ("versionnumber", "modifiedon"):
                    db.execute(f'CREATE INDEX "i_{table.name}_{name}" ON {physical(table.name)} ("{name}")')
            for name, affinity in wanted if there else ():
                if name not in there:
                    db.execute(f'ALTER TABLE {physical(table.name)} ADD COLUMN "{name}" {affinity}')
            for column in table.columns.values():
                if column.is_lookup and not _PLATFORM.issuperset(column.targets):
                    db.execute(
                        f'CREATE INDEX IF NOT EXISTS "i_{table.name}_{column.name}" '
                        f'ON {physical(table.name)} ("{column.name}") WHERE "{column.name}" IS NOT NULL'
                    )

    def drop_column(self, table: str, column: Column) -> None:
        with self.write() as transaction:
            for name, _ in _definitions(column):
                transaction.db.execute(f'DROP INDEX IF EXISTS "i_{table}_{name}"')
                transaction.db.execute(f'ALTER TABLE {physical(table)} DROP COLUMN "{name}"')

    def drop_table(self, table: str) -> None:
        with self.write() as transaction:
            transaction.db.execute(f"DROP TABLE IF EXISTS {physical(table)}")
            transaction.db.execute("DELETE FROM deletions WHERE tbl = ?", (table,))

    def index(self, table: str, column: str) -> None:
        with self.write() as transaction:
            transaction.db.execute(
                f'CREATE INDEX IF NOT EXISTS "i_{table}_{column}" ON {physical(table)} ("{column}")'
            )

    def close(self) -> None:
        for db in [*self._readers, self._writer]:
            db.close()


def _definitions(column: Column) -> list[tuple[str, str]]:
    own = (column.name, _AFFINITY.get(column.type, "TEXT"))
    return [own, (kind_column(column), "TEXT")] if column.is_lookup else [own]
