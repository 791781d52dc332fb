"""The whole way back on one screen: a mapping of events becomes an Airflow DAG.

A mapping that cannot be read becomes a DAG that says so, as in ``campaign_sync.flow``.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, get_parsing_context

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
from campaign_sync.graph import CHECKED, asset_of, four_steps, usual_args
from campaign_sync.mapping.file import mapping_files

PARAMS: dict[str, Any] = {
    "limit": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="At most",
        description="Stop after this many rows. For a first try: a file that is not read to its end stays where it is.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Do everything but write: the report says what would be written; files stay where they are.",
    ),
}


def events_dag(mapping: EventMapping) -> DAG:
    """The DAG of one mapping: extract; filter, map, replace and check per batch; load per batch; reconcile."""
    with DAG(
        mapping.name,
        description=mapping.description,
        doc_md=documentation(mapping),
        schedule=mapping.schedule,
        catchup=False,
        params=deepcopy(PARAMS),  # Airflow writes what a form says into these objects
        max_active_runs=1,  # two runs would take the same files
        tags=["campaign_sync", "to Dynamics"],
        default_args=usual_args(mapping.owner),
    ) as dag:
        extract = ExtractEventsOperator(task_id="extract", mapping=mapping)

        steps = four_steps(
            extract.output,
            filter=FilterEventsOperator,
            map=MapEventsOperator,
            replace=ReplaceEventsOperator,
            check=CheckEventsOperator,
        )
        load = LoadEventsOperator.partial(
            task_id="load",
            checked_by=CHECKED,
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
            asset=asset_of(mapping.name),
            # A failed batch must not hide the others' results: reconcile counts what is missing and fails itself.
            trigger_rule="all_done",
        )
        steps >> load >> reconcile
    return dag


def event_dags_in(folder: Path) -> Iterator[DAG]:
    """A DAG for every mapping of events in the folder; within a task's own process, only for its own."""
    wanted = get_parsing_context().dag_id
    for path in mapping_files(folder, "events"):
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
