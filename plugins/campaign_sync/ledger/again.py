"""Rejected rows that somebody wants tried again: marked by statements, however many they are.

Not for what a run does with them (``ledger.py``). Two people at once mark one after the other, so that the second finds
nothing left to mark; a run that settles the same rows at that moment is never in anybody's way.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from campaign_sync.ledger.database import Database
from campaign_sync.ledger.events import UNKNOWN_CONTACT
from campaign_sync.ledger.tables import rejections

#: In place of the version of the mapping that judged a row: none did, so the next run looks at it as after a change of
#: the mapping (``Ledger.unsettled``), and writes down which version judges it then.
BY_NONE = ""

#: The lock of those who mark: any number that is no other lock's.
ONE_AT_A_TIME = 0x5C_A6A14

#: So often rows are waited for that runs are settling. What is left after that a run has judged just now.
ROUNDS = 5


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
    """Has the next runs of a flow of rows, or of opt-outs, look at these; how many they are."""
    unmarked = [*which.where(flow), rejections.c.mapping_sha != BY_NONE]
    for _ in range(ROUNDS):
        with database.write() as connection:
            _mark_free(connection, flow, unmarked)
            if not connection.execute(select(exists().where(*unmarked))).scalar():
                break
        with database.write() as connection:  # ends when whoever has the next of them has ended
            connection.execute(select(rejections.c.source_key).where(*unmarked).limit(1).with_for_update())
    with database.read() as connection:
        return _count(connection, which.where(flow))


def waiting_and_others(database: Database, flow: str, which: Which) -> tuple[int, int]:
    """How many of these rejected events wait for their contact, whom each run looks for, and how many do not."""
    waits = rejections.c.rule == UNKNOWN_CONTACT
    with database.read() as connection:
        return _count(connection, [*which.where(flow), waits]), _count(
            connection, [*which.where(flow), ~waits]
        )


def _mark_free(connection: Connection, flow: str, unmarked: list[ColumnElement[bool]]) -> None:
    """Marks the rows that no run is settling, and waits for none with others in hand.

    Settling takes rows in an order of its own: of two that wait for each other Postgres would end one, and a run's
    batch would be loaded again.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time
        connection.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
    free = select(rejections.c.source_key).where(*unmarked).with_for_update(skip_locked=True)
    marked = update(rejections).where(rejections.c.flow == flow, rejections.c.source_key.in_(free))
    connection.execute(marked.values(mapping_sha=BY_NONE))


def _count(connection: Connection, where: list[ColumnElement[bool]]) -> int:
    return int(connection.execute(select(func.count()).select_from(rejections).where(*where)).scalar_one())
