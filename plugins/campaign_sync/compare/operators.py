"""The comparison's own operators; filter, map, replace and check are those of every flow (``operators.py``).

Parameters, one call, one log line, one XCom value. Not for the work itself (``compare/run.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator, Context

from campaign_sync.mapping.file import Mapping
from campaign_sync.operators import XComBatch


class ExtractAllOperator(BaseOperator):
    """Reads the whole table of a mapping, and returns it as batches.

    :param mapping: the mapping; later steps read it from the run's folder.
    """

    template_fields: Sequence[str] = ("mapping_sha",)  # a changed file is a new version of the DAG
    ui_color = "#d7e8f7"

    def __init__(self, *, mapping: Mapping, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapping = mapping
        self.mapping_sha = mapping.sha

    def execute(self, context: Context) -> list[XComBatch]:
        """Raises RefusedError or MappingError before anything is read if the mapping does not fit."""
        from campaign_sync.compare.run import extract_all

        return [batch.as_dict() for batch in extract_all(self.mapping, context, self.log)]


class ReadOperator(BaseOperator):
    """Reads every record of the mapping's resource out of Campaign; an engine call per page of 500."""

    ui_color = "#d7e8f7"

    def execute(self, context: Context) -> dict[str, int]:
        """Raises TransientError if the list breaks off."""
        from campaign_sync.compare.run import read_all

        return read_all(context, self.log)


class SliceOperator(BaseOperator):
    """Cuts both sides into slices by key.

    :param checked_by: id of the check task, whose batches are what Campaign should hold.
    """

    ui_color = "#e3f1de"

    def __init__(self, *, checked_by: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.checked_by = checked_by

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Raises SyncError if a file of the run is no longer in storage."""
        from campaign_sync.compare.run import slice_all

        # A list of task ids, or one batch alone would come without its list.
        checked = context["ti"].xcom_pull(task_ids=[self.checked_by])
        return slice_all([each for each in checked or () if each], context, self.log)


class CompareOperator(BaseOperator):
    """Compares one slice of Dynamics, Campaign and the ledger.

    :param sliced: the slice.
    """

    template_fields: Sequence[str] = ("sliced",)
    ui_color = "#fdf3d0"

    def __init__(self, *, sliced: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sliced = sliced

    def execute(self, context: Context) -> dict[str, Any]:
        """Raises TransientError or RefusedError if a system cannot be asked a second time."""
        from campaign_sync.compare.run import compare_slice

        return compare_slice(self.sliced, context, self.log)


class ReportOperator(BaseOperator):
    """Adds up what became of every key, and reports.

    :param slices: what slice returned.
    """

    template_fields: Sequence[str] = ("slices",)
    ui_color = "#e6dff3"

    def __init__(self, *, slices: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slices = slices

    def execute(self, context: Context) -> dict[str, Any]:
        """Raises ReconcileError if a slice is missing or the counts do not add up."""
        from campaign_sync.compare.run import report_comparison

        return report_comparison(self.slices, context, self.log)


class MendOperator(TriggerDagRunOperator):
    """Marks what differs in the ledger and triggers the flow, which mends it; does not wait for it."""

    ui_color = "#f9dcc4"

    def execute(self, context: Context) -> None:
        """Skipped if mending was not asked for, or nothing differs."""
        from airflow.sdk.exceptions import AirflowSkipException

        from campaign_sync.compare.run import mend

        if not context["params"].get("repair"):
            raise AirflowSkipException("Mend was not ticked")
        if not mend(context, self.log):
            raise AirflowSkipException("nothing differs")
        super().execute(context)
