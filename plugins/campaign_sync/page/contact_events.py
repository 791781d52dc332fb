"""What the room "Contact" tells of e-mail events: those that arrived, those that wait, or the one that was asked for.

Keys, times and names of deliveries, never what an event says of a person. The rest of the room is in ``contact.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

from campaign_sync.events.tasks import task_id
from campaign_sync.ledger.events import KEPT, NO_SUCH_CONTACT, UNKNOWN_CONTACT
from campaign_sync.ledger.one_key import MOST_EVENTS, ArrivedEvent, Remembered, WaitingEvent

#: Of waiting events so many ids are told.
SHOWN = 5

#: So many events that arrived are told; of a contact whose mail is opened by machines there may be any number.
LATEST = 50


class EventsAnswer(BaseModel):
    """Events of one kind that did not arrive: those that wait for this contact, or the event itself."""

    flow: str
    kind: str
    state: Literal["waiting", "rejected"]
    count: int
    latest: datetime
    reason: str = ""
    some: list[str] = Field(description="Keys of a few.")


class ArrivedAnswer(BaseModel):
    """An event that is in Dynamics. What is null was not kept when the event arrived."""

    flow: str
    event: str = Field(description="Its key: its kind, and its number in Campaign's log.")
    kind: str
    contact: str | None = Field(description="The key of the contact whose event it is.")
    happened: datetime | None
    delivery: str | None = Field(description="The name of the delivery in Campaign; may be empty.")
    result: Literal["created", "unchanged"] | None = Field(
        description="Whether the run created the activity, or found it."
    )
    followed_up: bool | None = Field(
        description="Whether it has a follow-up task; null: the run made none, one before may have."
    )
    task_id: str | None = Field(description="Of the follow-up task in Dynamics.")
    run_id: str | None
    settled_at: datetime = Field(description="Since when the ledger knows it.")


class Arrived(BaseModel):
    """Events that are in Dynamics, the latest first."""

    latest: list[ArrivedAnswer]
    more: int = Field(description="How many there are besides.")
    many_more: bool = Field(description="There are more than were counted.")
    since: datetime | None = Field(
        description="Of those that arrived before it was not kept whose they are; null: of all it was."
    )


def arrived_events(flows: Iterable[str], known: Remembered) -> Arrived:
    """The events of a contact that are in Dynamics, or the one of this key."""
    of_flows = set(flows)
    found = [each for each in known.arrived_events if each.flow in of_flows]
    counted = found[:MOST_EVENTS]
    since = known.whose_since if of_flows else None
    return Arrived(
        latest=[_arrived(each) for each in counted[:LATEST]],
        more=len(counted[LATEST:]),
        many_more=len(found) > MOST_EVENTS,
        since=since if since and since > datetime.now(UTC) - KEPT else None,
    )


def missing_events(flows: Iterable[str], known: Remembered) -> Iterator[EventsAnswer]:
    """The events that wait for a contact, by kind; or the one of this key that was rejected."""
    for flow in flows:
        waiting: dict[str, list[WaitingEvent]] = {}
        for each in known.waiting_events:
            if each.flow == flow:
                waiting.setdefault(kind_of(each.event), []).append(each)
        for kind, some in waiting.items():
            yield EventsAnswer(
                flow=flow,
                kind=kind,
                state="waiting",
                count=len(some),
                latest=max(each.last_seen for each in some),
                reason=NO_SUCH_CONTACT,
                some=[each.event for each in some[:SHOWN]],
            )
        rejected = known.rejected.get(flow)
        if rejected and rejected.rule != UNKNOWN_CONTACT:
            reason = f"{rejected.rule}: {rejected.reason}" if rejected.reason else rejected.rule
            yield EventsAnswer(
                flow=flow,
                kind="event",
                state="rejected",
                count=1,
                latest=rejected.last_seen,
                reason=reason,
                some=[],
            )


def kind_of(event: str) -> str:
    """An event is called by its kind and its number in Campaign's log: click:7."""
    return event.partition(":")[0]


def _arrived(event: ArrivedEvent) -> ArrivedAnswer:
    results: dict[bool | None, Literal["created", "unchanged"]] = {True: "created", False: "unchanged"}
    return ArrivedAnswer(
        flow=event.flow,
        event=event.event,
        kind=kind_of(event.event),
        contact=event.contact,
        happened=event.happened,
        delivery=event.delivery,
        result=results.get(event.created),
        followed_up=event.task,
        task_id=task_id(event.event) if event.task else None,
        run_id=event.run_id,
        settled_at=event.settled_at,
    )
