"""campaign.md §7 and §8.1: an import takes its time, can be stopped and fails, and what it wrote stays."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.sandbox.campaign.conftest import Api
from tests.sandbox.campaign.importing import (
    CONTROL,
    FOLDER,
    PEOPLE,
    declare,
    last,
    profiles,
    put,
    run,
    signal,
    state,
)
from tests.sandbox.sftp_session import names

pytestmark = [pytest.mark.sandbox, pytest.mark.rule("campaign.md 13.2/B18")]
WORKFLOW = "/workflow/execution/WKF90"


def people(api: Api, count: int, name: str = "a.csv.gz") -> None:
    put(api, name, *(f"U;{n};Ada;;;;;" for n in range(count)))


def command(api: Api, method: str) -> None:
    api.switch("command_seconds", 0)
    api.call("POST", f"{WORKFLOW}/commands", {"method": method})


def until_rows(api: Api, count: int) -> dict[str, Any]:
    """Return the run once it has written so many rows."""
    until = time.monotonic() + 30
    while (seen := last(api, wait=0.05))["rows"] < count:
        assert time.monotonic() < until, seen
    return seen


@pytest.mark.rule("campaign.md 13.2/B16")
def test_an_import_begins_some_time_after_its_signal(api: Api) -> None:
    declare(api)
    people(api, 3)
    api.switch("import_seconds", 120)
    assert signal(api).status_code == 200
    assert (last(api, wait=0.2)["state"], profiles(api), names(api.sandbox, FOLDER)) == (
        "waiting", {}, ["a.csv.gz"],
    )  # fmt: skip
    api.advance(121)
    assert last(api, wait=60)["state"] == "finished"
    assert len(profiles(api)) == 3


@pytest.mark.rule("campaign.md 13.2/B16")
def test_within_the_cool_down_nothing_is_imported(api: Api) -> None:
    declare(api)
    people(api, 1)
    run(api)
    people(api, 2, "b.csv.gz")
    early = signal(api)
    assert early.headers["content-type"].startswith("text/plain")
    assert len(api.sandbox.control("GET", f"{CONTROL}?wait=10")["runs"]) == 1
    assert names(api.sandbox, FOLDER) == ["b.csv.gz"]
    api.advance(601)
    assert run(api)["state"] == "finished"
    assert len(profiles(api)) == 2


@pytest.mark.rule("campaign.md 13.2/B16")
def test_a_signal_to_an_import_that_is_not_started_is_lost(api: Api) -> None:
    declare(api, state="edition")
    people(api, 1)
    assert signal(api).status_code == 200
    assert api.sandbox.control("GET", CONTROL)["runs"] == []
    command(api, "start")
    assert state(api) == "started"
    assert names(api.sandbox, FOLDER) == ["a.csv.gz"]


@pytest.mark.rule("campaign.md 13.2/B15")
def test_stop_cancels_in_the_middle_and_what_is_written_stays(api: Api) -> None:
    declare(api)
    people(api, 2000)
    api.switch("import_rows_per_second", 50)
    api.switch("import_seconds", 0)
    signal(api)
    until_rows(api, 50)
    command(api, "stop")
    done = last(api, wait=30)
    assert (done["state"], state(api)) == ("cancelled", "finished")
    assert 50 <= len(profiles(api)) == done["rows"] < 2000
    assert names(api.sandbox, "/d365_loads/done") == []
    command(api, "start")
    assert (state(api), last(api)["rows"]) == ("started", done["rows"])  # it does not go on where it was


@pytest.mark.rule("campaign.md 13.2/B15")
def test_pause_lets_running_tasks_go_on_and_starts_no_new_ones(api: Api) -> None:
    declare(api)
    people(api, 100)
    api.switch("import_seconds", 60)
    signal(api)
    command(api, "pause")
    api.advance(61)
    assert (last(api, wait=0.2)["state"], state(api)) == ("waiting", "warning")
    api.switch("import_rows_per_second", 10)
    command(api, "resume")
    until_rows(api, 10)
    command(api, "pause")
    api.advance(1000)
    assert last(api, wait=30)["state"] == "finished"
    assert len(profiles(api)) == 100


def test_an_import_may_fail_half_way_and_a_new_start_does_not_repair_it(api: Api) -> None:
    declare(api)
    people(api, 1000, "010.csv.gz")
    people(api, 1500, "020.csv.gz")
    api.switch("import_fails_after", 300)
    assert run(api)["state"] == "failed"
    assert (state(api), len(profiles(api))) == ("error", 300)
    assert names(api.sandbox, FOLDER) == []  # taken and deleted before the failure: to be sent again
    assert names(api.sandbox, "/d365_loads/done") == []
    api.switch("import_fails_after", 0)
    command(api, "start")
    assert (state(api), len(profiles(api))) == ("started", 300)


@pytest.mark.rule("campaign.md 7.1")
def test_after_its_end_a_workflow_waits_for_the_next_signal_or_is_finished(api: Api) -> None:
    declare(api)
    people(api, 1)
    run(api)
    assert state(api) == "started"
    api.switch("after_import", "finished")
    declare(api)
    people(api, 1)
    run(api)
    assert state(api) == "finished"


def test_a_full_sftp_area_makes_the_workflow_fail(api: Api) -> None:
    declare(api, delete_after=False)
    people(api, 1)
    api.sandbox.control("PUT", "/sandbox/switches/sftp.quota_bytes", {"value": 100})
    done = run(api)
    assert done["log"][-1] == "no space left for d365_loads/done/a.csv.gz.result.csv"
    assert (state(api), len(profiles(api))) == ("error", 1)


def test_a_reset_ends_what_runs(api: Api) -> None:
    declare(api)
    people(api, 2000)
    api.switch("import_rows_per_second", 50)
    api.switch("import_seconds", 0)
    signal(api)
    until_rows(api, 50)
    api.sandbox.control("POST", "/sandbox/reset")
    found = api.sandbox.control("GET", CONTROL)
    assert ([i["id"] for i in found["imports"]], found["runs"], profiles(api)) == (["WKF88"], [], {})


def test_the_workflow_for_profiles_is_there_and_only_has_to_be_started(api: Api) -> None:
    api.sandbox.control("POST", CONTROL, {"id": "WKF88", "state": "started"})
    columns = api.sandbox.control("GET", CONTROL)["imports"][0]["columns"]
    cells = {"externalId": "a", "location.city": "Bergen", "cusFirstSeen": "2026/04/12 03:14:58"}
    line = ";".join(["U", *(cells.get(c, "") for c in columns)])
    put(api, "010_contact_20260412T031500Z_0001.csv.gz", line, header=";".join(["op", *columns]))
    assert run(api, "WKF88", "010_contact_20260412T031500Z_*.csv.gz")["state"] == "finished"
    row = profiles(api)["a"]
    assert (row["location"]["city"], row["cusFirstSeen"]) == ("Bergen", "2026-04-12 03:14:58.000Z")


def test_rest_goes_on_while_20_000_rows_are_imported_within_seconds(api: Api) -> None:
    """A quiet machine needs less than one; this one is shared."""
    declare(api, PEOPLE, load_file={"max_errors": 0})
    put(api, "a.csv.gz", *(f"U;{n};Ada;a{n}@alder.example;female;1987/03/09;1;0" for n in range(20_000)))
    api.switch("import_seconds", 0)
    begun = time.monotonic()
    signal(api)
    api.profile(externalId="meanwhile")
    assert last(api, wait=60)["state"] == "finished"
    assert time.monotonic() - begun < 8
    assert len(api.content("/profileAndServicesExt/profile?_lineCount=1")) == 1
    assert api.counter("imported_rows") == 20_000
    assert api.counter("engine_calls") == 2
