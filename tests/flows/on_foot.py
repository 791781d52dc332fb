"""A run without Airflow around it, one step after the other in this process: quick, and easy to kill."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: Takes the name of a task and what it does, and returns what it returned.
Task = Callable[[str, Callable[[], Any]], Any]

KILLED = 57  # the exit code of a process that was killed at the appointed point


class Asked(Exception):
    """The guard asked a person, who said no: `question` is what they read."""

    def __init__(self, question: Any) -> None:
        super().__init__(question.subject, question.body)
        self.question = question


class OnFoot:
    """One run, step by step, so that something may happen between its steps.

    :param task: how its tasks are executed; once each, unless it is said.
    """

    def __init__(
        self,
        mapping_file: Path,
        run_id: str,
        run_type: str = "scheduled",
        interval: tuple[datetime | None, datetime | None] | None = None,
        *,
        task: Task | None = None,
        **form: Any,
    ) -> None:
        from campaign_sync.mapping.file import load_mapping

        forget_masks()
        self.mapping, self.log = load_mapping(mapping_file), logging.getLogger("on_foot")
        start, end = interval or (None, None)
        self.context: Any = {
            "run_id": run_id,
            "params": form,
            "dag": SimpleNamespace(dag_id=self.mapping.name),
            "dag_run": SimpleNamespace(run_type=run_type, data_interval_start=start, data_interval_end=end),
        }
        self.batches: list[dict[str, Any]] = []
        self.guarded: list[dict[str, Any]] = []
        self.loaded: list[dict[str, Any] | None] = []
        self._task = task or execute

    def read(self) -> None:
        """Extract, and every step of each batch up to the guard."""
        from campaign_sync.errors import ReconcileError, SyncError
        from campaign_sync.rows.steps import STEPS
        from campaign_sync.run.run import extract_run, reconcile_run, step_batch

        try:
            self.batches = self._task(
                "extract",
                lambda: [each.as_dict() for each in extract_run(self.mapping, self.context, self.log)],
            )
        except SyncError:
            with suppress(ReconcileError):
                reconcile_run(None, [], self.context, self.log)
            raise
        self.guarded = []
        for batch in self.batches:
            for step in STEPS:
                name = f"{step}{batch['number']}"
                batch = self._task(name, as_dict(step_batch, batch, step, self.log))
            self.guarded.append(batch)

    def guard(self) -> None:
        """Have the run guarded. Raises Asked after a person has said no."""
        if self.guarded:
            self.guarded = self._task("guard", self._guarded)

    def load(self, between: Callable[[], None] = lambda: None) -> None:
        """Write all batches; `between` is called before each."""
        from campaign_sync.run.run import load_batch

        self.loaded = []
        for batch in self.guarded:
            between()
            name = f"load{batch['number']}"
            self.loaded.append(self._task(name, as_dict(load_batch, batch, self.log)))

    def settle(self) -> None:
        """Have what went by file imported."""
        from campaign_sync.run.run import settle_files

        if not self.guarded or self.mapping.load.files_from is None:
            return
        found = settle_files(None, self.context, self.log)
        while "until" in found:
            event = asyncio.run(_triggered(found))
            found = settle_files(event["waited"], self.context, self.log)

    def reconcile(self) -> dict[str, Any]:
        """End the run; reconcile's report."""
        from campaign_sync.run.run import reconcile_run

        return reconcile_run(self.batches, self.loaded, self.context, self.log)

    def walk(self) -> dict[str, Any]:
        """All steps; reconcile's report."""
        self.read()
        self.guard()
        self.load()
        self.settle()
        return self.reconcile()

    def _guarded(self) -> list[dict[str, Any]]:
        from campaign_sync.errors import QualityError
        from campaign_sync.run.guard import guard_answered, guard_run

        batches, question = guard_run(self.guarded, self.context, self.log)
        if question is None:
            return batches
        with suppress(QualityError):
            guard_answered(False, self.context, self.log)
        with suppress(QualityError):
            self.reconcile()
        raise Asked(question)


def walk(
    mapping_file: Path,
    run_id: str,
    *,
    run_type: str = "scheduled",
    interval: tuple[datetime | None, datetime | None] | None = None,
    goes_on: bool = False,
    task: Task | None = None,
    **form: Any,
) -> dict[str, Any]:
    """Take all steps of one run, or, if it goes on, those that are left of it; return reconcile's report.

    Raises Asked after a person has said no to the guard, and whatever extract and reconcile raise.
    """
    task = task or (Returned(mapping_file.stem, run_id) if goes_on else execute)
    return OnFoot(mapping_file, run_id, run_type, interval, task=task, **form).walk()


def as_dict(step: Callable[..., Any], *given: Any) -> Callable[[], Any]:
    """What a task does that returns a batch."""
    return lambda: step(*given).as_dict()


def execute(_: str, work: Callable[[], Any]) -> Any:
    """A task is executed once."""
    return work()


class Returned:
    """A task that has returned in a run of this id is not executed again, as Airflow goes on after a kill."""

    def __init__(self, flow: str, run_id: str) -> None:
        from campaign_sync.settings import storage_root

        self.folder = Path(storage_root().removeprefix("file://")).with_name("returned") / flow / run_id
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, task: str, work: Callable[[], Any]) -> Any:
        file = self.folder / f"{task}.json"
        if not file.exists():
            value = json.dumps(work())
            file.write_text(value)
        return json.loads(file.read_text())


async def _triggered(wait: dict[str, Any]) -> Any:
    """What the trigger says, made anew from what Airflow would have stored of it."""
    from airflow.sdk.module_loading import import_string
    from campaign_sync.import_trigger import ImportTrigger

    path, stored = ImportTrigger(wait).serialize()
    events = [event.payload async for event in import_string(path)(**stored).run()]
    assert len(events) == 1
    return events[0]


def in_a_process(work: Callable[[], Any]) -> int:
    """Begin work in a process of its own; its id."""
    child = os.fork()  # as Airflow makes the processes of its tasks
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def forget_masks() -> None:
    """Each token of each run adds to the pattern of secrets to mask, which no task's own process lives to see."""
    from airflow._shared.secrets_masker import reset_secrets_masker
    from airflow.sdk._shared.secrets_masker import reset_secrets_masker as reset_secrets_masker_of_tasks

    reset_secrets_masker()
    reset_secrets_masker_of_tasks()


class Paused:
    """Work in a process of its own, which stops at an appointed point until it is told to go on, or is killed there."""

    def __init__(
        self, work: Callable[[], Any], owner: Any, name: str, nth: int = 1, *, before: bool = True
    ) -> None:
        there, self._arrived = os.pipe()
        self._answer, self._go = os.pipe()

        def paused() -> None:
            os.close(self._go)
            stopping = _pausing(self._stop_here, getattr(owner, name), nth, before=before)
            setattr(owner, name, stopping)
            work()

        self._pid = in_a_process(paused)
        os.close(self._arrived)
        os.close(self._answer)
        arrived = os.read(there, 1)
        os.close(there)
        assert arrived, "the point was not reached"

    def _stop_here(self) -> None:
        os.write(self._arrived, b".")
        if not os.read(self._answer, 1):
            os._exit(KILLED)

    def go_on(self, until: int = 0) -> None:
        """Let it finish; it must end with this exit code."""
        os.write(self._go, b".")
        assert self._ended() == until, "it failed; see its traceback above"

    def kill(self) -> None:
        """End it where it is, without a chance to tidy up."""
        os.kill(self._pid, signal.SIGKILL)
        assert self._ended() == -signal.SIGKILL

    def _ended(self) -> int:
        os.close(self._go)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def walk_until_killed(
    mapping_file: Path, owner: Any, name: str, nth: int, *, before: bool, run_id: str = "killed"
) -> None:
    """Take the steps of a run in a process that dies, without a chance to tidy up, at the nth call of `owner.name`."""

    def dying() -> None:
        die_at(owner, name, nth, before=before)
        walk(mapping_file, run_id, goes_on=True)

    child = in_a_process(dying)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == KILLED, "the process lived on: the point was not reached"


def die_at(owner: Any, name: str, nth: int, *, before: bool) -> None:
    """Have this process die, without a chance to tidy up, at the nth call of `owner.name`."""
    setattr(owner, name, _pausing(lambda: os._exit(KILLED), getattr(owner, name), nth, before=before))


def _pausing(
    stop: Callable[[], None], function: Callable[..., Any], nth: int, *, before: bool
) -> Callable[..., Any]:
    calls = 0

    def pausing(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        now = calls == nth
        if now and before:
            stop()
        result = function(*given, **named)
        if now and not before:
            stop()
        return result

    return pausing
