"""What all processes share about a system's rate limits: a row for each credential, in the ledger's database.

Beside an SQLite ledger it is a file of its own, as that has one writer at a time, for seconds. Nothing here is worth
more than some minutes, so the table belongs to no version of the ledger. Not for what a row says (hooks/shares.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    func,
    select,
    update,
)
from sqlalchemy.pool import QueuePool

from campaign_sync.ledger.database import ADVISORY_LOCK, Database, insert_into, make_sqlite_transactional

Result = TypeVar("Result")

FILE = "rates.db"
PATIENCE = 2  # seconds, which all calls of a process wait; far longer than any of these transactions takes

tables = MetaData()

rates = Table(
    "rates",
    tables,
    Column("credential", Text, primary_key=True),  # a hash
    Column("latest", BigInteger, nullable=False),  # counts what all have to know at once
    Column("held_until", Float(53), nullable=False),  # in seconds of the database's clock
    Column("state", Text, nullable=False),
)


class Rates:
    """The rows beside the ledger of a URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def change(
        self, credential: str, change: Callable[[str, float], tuple[str, float, bool, Result]]
    ) -> tuple[Result, int]:
        """Changes a row, one process after the other; returns what `change` made, and the number of the latest news.

        Raises a SyncError when the database cannot be reached, or keeps everybody waiting.

        :param change: gets the row's state, "" at first, and the database's time in seconds; returns the new state,
            until when nobody may call, whether there is news for all, and a result
        """
        database = _database(self._url, os.getpid())
        row = select(rates.c.latest, rates.c.state, database.seconds).where(rates.c.credential == credential)
        with database.write() as connection:
            if database.postgres:
                connection.exec_driver_sql(
                    f"SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = '{PATIENCE}s'"
                )
            found = connection.execute(row.with_for_update()).first()
            if found is None:
                new = {"credential": credential, "latest": 0, "held_until": 0.0, "state": ""}
                connection.execute(insert_into(connection, rates).values(new).on_conflict_do_nothing())
                found = connection.execute(row.with_for_update()).one()
            latest, state, now = found
            state, held_until, news, result = change(state, float(now))
            latest += news
            changed = update(rates).where(rates.c.credential == credential)
            connection.execute(changed.values(latest=latest, held_until=held_until, state=state))
        return result, latest

    def look(self, credential: str) -> tuple[int, float]:
        """The number of the latest news, and for how many seconds nobody may call; waits for nobody."""
        database = _database(self._url, os.getpid())
        row = select(rates.c.latest, rates.c.held_until - database.seconds)
        with database.look() as connection:
            found = connection.execute(row.where(rates.c.credential == credential)).first()
        return (int(found[0]), max(0.0, float(found[1]))) if found else (0, 0.0)


class _Kept(Database):
    """A database that keeps one connection in each process, as it is looked at ten times a second."""

    def __init__(self, url: str) -> None:
        super().__init__(url, keep=1)
        self._held = True
        options: dict[str, Any] = {"connect_timeout": PATIENCE}
        if not self.postgres:
            options = {"check_same_thread": False}
            self._url = self._url.set(database=str(Path(self._url.database or "").with_name(FILE)))
            self.name = str(self._url)
        self._engine = create_engine(
            self._url,
            poolclass=QueuePool,
            pool_size=1,
            pool_pre_ping=self.postgres,
            connect_args=options,
            hide_parameters=True,
        )
        self._held = True
        self.seconds: ColumnElement[Any] = func.extract("epoch", func.clock_timestamp())
        if not self.postgres:
            self.seconds = (func.julianday("now") - 2440587.5) * 86400.0
            make_sqlite_transactional(self._engine, 1000 * PATIENCE)
            event.listen(self._engine, "connect", _hurry)

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """A connection for one statement, outside of any transaction."""
        with self._translated():
            if not self._ready:
                self._prepare()
                self._ready = True
            options = {"isolation_level": "AUTOCOMMIT"} if self.postgres else {}
            with self._engine.connect().execution_options(**options) as connection:
                yield connection

    def _create_or_check(self) -> None:
        with self._begun("BEGIN IMMEDIATE") as connection:
            if self.postgres:
                connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            tables.create_all(connection)


def _hurry(connection: Any, _: Any) -> None:
    """Waits for no disk: after a power cut the last seconds may be missing, and nothing else."""
    connection.execute("PRAGMA synchronous = NORMAL")


@cache
def _database(url: str, process: int) -> _Kept:  # noqa: ARG001 - a connection must not cross a fork
    return _Kept(url)
