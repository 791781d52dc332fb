"""campaign.md §8.2 and B19: what export workflows take, when, and what their files look like."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.sandbox.campaign.conftest import EXT, Api
from tests.sandbox.campaign.exporting import (
    CONTROL,
    FOLDER,
    add,
    clock,
    content,
    declare,
    exported,
    files,
    people,
    run,
    runs,
    table,
)
from tests.sandbox.campaign.importing import state
from tests.sandbox.sftp_session import download

pytestmark = [pytest.mark.sandbox, pytest.mark.rule("campaign.md 13.2/B19")]
BEGUN = "2026-04-12T08:00:00Z"


def sent(api: Api, **more: Any) -> int:
    return add(api, "broadLogRcp", {"delivery": {"name": "DM412", "campaign": "C7"}, **more})[0]


def ids(rows: list[dict[str, str]]) -> list[int]:
    return [int(row["broadLogId"]) for row in rows]


def command(api: Api, method: str, workflow: str = "WKF102") -> None:
    api.switch("command_seconds", 0)
    api.call("POST", f"/workflow/execution/{workflow}/commands", {"method": method})
    state(api, workflow)  # which is when it takes effect


def begin(api: Api) -> str:
    """Let an export run and return the name of its file once there is one."""
    api.sandbox.control("POST", f"{CONTROL}/run", {"id": "WKF102"})
    until = time.monotonic() + 30
    while not files(api):
        assert time.monotonic() < until
    return files(api)[0]


@pytest.mark.rule("campaign.md 8.4")
def test_a_careful_integrators_delivery_logs(api: Api) -> None:
    clock(api, BEGUN)
    api.switch("export_seconds", 0)
    times = dict.fromkeys(("eventDate", "contactDate"), BEGUN)
    sent(api, profile=people(api, 1)[0], address='a"b;c@alder.example', **times)
    declare(api)
    done = run(api)
    assert (done["state"], done["rows"]) == ("finished", 1)
    assert done["file"].startswith("broadlog_20260412_1000")  # on the operator's clock, in Paris
    header, row = content(api, done["file"]).decode().splitlines()
    assert header == (
        "broadLogId;externalId;eventDate;contactDate;lastModified;address;status;failureType;failureReason;"
        "deliveryType;deliveryName;deliveryLabel;campaignName;campaignLabel;isProof;variant;mirrorUrl"
    )
    assert row == (
        '1;"p000000";2026-04-12 08:00:00;2026-04-12 08:00:00;2026-04-12 08:00:00;"a""b;c@alder.example";1;0;0;0;'
        '"DM412";"Delivery DM412";"C7";"Campaign C7";0;"default";'
    )


@pytest.mark.rule("campaign.md 8.4")
def test_a_careful_integrators_tracking_logs(api: Api) -> None:
    clock(api, BEGUN)
    number = sent(api, profile=people(api, 1)[0])
    click = {
        "urlType": "click",
        "url": "https://alder.example/",
        "urlLabel": "x",
        "logDate": "2026-04-12T08:00:01Z",
    }
    add(api, "trackingLogRcp", {"broadLog": number, **click})
    api.advance(601)
    declare(api, "tracking")
    (row,) = exported(api, "tracking")
    assert row == {
        "trackingLogId": "1", "broadLogId": "1", "externalId": "p000000", "logDate": "2026-04-12 08:00:01",
        "urlType": "1", "urlId": "2", "url": "https://alder.example/", "urlLabel": "x", "sourceType": "html",
        "trackedDevice": "", "deliveryName": "DM412", "deliveryLabel": "Delivery DM412", "campaignName": "C7",
        "campaignLabel": "Campaign C7",
    }  # fmt: skip


@pytest.mark.rule("campaign.md 8.3")
def test_a_careful_integrators_opt_outs_with_a_time_for_each(api: Api) -> None:
    clock(api, BEGUN)
    api.profile(externalId="a")
    api.profile()
    declare(api, "optout")
    api.advance(60)
    assert [row["externalId"] for row in exported(api, "optout")] == ["a", ""]
    api.advance(60)
    api.call("PATCH", f"{EXT}/profile/a", {"blackListEmail": True})
    (row,) = exported(api, "optout")
    assert [*row] == [
        "externalId", "acsId", "blackList", "blackListEmail", "blackListMobile", "blackListPhone", "blackListFax",
        "blackListPostalMail", "blackListPushnotification", "ccpaOptOut", "blackListLastModified",
        "blackListEmailLastModified", "blackListMobileLastModified", "blackListPhoneLastModified",
        "blackListFaxLastModified", "blackListPostalMailLastModified", "ccpaOptOutLastModified", "lastModified",
    ]  # fmt: skip
    assert (row["blackListEmail"], row["blackListMobile"], row["blackListMobileLastModified"]) == (
        "1",
        "0",
        "",
    )
    assert row["blackListEmailLastModified"] == row["lastModified"] > "2026-04-12 08:02:00"
    api.switch("opt_out_times", False)
    api.switch("opt_out_names", "denyList")
    declare(api, "optout", last_date=None)
    assert {row["blackListEmail"] + row["blackListEmailLastModified"] for row in exported(api, "optout")} == {
        "0",
        "1",
    }


def test_rows_of_the_boundary_come_twice_and_late_ones_never(api: Api) -> None:
    clock(api, "2026-04-12T08:03:00Z")
    declare(api, every_minutes=10)
    boundary = sent(api, eventDate="2026-04-12T08:10:00Z")
    late = sent(api, eventDate="2026-04-12T08:09:59Z", committed="2026-04-12T08:10:01Z")
    clock(api, "2026-04-12T08:31:00Z")
    assert [ids(table(api, run["file"])) for run in runs(api)] == [[boundary], [boundary], []]
    declare(api, last_date="2026-04-12T08:09:30Z")  # an operator replays a window by hand
    assert ids(exported(api)) == [late, boundary]


def test_a_row_that_turns_is_exported_again_by_date_but_not_when_results_are_excluded(api: Api) -> None:
    clock(api, BEGUN)
    declare(api)
    declare(api, "broadlog", id="WKF110", mode="exclude", columns="all")
    number = sent(api)
    seen = []
    for _ in range(2):
        api.advance(60)
        seen.append([table(api, run(api)["file"])[-1]["status"]])
        asked = api.sandbox.control("POST", f"{CONTROL}/run", {"id": "WKF110", "wait": 60})
        seen[-1].append([row["status"] for row in table(api, asked["runs"][-1]["file"])])
        api.advance(60)
        add(api, "broadLogRcp", {"id": number, "status": "failed", "failureType": "hard"})
    assert seen == [["1", ["1"]], ["2", []]]


def test_a_window_that_rolls_takes_late_rows_too(api: Api) -> None:
    clock(api, BEGUN)
    declare(api, "tracking", window_hours=2)
    (late,) = add(
        api, "trackingLogRcp", {"logDate": "2026-04-12T06:30:00Z", "committed": "2026-04-12T08:05:00Z"}
    )
    assert exported(api, "tracking") == []
    clock(api, "2026-04-12T08:06:00Z")
    assert [row["trackingLogId"] for row in exported(api, "tracking")] == [str(late)]
    assert [row["trackingLogId"] for row in exported(api, "tracking")] == [str(late)]
    clock(api, "2026-04-12T08:31:00Z")
    assert exported(api, "tracking") == []


def test_the_scheduler_keeps_to_the_clock_and_makes_up_for_what_was_missed(api: Api) -> None:
    clock(api, "2026-04-12T08:03:00Z")
    declare(api, every_minutes=10)
    sent(api, eventDate="2026-04-12T08:13:00Z")
    assert runs(api) == []
    clock(api, "2026-04-12T08:31:00Z")
    assert [(r["at"][11:19], r["rows"]) for r in runs(api)] == [
        ("08:10:00", 0),
        ("08:20:00", 1),
        ("08:30:00", 0),
    ]
    assert files(api) == [f"broadlog_20260412_10{minute}000.csv" for minute in (1, 2, 3)]


@pytest.mark.rule("campaign.md 13.2/B15")
def test_a_stopped_or_paused_workflow_makes_no_files_and_goes_on_where_it_was(api: Api) -> None:
    clock(api, "2026-04-12T08:03:00Z")
    declare(api, every_minutes=60)
    first = sent(api)
    clock(api, "2026-04-12T09:00:01Z")
    assert ids(table(api, runs(api)[-1]["file"])) == [first]
    command(api, "stop")
    second = sent(api)
    refused = api.sandbox.http.post(
        f"{api.sandbox.env['SANDBOX_URL']}{CONTROL}/run", json={"id": "WKF102"}, timeout=60
    )
    assert (refused.status_code, state(api, "WKF102")) == (400, "finished")
    clock(api, "2026-04-12T12:30:00Z")
    assert len(runs(api)) == 1
    command(api, "start")
    clock(api, "2026-04-12T13:00:01Z")
    assert [(r["at"][11:16], r["rows"]) for r in runs(api)] == [("09:00", 1), ("13:00", 1)]
    assert ids(table(api, runs(api)[-1]["file"])) == [second]


def test_nobody_touched_the_settings(api: Api) -> None:
    """Tabs, no quotes, day first in Paris, no stamp, booleans as numbers, unsorted."""
    clock(api, BEGUN)
    columns = [{"label": "Id", "expression": "@id"}, {"label": "Date", "expression": "@eventDate"},
               {"label": "Status", "expression": "@status"}, {"label": "Link", "expression": "@mirrorUrl"}]  # fmt: skip
    sent(api, mirrorUrl='x\ty"', eventDate=BEGUN)
    sent(api, mirrorUrl="z", eventDate=BEGUN)
    api.sandbox.control(
        "POST",
        CONTROL,
        {"id": "WKF110", "kind": "broadlog", "state": "started", "extract": {"columns": columns}},
    )
    done = api.sandbox.control("POST", f"{CONTROL}/run", {"id": "WKF110", "wait": 60})["runs"][-1]
    assert done["file"] == "broadlog.txt"
    assert content(api, done["file"]) == (
        b'Id\tDate\tStatus\tLink\n2\t12/04/2026 10:00:00\t1\tz\n1\t12/04/2026 10:00:00\t1\tx\ty"\n'
    )


def test_labels_compression_encoding_and_other_names(api: Api) -> None:
    clock(api, BEGUN)
    sent(api, status="failed", address="å@alder.example")
    extract = {
        "labels": True,
        "gzip": True,
        "encoding": "latin-1",
        "name": "daily",
        "extension": ".txt",
        "quote": "",
    }
    declare(api, columns=["status", "address"], extract=extract)
    done = run(api)
    assert done["file"].startswith("daily_20260412_")
    assert done["file"].endswith(".txt.gz")
    assert content(api, done["file"]) == "status;address\nFailed;å@alder.example\n".encode("latin-1")


def test_without_rows_there_is_a_header_or_no_file_at_all(api: Api) -> None:
    declare(api, columns=["broadLogId"])
    assert content(api, run(api)["file"]) == b"broadLogId\n"
    declare(api, columns=["broadLogId"], extract={"no_file_if_empty": True})
    done = run(api)
    assert (done["state"], done["file"], len(files(api))) == ("finished", "", 1)


@pytest.mark.rule("campaign.md 13.3/U14")
def test_booleans_are_written_as_switched(api: Api) -> None:
    sent(api, delivery={"name": "DM1", "proof": True})
    declare(api, columns=["isProof"])
    seen = []
    for words in ("0/1", "true/false", "yes/no"):
        api.switch("export_booleans", words)
        declare(api, last_date=None)
        seen += [row["isProof"] for row in exported(api)]
    assert seen == ["1", "true", "yes"]


@pytest.mark.rule("campaign.md 9")
def test_a_reader_may_see_half_a_file(api: Api) -> None:
    api.switch("export_seconds", 1000)
    for n in range(20):
        sent(api, address=f"a{n}@alder.example")
    declare(api, columns=["broadLogId", "address"])
    name = begin(api)
    half = download(api.sandbox, f"{FOLDER}/{name}")
    assert runs(api, wait=0.1)[-1]["state"] == "running"
    api.advance(1001)
    assert runs(api)[-1]["state"] == "finished"
    whole = download(api.sandbox, f"{FOLDER}/{name}")
    assert whole.startswith(half)
    assert len(whole.splitlines()) == 21 > len(half.splitlines())


@pytest.mark.rule("campaign.md 7.2")
def test_stop_leaves_half_a_file_and_the_next_run_exports_everything_again(api: Api) -> None:
    api.switch("export_seconds", 1000)
    sent(api)
    declare(api)
    begin(api)
    command(api, "stop")
    assert runs(api)[-1]["state"] == "cancelled"
    api.switch("export_seconds", 0)
    command(api, "start")
    assert ids(exported(api)) == [1]


def test_repeated_and_unsorted_rows_on_demand(api: Api) -> None:
    for _ in range(3):
        sent(api)
    declare(api, columns=["broadLogId"], extract={"sort": False})
    api.switch("export_repeats", 2)
    assert ids(exported(api)) == [3, 2, 2, 1]


def test_a_full_area_makes_the_workflow_erroneous_and_nothing_is_lost(api: Api) -> None:
    sent(api)
    declare(api)
    api.sandbox.control("PUT", "/sandbox/switches/sftp.quota_bytes", {"value": 10})
    done = run(api)
    assert (done["state"], state(api, "WKF102")) == ("failed", "error")
    assert done["log"][0].startswith("no space left for d365_loads/exports/broadlog_")
    api.sandbox.control("PUT", "/sandbox/switches/sftp.quota_bytes", {"value": 10_000_000})
    command(api, "resume")
    assert ids(exported(api)) == [1]


def test_nonsense_is_refused(api: Api) -> None:
    address = api.sandbox.env["SANDBOX_URL"] + CONTROL
    for body in (
        {"kind": "broadlog", "columns": "all"},
        {"id": "W", "kind": "mail", "columns": "all"},
        {"id": "W", "kind": "broadlog"},
        {"id": "W", "kind": "broadlog", "columns": ["urlId"]},
        {"id": "W", "kind": "broadlog", "columns": [{"label": "x", "expression": "[profile/@nothing]"}]},
        {"id": "W", "kind": "broadlog", "columns": "all", "every_minutes": 5},
        {"id": "W", "kind": "broadlog", "columns": "all", "tenant": "alderleaf-mkt-stage"},
    ):
        assert api.sandbox.http.post(address, json=body, timeout=60).status_code == 400


def test_the_exports_of_opt_outs_and_logs_are_there_and_only_have_to_be_started(api: Api) -> None:
    declared = api.sandbox.control("GET", CONTROL)["exports"]
    assert [(e["id"], e["kind"], e["every_minutes"]) for e in declared] == [
        ("WKF101", "optout", 1440), ("WKF102", "broadlog", 240), ("WKF103", "tracking", 240),
    ]  # fmt: skip
    assert state(api, "WKF101") == "edition"
