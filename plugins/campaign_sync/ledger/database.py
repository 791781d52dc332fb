"""The ledger's database: SQLite or Postgres, created on first use, written in transactions, filled in bulk.

Not for what the tables mean (``ledger.py``). Every operation opens its own connection, unless one is held or some are
kept: tasks are forks, and a connection must not cross one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, insert, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import QueuePool
from sqlalchemy.schema import CreateColumn

from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.ledger.tables import SCHEMA_VERSION, schema_version, stored

if TYPE_CHECKING:
    import pyarrow as pa

BUSY_MILLISECONDS = 60_000
ADVISORY_LOCK = 0x5C_1ED6E4  # any number, the same for every task that may create the schema

#: How many parameters a statement may have in an SQLite of 2020 or before.
VARIABLES = 999

#: Postgres' defaults are made for turning disks and for long queries: the planner reads a million rows to find five
#: thousand, and compiles a query for longer than it runs (bench/ledger.py).
PLANNING = ("random_page_cost = 1.1", "jit = off")

#: What a database says when waiting does not help, and who must act.
PERMANENT = {
    "authentication failed": "Correct login and password of the ledger's connection",
    "no pg_hba.conf entry": "Allow this host in the database server's pg_hba.conf",
    "does not exist": "Create the database and the role, or correct the ledger's connection",
    "permission denied": "Grant the ledger's role the right to create and change tables in its schema",
    "unable to open database file": "Make the ledger's folder writable for the user who runs Airflow",
    "readonly database": "Make the ledger's file and folder writable for the user who runs Airflow",
    "disk is full": "Free disk space where the ledger's file lies",
    "not a database": "Another file lies in the ledger's place: move it away, or correct the connection",
    "malformed": "Restore the ledger's file from a backup, or move it away and trigger each flow with replay",
}


class Database:
    """A ledger's database at a URL: ``sqlite:///<path>`` or ``postgresql://…``.

    :param keep: how many connections to Postgres are kept, for a process that is never forked.
    """

    def __init__(self, url: str, *, keep: int = 0) -> None:
        self._url = _normalised(url)
        self.name = self._url.render_as_string(hide_password=True)
        self.postgres = self._url.get_backend_name() == "postgresql"
        pool = {
            "poolclass": QueuePool,
            "pool_size": max(1, keep),
            "max_overflow": -1,
            "pool_pre_ping": True,
        }
        # hide_parameters: an error's text must not carry the rows that it was about.
        self._engine = create_engine(self._url, hide_parameters=True, **pool)
        self._ready, self._held = False, self.postgres and keep > 0
        if not self.postgres:
            make_sqlite_transactional(self._engine, BUSY_MILLISECONDS)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps a connection open meanwhile, for all operations one after the other; not across a fork.

        A new one is a new process of Postgres', and the last one that is closed copies SQLite's log into its file.
        """
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
            if not before:
                self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the ledger and changes nothing but temporary tables."""
        with self._connection(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection whose changes become visible together, or not at all."""
        with self._connection(writes=True) as connection:
            yield connection

    def stage(self, connection: Connection, table: Table, columns: Mapping[str, pa.Array]) -> None:
        """Fills a temporary table with a batch's rows: COPY on Postgres, INSERT on SQLite."""
        if not self.postgres:  # there a temporary table outlives its transaction
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS temp.{table.name}")
        table.create(connection, checkfirst=False)
        (_copy if self.postgres else _insert)(connection, table, columns)

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[Connection]:
        with self._translated():
            if not self._ready:
                self._prepare()
                self._ready = True
            with self._begun("BEGIN IMMEDIATE" if writes else "BEGIN") as connection:
                if self.postgres and not writes:
                    # There is nothing to keep, and making temporary tables would wait for the disk.
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                yield connection

    @contextmanager
    def _begun(self, begin: str) -> Iterator[Connection]:
        with self._engine.connect().execution_options(begin=begin) as connection, connection.begin():
            if not self._held:
                connection.detach()
            if self.postgres:
                connection.exec_driver_sql("; ".join(f"SET LOCAL {setting}" for setting in PLANNING))
            yield connection

    def _prepare(self) -> None:
        if self.postgres:
            self._create_or_check()
            return
        path = Path(self._url.database or "")
        if path.exists() and path.stat().st_size:
            self._create_or_check()
            return
        with _private_file(path):
            with self._engine.connect() as connection:  # outside a transaction, as SQLite demands
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            self._create_or_check()

    def _create_or_check(self) -> None:
        with self._begun("BEGIN") as connection:
            found = _found_version(connection)
        if found is None or found < SCHEMA_VERSION:
            with self._begun("BEGIN IMMEDIATE") as connection:
                found = self._create(connection)
        if found > SCHEMA_VERSION:
            raise RefusedError(
                "ledger",
                self.name,
                None,
                "",
                f"has schema version {found}, this program knows {SCHEMA_VERSION}",
                "Install the campaign_sync that wrote it, or a later one",
            )

    def _create(self, connection: Connection) -> int:
        if self.postgres:
            # Several tasks start at once, and even CREATE TABLE IF NOT EXISTS can collide with its like.
            connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        found = _found_version(connection)
        if found is None or found < SCHEMA_VERSION:
            stored.create_all(connection)
            for table in stored.sorted_tables:
                _add_columns(connection, table)
                for index in table.indexes:
                    index.create(connection, checkfirst=True)
            now = datetime.now(UTC)
            connection.execute(insert(schema_version).values(version=SCHEMA_VERSION, since=now))
        return max(found or 0, SCHEMA_VERSION)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Database errors become ours: waiting helps, or somebody must act."""
        try:
            yield
        except DBAPIError as error:
            said = " ".join(str(error.orig).split())
            for mark, remedy in PERMANENT.items():
                if mark in said:
                    raise RefusedError("ledger", self.name, None, "", said, remedy) from error
            if isinstance(error, OperationalError | InterfaceError):
                raise TransientError("ledger", self.name, None, said) from error
            raise


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what happens on a conflict; both databases spell it alike."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _add_columns(connection: Connection, table: Table) -> None:
    """The columns that a table of an older version lacks, empty in every row that is there."""
    there = {each["name"] for each in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")


def _found_version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(schema_version.name):
        return None
    found: int = connection.execute(select(func.max(schema_version.c.version))).scalar_one()
    return found


def _normalised(url: str) -> URL:
    remedy = "Write sqlite:////absolute/path/ledger.db or postgresql://user:password@host/database"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise RefusedError("ledger", "connection", None, "", "its address cannot be read", remedy) from None
    # psycopg2 is in requirements.txt; Airflow writes connections as postgres://.
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg2")
    usable = parsed.drivername == "postgresql+psycopg2" or (
        parsed.drivername in ("sqlite", "sqlite+pysqlite") and parsed.database not in (None, "", ":memory:")
    )
    if not usable:
        raise RefusedError(
            "ledger",
            parsed.render_as_string(),
            None,
            "",
            "is neither an SQLite file nor a Postgres database",
            remedy,
        )
    return parsed


def make_sqlite_transactional(engine: Engine, busy_milliseconds: int) -> None:
    """BEGIN IMMEDIATE for writes: one that reads first and writes later could fail without waiting."""

    @event.listens_for(engine, "connect")
    def _connects(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver would begin on its own, and too late
        # No temp_store = MEMORY: it would hold a statement's undo journal, a page per scattered row (N1).
        connection.execute(f"PRAGMA busy_timeout = {busy_milliseconds}")

    @event.listens_for(engine, "begin")
    def _begins(connection: Connection) -> None:
        begin = connection.get_execution_options().get("begin")
        if begin:
            connection.exec_driver_sql(begin)


@contextmanager
def _private_file(path: Path) -> Iterator[None]:
    """Makes the SQLite file and its folder for the owner only; one process at a time (two cannot set WAL)."""
    with ExitStack() as held:
        try:
            for folder in reversed([each for each in path.parents if not each.exists()]):
                folder.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(path.parent, os.O_RDONLY)
            held.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            remedy = PERMANENT["unable to open database file"]
            problem = f"cannot be made ({error.strerror})"
            raise RefusedError("ledger", str(path), None, "", problem, remedy) from error
        yield


def _sqlite_values(column: pa.Array) -> list[Any]:
    """Plain values; a time as the text that SQLite keeps: in UTC, without saying so."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def _insert(connection: Connection, table: Table, columns: Mapping[str, pa.Array]) -> None:
    """Many rows with a statement: a statement costs as much as a row."""
    cells = list(
        chain.from_iterable(zip(*(_sqlite_values(column) for column in columns.values()), strict=True))
    )
    at_once, row = VARIABLES // len(columns), f"({', '.join('?' * len(columns))})"
    whole = len(cells) // (at_once * len(columns)) * at_once * len(columns)
    for start, end, rows in ((0, whole, at_once), (whole, len(cells), 1)):
        width = rows * len(columns)
        parts = [tuple(cells[at : at + width]) for at in range(start, end, width)]
        if parts:
            into, values = f"{table.name} ({', '.join(columns)})", ", ".join([row] * rows)
            connection.exec_driver_sql(f"INSERT INTO {into} VALUES {values}", parts)  # noqa: S608  # nosec B608


def _copy(connection: Connection, table: Table, columns: Mapping[str, pa.Array]) -> None:
    import pyarrow as pa
    from pyarrow import csv

    lines = BytesIO()
    rows = pa.table(
        {
            name: _as_hex(column) if pa.types.is_binary(column.type) else column
            for name, column in columns.items()
        }
    )
    csv.write_csv(rows, lines, csv.WriteOptions(include_header=False))
    lines.seek(0)
    names = ", ".join(columns)
    cursor = connection.connection.cursor()
    statement = f"COPY {table.name} ({names}) FROM STDIN WITH (FORMAT csv)"
    cursor.copy_expert(statement, lines)
    cursor.close()


def _as_hex(column: pa.Array) -> pa.Array:
    """Bytes as Postgres reads them: all in one go, as each value's digits are twice as many as its bytes."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute

    there, offsets, values = column.buffers()
    digits = pa.StringArray.from_buffers(
        len(column),
        pa.py_buffer(np.frombuffer(offsets, np.int32) * 2),
        pa.py_buffer((values.to_pybytes() if values else b"").hex().encode()),
        there,
        offset=column.offset,
    )
    return compute.binary_join_element_wise("\\x", digits, "")
