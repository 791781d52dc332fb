"""Rejected rows that somebody wants tried again: marked by a statement, however many they are.

Not for what a run does with them (``ledger.py``, ``waiting.py``). Two people at once mark one after the other, so that
the second finds nothing left to mark. A run that settles the same rows at that moment may be in the way: Postgres ends
one of the two then, and either may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, update

from campaign_sync.ledger.database import Database
from campaign_sync.ledger.events import UNKNOWN_CONTACT
from campaign_sync.ledger.tables import rejections

#: In place of the version of the mapping that judged a row: none did, so the next run looks at it as after a change of
#: the mapping (``Ledger.unsettled``), and writes down which version judges it then.
BY_NONE = ""

#: The lock of those who mark: any number that is no other lock's.
ONE_AT_A_TIME = 0x5C_A6A14


class Which(NamedTuple):
    """Which of a flow's rejected rows; what is empty says nothing."""

    key: str = ""
    rule: str = ""

    def named(self) -> dict[str, str]:
        """The same in words, for a log."""
        return {name: value for name, value in self._asdict().items() if value} or {"rows": "all"}

    def where(self, flow: str) -> list[ColumnElement[bool]]:
        """The rows, for a statement."""
        here = [rejections.c.flow == flow]
        here += [rejections.c.source_key == self.key] if self.key else []
        return here + ([rejections.c.rule == self.rule] if self.rule else [])


def judge_again(database: Database, flow: str, which: Which) -> int:
    """Has the next runs of a flow of rows look at these; how many they are."""
    with database.write() as connection:
        unmarked = [*which.where(flow), rejections.c.mapping_sha != BY_NONE]
        _change(connection, unmarked, {"mapping_sha": BY_NONE})
        return _count(connection, which.where(flow))


def make_due(database: Database, flow: str, which: Which) -> int:
    """Has the next run of a flow of opt-outs look at these, as if none had looked since the first; how many they are.

    Not as rows are marked: a contact that such a look does not find stays, and would be looked for by every run.
    """
    with database.write() as connection:
        looked_at = [*which.where(flow), rejections.c.last_seen != rejections.c.first_seen]
        _change(connection, looked_at, {"last_seen": rejections.c.first_seen})
        return _count(connection, which.where(flow))


def waiting_and_others(database: Database, flow: str, which: Which) -> tuple[int, int]:
    """How many of these rejected events wait for their contact, whom each run looks for, and how many do not."""
    waits = rejections.c.rule == UNKNOWN_CONTACT
    with database.read() as connection:
        return _count(connection, [*which.where(flow), waits]), _count(
            connection, [*which.where(flow), ~waits]
        )


def _change(connection: Connection, where: list[ColumnElement[bool]], values: Mapping[str, Any]) -> None:
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time
        connection.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
    connection.execute(update(rejections).where(*where).values(**values))


def _count(connection: Connection, where: list[ColumnElement[bool]]) -> int:
    return int(connection.execute(select(func.count()).select_from(rejections).where(*where)).scalar_one())
