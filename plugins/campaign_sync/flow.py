"""The whole pipeline on one screen: a mapping becomes an Airflow DAG.

A mapping that cannot be read becomes a DAG of the same name whose documentation and only task are the
error, so that it is seen in the UI and harms no other flow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronDataIntervalTimetable,
    Param,
    get_parsing_context,
)
from croniter import croniter

from campaign_sync.errors import MappingError
from campaign_sync.graph import CHECKED, asset_of, four_steps, usual_args
from campaign_sync.mapping.file import Mapping, check_together, load_mapping, mapping_files
from campaign_sync.mapping.vocabulary import FieldMapping
from campaign_sync.operators import (
    CheckOperator,
    ExtractOperator,
    FilterOperator,
    GuardOperator,
    LoadOperator,
    MapOperator,
    MappingErrorOperator,
    ReconcileOperator,
    ReplaceOperator,
    SettleOperator,
)
from campaign_sync.watching import FeedTrigger

PARAMS: dict[str, Any] = {
    "replay": Param(
        False,
        type="boolean",
        title="Replay",
        description="Send all rows again, whether they changed or not. The place in the change feed stays where it is; "
        "one that is lost or has expired is taken anew.",
        section="What to read",
    ),
    "since": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Modified since",
        description="Send again what was modified in Dynamics at or after this time. Needs “until” too.",
        section="What to read",
    ),
    "until": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Modified until",
        description="… and before this time.",
        section="What to read",
    ),
    "limit": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="At most",
        description="Stop after this many rows. For a first try: the place in the change feed stays where it is.",
        section="How",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Do everything but write: the report says what would have been sent.",
        section="How",
    ),
}


class _Scheduled(Protocol):
    """A mapping of any kind, as far as its schedule is concerned."""

    @property
    def schedule(self) -> str | None: ...
    def line(self, *place: str | int) -> int:
        """The line of a place in the file."""


class _Watched(Protocol):
    """A mapping whose flow also runs when something changed in Dynamics."""

    @property
    def name(self) -> str: ...
    @property
    def sha(self) -> str: ...
    @property
    def schedule(self) -> str | None: ...
    @property
    def looks_every(self) -> timedelta | None: ...


Planned = TypeVar("Planned", bound=_Scheduled)


def sync_dag(mapping: Mapping) -> DAG:
    """The DAG of one mapping: extract; filter, map, replace and check per batch; guard; load per batch; settle, if
    files may be used; reconcile.
    """
    with DAG(
        mapping.name,
        description=mapping.description,
        doc_md=documentation(mapping),
        schedule=_schedule(mapping),
        start_date=datetime(2020, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        tags=["campaign_sync", "ingress"],
        default_args=usual_args(mapping.owner),
    ) as dag:
        extract = ExtractOperator(task_id="extract", mapping=mapping)

        steps = four_steps(
            extract.output,
            filter=FilterOperator,
            map=MapOperator,
            replace=ReplaceOperator,
            check=CheckOperator,
        )
        guard = GuardOperator(
            task_id="guard",
            checked_by=CHECKED,
            # A failed batch must not hold up the others; without any batch there is nothing to guard and no task.
            trigger_rule="all_done_min_one_success",
        )
        load = LoadOperator.partial(
            task_id="load",
            map_index_template="{{ batch_label }}",
            # One batch at a time: the load itself makes its calls side by side, and Campaign is to be spared.
            max_active_tis_per_dagrun=1,
        ).expand(batch=guard.output)
        reconcile = ReconcileOperator(
            task_id="reconcile",
            batches=extract.output,
            loaded_by="load",
            asset=asset_of(mapping.name),
            # A failed batch must not hide the others' results: reconcile counts what is missing and fails
            # itself.
            trigger_rule="all_done",
        )
        steps >> guard >> load >> reconcile
        if mapping.load.files_from is not None:
            # What the batches that did load have left is imported, whatever became of the others.
            settle = SettleOperator(task_id="settle", trigger_rule="all_done_min_one_success")
            load >> settle >> reconcile
    # Last, or Airflow copies them into every task, a fifth of the parse; a copy: it writes what a form says into it
    dag.params = deepcopy(PARAMS)
    return dag


def _schedule(mapping: Mapping) -> Any:
    columns = [name for name in mapping.columns() if name != mapping.map[mapping.key_field].source]
    return when_it_runs(mapping, columns=columns, parents=mapping.parents())


def when_it_runs(mapping: _Watched, *, columns: Collection[str], parents: Collection[str]) -> Any:
    """By the clock, and when there is work to do (I16).

    :param columns: what is read of Dynamics besides the key.
    :param parents: the flows that the mapping links to.
    """
    if mapping.schedule is None:
        return None
    # A plain cron string has no data interval in Airflow 3, and a backfill needs one.
    clock = CronDataIntervalTimetable(mapping.schedule, timezone="UTC")
    if mapping.looks_every is None:
        return clock
    trigger = FeedTrigger(
        flow=mapping.name,
        mapping_sha=mapping.sha,
        columns=[*columns],
        parents=[*parents],
        seconds=int(mapping.looks_every.total_seconds()),
    )
    work = Asset(
        f"work_for_{mapping.name}",
        uri=f"campaign-sync://{mapping.name}/work",
        group="campaign_sync",
        watchers=[AssetWatcher(name=f"changes_for_{mapping.name}", trigger=trigger)],
    )
    return AssetOrTimeSchedule(timetable=clock, assets=[work])


def dags_in(folder: Path) -> Iterator[DAG]:
    """A DAG for every mapping file in the folder; within a task's own process, only for the one that it belongs to."""
    wanted = get_parsing_context().dag_id
    files = [path for path in mapping_files(folder) if wanted in (None, dag_id_of(path))]
    mappings: dict[Path, Mapping] = {}
    errors: dict[Path, MappingError] = {}
    for path in files:
        try:
            mappings[path] = load_mapping(path)
        except MappingError as error:
            errors[path] = error
    # Whether a table or a resource is mapped twice can be told only where all files are read: not in a task.
    if not wanted:
        errors |= conflicts(mappings.values())
    for path in files:
        yield (
            broken_dag(path, errors[path])
            if path in errors
            else sound_or_broken(mappings[path], path, sync_dag)
        )


def sound_or_broken(
    mapping: Planned, path: Path, make: Callable[[Planned], DAG], *, red: str | None = None
) -> DAG:
    """The DAG of a mapping; if Airflow cannot make one, the DAG that says so.

    :param red: as for :func:`broken_dag`.
    """
    try:
        dag = make(mapping)
        # Airflow would find out later, and for the whole file with all its DAGs.
        getattr(dag.timetable, "timetable", dag.timetable).validate()
        if mapping.schedule and not mapping.schedule.startswith("@"):
            croniter(mapping.schedule).get_prev()  # 31 February can be written, and never comes
    except Exception as error:  # noqa: BLE001 - one mapping's trouble must not take the others' DAGs away
        line, remedy = (
            mapping.line("schedule"),
            "Correct the schedule, if the text speaks of it; else report this",
        )
        problem = f"Airflow cannot make a DAG of it: {error}"
        return broken_dag(path, MappingError(str(path), line, "schedule", problem, remedy), red=red)
    return dag


def broken_dag(path: Path, error: MappingError, *, red: str | None = None) -> DAG:
    """A DAG that stands in for a mapping that cannot be read, and says why.

    :param red: when it fails by itself, as cron, where nobody may overlook that its flow stands still.
    """
    with DAG(
        dag_id_of(path),
        description=f"BROKEN MAPPING — {': '.join(filter(None, (error.key, error.problem)))}"[:200],
        doc_md=f"## This mapping cannot be used\n\n```\n{error}\n```\n\nOther flows are not affected.",
        schedule=red,
        start_date=datetime(2020, 1, 1, tzinfo=UTC),
        catchup=False,
        tags=["campaign_sync", "broken mapping"],
    ) as dag:
        MappingErrorOperator(task_id="mapping_error", message=str(error), retries=0)
    return dag


def documentation(mapping: Mapping) -> str:
    """What the UI shows about a flow: its mapping as a table."""
    rows = [
        f"| `{field}` | `{how.source}` | {_how(how)} | {'yes' if how.updates else 'no'} |"
        for field, how in mapping.map.items()
    ]
    way = f"Dynamics table `{mapping.extract.table}` → Campaign resource `{mapping.load.resource}`"
    file = f"mapping `{Path(mapping.path).name}` ({mapping.sha})"
    head = ["| Campaign field | Dynamics column | using | updates |", "|---|---|---|---|"]
    return "\n".join([f"## {mapping.description}", "", f"{way}, {file}.", "", *head, *rows])


def _how(how: FieldMapping) -> str:
    return f"link: {how.link}" if how.link else ", ".join(how.using) or "—"


def conflicts(mappings: Iterable[Mapping]) -> dict[Path, MappingError]:
    """What is wrong between mappings that are each sound by themselves, by file."""
    try:
        check_together(mappings)
    except MappingError as error:
        return {Path(each.file): each for each in (*error.others, error)}
    return {}


def dag_id_of(path: Path) -> str:
    """The id of a mapping file's DAG."""
    return re.sub(r"[^\w.-]", "_", path.stem)[:200]
