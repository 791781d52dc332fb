"""Activities over the wire: batches, outcomes of each row, repeats, faults (dataverse.md §6.2, §7, §10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.events.file import load_events
from campaign_sync.events.tables import activity_tables
from campaign_sync.hooks import budget, dataverse_activities
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
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.dop_hint": 7})
    written(hook, activity("send:1", contacts[0]))
    assert hook._rest.pace.side_by_side == 7


@pytest.mark.parametrize(
    "limit", [{"limit_requests": 12}, {"limit_execution_ms": 12_000, "execution_ms_added": 1000}]
)
def test_requests_wait_for_the_limits_instead_of_being_refused(
    hook: DataverseHook,
    fresh_sandbox: Sandbox,
    contacts: list[str],
    clock: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    limit: dict[str, int],
) -> None:
    """The sandbox's clock goes with the hook's; windows of it pass without a moment's wait."""
    sleep = clock.sleep

    def both(seconds: float) -> None:
        fresh_sandbox.control("POST", "/sandbox/clock", {"advance": seconds})
        sleep(seconds)

    monkeypatch.setattr(clock, "sleep", both)
    monkeypatch.setattr(budget, "WINDOW", 30.0)
    switches = {"limit_window_seconds": 30, "dop_hint": 1, **limit}
    fresh_sandbox.control(
        "PUT", "/sandbox/switches", {f"dataverse.{name}": value for name, value in switches.items()}
    )
    fresh_sandbox.control("PUT", "/sandbox/dataverse/limits", {"reset": True})
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    done = written(DataverseHook(), *(activity(f"send:{n}", contacts[n % 10]) for n in range(160)))
    assert set(done.values()) == {"created"}
    counters = fresh_sandbox.control("GET", "/sandbox/counters")
    assert counters["dataverse.requests"] == 41
    assert [name for name in counters if "refused" in name] == []


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


def test_an_activity_that_alone_meets_the_same_error_again_and_again_is_rejected(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    wanted = [activity(f"send:{n}", contacts[n]) for n in range(3)]
    bad = wanted[1].body["activityid"]
    fresh_sandbox.control(
        "PUT",
        "/sandbox/switches",
        {"dataverse.sql_error": "GenericSqlError", "dataverse.failing_rows": bad},
    )
    assert written(hook, *wanted) == {"send:0": "created", "send:1": "rejected", "send:2": "created"}
    assert len(rows(fresh_sandbox)) == 2


def test_a_database_that_fails_after_some_activities_rejects_none(
    hook: DataverseHook,
    fresh_sandbox: Sandbox,
    contacts: list[str],
    clock: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = [activity(f"send:{n}", contacts[n]) for n in range(3)]
    bad = wanted[1].body["activityid"]
    switches = {"dataverse.sql_error": "GenericSqlError", "dataverse.failing_rows": bad}
    fresh_sandbox.control("PUT", "/sandbox/switches", switches)
    sleep = clock.sleep

    def all_fail(seconds: float) -> None:
        fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.failing_rows": ""})
        sleep(seconds)

    monkeypatch.setattr(clock, "sleep", all_fail)
    outcomes = hook.write_activities(wanted)
    assert [each.result for each in next(outcomes)] == ["created", "created"]
    with pytest.raises(TransientError):
        next(outcomes)


def test_of_several_throttled_activities_the_longest_wait_counts(
    hook: DataverseHook, contacts: list[str], faults: Callable[..., None], clock: FakeTime
) -> None:
    parts = [
        "--b\r\nContent-Type: application/http\r\n\r\n"
        f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {seconds}\r\n\r\n{{}}\r\n"
        for seconds in (31, 7)
    ]
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    body = "".join(parts) + "--b--\r\n"
    faults(system="dataverse", path=BATCH, do="status", status=200, headers=headers, body=body)
    assert set(written(hook, *(activity(f"send:{n}", contacts[n]) for n in range(2))).values()) == {"created"}
    assert sum(clock.slept) >= 31
