"""Activities over the wire: batches, outcomes of each row, repeats, faults (dataverse.md §6.2, §7, §10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.events.file import load_events
from campaign_sync.events.tables import activity_tables
from campaign_sync.hooks import dataverse_activities
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.hooks.dataverse_activities import Activity
from campaign_sync.hooks.dataverse_provisioning import ActivityColumn, ActivityTable

from tests.hooks.conftest import FakeTime, dataverse_connection
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox

BATCH = "[$]batch"
COMPLETED = {"statecode": 1, "statuscode": 2}


@pytest.fixture
def hook(fresh_sandbox: Sandbox, connect: Callable[..., None], clock: FakeTime) -> DataverseHook:
    """A hook on an environment where the shipped mapping's tables were made."""
    connect("dataverse_default", **dataverse_connection(fresh_sandbox.env))
    hook = DataverseHook()
    for missing in hook.missing_from(
        activity_tables(load_events("include/mappings/email_events_to_activities.yaml"))
    ):
        hook.make(missing)
    fresh_sandbox.control(
        "POST", "/sandbox/clock", {"advance": 10}
    )  # §9.3: new columns are unknown for seconds
    return hook


@pytest.fixture
def contacts(fresh_sandbox: Sandbox) -> list[str]:
    rows = fresh_sandbox.control("GET", "/sandbox/dataverse/rows?table=contact&limit=10")["rows"]
    return [row["contactid"] for row in rows]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataverse_activities, "AT_ONCE", 4)


def activity(key: str, contact: str, **more: Any) -> Activity:
    body = {
        "activityid": str(uuid5(NAMESPACE_URL, key)), "subject": f"Så — {key}", "acs_campaignname": "C7",
        "actualend": "2026-04-12T08:00:01Z",
        "regardingobjectid_contact_acs_emailsend@odata.bind": f"/contacts({contact})", **more,
    }  # fmt: skip
    return Activity(key, "acs_emailsends", body, COMPLETED)


def written(hook: DataverseHook, *activities: Activity) -> dict[str, str]:
    """The results by key."""
    return {each.key: each.result for some in hook.write_activities(activities) for each in some}


def rows(sandbox: Sandbox) -> list[dict[str, Any]]:
    return list(sandbox.control("GET", "/sandbox/dataverse/rows?table=acs_emailsend&limit=5000")["rows"])


def batches(sandbox: Sandbox) -> int:
    return sum("$batch" in each["path"] for each in sandbox.control("GET", "/sandbox/journal"))


def test_activities_are_created_complete_with_what_they_regard(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    assert hook.regarding("acs_emailsend") == "regardingobjectid_contact_acs_emailsend"
    done = written(hook, *(activity(f"send:{n}", contacts[n]) for n in range(10)))
    assert done == {f"send:{n}": "created" for n in range(10)}
    made = rows(fresh_sandbox)
    assert {row["statecode"] for row in made} == {1}
    assert {row["_regardingobjectid_value"] for row in made} == set(contacts)
    assert {row["subject"] for row in made} == {f"Så — send:{n}" for n in range(10)}
    assert batches(fresh_sandbox) == 3


def test_an_activity_that_is_there_is_left_as_it_is(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    written(hook, activity("send:1", contacts[0]))
    before = rows(fresh_sandbox)
    assert written(hook, activity("send:1", contacts[0], subject="other")) == {"send:1": "there"}
    assert rows(fresh_sandbox) == before


def test_each_bad_row_is_told_and_the_others_of_its_batch_are_written(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    gone = "00000000-0000-4000-8000-00000000dead"
    found = [
        outcome
        for some in hook.write_activities(
            [activity("a", contacts[0]), activity("b", gone), activity("c", contacts[1], acs_campaignname="x" * 65),
             activity("d", contacts[2])]
        )
        for outcome in some
    ]  # fmt: skip
    results = {each.key: each.result for each in found}
    assert results == {"a": "created", "b": "unknown contact", "c": "rejected", "d": "created"}
    reason = next(each.reason for each in found if each.key == "c")
    assert "0x80044331" in reason
    assert "acs_campaignname" in reason
    assert "xxx" not in reason
    assert len(rows(fresh_sandbox)) == 2


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "cut_body"])
def test_a_lost_answer_makes_no_second_activity(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str], faults: Callable[..., None], fault: str
) -> None:
    faults(system="dataverse", path=BATCH, do=fault)
    done = written(hook, *(activity(f"send:{n}", contacts[n]) for n in range(4)))
    assert set(done.values()) <= {"created", "there"}
    assert len(rows(fresh_sandbox)) == 4


def test_a_429_holds_all_for_as_long_as_it_says(
    hook: DataverseHook,
    fresh_sandbox: Sandbox,
    contacts: list[str],
    faults: Callable[..., None],
    clock: FakeTime,
) -> None:
    faults(system="dataverse", path=BATCH, do="status", status=429, headers={"Retry-After": "17"})
    assert set(written(hook, *(activity(f"send:{n}", contacts[n]) for n in range(8))).values()) == {"created"}
    assert sum(clock.slept) >= 17


def test_a_row_that_meets_a_busy_database_is_sent_again_alone(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.sql_error": "GenericSqlError"})
    with pytest.raises(TransientError):
        written(hook, activity("send:1", contacts[0]))
    fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.sql_error": "none"})
    assert written(hook, activity("send:1", contacts[0])) == {"send:1": "created"}


@pytest.mark.parametrize(
    ("change", "said"), [("table", "the table is not there"), ("column", "a column is not there")]
)
def test_what_every_row_would_meet_stops_at_once(
    hook: DataverseHook, contacts: list[str], change: str, said: str
) -> None:
    bad = activity("send:1", contacts[0], **({"acs_nosuch": "x"} if change == "column" else {}))
    bad = bad._replace(set_name="acs_nosuch") if change == "table" else bad
    with pytest.raises(RefusedError, match=said):
        written(hook, bad)


def test_requests_go_side_by_side_as_dataverse_recommends(
    hook: DataverseHook, fresh_sandbox: Sandbox
) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.dop_hint": 7})
    assert dataverse_activities.side_by_side(hook._rest, hook._root) == 7
    fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.dop_hint": 500})
    assert dataverse_activities.side_by_side(hook._rest, hook._root) == 16


def test_making_tables_adds_what_is_missing_and_is_done_once(hook: DataverseHook) -> None:
    shipped = activity_tables(load_events("include/mappings/email_events_to_activities.yaml"))
    assert hook.missing_from(shipped) == []
    more = shipped[0]._replace(
        columns=(*shipped[0].columns, ActivityColumn("acs_device", "String", 64, "Device"))
    )
    (missing,) = hook.missing_from([more, *shipped[1:]])
    assert str(missing) == "acs_emailsend: columns acs_device (String 64)"
    hook.make(missing)
    assert hook.missing_from([more]) == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (ActivityTable("contact", "x", ()), "is no activity table"),
        (
            ActivityTable("acs_emailsend", "x", (ActivityColumn("acs_sentdate", "String", 9, "x"),)),
            "acs_sentdate of acs_emailsend is a DateTime, not a String",
        ),
    ],
)
def test_a_table_of_another_nature_is_left_alone(
    hook: DataverseHook, table: ActivityTable, said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        hook.missing_from([table])
