"""Which row of a delivery or tracking log is which event (campaign.md §12.1), and the id of its activity.

Cheap and pure: no frames. Not for reading files (``log_file.py``) or for what an activity carries
(``activities.py``).
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID, uuid5

SEND, OPEN, CLICK, BOUNCE = "send", "open", "click", "bounce"
KINDS = (SEND, OPEN, CLICK, BOUNCE)

#: Never to be changed: an event has the same activity in every environment and every version (E3).
NAMESPACE = UUID("6f2d1c0b-52a7-5e0e-9d57-0c7a2f6f9e11")

SENT, FAILED = 1, 2
HARD, ON_DENYLIST = 2, 8
URL_TYPES = {2: OPEN, 1: CLICK, 10: CLICK, 11: CLICK}
NO_EVENT_URLS = {3: "opt-out link", 4: "web page", 5: "transaction page", 6: "mirror page"}

NO_CONTACT = "no externalId"
PROOF = "proof or test profile"
NO_EMAIL = "not an e-mail"
DENIED = "on the denylist, nothing was sent"
SOFT = "soft bounce"


class Judged(NamedTuple):
    """The kind of an event, or why a row is none; both empty for a row whose type nobody knows."""

    kind: str = ""
    no_event: str = ""


def delivery_event(status: int, failure_type: int, failure_reason: int) -> Judged:
    """What a row of the delivery logs is.

    Numbers of the status other than sent and failed are unconfirmed and are no events (campaign.md §8.4). A row that
    is first seen as failed is a bounce only; one that was seen as sent before has become both (§12.2).
    """
    if status == SENT:
        return Judged(SEND)
    if status != FAILED:
        return Judged(no_event=f"status {status}: neither sent nor failed")
    if failure_type != HARD:
        return Judged(no_event=SOFT)
    return Judged(no_event=DENIED) if failure_reason == ON_DENYLIST else Judged(BOUNCE)


def tracking_event(url_type: int) -> Judged:
    """What a row of the tracking logs is."""
    if url_type in URL_TYPES:
        return Judged(URL_TYPES[url_type])
    return Judged(no_event=NO_EVENT_URLS.get(url_type, ""))


def first_id(kind: str, contact: str, delivery: str) -> str:
    """The name of the first event of a kind per contact and delivery: all of them have it, so that they are one."""
    return f"{kind}:{contact}:{delivery}"


def activity_id(event: str) -> str:
    """The id of an event's activity: the same event never makes two (E3)."""
    return str(uuid5(NAMESPACE, event))
