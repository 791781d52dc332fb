"""The room "Flows": each flow with its status, what waits and what its last run did."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import ReadableDagsFilterDep
from fastapi import APIRouter
from pydantic import BaseModel, Field

from campaign_sync.ledger.overview import PastRun, Standing, last_runs, standings
from campaign_sync.page.acting import May, Rights, RightsDep
from campaign_sync.page.airflow_state import Direction, Flow, flows_of
from campaign_sync.page.sources import ledger

router = APIRouter(tags=["flows"])


class Counted(BaseModel):
    """A number of rows, counted up to a limit."""

    rows: int
    more: bool = Field(description="There are more than were counted.")


class RunSummary(BaseModel):
    """A run, as the ledger remembers it."""

    run_id: str
    started: datetime
    ended: datetime | None
    state: Literal["running", "success", "failed"]
    tally: dict[str, int] | None = Field(description="Rows by what became of them; empty if it failed early.")


class RunProgress(BaseModel):
    """How far the run is that is under way."""

    run_id: str
    started: datetime | None
    waits_for_approval: bool = Field(description="The guard has asked a person.")
    batches: int | None = Field(description="Null while it reads.")
    batches_done: int
    rows: int | None
    rows_done: int
    rows_per_second: float | None
    seconds_left: float | None


class FlowSummary(BaseModel):
    """A flow and how it stands."""

    flow: str = Field(description="The mapping file's name, and the DAG's id.")
    description: str
    direction: Direction
    status: Literal["broken", "approval", "running", "paused", "failed", "idle"]
    paused: bool
    next_run: datetime | None
    failed_run: str | None = Field(description="The latest run, if it failed.")
    waiting: Counted = Field(description="Rows that are known and not settled: parked, or in doubt.")
    waiting_since: datetime | None = Field(description="Since when the one waits that waits longest.")
    rejected: Counted
    up_to: datetime | None = Field(description="When the place in the change feed moved last.")
    last_run: RunSummary | None = Field(description="The latest that has ended.")
    progress: RunProgress | None = Field(description="Of the run that is under way.")
    may: May = Field(description="What the person who asks may do with it.")


class Flows(BaseModel):
    """All flows that the person may read."""

    flows: list[FlowSummary]


@router.get("/flows")
def flows(session: SessionDep, readable: ReadableDagsFilterDep, rights: RightsDep) -> Flows:
    """Every flow that the person may read, with its status, backlog and last run."""
    return Flows(flows=summaries(flows_of(session, readable.value or ()), rights))


def summaries(known: Iterable[Flow], rights: Rights) -> list[FlowSummary]:
    """Flows of Airflow with what the ledger knows of them."""
    found = list(known)
    names = [flow.dag_id for flow in found]
    database = ledger()
    stand, last = standings(database, names), last_runs(database, names)
    may = rights.of(names)
    return [_summary(flow, stand[flow.dag_id], last.get(flow.dag_id), may[flow.dag_id]) for flow in found]


def run_summary(run: PastRun) -> RunSummary:
    """A run for an answer."""
    return RunSummary.model_validate(run._asdict())


def _summary(flow: Flow, standing: Standing, last: PastRun | None, may: May) -> FlowSummary:
    return FlowSummary(
        flow=flow.dag_id,
        description=flow.description,
        direction=flow.direction,
        status=_status(flow),
        paused=flow.paused,
        next_run=flow.next_run,
        failed_run=flow.last_failed,
        waiting=Counted(rows=standing.waiting, more=standing.more_waiting),
        waiting_since=standing.waiting_since,
        rejected=Counted(rows=standing.rejected, more=standing.more_rejected),
        up_to=standing.up_to,
        last_run=run_summary(last) if last else None,
        progress=RunProgress.model_validate(flow.progress._asdict()) if flow.progress else None,
        may=may,
    )


def _status(flow: Flow) -> Literal["broken", "approval", "running", "paused", "failed", "idle"]:
    if flow.broken:
        return "broken"
    if flow.progress is not None:
        return "approval" if flow.progress.waits_for_approval else "running"
    if flow.paused:
        return "paused"
    return "failed" if flow.last_failed else "idle"
