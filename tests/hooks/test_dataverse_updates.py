"""Changing rows over the wire: only as they were read, each with an outcome of its own (dataverse.md §5, §6.2, §7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks import dataverse_updates
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.hooks.dataverse_updates import Update

from tests.hooks.conftest import FakeTime, dataverse_connection
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox

BATCH = "[$]batch"
NOBODY = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
def hook(fresh_sandbox: Sandbox, connect: Callable[..., None], clock: FakeTime) -> DataverseHook:
    connect("dataverse_default", **dataverse_connection(fresh_sandbox.env))
    return DataverseHook()


@pytest.fixture
def contacts(fresh_sandbox: Sandbox) -> list[str]:
    rows = fresh_sandbox.control("GET", "/sandbox/dataverse/rows?table=contact&limit=10")["rows"]
    return [row["contactid"] for row in rows]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataverse_updates, "AT_ONCE", 4)


def read(hook: DataverseHook, keys: list[str]) -> dict[str, dict[str, Any]]:
    """The contacts as they are now, with time and version."""
    table = hook.table("contact", ["donotphone", "modifiedon"])
    pages = hook.by_keys(table, ("donotphone", "modifiedon"), keys)
    return {row["contactid"]: row for page in pages for row in page.rows.to_pylist()}


def updates(hook: DataverseHook, keys: list[str], **body: Any) -> list[Update]:
    """An update of each contact as it is now."""
    rows = read(hook, keys)
    return [Update(key, "contacts", rows[key]["@version"], body) for key in keys]


def written(hook: DataverseHook, wanted: list[Update]) -> dict[str, str]:
    """The results by key."""
    return {each.key: each.result for some in hook.write_updates(wanted) for each in some}


def test_rows_are_changed_and_told_in_their_new_version(hook: DataverseHook, contacts: list[str]) -> None:
    before = read(hook, contacts)
    assert set(written(hook, updates(hook, contacts, donotphone=True)).values()) == {"written"}
    after = read(hook, contacts)
    assert all(after[key]["donotphone"] is True for key in contacts)
    assert all(after[key]["@version"] > before[key]["@version"] for key in contacts)
    assert all(after[key]["modifiedon"] >= before[key]["modifiedon"] for key in contacts)


def test_each_row_of_a_batch_has_a_fate_of_its_own(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    wanted = updates(hook, contacts[:4], donotphone=True)
    wanted[2] = wanted[2]._replace(body={"firstname": "x" * 51})
    gone = Update(NOBODY, "contacts", 1, {"donotphone": True})
    change = {"id": contacts[1], "donotphone": False, "city": None}
    del change["city"]
    fresh_sandbox.control("POST", "/sandbox/dataverse/mutate", {"table": "contact", "update": [change]})
    found = [each for some in hook.write_updates([*wanted, gone]) for each in some]
    assert {each.key: each.result for each in found} == {
        contacts[0]: "written",
        contacts[1]: "changed by another",
        contacts[2]: "rejected",
        contacts[3]: "written",
        NOBODY: "missing",
    }
    reason = next(each.reason for each in found if each.result == "rejected")
    assert "firstname" in reason
    assert "xxx" not in reason
    after = read(hook, contacts[:4])
    assert [after[key]["donotphone"] for key in contacts[:4]][1] is False
    assert NOBODY not in read(hook, [NOBODY])  # never made


def test_a_lost_answer_is_asked_again_and_the_row_is_found_changed(
    hook: DataverseHook, contacts: list[str], faults: Callable[..., None]
) -> None:
    wanted = updates(hook, contacts[:3], donotphone=True)
    faults(system="dataverse", path=BATCH, do="reset_after")
    assert set(written(hook, wanted).values()) == {"changed by another"}
    assert all(row["donotphone"] is True for row in read(hook, contacts[:3]).values())


def test_what_passes_is_tried_again_and_then_given_up(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    wanted = updates(hook, contacts[:2], donotphone=True)
    fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.sql_error": "GenericSqlError"})
    with pytest.raises(TransientError):
        written(hook, wanted)
    fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.sql_error": "none"})
    assert set(written(hook, wanted).values()) == {"written"}


@pytest.mark.parametrize(
    ("change", "said"), [("table", "the table is not there"), ("column", "a column is not there")]
)
def test_what_every_row_would_meet_stops_at_once(
    hook: DataverseHook, contacts: list[str], change: str, said: str
) -> None:
    (wanted,) = updates(hook, contacts[:1], donotphone=True)
    bad = wanted._replace(**{"table": {"set_name": "nosuchs"}, "column": {"body": {"nosuch": 1}}}[change])
    with pytest.raises(RefusedError, match=said):
        written(hook, [bad])


def test_an_application_without_the_right_to_write_is_refused(
    hook: DataverseHook, contacts: list[str], faults: Callable[..., None]
) -> None:
    wanted = updates(hook, contacts[:1], donotphone=True)
    answer = (
        '{"error": {"code": "0x80040220", "message": "Principal user is missing prvWriteContact privilege"}}'
    )
    faults(system="dataverse", path=BATCH, do="status", status=403, body=answer)
    with pytest.raises(RefusedError, match="lacks a privilege"):
        written(hook, wanted)


def test_a_row_that_alone_meets_the_same_error_again_and_again_is_rejected(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    wanted = updates(hook, contacts[:3], donotphone=True)
    fresh_sandbox.control(
        "PUT",
        "/sandbox/switches",
        {"dataverse.sql_error": "GenericSqlError", "dataverse.failing_rows": contacts[1]},
    )
    found = {each.key: each for some in hook.write_updates(wanted) for each in some}
    assert [found[key].result for key in contacts[:3]] == ["written", "rejected", "written"]
    assert "0x80044150" in found[contacts[1]].reason


def test_a_row_is_not_rejected_for_what_the_service_cannot_do_now(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str]
) -> None:
    wanted = updates(hook, contacts[:3], donotphone=True)
    fresh_sandbox.control(
        "PUT",
        "/sandbox/switches",
        {"dataverse.sql_error": "WorkerLimit", "dataverse.failing_rows": contacts[1]},
    )
    outcomes = hook.write_updates(wanted)
    # What was judged is told all the same.
    assert {each.key for each in next(outcomes)} == {contacts[0], contacts[2]}
    with pytest.raises(TransientError):
        next(outcomes)


def test_what_a_plug_in_says_of_a_person_is_told_nobody(
    hook: DataverseHook, fresh_sandbox: Sandbox, contacts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wanted = updates(hook, contacts[:1], donotphone=True)
    says = "Berta Möller has asked not to be changed: 'donotphone'"
    fresh_sandbox.control("PUT", "/sandbox/switches", {"dataverse.plugin_says": says})
    ((outcome,),) = hook.write_updates(wanted)
    assert outcome.reason == (
        "Dynamics refuses the change (0x80040265): a plug-in of the environment refuses it; its trace log says why "
        "(donotphone)"
    )
    assert "Berta" not in caplog.text
