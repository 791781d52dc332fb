"""What the DAGs of all kinds of mappings have in common: how tasks are tried again, and the four steps of a batch.

Not for the DAGs themselves (``flow.py``, and the ``flow.py`` of events, comparisons and opt-outs).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, task_group

from campaign_sync.retry import SyncRetryPolicy

if TYPE_CHECKING:
    from campaign_sync.operators import StepOperator

#: The task that ends the steps of a batch.
CHECKED = "batch.check"


def usual_args(owner: str) -> dict[str, Any]:
    """What every task of a DAG is made with."""
    return {
        "owner": owner,
        "retries": 3,
        "retry_delay": timedelta(minutes=5),
        "retry_policy": SyncRetryPolicy(),
    }


def four_steps(
    batches: Any,
    *,
    filter: type[StepOperator],
    map: type[StepOperator],
    replace: type[StepOperator],
    check: type[StepOperator],
) -> Any:
    """A group of tasks for each batch: filter, map, replace, check."""

    @task_group(group_id="batch")
    def one_batch(batch: Any) -> None:
        label: Any = {"map_index_template": "{{ batch_label }}"}
        filtered = filter(task_id="filter", batch=batch, **label)
        mapped = map(task_id="map", batch=filtered.output, **label)
        replaced = replace(task_id="replace", batch=mapped.output, **label)
        check(task_id="check", batch=replaced.output, **label)

    return one_batch.expand(batch=batches)


def asset_of(flow: str) -> Asset:
    """What a flow announces when it has written something."""
    return Asset(flow, uri=f"campaign-sync://{flow}", group="campaign_sync")
