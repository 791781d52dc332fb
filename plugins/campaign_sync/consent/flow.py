"""The whole flow of opt-outs on one screen: a mapping becomes an Airflow DAG.

A mapping that cannot be read becomes a DAG that says so, as in ``campaign_sync.flow``, and is red every hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, get_parsing_context

from campaign_sync.consent.file import OptOutMapping, load_opt_outs, one_per_table
from campaign_sync.consent.operators import (
    CheckOptOutsOperator,
    ExtractOptOutsOperator,
    FilterOptOutsOperator,
    GuardOptOutsOperator,
    LoadOptOutsOperator,
    MapOptOutsOperator,
    ReconcileOptOutsOperator,
    ReplaceOptOutsOperator,
)
from campaign_sync.consent.setting import Feed
from campaign_sync.consent.vocabulary import AT_MOST, DECIDE
from campaign_sync.errors import MappingError
from campaign_sync.flow import PARAMS, broken_dag, dag_id_of, sound_or_broken, when_it_runs
from campaign_sync.graph import CHECKED, asset_of, four_steps, usual_args
from campaign_sync.mapping.kinds import mapping_files

#: Before everything else of the package: whoever says no is not to wait behind bulk work.
URGENT = 100

#: When the stand-in of a broken mapping fails: while it stands there nobody's no is told.
RED = "@hourly"

FORM = ("replay", "limit", "dry_run")

DECIDING = Param(
    False,
    type="boolean",
    title="Decide about opt-ins",
    description="Asks in Required Actions about the opt-ins that wait for a person, and those of this run. "
    f"Answer within {AT_MOST}: later opt-outs wait meanwhile.",
    section="What to tell",
)

SIDES = {
    "disabled": "nothing is read or written",
    "to_campaign": "Dynamics → Campaign",
    "to_dynamics": "Campaign → Dynamics",
    "both": "Dynamics ↔ Campaign",
}


def opt_outs_dag(mapping: OptOutMapping) -> DAG:
    """The DAG of one mapping: extract; filter, map, replace and check per batch; guard; load per batch; reconcile."""
    disabled = mapping.direction == "disabled"
    with DAG(
        mapping.name,
        description=mapping.description,
        doc_md=documentation(mapping),
        schedule=None if disabled else _schedule(mapping),
        start_date=datetime(2020, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,  # two runs would take the same files
        params={} if disabled else {name: deepcopy(each) for name, each in _form().items()},
        tags=["campaign_sync", "opt-outs"],
        default_args=usual_args(mapping.owner) | {"priority_weight": URGENT, "weight_rule": "absolute"},
    ) as dag:
        if disabled:
            EmptyOperator(task_id="disabled")
            return dag
        extract = ExtractOptOutsOperator(task_id="extract", mapping=mapping)
        steps = four_steps(
            extract.output,
            filter=FilterOptOutsOperator,
            map=MapOptOutsOperator,
            replace=ReplaceOptOutsOperator,
            check=CheckOptOutsOperator,
        )
        guard = GuardOptOutsOperator(
            task_id="guard", checked_by=CHECKED, trigger_rule="all_done_min_one_success"
        )
        load = LoadOptOutsOperator.partial(
            task_id="load",
            map_index_template="{{ batch_label }}",
            # One batch at a time: the load itself makes its calls side by side.
            max_active_tis_per_dagrun=1,
        ).expand(batch=guard.output)
        reconcile = ReconcileOptOutsOperator(
            task_id="reconcile",
            batches=extract.output,
            loaded_by="load",
            asset=asset_of(mapping.name),
            # A failed batch must not hide the others' results: reconcile counts what is missing and fails itself.
            trigger_rule="all_done",
        )
        steps >> guard >> load >> reconcile
    return dag


def _form() -> dict[str, Param]:
    return {name: PARAMS[name] for name in FORM} | {DECIDE: DECIDING}


def _schedule(mapping: OptOutMapping) -> Any:
    return when_it_runs(mapping, columns=Feed.of(mapping).columns(), parents=())


def opt_outs_dags_in(folder: Path) -> Iterator[DAG]:
    """A DAG for every mapping of opt-outs in the folder; within a task's own process, only for its own."""
    wanted = get_parsing_context().dag_id
    files = [path for path in mapping_files(folder, "opt_outs") if wanted in (None, dag_id_of(path))]
    mappings: dict[Path, OptOutMapping] = {}
    errors: dict[Path, MappingError] = {}
    for path in files:
        try:
            mappings[path] = load_opt_outs(path)
        except MappingError as error:
            errors[path] = error
    # Whether a table has two mappings can be told only where all files are read: not in a task.
    if not wanted:
        errors |= one_per_table(mappings.values())
    for path in files:
        if path in errors:
            yield broken_dag(path, errors[path], red=RED)
        else:
            yield sound_or_broken(mappings[path], path, opt_outs_dag, red=RED)


def documentation(mapping: OptOutMapping) -> str:
    """What the UI shows about a flow: its pairs as a table."""
    rows = [
        f"| `{attribute}` | `{pair.column}` | {str(pair.no_is).lower()} |"
        for attribute, pair in mapping.pairs.items()
    ]
    way = f"{SIDES[mapping.direction]}, mapping `{Path(mapping.path).name}` ({mapping.sha})."
    head = ["| Campaign attribute | Dynamics column | objects where it is |", "|---|---|---|"]
    return "\n".join([f"## {mapping.description}", "", way, "", *head, *rows])
