"""The operators: extract, filter, map, replace, check, guard, load, settle, reconcile. Parameters, one call, one log
line, one XCom value.

Not for the work itself: ``run/run.py`` has a function for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Asset, AssetAlias, BaseOperator, Context

from campaign_sync.mapping.file import Mapping

if TYPE_CHECKING:
    from campaign_sync.rows.batch import Batch
    from campaign_sync.run.guard import Question

XComBatch = dict[str, Any]


class ExtractOperator(BaseOperator):
    """Reads what the run has to look at, and returns it as batches.

    :param mapping: the mapping the run begins with; its later steps read it from the run's folder.
    """

    template_fields: Sequence[str] = ("mapping_sha",)  # a changed file is a new version of the DAG
    ui_color = "#d7e8f7"

    def __init__(self, *, mapping: Mapping, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapping = mapping
        self.mapping_sha = mapping.sha

    def execute(self, context: Context) -> list[XComBatch]:
        """Raises RefusedError or MappingError before anything is read if the run cannot work."""
        from campaign_sync.run.run import extract_run

        return [batch.as_dict() for batch in extract_run(self.mapping, context, self.log)]


class StepOperator(BaseOperator):
    """Takes the step after which its task is called, with one batch.

    :param batch: the batch as the step before left it.
    """

    template_fields: Sequence[str] = ("batch",)
    ui_color = "#e3f1de"

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch = batch

    def execute(self, context: Context) -> XComBatch:
        """Raises SyncError if the batch is no longer in storage, QualityError if a check says `otherwise: stop`."""
        batch = self.take(self.task_id.rpartition(".")[2])
        context["batch_label"] = f"batch {batch.number}"  # names the mapped task after its batch
        return batch.as_dict()

    def take(self, step: str) -> Batch:
        """Take the step with the batch."""
        from campaign_sync.run.run import step_batch

        return step_batch(self.batch, step, self.log)


class FilterOperator(StepOperator):
    """Keeps the rows that the mapping's filter lets pass."""


class MapOperator(StepOperator):
    """Renames columns to fields and converts their values; a value that cannot be converted rejects its row."""


class ReplaceOperator(StepOperator):
    """Writes other values in place of some."""


class CheckOperator(StepOperator):
    """Runs the mapping's Great Expectations checks; rejects rows, warns, or stops the run."""

    ui_color = "#fdf3d0"


class GuardOperator(HITLOperator):
    """Plans all batches without writing; if they would delete or empty too much, waits until a person has decided.

    Waiting costs nothing: the task stands in `awaiting_input`, without a worker's slot and without the triggerer.

    :param checked_by: id of the check task, whose batches are let through.
    """

    ui_color = "#f6d5d5"

    APPROVE, REJECT = "Approve", "Reject"
    SUBJECT: ClassVar[str] = "More would be deleted or emptied than the mapping allows"

    def __init__(self, *, checked_by: str, **kwargs: Any) -> None:
        # No default answer: nobody's answer is an answer of its own, told apart from a refusal.
        super().__init__(subject=self.SUBJECT, options=[self.APPROVE, self.REJECT], **kwargs)
        self.checked_by = checked_by

    def execute(self, context: Context) -> list[XComBatch]:
        """Raises QualityError if a check stopped the run."""
        # A list of task ids, or one batch alone would come without its list.
        checked = context["ti"].xcom_pull(task_ids=[self.checked_by])
        batches, question = self.judge(checked, context)
        if question is not None:
            self.subject, self.body, self.response_timeout = question
            super().execute(context)  # does not return: this task goes on in execute_complete
        return batches

    def judge(
        self, checked: list[XComBatch | None], context: Context
    ) -> tuple[list[XComBatch], Question | None]:
        """Find what the run would do; the batches, and what to ask first."""
        from campaign_sync.run.guard import guard_run

        return guard_run(checked, context, self.log)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> list[XComBatch]:
        """Raises QualityError if the person said no, or nobody said anything in time."""
        from campaign_sync.run.guard import guard_answered

        answer = (
            None if event.get("error_type") == "timeout" else event.get("chosen_options") == [self.APPROVE]
        )
        return guard_answered(answer, context, self.log)


class LoadOperator(BaseOperator):
    """Plans what to write, writes it to Campaign, and remembers each row's outcome in the ledger."""

    template_fields: Sequence[str] = ("batch",)
    ui_color = "#f9dcc4"

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch = batch

    def execute(self, context: Context) -> XComBatch:
        """Raises TransientError or RefusedError when Campaign cannot or will not go on, QualityError if the guard did
        not let a deletion through.
        """
        batch = self.load()
        context["batch_label"] = f"batch {batch.number}"
        return batch.as_dict()

    def load(self) -> Batch:
        """Write the batch."""
        from campaign_sync.run.run import load_batch

        return load_batch(self.batch, self.log)


class SettleOperator(BaseOperator):
    """Has Campaign import the files of a run, and remembers each row's outcome in the ledger.

    Waiting costs no worker's slot: the task is deferred to the triggerer.
    """

    ui_color = "#f3d9ea"

    def execute(self, context: Context) -> dict[str, int]:
        """Raises TransientError or RefusedError when Campaign cannot or will not go on, ReconcileError if a later run
        has written the rows meanwhile.
        """
        return self._go_on(context, None)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, int]:
        """Raises as :meth:`execute` does."""
        if event.get("error"):
            from campaign_sync import errors

            raise getattr(errors, event["error"])(*event["args"])
        return self._go_on(context, event["waited"])

    def _go_on(self, context: Context, waited: dict[str, Any] | None) -> dict[str, int]:
        from campaign_sync.import_trigger import ImportTrigger
        from campaign_sync.run.run import settle_files

        found = settle_files(waited, context, self.log)
        if "until" in found:
            self.defer(trigger=ImportTrigger(found), method_name="execute_complete")  # does not return
        return found


class ReconcileOperator(BaseOperator):
    """Adds up what became of every row, moves the place in the change feed, and reports.

    :param batches: what extract returned.
    :param loaded_by: id of the load task, whose results are counted.
    :param asset: announced when a run has written something, and only then; `outlets` holds its alias.
    """

    template_fields: Sequence[str] = ("batches",)
    ui_color = "#e6dff3"

    def __init__(self, *, batches: Any, loaded_by: str, asset: Asset, **kwargs: Any) -> None:
        super().__init__(**kwargs, outlets=[AssetAlias(asset.name)])
        self.batches = batches
        self.loaded_by = loaded_by
        self.asset = asset

    def execute(self, context: Context) -> dict[str, Any]:
        """Raises ReconcileError if a batch is missing or the counts do not add up, QualityError if too many were
        rejected or the guard's question was not approved.
        """
        loaded = context["ti"].xcom_pull(task_ids=[self.loaded_by]) if self.batches else []
        result = self.reconcile(loaded, context)
        written = sum(result["tally"][fate] for fate in ("created", "updated", "deleted"))
        if written and not result["dry_run"]:
            # A copy for people and for what is scheduled on the asset; the ledger is what counts.
            extra = {"tally": result["tally"], "window": result["window"]}
            context["outlet_events"][self.outlets[0]].add(self.asset, extra=extra)
        return result

    def reconcile(self, loaded: list[XComBatch | None], context: Context) -> dict[str, Any]:
        """Add up, move the place, report."""
        from campaign_sync.run.run import reconcile_run

        return reconcile_run(self.batches, loaded, context, self.log)


class MappingErrorOperator(BaseOperator):
    """Stands in for a flow whose mapping cannot be read; fails with the reason.

    :param message: what is wrong with the mapping, where, and what to do.
    """

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#f4cccc"

    def __init__(self, *, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message

    def execute(self, context: Context) -> None:  # noqa: ARG002
        """Always raises."""
        from airflow.sdk.exceptions import AirflowFailException

        raise AirflowFailException(self.message)
