"""The room "Rows": rejected and parked rows, searched by key, rule and run. Keys and reasons, never values."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import ReadableDagsFilterDep
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from campaign_sync.ledger.searching import After, Wanted, find_rows, plain_key, rules_of
from campaign_sync.page.airflow_state import flow_names
from campaign_sync.page.sources import ledger

router = APIRouter(tags=["rows"])

#: Postgres takes no NUL, and nothing that is looked for has a control character.
Text = Annotated[str, Query(max_length=250, pattern=r"^[^\x00-\x1f]*$")]
What = Annotated[
    Literal["rejected", "parked"],
    Query(description="rejected: should have gone and could not; parked: waits for its parent."),
]


class RowAnswer(BaseModel):
    """A row that did not arrive."""

    flow: str
    source_key: str
    step: str | None = Field(description="Of a rejected row: extract, map, replace, check, load.")
    rule: str = Field(description="What rejected it; of a parked row the flow it waits for.")
    reason: str
    waits_key: str | None = Field(description="Of a parked row: the key of the record it waits for.")
    run_id: str = Field(description="Which run looked at it last.")
    first_seen: datetime
    last_seen: datetime
    tries: int | None = Field(description="Of a rejected row: how often it was tried.")


class Rows(BaseModel):
    """A page of rows."""

    rows: list[RowAnswer]
    next: str | None = Field(description="What `after` asks for the next page with; null: there is none.")


class RuleAnswer(BaseModel):
    """Rows of a flow that share a rule, or wait for the same flow."""

    rule: str
    rows: int
    more: bool = Field(description="There are more than were counted.")


class Rules(BaseModel):
    """The rules of a flow's rows."""

    rules: list[RuleAnswer]


@router.get("/rows")
def rows(
    session: SessionDep,
    readable: ReadableDagsFilterDep,
    what: What = "rejected",
    flow: Annotated[Text, Query(description="One flow; without it, all.")] = "",
    key: Annotated[Text, Query(description="How the row's key begins.")] = "",
    rule: Annotated[Text, Query(description="The rule; of parked rows, the flow they wait for.")] = "",
    run: Annotated[Text, Query(description="The run that looked at the row last.")] = "",
    after: Annotated[str, Query(max_length=2000, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Rows:
    """Rejected or parked rows, the latest first; those of a key, in the order of keys."""
    known = flow_names(session, readable.value or ())
    wanted = Wanted(_among(known, flow), plain_key(key), rule, run)
    found = find_rows(ledger(), what, wanted, _place(after), limit + 1)
    more = (
        _mark(After(*(getattr(found[limit - 1], name) for name in After._fields)))
        if len(found) > limit
        else None
    )
    return Rows(rows=[RowAnswer.model_validate(row._asdict()) for row in found[:limit]], next=more)


@router.get("/rules")
def rules(
    session: SessionDep,
    readable: ReadableDagsFilterDep,
    flow: Annotated[Text, Query(description="The flow.")],
    what: What = "rejected",
) -> Rules:
    """By which rules rows of a flow are rejected, or for which flows they wait, with how many of each."""
    (name,) = _among(flow_names(session, readable.value or ()), flow)
    return Rules(rules=[RuleAnswer.model_validate(each._asdict()) for each in rules_of(ledger(), what, name)])


def _among(known: list[str], flow: str) -> list[str]:
    """The flow that is asked for; one that the person may not read is told apart from none by nothing."""
    if not flow:
        return known
    if flow not in known:
        raise HTTPException(404, "There is no such flow, or you may not read its DAG")
    return [flow]


def _mark(place: After) -> str:
    told = json.dumps([place.first_seen.isoformat(), place.source_key, place.flow])
    return base64.urlsafe_b64encode(told.encode()).decode()


def _place(mark: str) -> After | None:
    if not mark:
        return None
    try:
        time, key, flow = json.loads(base64.urlsafe_b64decode(mark))
        return After(datetime.fromisoformat(time).astimezone(UTC), _plain(key), _plain(flow))
    except (binascii.Error, ValueError, TypeError):
        raise HTTPException(422, "Not understood: after") from None


def _plain(text: object) -> str:
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError
    return text
