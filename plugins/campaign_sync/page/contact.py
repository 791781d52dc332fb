"""The room "Contact": everything that is known under one key, and why it is not in Campaign. Keys, never values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import ReadableDagsFilterDep
from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, Field

from campaign_sync.consent.decided import decided
from campaign_sync.ledger.consent import Entry
from campaign_sync.ledger.one_key import Remembered, have_run, remembered
from campaign_sync.ledger.searching import plain_key
from campaign_sync.mapping.links import table_in
from campaign_sync.page.acting import May, Rights, RightsDep
from campaign_sync.page.airflow_state import Direction, Flow, flows_of
from campaign_sync.page.contact_events import Arrived, EventsAnswer, arrived_events, missing_events
from campaign_sync.page.sources import ledger, mapping_file
from campaign_sync.page.verdict import ORDER, Fate, Verdict, event_verdict, untold, verdict

router = APIRouter(tags=["contact"])

#: The table whose rows people mean by default.
CONTACTS = "contact"

Key = Annotated[
    str,
    Path(
        min_length=1,
        max_length=250,
        pattern=r"^[^\x00-\x1f]*$",
        description="A contact's id, or the key of a row of any flow; capitals and braces do not matter.",
    ),
]


class SentAnswer(BaseModel):
    """What was last certainly sent of a row."""

    version: int = Field(description="Of the row in Dynamics; 0: nothing has been settled.")
    hash: str = Field(description="The beginning of a fingerprint of what was sent; empty: there is none.")
    fields: int = Field(description="How many fields were not empty.")
    run_id: str = Field(description="Which run had it in hand last; empty: two had.")
    mapping_sha: str | None = Field(description="The mapping's version.")
    updated_at: datetime


class RejectedAnswer(BaseModel):
    """What rejected a row."""

    step: str
    rule: str
    reason: str
    run_id: str
    mapping_sha: str
    first_seen: datetime
    last_seen: datetime
    tries: int


class WaitsAnswer(BaseModel):
    """What a row waits for."""

    kind: Literal["parent", "children"] = Field(description="parent: to arrive; children: to leave.")
    waits_for: str = Field(description="The flow of the record that it waits for.")
    waits_key: str
    reason: str
    run_id: str
    first_seen: datetime
    last_seen: datetime
    because: str | None = Field(description="What became of the row that it waits for; null: not to be read.")


class NamedAnswer(BaseModel):
    """A record that this one names."""

    field: str
    parent_flow: str
    parent_key: str


class InFlow(BaseModel):
    """What a flow knows of a row."""

    flow: str
    fate: Fate
    said: str
    since: datetime | None
    remedy: str
    sent: SentAnswer | None
    rejected: RejectedAnswer | None
    waits: WaitsAnswer | None
    names: list[NamedAnswer] = Field(description="Records of other flows that the one in Campaign names.")


class OptOutAnswer(BaseModel):
    """What holds of one opt-out attribute."""

    attribute: str
    no: bool | None = Field(description="True: the person objects; null: nobody has spoken, or it is open.")
    dynamics_no: bool | None
    dynamics_at: datetime | None
    campaign_no: bool | None
    campaign_at: datetime | None
    decided_by: Literal["dynamics", "campaign", ""] = Field(
        description="Whose word holds; empty: nobody's alone."
    )
    why: str
    told_at: datetime | None = Field(description="When Campaign was last told something.")
    run_id: str
    mapping_sha: str
    updated_at: datetime


class OptOutsAnswer(BaseModel):
    """What a flow of opt-outs knows of a contact."""

    flow: str
    fate: Fate | None = Field(description="What kept the contact from being told.")
    said: str | None = Field(description="Why the contact could not be told, if so.")
    since: datetime | None
    attributes: list[OptOutAnswer]


class FlowAnswer(BaseModel):
    """A flow that the answer names."""

    flow: str
    direction: Direction
    may: May = Field(description="What the person who asks may do with it.")


class ContactAnswer(BaseModel):
    """The answer to: why is this contact not in Campaign?"""

    key: str
    flow: str | None = Field(description="The flow that the verdict is of; null: there is none to read.")
    fate: Fate
    said: str
    since: datetime | None
    remedy: str
    flows: list[InFlow]
    opt_outs: list[OptOutsAnswer]
    events: list[EventsAnswer]
    arrived: Arrived
    named: list[FlowAnswer] = Field(
        description="Every flow that is named above, and that the person may read."
    )


@router.get("/contacts/{key:path}")
def contact(
    key: Key, session: SessionDep, readable: ReadableDagsFilterDep, rights: RightsDep
) -> ContactAnswer:
    """What became of a contact, or of a row of any flow: what was sent, rejected or waits, opt-outs, e-mail events.

    Of events that are in Dynamics the latest are told, with their follow-up tasks, and how many there are besides.
    """
    flows = {flow.dag_id: flow for flow in flows_of(session, readable.value or ())}
    if not flows:
        raise HTTPException(404, "There is no flow, or none that you may read")
    known_as = plain_key(key)
    database = ledger()
    known = remembered(database, list(flows), known_as)
    rows = [flow for flow in flows.values() if flow.direction == "to_campaign"]
    ran = have_run(database, list(flows))
    of_events = [name for name, flow in flows.items() if flow.direction == "to_dynamics"]
    event = event_verdict(known_as, of_events, known)
    about = [] if event else _about(rows, known)
    judged = {flow.dag_id: verdict(flow, known, has_run=flow.dag_id in ran) for flow in about}
    name, first = event or _first(judged)
    opt_outs = list(_opt_outs(flows, known))
    events, arrived = list(missing_events(of_events, known)), arrived_events(of_events, known)
    named = {*judged, *(each.flow for each in opt_outs), *(each.flow for each in events)}
    named |= {each.flow for each in arrived.latest} | ({name} if name else set())
    return ContactAnswer(
        key=known_as,
        flow=name,
        **first._asdict(),
        flows=[
            _in_flow(flow, each, known, _because(flow, known, flows, ran)) for flow, each in judged.items()
        ],
        opt_outs=opt_outs,
        events=events,
        arrived=arrived,
        named=_named([flows[each] for each in sorted(named)], rights),
    )


def _named(flows: list[Flow], rights: Rights) -> list[FlowAnswer]:
    may = rights.of(flow.dag_id for flow in flows)
    return [FlowAnswer(flow=flow.dag_id, direction=flow.direction, may=may[flow.dag_id]) for flow in flows]


def _about(rows: list[Flow], known: Remembered) -> list[Flow]:
    """The flows that know the key; if none does, those of contacts, or all."""
    some = [flow for flow in rows if known.knows(flow.dag_id)]
    if some:
        return some
    files = {flow.dag_id: mapping_file(flow.dag_id) for flow in rows}
    return [flow for flow in rows if (file := files[flow.dag_id]) and table_in(file) == CONTACTS] or rows


def _first(judged: dict[str, Verdict]) -> tuple[str | None, Verdict]:
    if not judged:
        return None, Verdict("unknown", "No flow to Campaign may be read", None, "")
    return min(judged.items(), key=lambda each: ORDER.index(each[1].fate))


def _because(flow: str, known: Remembered, flows: dict[str, Flow], ran: set[str]) -> str | None:
    """What became of the row that this one waits for, if the person may know."""
    parked = known.parked.get(flow)
    parent = flows.get(parked.waits_for) if parked else None
    if parked is None or parent is None or parked.waits_key == "":
        return None
    there = remembered(ledger(), [parent.dag_id], parked.waits_key)
    return verdict(parent, there, has_run=parent.dag_id in ran).said


def _in_flow(flow: str, judged: Verdict, known: Remembered, because: str | None) -> InFlow:
    sent, rejected, parked = (each.get(flow) for each in (known.sent, known.rejected, known.parked))
    return InFlow(
        flow=flow,
        **judged._asdict(),
        sent=SentAnswer.model_validate(sent._asdict()) if sent else None,
        rejected=RejectedAnswer.model_validate(rejected._asdict()) if rejected else None,
        waits=WaitsAnswer.model_validate(parked._asdict() | {"because": because}) if parked else None,
        names=[NamedAnswer.model_validate(each._asdict()) for each in known.named if each.flow == flow],
    )


def _opt_outs(flows: dict[str, Flow], known: Remembered) -> Iterator[OptOutsAnswer]:
    for name, flow in flows.items():
        trouble = untold(name, known)
        if flow.direction == "both" and (trouble or name in known.consents):
            yield OptOutsAnswer(
                flow=name,
                fate=trouble.fate if trouble else None,
                said=trouble.said if trouble else None,
                since=trouble.since if trouble else None,
                attributes=[_attribute(entry) for entry in known.consents.get(name, ())],
            )


def _attribute(entry: Entry) -> OptOutAnswer:
    known, told_at, _ = entry.kept
    side, why = decided(entry.kept)
    return OptOutAnswer(
        attribute=entry.attribute,
        no=known.agreed,
        dynamics_no=known.dynamics.no,
        dynamics_at=known.dynamics.at,
        campaign_no=known.campaign.no,
        campaign_at=known.campaign.at,
        decided_by=side,
        why=why,
        told_at=told_at,
        run_id=entry.run_id,
        mapping_sha=entry.mapping_sha,
        updated_at=entry.updated_at,
    )
