"""The operators of an opt-outs flow: extract, filter, map, replace, check, guard, load, reconcile.

Parameters, one call, one log line, one XCom value, as in ``campaign_sync.operators``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, Context

from campaign_sync.consent.file import OptOutMapping
from campaign_sync.operators import (
    GuardOperator,
    LoadOperator,
    ReconcileOperator,
    StepOperator,
    XComBatch,
)

if TYPE_CHECKING:
    from campaign_sync.rows.batch import Batch
    from campaign_sync.run.guard import Question


class ExtractOptOutsOperator(BaseOperator):
    """Reads what the two sides say of consent, and returns it as batches.

    :param mapping: the mapping the run begins with; its later steps read it from the run's folder.
    """

    template_fields: Sequence[str] = ("mapping_sha",)  # a changed file is a new version of the DAG
    ui_color = "#d7e8f7"

    def __init__(self, *, mapping: OptOutMapping, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapping = mapping
        self.mapping_sha = mapping.sha

    def execute(self, context: Context) -> list[XComBatch]:
        """Raises RefusedError or MappingError before anything is read if the run cannot work."""
        from campaign_sync.consent.run import extract_opt_outs

        return [batch.as_dict() for batch in extract_opt_outs(self.mapping, context, self.log)]


class OptOutStepOperator(StepOperator):
    """Takes the step after which its task is called, with one batch of one side's rows."""

    def take(self, step: str) -> Batch:
        """Take the step with the batch."""
        from campaign_sync.consent.run import step_opt_outs

        return step_opt_outs(self.batch, step, self.log)


class FilterOptOutsOperator(OptOutStepOperator):
    """Keeps the contacts that the mapping's filter lets pass."""


class MapOptOutsOperator(OptOutStepOperator):
    """Has true mean no on both sides."""


class ReplaceOptOutsOperator(OptOutStepOperator):
    """Has empty cells say no, where the mapping says so."""


class CheckOptOutsOperator(OptOutStepOperator):
    """Runs the mapping's Great Expectations checks; rejects rows, warns, or stops the run."""

    ui_color = "#fdf3d0"


class GuardOptOutsOperator(GuardOperator):
    """Plans all batches without writing; if they would change too many people's consent, waits until a person has
    decided.
    """

    SUBJECT: ClassVar[str] = "More people would be opted out or in than the mapping allows"

    def judge(
        self, checked: list[XComBatch | None], context: Context
    ) -> tuple[list[XComBatch], Question | None]:
        """Find what the run would do; the batches, and what to ask first."""
        from campaign_sync.consent.guard import guard_opt_outs

        return guard_opt_outs(checked, context, self.log)


class LoadOptOutsOperator(LoadOperator):
    """Tells each side what it has to be told, and remembers it in the ledger."""

    def load(self) -> Batch:
        """Tell what the batch comes to."""
        from campaign_sync.consent.load import load_opt_outs

        return load_opt_outs(self.batch, self.log)


class ReconcileOptOutsOperator(ReconcileOperator):
    """Adds up what became of every row, moves the place in the change feed, puts the files away, and reports."""

    def reconcile(self, loaded: list[XComBatch | None], context: Context) -> dict[str, Any]:
        """Add up, move the place, put away, report."""
        from campaign_sync.consent.reconcile import reconcile_opt_outs

        return reconcile_opt_outs(self.batches, loaded, context, self.log)
