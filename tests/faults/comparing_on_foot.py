"""A comparison with mending, without Airflow around it, one task after the other in this process."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.flows.on_foot import Task, as_dict, forget_masks


def walk_comparison(mapping_file: Path, run_id: str, task: Task) -> None:
    """All tasks of one run; each must succeed."""
    from campaign_sync.compare import run
    from campaign_sync.mapping.file import load_mapping
    from campaign_sync.rows.steps import STEPS
    from campaign_sync.run.run import step_batch

    forget_masks()
    do, mapping, log = task, load_mapping(mapping_file), logging.getLogger("on_foot")
    dag = SimpleNamespace(dag_id=f"reconcile_{mapping.name}")
    context: Any = {"run_id": run_id, "params": {"repair": True}, "dag": dag}
    batches = do("extract", lambda: [each.as_dict() for each in run.extract_all(mapping, context, log)])
    checked = []
    for batch in batches:
        for step in STEPS:
            batch = do(f"{step}{batch['number']}", as_dict(step_batch, batch, step, log))
        checked.append(batch)
    do("read", lambda: run.read_all(context, log))
    slices = do("slice", lambda: run.slice_all(checked, context, log))
    for each in slices:
        do(f"compare{each['number']}", partial(run.compare_slice, each, context, log))
    do("report", lambda: run.report_comparison(slices, context, log))
    do("mend", lambda: run.mend(context, log))
