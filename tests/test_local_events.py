"""`make demo`: its computation of timelines knows which log rows are events, and sees when Dynamics differs."""

from __future__ import annotations

import re

import pytest
import yaml

from local.demo import shipped_mappings
from local.expected_events import TABLES, TASKS, compare, events, timeline
from local.mailing import FLOW

ADA, BEA = "ada", "bea"
CONTACTS = [{"contactid": ADA, "_ownerid_value": "one"}, {"contactid": BEA, "_ownerid_value": "two"}]
LOG = {"externalId": ADA, "campaignName": "2026SpringCruise", "deliveryName": "DM412"}
SENT = {
    **LOG, "broadLogId": 1, "eventDate": "2026-04-12 08:00:03.120Z", "status": "sent", "failureType": "none",
    "failureReason": "none", "deliveryType": "email", "isProof": False, "mirrorUrl": "https://m.example/1",
}  # fmt: skip
BOUNCED = SENT | {"status": "failed", "failureType": "hard", "failureReason": "userUnknown"}
CLICKED = {
    **LOG, "trackingLogId": 7, "broadLogId": 1, "logDate": "2026-04-12 09:00:00.999Z", "urlType": "click",
    "url": "https://alder.example/a;b",
}  # fmt: skip
ACTIVITY = {
    "_regardingobjectid_value": ADA, "statecode": 1, "acs_campaignname": "2026SpringCruise",
    "acs_deliveryname": "DM412", "acs_mirrorpageurl": "https://m.example/1",
    "subject": "Campaign Name: 2026SpringCruise; Delivery Name: DM412",
}  # fmt: skip


def completed(column: str, when: str, **more: object) -> dict[str, object]:
    return {**ACTIVITY, **dict.fromkeys((column, "actualstart", "actualend", "scheduledend"), when), **more}


SEND = completed("acs_sentdate", "2026-04-12T08:00:03Z")
CLICK = completed("acs_clickeddate", "2026-04-12T09:00:00Z", acs_trackingurl="https://alder.example/a;b")
TASK = {
    "_regardingobjectid_value": ADA, "subject": TASKS["click"], "_ownerid_value": "one", "statecode": 0,
    "createdon": "2026-04-13T00:00:00Z", "scheduledend": "2026-04-16T00:00:00Z",
}  # fmt: skip
DYNAMICS = {kind: [] for kind in TABLES} | {"send": [SEND], "click": [CLICK]}


def differing(tables=DYNAMICS, tasks=(TASK,), told=((SENT,), (CLICKED,))):
    found = compare(events(*told).values(), CONTACTS, tables, tasks)
    return {each.kind: each.different for each in found if each.different}


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (SENT, ["send"]),
        (BOUNCED, ["bounce"]),
        (BOUNCED | {"failureType": "soft"}, []),
        (BOUNCED | {"failureReason": "denylisted"}, []),
        (SENT | {"status": "pending"}, []),
        (SENT | {"isProof": True}, []),
        (SENT | {"deliveryType": "sms"}, []),
        (SENT | {"externalId": ""}, []),
    ],
)
def test_a_row_of_the_delivery_log_is(row, kind):
    assert [each.kind for each in events([row], []).values()] == kind


def test_the_demo_agrees_with_a_dynamics_that_has_each_event_and_a_task():
    assert differing() == {}
    assert differing(told=((SENT, SENT | {"externalId": "unknown", "broadLogId": 2}), (CLICKED,))) == {}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"tables": DYNAMICS | {"send": []}}, "send"),
        ({"tables": DYNAMICS | {"send": [SEND, SEND]}}, "send"),
        ({"tables": DYNAMICS | {"send": [SEND | {"statecode": 0}]}}, "send"),
        ({"tables": DYNAMICS | {"send": [SEND | {"actualend": "2026-04-12T10:00:03Z"}]}}, "send"),
        ({"tables": DYNAMICS | {"click": [CLICK | {"acs_trackingurl": None}]}}, "click"),
        ({"tasks": ()}, "click"),
        ({"tasks": (TASK, TASK)}, "click"),
        ({"tasks": (TASK | {"_ownerid_value": "two"},)}, "click"),
        ({"tasks": (TASK | {"scheduledend": None},)}, "click"),
        ({"tasks": (TASK, TASK | {"subject": "Call"})}, "other tasks"),
        ({"told": ((SENT | {"externalId": BEA},), (CLICKED,))}, "send"),
    ],
    ids=[
        "missing", "doubled", "open", "of several times", "without its address", "not followed up", "followed up twice",
        "another's task", "a task without a date", "somebody else's task", "on another's timeline",
    ],
)  # fmt: skip
def test_the_demo_sees_when_an_activity_or_a_task_is(change, kind):
    assert list(differing(**change)) == [kind]


def test_a_timeline_has_ids_and_words_only():
    assert timeline(DYNAMICS, [TASK]) == (
        ADA,
        [
            "2026-04-12 08:00:03  send",
            "2026-04-12 09:00:00  click",
            "2026-04-13 00:00:00  task (click), due 2026-04-16",
        ],
    )


def test_the_demo_switches_the_tasks_of_the_shipped_mapping_on(tmp_path):
    shipped = yaml.safe_load((shipped_mappings(tmp_path) / f"{FLOW}.yaml").read_text())
    subjects = {kind: each["subject"] for kind, each in shipped["tasks"].items()}
    assert {kind: re.sub(r"\{delivery\}", "DM412", text) for kind, text in subjects.items()} == TASKS
