"""A run without Airflow around it, one step after the other in this process: quick, and easy to kill."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

KILLED = 57  # the exit code of a process that was killed at the appointed point


class Asked(Exception):
    """The guard asked a person, who said no: `question` is what they read."""

    def __init__(self, question: Any) -> None:
        super().__init__(question.subject, question.body)
        self.question = question


def walk(
    mapping_file: Path,
    run_id: str,
    *,
    run_type: str = "scheduled",
    interval: tuple[datetime | None, datetime | None] = (None, None),
    **params: Any,
) -> dict[str, Any]:
    """Take all steps of one run; return reconcile's report.

    A step that was taken already in a run of this id is not taken again: as Airflow goes on after a task was killed.

    Raises Asked after a person has said no to the guard, and whatever extract and reconcile raise.
    """
    from campaign_sync.errors import QualityError, ReconcileError, SyncError
    from campaign_sync.mapping.file import load_mapping
    from campaign_sync.rows.steps import STEPS
    from campaign_sync.run.guard import guard_answered, guard_run
    from campaign_sync.run.run import extract_run, load_batch, reconcile_run, settle_files, step_batch

    mapping, log = load_mapping(mapping_file), logging.getLogger("on_foot")
    start, end = interval
    context: Any = {
        "run_id": run_id,
        "params": params,
        "dag": SimpleNamespace(dag_id=mapping.name),
        "dag_run": SimpleNamespace(run_type=run_type, data_interval_start=start, data_interval_end=end),
    }
    once = _Returned(mapping.name, run_id)
    try:
        batches = once("extract", lambda: [batch.as_dict() for batch in extract_run(mapping, context, log)])
    except SyncError:
        with suppress(ReconcileError):
            reconcile_run(None, [], context, log)
        raise

    def _guarded(found: tuple[list[dict[str, Any]], Any]) -> list[dict[str, Any]]:
        guarded, question = found
        if question is None:
            return guarded
        with suppress(QualityError):
            guard_answered(False, context, log)
        with suppress(QualityError):
            reconcile_run(batches, [], context, log)
        raise Asked(question)

    checked = []
    for batch in batches:
        for step in STEPS:
            number = batch["number"]
            batch = once(f"{step}{number}", lambda: step_batch(batch, step, log).as_dict())  # noqa: B023
        checked.append(batch)
    guarded = once("guard", lambda: _guarded(guard_run(checked, context, log)) if checked else [])
    loaded = [
        once(f"load{batch['number']}", lambda: load_batch(batch, log).as_dict())  # noqa: B023
        for batch in guarded
    ]
    found = settle_files(None, context, log) if guarded and mapping.load.files_from is not None else {}
    while "until" in found:
        event = asyncio.run(_triggered(found))
        found = settle_files(event["waited"], context, log)
    return reconcile_run(batches, loaded, context, log)


class _Returned:
    """What the tasks of a run returned, kept as Airflow keeps it."""

    def __init__(self, flow: str, run_id: str) -> None:
        from campaign_sync.settings import storage_root

        self.folder = Path(storage_root().removeprefix("file://")).with_name("returned") / flow / run_id
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, task: str, execute: Callable[[], Any]) -> Any:
        file = self.folder / f"{task}.json"
        if not file.exists():
            value = json.dumps(execute())
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


def walk_until_killed(
    mapping_file: Path, owner: Any, name: str, nth: int, *, before: bool, run_id: str = "killed"
) -> None:
    """Take the steps of a run in a process that dies, without a chance to tidy up, at the nth call of `owner.name`."""
    child = os.fork()  # as Airflow makes the processes of its tasks
    if not child:
        try:
            setattr(owner, name, _deadly(getattr(owner, name), nth, before=before))
            walk(mapping_file, run_id)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == KILLED, "the process lived on: the point was not reached"


def _deadly(function: Callable[..., Any], nth: int, *, before: bool) -> Callable[..., Any]:
    calls = 0

    def deadly(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and before:
            os._exit(KILLED)
        result = function(*given, **named)
        if calls == nth:
            os._exit(KILLED)
        return result

    return deadly
