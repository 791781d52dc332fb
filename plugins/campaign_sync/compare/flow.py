"""The whole comparison on one screen: a mapping becomes a DAG that compares Dynamics, ledger and Campaign in full (C5).

A broken mapping has none: the DAG of its own name says what is wrong (``flow.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, get_parsing_context

from campaign_sync.compare.fates import DIFFERENCES, OTHERS
from campaign_sync.compare.operators import (
    CompareOperator,
    ExtractAllOperator,
    MendOperator,
    ReadOperator,
    ReportOperator,
    SliceOperator,
)
from campaign_sync.errors import MappingError
from campaign_sync.flow import conflicts, dag_id_of
from campaign_sync.graph import CHECKED, four_steps, usual_args
from campaign_sync.mapping.file import Mapping, load_mapping, mapping_files
from campaign_sync.operators import CheckOperator, FilterOperator, MapOperator, ReplaceOperator

PREFIX = "reconcile_"

PARAMS: dict[str, Any] = {
    "repair": Param(
        False,
        type="boolean",
        title="Mend",
        description="Have the flow write again what is missing, stale, edited or linked wrongly, and delete what is "
        "extra. Its guard asks a person first if that is much.",
    ),
}


def comparing_dag(mapping: Mapping) -> DAG:
    """The comparison of one mapping: both systems in full, cut into slices, each slice judged, one report."""
    with DAG(
        f"{PREFIX}{mapping.name}",
        description=f"Compares Dynamics and Campaign in full. {mapping.description}",
        doc_md=documentation(mapping),
        schedule=None,
        catchup=False,
        max_active_runs=1,
        tags=["campaign_sync", "reconcile"],
        default_args=usual_args(mapping.owner),
    ) as dag:
        extract = ExtractAllOperator(task_id="extract", mapping=mapping)

        steps = four_steps(
            extract.output,
            filter=FilterOperator,
            map=MapOperator,
            replace=ReplaceOperator,
            check=CheckOperator,
        )
        read = ReadOperator(task_id="read")
        sliced = SliceOperator(
            task_id="slice",
            checked_by=CHECKED,
            # An empty table has no batches, and their tasks are skipped; one that failed must not look deleted.
            trigger_rule="none_failed",
        )
        compare = CompareOperator.partial(task_id="compare").expand(sliced=sliced.output)
        # A failed slice must not hide the others' results for good: the report says that it is missing, and fails.
        report = ReportOperator(task_id="report", slices=sliced.output, trigger_rule="all_done")
        mend = MendOperator(
            task_id="mend",
            trigger_dag_id=mapping.name,
            trigger_run_id="mend__{{ run_id }}",
            skip_when_already_exists=True,  # the task may be repeated
        )
        extract >> read >> sliced
        steps >> sliced
        compare >> report >> mend
    # Last, or Airflow copies them into every task, a fifth of the parse; a copy: it writes what a form says into it
    dag.params = deepcopy(PARAMS)
    return dag


def comparing_dags_in(folder: Path) -> Iterator[DAG]:
    """A DAG for every sound mapping of the folder; within a task's own process, only for the one it belongs to."""
    wanted = get_parsing_context().dag_id
    mappings: dict[Path, Mapping] = {}
    for path in mapping_files(folder):
        if wanted in (None, f"{PREFIX}{dag_id_of(path)}"):
            try:
                mappings[path] = load_mapping(path)
            except MappingError:
                continue
    broken = {} if wanted else conflicts(mappings.values())
    for path, mapping in mappings.items():
        if path not in broken:
            yield comparing_dag(mapping)


def documentation(mapping: Mapping) -> str:
    """What the UI shows about a comparison."""
    rows = [f"| {name} | {meaning} |" for name, meaning in (DIFFERENCES | OTHERS).items()]
    way = (
        f"table `{mapping.extract.table}` and resource `{mapping.load.resource}` of the flow `{mapping.name}`"
    )
    return "\n".join(
        [
            f"## Compares {way}",
            "",
            "Writes nothing by itself. With *Mend* ticked, the flow itself is triggered and mends the first five.",
            "",
            "| found | meaning |",
            "|---|---|",
            *rows,
        ]
    )
