"""What Airflow knows of our DAGs: which there are, paused or not, what runs, how far it is.

With ``airflow_acts.py`` the only module that touches Airflow's own tables; it runs in the API server, which has them
at hand.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import func, select
from sqlalchemy.orm import Session

Direction = Literal["to_campaign", "to_dynamics", "both"]

#: The tags of our DAGs.
OURS, COMPARES, BROKEN = "campaign_sync", "reconcile", "broken mapping"

#: Where a flow's rows go, by its DAG's tag.
DIRECTIONS: dict[str, Direction] = {"to Dynamics": "to_dynamics", "opt-outs": "both"}


class Progress(NamedTuple):
    """How far a run is."""

    run_id: str
    started: datetime | None
    waits_for_approval: bool
    batches: int | None  # None: it is still reading
    batches_done: int
    rows: int | None
    rows_done: int
    rows_per_second: float | None
    seconds_left: float | None


class Flow(NamedTuple):
    """A flow as Airflow sees it."""

    dag_id: str
    description: str
    direction: Direction
    broken: bool
    paused: bool
    next_run: datetime | None
    last_failed: str | None  # the latest run, if it failed
    progress: Progress | None


def flows_of(session: Session, readable: Collection[str]) -> list[Flow]:
    """Our DAGs among those that a person may read, without the comparisons, in the order of their names."""
    ids = flow_names(session, readable)
    known = session.execute(
        select(DagModel.dag_id, DagModel.description, DagModel.is_paused, DagModel.next_dagrun_create_after)
        .where(DagModel.dag_id.in_(ids))
        .order_by(DagModel.dag_id)
    ).all()
    tags: dict[str, set[str]] = {dag_id: set() for dag_id in ids}
    for dag_id, name in session.execute(select(DagTag.dag_id, DagTag.name).where(DagTag.dag_id.in_(ids))):
        tags[dag_id].add(name)
    failed, under_way = _last_failed(session, ids), _under_way(session, ids)
    return [
        Flow(
            dag.dag_id,
            dag.description or "",
            next((DIRECTIONS[tag] for tag in tags[dag.dag_id] if tag in DIRECTIONS), "to_campaign"),
            BROKEN in tags[dag.dag_id],
            dag.is_paused,
            None if dag.is_paused else dag.next_dagrun_create_after,
            failed.get(dag.dag_id),
            under_way.get(dag.dag_id),
        )
        for dag in known
    ]


def flow_names(session: Session, readable: Collection[str]) -> list[str]:
    """The ids of our DAGs among those that a person may read, without the comparisons."""
    tagged, compares = (select(DagTag.dag_id).where(DagTag.name == name) for name in (OURS, COMPARES))
    query = select(DagModel.dag_id).where(
        DagModel.dag_id.in_(tagged), DagModel.dag_id.not_in(compares), DagModel.is_stale.is_(False)
    )
    return sorted(set(session.execute(query).scalars()) & set(readable))


def teams_of(session: Session, ids: Collection[str]) -> dict[str, str | None]:
    """The team of each DAG, where Airflow has teams: a right may depend on it."""
    found: dict[str, str | None] = DagModel.get_dag_id_to_team_name_mapping([*ids], session=session)
    return found


def _last_failed(session: Session, ids: list[str]) -> dict[str, str]:
    latest = (
        select(func.max(DagRun.id))
        .where(DagRun.dag_id.in_(ids), DagRun.state.in_([DagRunState.SUCCESS, DagRunState.FAILED]))
        .group_by(DagRun.dag_id)
    )
    query = select(DagRun.dag_id, DagRun.run_id).where(
        DagRun.id.in_(latest), DagRun.state == DagRunState.FAILED
    )
    return {row.dag_id: row.run_id for row in session.execute(query)}


def _under_way(session: Session, ids: list[str]) -> dict[str, Progress]:
    query = (
        select(DagRun.dag_id, DagRun.run_id, DagRun.start_date)
        .where(DagRun.dag_id.in_(ids), DagRun.state == DagRunState.RUNNING)
        .order_by(DagRun.start_date.desc())
    )
    # Of several, the one that began first: the others wait, or are a backfill's.
    return {row.dag_id: _progress(session, *row) for row in session.execute(query).all()}


def _progress(session: Session, dag_id: str, run_id: str, started: datetime | None) -> Progress:
    this = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    columns = (TaskInstance.task_id, TaskInstance.map_index, TaskInstance.state, TaskInstance.start_date)
    tasks = session.execute(
        select(*columns).where(*this, TaskInstance.task_id.in_(("extract", "guard", "load")))
    ).all()
    asks = any(task.state == TaskInstanceState.AWAITING_INPUT for task in tasks)
    loads = [task for task in tasks if task.task_id == "load" and task.map_index >= 0]
    done = {task.map_index for task in loads if task.state == TaskInstanceState.SUCCESS}
    sizes = _batch_sizes(session, dag_id, run_id)
    if sizes is None:
        return Progress(run_id, started, asks, None, 0, None, 0, None, None)
    rows, rows_done = sum(sizes), sum(size for number, size in enumerate(sizes) if number in done)
    began = min((task.start_date for task in loads if task.start_date), default=None)
    speed = None
    if began and rows_done:
        speed = rows_done / max((datetime.now(UTC) - began).total_seconds(), 1)
    left = (rows - rows_done) / speed if speed else None
    return Progress(run_id, started, asks, len(sizes), len(done), rows, rows_done, speed, left)


def _batch_sizes(session: Session, dag_id: str, run_id: str) -> list[int] | None:
    """Rows of each batch, as extract returned them; None while it reads."""
    query = select(XComModel.value).where(
        XComModel.dag_id == dag_id,
        XComModel.run_id == run_id,
        XComModel.task_id == "extract",
        XComModel.key == "return_value",
    )
    found: Any = session.execute(query).scalar()
    while isinstance(found, str):
        found = json.loads(found)
    if not isinstance(found, list):
        return None
    return [int(batch["tally"]["extracted"]) for batch in found]
