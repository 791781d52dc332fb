"""The whole way back on one screen: a mapping of events becomes an Airflow DAG.

A mapping that cannot be read becomes a DAG that says so, as in ``campaign_sync.flow``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, get_parsing_context, task_group

from campaign_sync.errors import MappingError
from campaign_sync.events.file import EventMapping, load_events
from campaign_sync.events.operators import (
    CheckEventsOperator,
    ExtractEventsOperator,
    FilterEventsOperator,
    LoadEventsOperator,
    MapEventsOperator,
    ReconcileEventsOperator,
    ReplaceEventsOperator,
)
from campaign_sync.flow import broken_dag, dag_id_of, sound_or_broken
from campaign_sync.mapping.file import mapping_files
from campaign_sync.retry import SyncRetryPolicy


def events_dag(mapping: EventMapping) -> DAG:
    """The DAG of one mapping: extract; filter, map, replace and check per batch; load per batch; reconcile."""
    with DAG(
        mapping.name,
        description=mapping.description,
        doc_md=documentation(mapping),
        schedule=mapping.schedule,
        catchup=False,
        max_active_runs=1,  # two runs would take the same files
        tags=["campaign_sync", "to Dynamics"],
        default_args={
            "owner": mapping.owner,
            "retries": 3,
            "retry_delay": timedelta(minutes=5),
            "retry_policy": SyncRetryPolicy(),
        },
    ) as dag:
        extract = ExtractEventsOperator(task_id="extract", mapping=mapping)

        @task_group(group_id="batch")
        def one_batch(batch: Any) -> None:
            label: Any = {"map_index_template": "{{ batch_label }}"}
            filtered = FilterEventsOperator(task_id="filter", batch=batch, **label)
            mapped = MapEventsOperator(task_id="map", batch=filtered.output, **label)
            replaced = ReplaceEventsOperator(task_id="replace", batch=mapped.output, **label)
            CheckEventsOperator(task_id="check", batch=replaced.output, **label)

        load = LoadEventsOperator.partial(
            task_id="load",
            checked_by="batch.check",
            map_index_template="{{ batch_label }}",
            # After all checks, as one that says `otherwise: stop` stops the run; a failed batch holds up no other.
            trigger_rule="all_done_min_one_success",
            # One batch at a time: the load itself makes its calls side by side.
            max_active_tis_per_dagrun=1,
        ).expand(batch=extract.output)
        reconcile = ReconcileEventsOperator(
            task_id="reconcile",
            batches=extract.output,
            loaded_by="load",
            asset=Asset(mapping.name, uri=f"campaign-sync://{mapping.name}", group="campaign_sync"),
            # A failed batch must not hide the others' results: reconcile counts what is missing and fails itself.
            trigger_rule="all_done",
        )
        one_batch.expand(batch=extract.output) >> load >> reconcile
    return dag


def event_dags_in(folder: Path) -> Iterator[DAG]:
    """A DAG for every mapping of events in the folder; within a task's own process, only for its own."""
    wanted = get_parsing_context().dag_id
    for path in mapping_files(folder, to_dynamics=True):
        if wanted in (None, dag_id_of(path)):
            try:
                mapping = load_events(path)
            except MappingError as error:
                yield broken_dag(path, error)
            else:
                yield sound_or_broken(mapping, path, events_dag)


def documentation(mapping: EventMapping) -> str:
    """What the UI shows about a flow: its mapping as a table."""
    rows = []
    for kind, each in mapping.map.kinds.items():
        columns = ", ".join(f"`{column}` ← {source}" for column, source in each.columns.items())
        rows.append(f"| {kind} | `{each.table}` | {columns} |")
    head = ["| event | activity table | columns |", "|---|---|---|"]
    extract = mapping.extract
    files = f"`{extract.delivery_logs.files}` and `{extract.tracking_logs.files}` in `{extract.folder}`"
    way = f"Files {files} → activities, mapping `{Path(mapping.path).name}` ({mapping.sha})."
    return "\n".join([f"## {mapping.description}", "", way, "", *head, *rows])
