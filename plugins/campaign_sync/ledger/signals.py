"""When each import workflow was signalled last, by which run, about which files: remembered across runs and flows.

Not for sending signals (``hooks/campaign_workflows.py``), nor for judging what became of one (``run/settle.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import and_, or_, select, update

from campaign_sync.ledger.database import Database, insert_into
from campaign_sync.ledger.tables import signals


class Signal(NamedTuple):
    """The last signal of a workflow."""

    flow: str
    run_id: str
    parts: tuple[str, ...]  # names of the files it was about
    sent_at: datetime
    #: begun: it may have been sent; accepted: Campaign said yes; ended: nothing comes of it any more.
    state: Literal["begun", "accepted", "ended"]

    @property
    def open(self) -> bool:
        """Whether an import may be under way because of it."""
        return self.state != "ended"


class Signals:
    """The table of signals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self, workflow: str) -> Signal | None:
        """The last signal of a workflow."""
        columns = (signals.c.flow, signals.c.run_id, signals.c.parts, signals.c.sent_at, signals.c.state)
        with self._database.read() as connection:
            row = connection.execute(select(*columns).where(signals.c.workflow == workflow)).one_or_none()
        return Signal(row[0], row[1], tuple(row[2]), row[3], row[4]) if row else None

    def begin(
        self, workflow: str, flow: str, run_id: str, parts: Sequence[str], now: datetime, apart: timedelta
    ) -> bool:
        """Remembers a signal before it is sent; False if another one came less than ``apart`` ago, or is another
        run's and open.

        Of two runs that ask at once, one gets it.
        """
        row = {
            "flow": flow, "run_id": run_id, "parts": list(parts), "sent_at": now, "state": "begun",
        }  # fmt: skip
        free = and_(
            signals.c.sent_at <= now - apart,
            or_(signals.c.state == "ended", and_(signals.c.flow == flow, signals.c.run_id == run_id)),
        )
        with self._database.write() as connection:
            insert = insert_into(connection, signals).values(workflow=workflow, **row)
            made = connection.execute(
                insert.on_conflict_do_update(index_elements=["workflow"], set_=row, where=free)
            )
            return made.rowcount == 1

    def accepted(self, workflow: str, flow: str, run_id: str) -> None:
        """Remembers that Campaign took a run's signal."""
        self._set(workflow, flow, run_id, state="accepted")

    def ended(self, workflow: str, flow: str, run_id: str, sent_at: datetime | None = None) -> None:
        """Remembers that nothing comes of a run's signal any more; ``sent_at`` if the ten minutes count from another
        time.
        """
        self._set(workflow, flow, run_id, state="ended", **({"sent_at": sent_at} if sent_at else {}))

    def _set(self, workflow: str, flow: str, run_id: str, **values: object) -> None:
        ours = (signals.c.workflow == workflow, signals.c.flow == flow, signals.c.run_id == run_id)
        with self._database.write() as connection:
            connection.execute(update(signals).where(*ours).values(**values))
