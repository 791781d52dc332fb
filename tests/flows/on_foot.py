"""A run without Airflow around it, one step after the other in this process: quick, and easy to kill."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

KILLED = 57  # the exit code of a process that was killed at the appointed point


def walk(mapping_file: Path, run_id: str) -> dict[str, Any]:
    """Take all steps of one scheduled run; return reconcile's report."""
    from campaign_sync.mapping.file import load_mapping
    from campaign_sync.rows.steps import STEPS
    from campaign_sync.run.guard import guard_run
    from campaign_sync.run.run import extract_run, load_batch, reconcile_run, settle_files, step_batch

    mapping, log = load_mapping(mapping_file), logging.getLogger("on_foot")
    context: Any = {
        "run_id": run_id,
        "params": {},
        "dag": SimpleNamespace(dag_id=mapping.name),
        "dag_run": SimpleNamespace(run_type="scheduled", data_interval_start=None, data_interval_end=None),
    }
    batches = [batch.as_dict() for batch in extract_run(mapping, context, log)]
    checked = []
    for batch in batches:
        for step in STEPS:
            batch = step_batch(batch, step, log).as_dict()
        checked.append(batch)
    guarded, question = guard_run(checked, context, log) if checked else ([], None)
    assert question is None, question
    loaded = [load_batch(batch, log).as_dict() for batch in guarded]
    found = settle_files(None, context, log) if guarded and mapping.load.files_from is not None else {}
    while "until" in found:
        event = asyncio.run(_triggered(found))
        found = settle_files(event["waited"], context, log)
    return reconcile_run(batches, loaded, context, log)


async def _triggered(wait: dict[str, Any]) -> Any:
    """What the trigger says, made anew from what Airflow would have stored of it."""
    from airflow.sdk.module_loading import import_string
    from campaign_sync.import_trigger import ImportTrigger

    path, stored = ImportTrigger(wait).serialize()
    events = [event.payload async for event in import_string(path)(**stored).run()]
    assert len(events) == 1
    return events[0]


def walk_until_killed(mapping_file: Path, owner: Any, name: str, nth: int, *, before: bool) -> None:
    """Take the steps of a run in a process that dies, without a chance to tidy up, at the nth call of `owner.name`."""
    child = os.fork()  # as Airflow makes the processes of its tasks
    if not child:
        try:
            setattr(owner, name, _deadly(getattr(owner, name), nth, before=before))
            walk(mapping_file, "killed")
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
