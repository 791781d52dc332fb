"""The room "One flow": its mapping, what its checks found, and its runs with their reports and Data Docs."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from campaign_sync.ledger.overview import past_runs
from campaign_sync.page.acting import RightsDep
from campaign_sync.page.airflow_state import flows_of
from campaign_sync.page.flows import FlowSummary, RunSummary, run_summary, summaries
from campaign_sync.page.mapping_view import MappingView, view_mapping
from campaign_sync.page.rows import Text
from campaign_sync.page.sources import ledger, mapping_file, run_document, run_folder
from campaign_sync.rows.storage import documents, read_bytes
from campaign_sync.run.setting import REPORT, SETTING

#: The page of a batch, after its number.
PAGE = ".checks.html"

#: A Data Docs page brings its own style and nothing else, and can do nothing but be looked at.
DOCS_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"

#: Over how many of the latest runs that read something a check's pass rate is told.
RATED = 10

FlowName = Annotated[str, Path(max_length=250, description="The flow: its DAG's id.")]
RunId = Annotated[Text, Query(min_length=1, description="The run.")]


class CheckRate(BaseModel):
    """What a check found in the latest runs."""

    name: str
    rows: int
    unexpected: int


class FlowDetail(BaseModel):
    """A flow, its mapping, and what its checks found."""

    summary: FlowSummary
    mapping: MappingView | None = Field(description="Null where the API server does not have the file.")
    checks: list[CheckRate] = Field(description=f"Over the latest {RATED} runs that read something.")


class Runs(BaseModel):
    """A page of runs."""

    runs: list[RunSummary]
    more: bool


class RuleCount(BaseModel):
    """Rows of a run by rule, with a few of their keys."""

    rule: str
    rows: int
    keys: list[str] = []


class RunReport(BaseModel):
    """What a run did, as its report says."""

    window: str | None = Field(description="What was read; null if there is no report, or it was swept.")
    batches: int | None
    dropped: list[RuleCount]
    rejected: list[RuleCount]
    parked: list[RuleCount]
    checks: list[CheckRate]
    notes: list[str]
    docs: list[int] = Field(description="The batches that have a page of Data Docs.")


router = APIRouter(
    prefix="/flows/{dag_id}", tags=["one flow"], dependencies=[Depends(requires_access_dag("GET"))]
)


@router.get("")
def flow(dag_id: FlowName, session: SessionDep, rights: RightsDep) -> FlowDetail:
    """A flow with its mapping as people read it."""
    stands = summary(dag_id, session, rights)
    path = mapping_file(dag_id)
    known = past_runs(ledger(), dag_id, limit=5 * RATED)
    latest = [run.run_id for run in known if run.tally and run.tally.get("extracted")][:RATED]
    setting = next(filter(None, (run_document(dag_id, run_id, SETTING) for run_id in latest)), {})
    return FlowDetail(
        summary=stands,
        mapping=view_mapping(path, setting) if path else None,
        checks=_rates(dag_id, latest),
    )


@router.get("/summary")
def summary(dag_id: FlowName, session: SessionDep, rights: RightsDep) -> FlowSummary:
    """How a flow stands, which is quickly told."""
    found = summaries(flows_of(session, {dag_id}), rights)
    if not found:
        raise HTTPException(404, "There is no flow of this name")
    return found[0]


@router.get("/runs")
def runs(
    dag_id: FlowName,
    before: Annotated[
        datetime | None, Query(description="`started` of the last run of the page before.")
    ] = None,
    before_run: Annotated[Text, Query(description="Its id.")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 30,
) -> Runs:
    """The runs of a flow, the latest first."""
    place = (before, before_run) if before else None
    found = past_runs(ledger(), dag_id, place, limit + 1)
    return Runs(runs=[run_summary(run) for run in found[:limit]], more=len(found) > limit)


@router.get("/report")
def report(dag_id: FlowName, run: RunId) -> RunReport:
    """What a run did: rows by rule, checks, notes, and which Data Docs there are."""
    told = run_document(dag_id, run, REPORT)
    if not told:
        return RunReport(
            window=None, batches=None, dropped=[], rejected=[], parked=[], checks=[], notes=[], docs=[]
        )
    return RunReport(
        window=told["window"],
        batches=told["batches"],
        dropped=_by_rule(told["dropped"], {}),
        rejected=_by_rule(told["rejected"], told.get("samples", {})),
        parked=_by_rule(told.get("parked", {}), told.get("parked_samples", {})),
        checks=[CheckRate.model_validate(each) for each in told["checks"]],
        notes=told["notes"],
        docs=[int(name.removesuffix(PAGE)) for name in documents(run_folder(dag_id, run), PAGE)],
    )


@router.get("/docs", response_class=HTMLResponse)
def docs(dag_id: FlowName, run: RunId, batch: Annotated[int, Query(ge=1, le=99_999)]) -> HTMLResponse:
    """The Data Docs page of a batch: what the checks found, in counts."""
    folder = run_folder(dag_id, run)
    name = f"{batch:05d}{PAGE}"
    if not run_document(dag_id, run, SETTING) or name not in documents(folder, PAGE):
        raise HTTPException(404, "This page was swept, or the run had no such batch")
    page = read_bytes(f"{folder}/{name}")
    return HTMLResponse(page, headers={"Content-Security-Policy": DOCS_POLICY})


def _rates(flow: str, run_ids: list[str]) -> list[CheckRate]:
    rows: Counter[str] = Counter()
    unexpected: Counter[str] = Counter()
    for told in (run_document(flow, run_id, REPORT) for run_id in run_ids):
        for check in told.get("checks", ()):
            rows[check["name"]] += check["rows"]
            unexpected[check["name"]] += check["unexpected"]
    return [CheckRate(name=name, rows=rows[name], unexpected=unexpected[name]) for name in rows]


def _by_rule(counts: dict[str, int], samples: dict[str, Any]) -> list[RuleCount]:
    return [RuleCount(rule=rule, rows=rows, keys=samples.get(rule, [])) for rule, rows in counts.items()]
