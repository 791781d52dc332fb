"""Starts a flow's run when there is something to do: a trigger that looks again and again (I16, airflow.md §4).

It runs in Airflow's triggerer, where what blocks holds up all triggers and what raises is started anew for ever:
looking has a thread of its own, and every error ends in a longer pause. Not for what counts as work (``run/work.py``).
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import sleep
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, time
from traceback import format_tb
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from campaign_sync.errors import RefusedError, TransientError

if TYPE_CHECKING:
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.run.work import Work

log = logging.getLogger(__name__)

#: Seconds until a run is started once more for work that the one before did not do: doubled each time, up to an hour.
AGAIN_AFTER, AGAIN_AT_MOST = 300, 3600

#: Seconds until the next look after a refusal, and at most between two looks while something is away.
LONGEST_PAUSE = 300

#: Seconds after which connections are read anew: somebody may have changed one that still works.
EYES_LAST = 3600

#: Marks of work that are remembered, the newest: as many as fit into the asset's state several times over.
MARKS = 200

TOLD = "told"  # the key in the asset's state
UNFINISHED = ["queued", "running"]


class Told(NamedTuple):
    """For which work runs were started since there was last none."""

    marks: tuple[str, ...] = ()
    at: float = 0.0
    times: int = 0  # in a row for work that was known

    def knows(self, work: Work) -> bool:
        """Whether a run was started for all of this already."""
        return work.marks <= set(self.marks)

    def due(self, now: float) -> bool:
        """Whether the work may have been given up, so that another run is worth a try."""
        return now - self.at >= min(AGAIN_AFTER * 2.0**self.times, AGAIN_AT_MOST)

    def telling(self, work: Work, now: float) -> Told:
        """What is remembered once a run has been started for this."""
        known = self.knows(work)
        added = tuple(sorted(work.marks - set(self.marks)))
        return Told((*self.marks, *added)[-MARKS:], now, min(self.times + 1, 10) if known else 0)


class Seen(NamedTuple):
    """What one look found."""

    work: Work | None
    worth_a_run: bool = False
    refusal: RefusedError | None = None


class FeedTrigger(BaseEventTrigger):
    """Looks every few seconds whether a flow has work to do, and fires when it has.

    It does not fire again for work that a run was started for before that run has ended, and later only now and then.

    :param flow: the flow, which is the DAG.
    :param mapping_sha: of the mapping file; a changed file gets a trigger of its own.
    :param columns: what the mapping reads besides the key.
    :param parents: the flows that it links to: the first load waits for theirs.
    :param seconds: between two looks.
    """

    def __init__(
        self, *, flow: str, mapping_sha: str, columns: Sequence[str], parents: Sequence[str], seconds: int
    ) -> None:
        super().__init__()
        self.flow = flow
        self.mapping_sha = mapping_sha
        self.columns = list(columns)
        self.parents = list(parents)
        self.seconds = seconds
        self._eyes: Eyes | None = None
        self._said = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where Airflow finds the class, and what it is made with."""
        given = ("flow", "mapping_sha", "columns", "parents", "seconds")
        return f"{__name__}.FeedTrigger", {name: getattr(self, name) for name in given}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Looks for ever; an event is a run."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.flow)
        told: Told | None = None
        failures = 0
        try:
            while True:
                pause, seen = float(self.seconds), Seen(None)
                try:
                    if told is None:
                        told = await self._remembered()
                    seen = await asyncio.get_running_loop().run_in_executor(thread, self._look, told, time())
                    failures = 0
                except Exception as error:  # noqa: BLE001 - it would be started anew every three seconds, for ever
                    failures += 1
                    pause = min(self.seconds * 2.0**failures, LONGEST_PAUSE)
                    pause = max(pause, self._away(error))
                else:
                    if seen.refusal:
                        pause = LONGEST_PAUSE
                    elif seen.work is None and told.marks:
                        told = await self._remember(Told())
                if told is not None and seen.work is not None and seen.worth_a_run:
                    log.info("%s: %s: a run is started", self.flow, seen.work.why)
                    yield TriggerEvent({"flow": self.flow, "why": seen.work.why})
                    # Only now: a crash in between costs a needless run, not a lost one.
                    told = await self._remember(told.telling(seen.work, time()))
                await sleep(pause)
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    def _look(self, told: Told, now: float) -> Seen:
        """One look, in the trigger's own thread."""
        from campaign_sync.run.work import Work, find_work, marks

        refusal = None
        try:
            self._eyes = eyes = Eyes.fresh(self._eyes)
            work = find_work(
                self.flow,
                self.mapping_sha,
                columns=self.columns,
                parents=self.parents,
                ledger=eyes.ledger,
                dataverse=eyes.dataverse,
            )
        except RefusedError as error:
            # A run is refused too, and is red where people look; a look is refused in the triggerer's log only.
            refusal, self._eyes = error, None
            said = f"{error.system} {error.status} {error.code}"
            work = Work(f"looking was refused: {error.problem}", marks(self.mapping_sha, said))
            self._say(said, str(error))
        except Exception:
            self._eyes = None
            raise
        else:
            self._say("", "")
        if work is None:
            return Seen(None)
        known = told.knows(work)
        worth = told.due(now) if known else True
        return Seen(work, worth and not self._is_running(), refusal)

    def _is_running(self) -> bool:
        """Whether a run that has not ended may do the work.

        A backfill does not do it, and may take days: nothing waits for its runs, of which Airflow tells neither which
        they are nor how many. So a run that is not in the ledger yet is not seen; what is known already is due late
        enough for that, and costs a needless run per pause at most while the queue stands still.
        """
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        runs: list[str] | None = (
            None  # all: a look that was refused may know no ledger, and a backfill fails as well
        )
        if self._eyes is not None:
            runs = [run.run_id for run in self._eyes.ledger.running(self.flow) if not run.backfill]
            if not runs:
                return False
        # The ledger alone may be wrong: a run that somebody marked as failed, or deleted, has no end there.
        count = RuntimeTaskInstance.get_dr_count(dag_id=self.flow, run_ids=runs, states=UNFINISHED)
        return bool(count)

    async def _remembered(self) -> Told:
        if self.asset_state_store is None:
            return Told()
        stored = await self.asset_state_store.aget(TOLD)
        try:
            return Told(tuple(stored["marks"]), float(stored["at"]), int(stored["times"]))
        except (KeyError, TypeError, ValueError):
            return Told()  # there is nothing yet, or somebody edited it in the UI

    async def _remember(self, told: Told) -> Told:
        try:
            if self.asset_state_store is not None:
                await self.asset_state_store.aset(TOLD, told._asdict() | {"marks": list(told.marks)})
        except Exception as error:  # noqa: BLE001 - as above; forgetting costs a needless run after a restart
            log.warning("%s: what was told is not stored: %s", self.flow, type(error).__name__)
        return told

    def _away(self, error: Exception) -> float:
        """Says, once, that looking is not possible now; how many seconds it is asked to wait."""
        if isinstance(error, TransientError):
            self._say(f"{error.system} {error.status}", str(error))
            return error.retry_after or 0.0
        # An error of ours, or Airflow's API: no text, which might quote a value.
        self._say(type(error).__name__, f"{type(error).__name__}: looking is tried again", error)
        return 0.0

    def _say(self, what: str, text: str, error: Exception | None = None) -> None:
        if what == self._said:
            return
        if what:
            where = error.__traceback__ if error else None
            log.warning("%s: %s%s", self.flow, text, f"\n{''.join(format_tb(where))}" if where else "")
        else:
            log.info("%s: looking works again", self.flow)
        self._said = what


class Eyes(NamedTuple):
    """What a look needs, kept from look to look: the token and the connection are used again."""

    ledger: Ledger
    dataverse: DataverseHook
    since: float

    @classmethod
    def fresh(cls, kept: Eyes | None) -> Eyes:
        """Those kept, or new ones."""
        from campaign_sync.hooks.dataverse import DataverseHook
        from campaign_sync.hooks.pace import Patience
        from campaign_sync.ledger.ledger import Ledger
        from campaign_sync.settings import ledger_url

        if kept is not None and monotonic() - kept.since < EYES_LAST:
            return kept
        # The next look is the next try.
        at_once = Patience(attempts=1, budget=0)
        return cls(Ledger(ledger_url()), DataverseHook(patience=at_once), monotonic())
