"""The seven operators of an events flow: extract, filter, map, replace, check, load, reconcile.

Parameters, one call, one log line, one XCom value, as in ``campaign_sync.operators``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from campaign_sync.errors import ReconcileError
from campaign_sync.events.file import EventMapping
from campaign_sync.operators import LoadOperator, ReconcileOperator, StepOperator, XComBatch

if TYPE_CHECKING:
    from campaign_sync.rows.batch import Batch


class ExtractEventsOperator(BaseOperator):
    """Takes the export files that are ready, and the events whose contact has arrived; returns them as batches.

    :param mapping: the mapping the run begins with; its later steps read it from the run's folder.
    """

    template_fields: Sequence[str] = ("mapping_sha",)  # a changed file is a new version of the DAG
    ui_color = "#d7e8f7"

    def __init__(self, *, mapping: EventMapping, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapping = mapping
        self.mapping_sha = mapping.sha

    def execute(self, context: Context) -> list[XComBatch]:
        """Raises RefusedError or MappingError before anything is read if the run cannot work."""
        from campaign_sync.events.extract import extract_events

        return [batch.as_dict() for batch in extract_events(self.mapping, context, self.log)]


class EventStepOperator(StepOperator):
    """Takes the step after which its task is called, with one batch of events."""

    def take(self, step: str) -> Batch:
        """Take the step with the batch."""
        from campaign_sync.events.run import step_events

        return step_events(self.batch, step, self.log)


class FilterEventsOperator(EventStepOperator):
    """Keeps the rows that are events, of the kinds that are mapped, and that the mapping's filter lets pass."""


class MapEventsOperator(EventStepOperator):
    """Gives each event its subject; rejects what names no contact or does not fit its activity table."""


class ReplaceEventsOperator(EventStepOperator):
    """Writes other values in place of some."""


class CheckEventsOperator(EventStepOperator):
    """Runs the mapping's Great Expectations checks; rejects events, warns, or stops the run."""

    ui_color = "#fdf3d0"


class LoadEventsOperator(LoadOperator):
    """Writes the activities of a batch to Dynamics, and remembers each event's outcome in the ledger.

    :param batch: the batch as extract left it.
    :param checked_by: id of the check task, which has the same batch as it is to be written.
    """

    def __init__(self, *, checked_by: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.checked_by = checked_by

    def execute(self, context: Context) -> XComBatch:
        """Raises TransientError or RefusedError when Dynamics cannot or will not go on, QualityError if a check stopped
        the run, ReconcileError if the batch did not come through the steps before.
        """
        checked = context["ti"].xcom_pull(task_ids=self.checked_by, map_indexes=context["ti"].map_index)
        if not checked:
            where = f"{context['dag'].dag_id}, batch {self.batch['number']}"
            raise ReconcileError("a step before did not finish", where, "See the logs of this batch's steps")
        self.batch = checked
        return super().execute(context)

    def load(self) -> Batch:
        """Write the batch."""
        from campaign_sync.events.run import load_events

        return load_events(self.batch, self.log)


class ReconcileEventsOperator(ReconcileOperator):
    """Adds up what became of every row, puts the files away, and reports."""

    def reconcile(self, loaded: list[XComBatch | None], context: Context) -> dict[str, Any]:
        """Add up, put away, report."""
        from campaign_sync.events.reconcile import reconcile_events

        return reconcile_events(self.batches, loaded, context, self.log)
