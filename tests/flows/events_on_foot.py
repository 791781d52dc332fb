"""A run of events without Airflow around it, one task after the other in this process: quick, and easy to kill."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.flows.on_foot import Task, as_dict, execute, forget_masks


class EventsOnFoot:
    """One run, task by task, so that something may happen between them.

    :param task: how its tasks are executed; once each, unless it is said.
    """

    def __init__(self, mapping_file: Path, run_id: str, *, task: Task | None = None) -> None:
        from campaign_sync.events.file import load_events

        forget_masks()
        self.mapping, self.log = load_events(mapping_file), logging.getLogger("on_foot")
        dag = SimpleNamespace(dag_id=self.mapping.name)
        self.context: Any = {"run_id": run_id, "params": {}, "dag": dag}
        self.batches: list[dict[str, Any]] = []
        self.checked: list[dict[str, Any]] = []
        self.loaded: list[dict[str, Any] | None] = []
        self._task = task or execute

    def extract(self) -> None:
        """Take the files."""
        from campaign_sync.events.extract import extract_events

        def work() -> Any:
            return [each.as_dict() for each in extract_events(self.mapping, self.context, self.log)]

        self.batches = self._task("extract", work)

    def steps(self) -> None:
        """Take every step of each batch up to the load."""
        from campaign_sync.events.run import step_events
        from campaign_sync.rows.steps import STEPS

        self.checked = []
        for batch in self.batches:
            for step in STEPS:
                batch = self._task(f"{step}{batch['number']}", as_dict(step_events, batch, step, self.log))
            self.checked.append(batch)

    def load(self) -> None:
        """Write all batches."""
        from campaign_sync.events.run import load_events

        self.loaded = [
            self._task(f"load{batch['number']}", as_dict(load_events, batch, self.log))
            for batch in self.checked
        ]

    def reconcile(self) -> dict[str, Any]:
        """End the run; reconcile's report."""
        from campaign_sync.events.reconcile import reconcile_events

        return reconcile_events(self.batches, self.loaded, self.context, self.log)

    def walk(self) -> dict[str, Any]:
        """All tasks; reconcile's report."""
        self.extract()
        self.steps()
        self.load()
        return self.reconcile()
