"""Follow-up tasks on clicks and bounces: at most one open task per contact and reason, a cap per owner and day (E4).

Pure, but for ``follow_up``, which asks Dynamics and writes. Not for activities (``activities.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid5

from campaign_sync.events.file import EventMapping
from campaign_sync.events.kinds import NAMESPACE
from campaign_sync.events.vocabulary import TEXTS, FollowUp

if TYPE_CHECKING:
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.dataverse_activities import Activity
    from campaign_sync.hooks.dataverse_tasks import Owner

SUBJECT_LENGTH = 200  # dataverse.md §10.2


class Chosen(NamedTuple):
    """Tasks to be made, and how many the cap keeps from being made."""

    tasks: list[Activity]
    capped: int


class FollowedUp(NamedTuple):
    """What became of events that may need a task."""

    events: frozenset[str]  # those that have one: made now, or earlier today
    made: int
    capped: int


def category_of(kind: str) -> str:
    """What tells our tasks, and their reason, from others."""
    return f"campaign_sync {kind}"


def task_id(event: str) -> str:
    """The id of the task that follows up an event: a repeat makes no second one."""
    return str(uuid5(NAMESPACE, f"task:{event}"))


def choose_tasks(
    events: Mapping[str, dict[str, Any]],
    how: FollowUp,
    *,
    kind: str,
    busy: set[str],
    owners: Mapping[str, Owner],
    made: Mapping[str, str],
    now: datetime,
) -> Chosen:
    """The tasks for events of one kind, the earliest first.

    An event that is older than the time to follow it up needs no task any more; a contact without an owner, or whom
    Dynamics does not know, has nobody to do it.

    :param busy: contacts that have an open task of this reason.
    :param made: the tasks of this reason that were made today, with their owners.
    """
    from campaign_sync.hooks.dataverse_activities import Activity

    counts, taken, capped = Counter(made.values()), set(busy), 0
    tasks = []
    for key, event in sorted(events.items(), key=lambda each: (each[1]["happened"], each[0])):
        contact = event["contact"]
        owner = owners.get(contact)
        if owner is None or contact in taken or event["happened"] < now - how.time:
            continue
        if counts[owner.id] >= how.per_owner_and_day and task_id(key) not in made:
            capped += 1
            continue
        taken.add(contact)
        counts[owner.id] += task_id(key) not in made
        body = {
            "activityid": task_id(key),
            "subject": how.subject.format_map({name: event[name] for name in TEXTS})[:SUBJECT_LENGTH],
            "category": category_of(kind),
            "scheduledend": f"{now + how.time:%Y-%m-%dT%H:%M:%SZ}",
            "regardingobjectid_contact_task@odata.bind": f"/contacts({contact})",
            "ownerid@odata.bind": f"/{owner.set_name}({owner.id})",
        }
        tasks.append(Activity(key, "tasks", body, None))
    return Chosen(tasks, capped)


def follow_up(
    events: Mapping[str, dict[str, Any]], mapping: EventMapping, dataverse: DataverseHook
) -> FollowedUp:
    """Makes the tasks for events whose activities are in Dynamics.

    Comes before the events are remembered, so that a process that dies in between makes up for it.
    """
    from campaign_sync.hooks.dataverse_activities import CREATED, THERE

    now = datetime.now(UTC)
    counts: Counter[str] = Counter()
    have = set[str]()
    for kind, how in mapping.tasks.kinds.items():
        some = {key: event for key, event in events.items() if event["kind"] == kind}
        if not some:
            continue
        contacts = sorted({event["contact"] for event in some.values()})
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        made = dataverse.tasks_made(category_of(kind), midnight)
        chosen = choose_tasks(
            some, how, kind=kind, now=now, made=made,
            busy=dataverse.open_tasks(contacts, category_of(kind)),
            owners=dataverse.owners_of(contacts),
        )  # fmt: skip
        have |= {key for key in some if task_id(key) in made}
        for outcomes in dataverse.write_activities(chosen.tasks):
            counts["made"] += sum(each.result == CREATED for each in outcomes)
            have |= {each.key for each in outcomes if each.result in (CREATED, THERE)}
        counts["capped"] += chosen.capped
    return FollowedUp(frozenset(have), counts["made"], counts["capped"])
