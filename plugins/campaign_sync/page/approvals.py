"""The room "Approvals": what waits for a person over all flows, with the list of keys. The answer is given in Airflow.

Not for the question itself (``run/guard.py``, ``consent/guard.py``), nor for answering: Airflow's page *Required
Actions* does that, with its own rights and its own log.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import ReadableDagsFilterDep, requires_access_dag
from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, Field

from campaign_sync.consent.guard import CONTACTS
from campaign_sync.ledger.consent import Consents
from campaign_sync.page.airflow_questions import Question, open_questions
from campaign_sync.page.airflow_state import flows_of
from campaign_sync.page.flow import FlowName, RunId
from campaign_sync.page.rows import Text
from campaign_sync.page.sources import ledger, run_document, run_folder
from campaign_sync.rows.storage import documents, find_document
from campaign_sync.run.guard import HARMS
from campaign_sync.run.report import SAMPLE
from campaign_sync.run.setting import GUARD, HARM, SETTING

#: What guards limit → what would become of the records or contacts.
HARMED = HARMS | CONTACTS.harms

#: Of the opt-ins that wait for a run which asks, so many are counted.
MOST = 1000


class Harm(BaseModel):
    """One thing that a run would do."""

    name: str = Field(description="The mapping's word for it: deletes, blanks, opt_outs, opt_ins.")
    said: str = Field(description="What would become of them: deleted, emptied in part, opted out, opted in.")
    count: int
    limit: str = Field(description="How many the mapping allows.")
    beyond: bool = Field(description="This is more than the mapping allows.")
    why: dict[str, int] = Field(description="How many for which reason.")


class Approval(BaseModel):
    """A run that waits for a person."""

    flow: str
    run_id: str
    task_id: str
    subject: str
    since: datetime
    until: datetime | None = Field(description="Without an answer by then, it is not done.")
    present: int | None = Field(
        description="Records in Campaign, or contacts; null: the run's files were swept."
    )
    harms: list[Harm]


class Held(BaseModel):
    """Opt-ins that wait for a run in which a person is asked."""

    flow: str
    since: datetime = Field(description="When the one was found that waits longest.")
    contacts: int
    more: bool = Field(description="There are more than were counted.")
    some: list[str]


class Approvals(BaseModel):
    """All that waits for a person."""

    approvals: list[Approval]
    held: list[Held]


class Keys(BaseModel):
    """A page of keys."""

    keys: list[str] = Field(description="Of opt-outs: the contact, a space, and the attribute.")
    next: str | None = Field(description="What `after` asks for the next page with; null: there is none.")


router = APIRouter(
    prefix="/approvals",
    tags=["approvals"],
    # As Airflow asks for its own list of required actions.
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.HITL_DETAIL))],
)


@router.get("")
def approvals(session: SessionDep, readable: ReadableDagsFilterDep) -> Approvals:
    """What waits for a person, over all flows that may be read: since when, how much, and what is allowed."""
    flows = flows_of(session, readable.value or ())
    asked = open_questions(session, [flow.dag_id for flow in flows])
    waiting = {each.flow for each in asked}
    held = [
        found
        for flow in flows
        if flow.direction == "both" and flow.dag_id not in waiting and (found := _held(flow.dag_id))
    ]
    return Approvals(approvals=[_approval(each) for each in asked], held=held)


@router.get("/{dag_id}/keys")
def keys(
    dag_id: FlowName,
    run: RunId,
    harm: Annotated[Text, Query(description="The mapping's word: deletes, blanks, opt_outs, opt_ins.")],
    after: Annotated[
        str, Query(pattern=r"^(\d{1,9}-\d{1,9})?$", description="`next` of the page before.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Keys:
    """The keys that a guard's question is about, in the order of the run's batches."""
    if harm not in HARMED:
        raise HTTPException(422, "Not understood: harm")
    batch, place = map(int, (after or "0-0").split("-"))
    found: list[str] = []
    for number, listed in _lists(dag_id, run, harm, batch):
        start = place if number == batch else 0
        part = listed[start : start + limit - len(found)]
        found += part
        if len(found) == limit:
            return Keys(keys=found, next=f"{number}-{start + len(part)}")
    return Keys(keys=found, next=None)


def _lists(flow: str, run: str, harm: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """A run's batches from this one on, with their keys."""
    if not run_document(flow, run, GUARD):
        return
    folder = run_folder(flow, run)
    for name in documents(folder, HARM):
        number = int(name.removesuffix(HARM))
        if number >= first:
            yield number, find_document(folder, name).get(harm, [])


def _approval(asked: Question) -> Approval:
    told = run_document(asked.flow, asked.run_id, GUARD)
    limits = run_document(asked.flow, asked.run_id, SETTING).get("mapping", {}).get("guard", {})
    return Approval(
        **asked._asdict(),
        present=told.get("present"),
        harms=[_harm(name, told, limits) for name in HARMED if told.get(name)],
    )


def _harm(name: str, told: dict[str, Any], limits: dict[str, Any]) -> Harm:
    return Harm(
        name=name,
        said=HARMED[name],
        count=told[name],
        limit=limits.get(name, ""),
        beyond=name in told["too_much"],
        why=told["why"].get(name, {}),
    )


def _held(flow: str) -> Held | None:
    """Contacts with a yes that no run could tell unasked."""
    found = Consents(ledger()).longest_undecided(flow, MOST + 1)
    if not found:
        return None
    keys = list(dict.fromkeys(key for key, _ in found[:MOST]))
    return Held(flow=flow, contacts=len(keys), more=len(found) > MOST, since=found[0][1], some=keys[:SAMPLE])
