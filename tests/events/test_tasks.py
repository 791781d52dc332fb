"""E4: which events become follow-up tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from campaign_sync.events.tasks import Chosen, choose_tasks, task_id
from campaign_sync.events.vocabulary import FollowUp
from campaign_sync.hooks.dataverse_tasks import Owner

NOW = datetime(2026, 4, 12, 12, tzinfo=UTC)
HOW = FollowUp(subject="Follow up {delivery}", due="3d", per_owner_and_day=2)
ME, TEAM = Owner("me", "systemusers"), Owner("us", "teams")


def event(contact: str, hours_ago: float = 1) -> dict[str, Any]:
    texts = dict.fromkeys(
        (
            "campaign",
            "campaign_label",
            "delivery_label",
            "url",
            "url_label",
            "mirror_url",
            "device",
            "variant",
        ),
        "",
    )
    happened = NOW - timedelta(hours=hours_ago)
    return {"kind": "click", "contact": contact, "happened": happened, "delivery": "DM412", **texts}


def chosen(events: dict[str, dict[str, Any]], **given: Any) -> Chosen:
    known = {"busy": set(), "owners": {"ada": ME, "bo": ME, "cy": ME, "di": TEAM}, "made": {}, **given}
    return choose_tasks(events, HOW, kind="click", now=NOW, **known)


def test_a_task_belongs_to_the_owner_of_the_contact_and_is_due() -> None:
    ((key, set_name, body, completed),) = chosen({"click:1": event("di")}).tasks
    assert (key, set_name, completed) == ("click:1", "tasks", None)
    assert body == {
        "activityid": task_id("click:1"), "subject": "Follow up DM412", "category": "campaign_sync click",
        "scheduledend": "2026-04-15T12:00:00Z", "regardingobjectid_contact_task@odata.bind": "/contacts(di)",
        "ownerid@odata.bind": "/teams(us)",
    }  # fmt: skip


def test_a_contact_has_one_open_task_of_a_reason_and_the_earliest_event_makes_it() -> None:
    events = {"click:1": event("ada", 1), "click:2": event("ada", 2), "click:3": event("bo")}
    assert [each.key for each in chosen(events).tasks] == ["click:2", "click:3"]
    assert [each.key for each in chosen(events, busy={"ada"}).tasks] == ["click:3"]


def test_an_owner_gets_so_many_a_day_and_a_repeat_does_not_count_twice() -> None:
    events = {
        "click:1": event("ada", 3),
        "click:2": event("bo", 2),
        "click:3": event("cy", 1),
        "click:4": event("di"),
    }
    first = chosen(events)
    assert ([each.key for each in first.tasks], first.capped) == (["click:1", "click:2", "click:4"], 1)
    made = {task_id("click:1"): "me", task_id("click:2"): "me"}
    again = chosen(events, made=made)
    assert ([each.key for each in again.tasks], again.capped) == (["click:1", "click:2", "click:4"], 1)


def test_an_old_event_and_a_contact_without_an_owner_make_none() -> None:
    assert chosen({"click:1": event("ada", 73), "click:2": event("nobody")}).tasks == []
