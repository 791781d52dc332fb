"""Which activities and tasks Dynamics should have, computed from Campaign's logs alone, and what it has.

Written a second time on purpose, from what the two vendors document, in plain Python: it shares no code with the
package. Activities are compared by all that they say, as their ids mean nothing to anybody but the package.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Row = dict[str, Any]

#: The activity table of each kind of event, and the column with its time.
TABLES = {
    "send": ("acs_emailsend", "acs_sentdate"),
    "open": ("acs_emailopen", "acs_openeddate"),
    "click": ("acs_emailclick", "acs_clickeddate"),
    "bounce": ("acs_emailbounce", "acs_bounceddate"),
}
#: Subject of the follow-up task, by kind of event.
TASKS = {"click": "DM412 was clicked: follow up", "bounce": "Correct the e-mail address"}


class Event(NamedTuple):
    """An event as Campaign's logs or as a completed activity tell it."""

    kind: str
    contact: str
    happened: str  # YYYY-MM-DDTHH:MM:SSZ
    subject: str
    campaign: str
    delivery: str
    mirror: str
    url: str = ""


class Task(NamedTuple):
    """A follow-up task."""

    kind: str
    contact: str
    owner: str


class Compared(NamedTuple):
    """One kind of event on both sides."""

    kind: str
    expected: int
    found: int
    tasks: int
    different: list[str]  # contacts


def events(deliveries: Iterable[Row], tracking: Iterable[Row]) -> dict[tuple[str, int], Event]:
    """The events that Campaign's two logs tell at a moment, by kind and log id."""
    found = {}
    mirrors = {}
    for row in deliveries:
        mirrors[row["broadLogId"]] = row["mirrorUrl"]
        hard = row["failureType"] == "hard" and row["failureReason"] != "denylisted"
        kind = {"sent": "send", "failed": "bounce" if hard else ""}.get(row["status"], "")
        if kind and _concerns_a_contact(row) and row["deliveryType"] == "email" and not row["isProof"]:
            found[kind, row["broadLogId"]] = _event(kind, row, row["eventDate"], row["mirrorUrl"])
    for row in tracking:
        kind = row["urlType"]
        if kind in ("open", "click") and _concerns_a_contact(row):
            url = row["url"] if kind == "click" else ""
            mirror = mirrors[row["broadLogId"]]
            found[kind, row["trackingLogId"]] = _event(kind, row, row["logDate"], mirror)._replace(url=url)
    return found


def activity(kind: str, row: Row) -> Event:
    """The event that an activity tells; without its time, if it is not completed or tells several."""
    _, when = TABLES[kind]
    times = {row[name] for name in (when, "actualstart", "actualend", "scheduledend")}
    agrees = len(times) == 1 and row["statecode"] == 1
    return Event(
        kind,
        row["_regardingobjectid_value"],
        times.pop() if agrees else "",
        row["subject"],
        row["acs_campaignname"] or "",
        row["acs_deliveryname"] or "",
        row["acs_mirrorpageurl"] or "",
        row.get("acs_trackingurl") or "",
    )


def compare(
    told: Iterable[Event], contacts: Iterable[Row], tables: Mapping[str, list[Row]], tasks: Iterable[Row]
) -> list[Compared]:
    """Each kind of event, with the contacts on whose timeline an activity or a task is missing, too many or different.

    Events of people whom Dynamics does not know have no timeline. Each of the others makes one activity, and the clicks
    and the bounces of a contact one task that is owned by whoever owns the contact.
    """
    owners = {row["contactid"]: row["_ownerid_value"] for row in contacts}
    wanted = [event for event in told if event.contact in owners]
    made = [_task(row) for row in tasks]
    compared = []
    for kind in TABLES:
        both = [event for event in wanted if event.kind == kind]
        there = [activity(kind, row) for row in tables[kind]]
        follow = {Task(kind, each.contact, owners[each.contact]) for each in both} if kind in TASKS else ()
        followed = [task for task in made if task.kind == kind]
        different = [event.contact for event in _apart(both, there)]
        different += [task.contact for task in _apart(follow, followed)]
        compared.append(Compared(kind, len(both), len(there), len(followed), sorted(set(different))))
    strange = sorted({task.contact for task in made if not task.kind})
    return [*compared, Compared("other tasks", 0, 0, len(strange), strange)] if strange else compared


def timeline(tables: Mapping[str, list[Row]], tasks: Iterable[Row]) -> tuple[str, list[str]]:
    """The contact with the most kinds of entries, the shortest list of them, in the order of time; without names."""
    entries: dict[str, list[tuple[str, str]]] = {}
    for kind, rows in tables.items():
        for row in rows:
            entries.setdefault(row["_regardingobjectid_value"], []).append((row["actualend"], kind))
    for row in tasks:
        entry = (row["createdon"], f"task ({_task(row).kind}), due {row['scheduledend'][:10]}")
        entries.setdefault(row["_regardingobjectid_value"], []).append(entry)
    if not entries:
        return "", []
    contact = min(entries, key=lambda each: (-len({k for _, k in entries[each]}), len(entries[each]), each))
    return contact, [f"{when[:10]} {when[11:19]}  {what}" for when, what in sorted(entries[contact])]


def _concerns_a_contact(row: Row) -> bool:
    return bool(row["externalId"])


def _event(kind: str, row: Row, happened: str, mirror: str) -> Event:
    campaign, delivery = row["campaignName"], row["deliveryName"]
    subject = f"Campaign Name: {campaign}; Delivery Name: {delivery}"
    moment = f"{happened[:10]}T{happened[11:19]}Z"
    return Event(kind, row["externalId"], moment, subject, campaign, delivery, mirror)


def _task(row: Row) -> Task:
    kind = next((kind for kind, subject in TASKS.items() if subject == row["subject"]), "")
    open_and_due = row["statecode"] == 0 and (row["scheduledend"] or "") > row["createdon"]
    return Task(kind, row["_regardingobjectid_value"], row["_ownerid_value"] if open_and_due else "")


def _apart(some: Iterable[Any], others: Iterable[Any]) -> Iterable[Any]:
    """What is on one side more often than on the other."""
    left, right = Counter(some), Counter(others)
    return ((left - right) + (right - left)).keys()
