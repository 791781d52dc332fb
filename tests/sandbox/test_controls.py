"""The controls: clock, switches, counters, journal, reset."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox


def refusal(sandbox: Sandbox, method: str, path: str, json: object) -> str:
    answer = sandbox.http.request(method, sandbox.env["SANDBOX_URL"] + path, json=json, timeout=10)
    assert answer.status_code == 400
    return str(answer.json()["error"])


def test_the_list_of_controls_says_what_each_does(sandbox: Sandbox) -> None:
    controls = sandbox.control("GET", "/sandbox/")["controls"]
    assert {"/sandbox/clock", "/sandbox/faults", "/sandbox/reset"} <= {c["path"] for c in controls}
    silent = [c["path"] for c in controls if not c["does"] or not c["methods"]]
    assert silent == []


def test_the_clock_moves_and_goes_back(fresh_sandbox: Sandbox) -> None:
    moved = fresh_sandbox.control("POST", "/sandbox/clock", {"set": "2031-02-03T04:05:06Z"})
    assert moved["now"].startswith("2031-02-03T04:05:0")
    later = fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 86400})
    assert later["now"].startswith("2031-02-04T04:05:")
    back = fresh_sandbox.control("POST", "/sandbox/clock", {"reset": True})
    assert back["offset"] == 0
    assert datetime.fromisoformat(back["now"]).utcoffset() is not None


def test_a_clock_that_cannot_move_so_says_how_it_can(sandbox: Sandbox) -> None:
    assert "advance" in refusal(sandbox, "POST", "/sandbox/clock", {"backwards": 3})


def test_every_switch_tells_its_meaning_and_source(sandbox: Sandbox) -> None:
    switches = sandbox.control("GET", "/sandbox/switches")
    assert [name for name, known in switches.items() if not (known["meaning"] and known["source"])] == []


def test_a_switch_is_set_and_reset(fresh_sandbox: Sandbox) -> None:
    path = "/sandbox/switches/entra.wrong_secret_status"
    assert fresh_sandbox.control("PUT", path, {"value": 400})["value"] == 400
    assert fresh_sandbox.control("GET", path)["default"] == 401
    fresh_sandbox.control("POST", "/sandbox/reset")
    assert fresh_sandbox.control("GET", path)["value"] == 401


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("entra.wrong_secret_status", 418, "choose one of 401, 400"),
        ("entra.expires_in", "soon", "takes a int"),
        ("entra.wrong_secret", 400, "there are: entra."),
    ],
)
def test_a_wrong_switch_or_value_names_the_right_ones(
    sandbox: Sandbox, name: str, value: object, sentence: str
) -> None:
    assert sentence in refusal(sandbox, "PUT", f"/sandbox/switches/{name}", {"value": value})


def test_counters_count_and_start_again(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.campaign_token()
    fresh_sandbox.campaign_token()
    assert fresh_sandbox.control("GET", "/sandbox/counters") == {"ims.requests": 2, "ims.tokens": 2}
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    assert fresh_sandbox.control("GET", "/sandbox/counters") == {}


@pytest.mark.rule("campaign.md 13.2/B22")
def test_the_journal_holds_method_and_path_but_no_values(fresh_sandbox: Sandbox) -> None:
    ims = fresh_sandbox.env["IMS_URL"]
    fresh_sandbox.http.get(f"{ims}/ims/profile/v1?who=ada%40example.org&x=1", timeout=10)
    fresh_sandbox.dataverse_token()
    [entry] = fresh_sandbox.control("GET", "/sandbox/journal?system=ims")
    assert entry.pop("ms") >= 0
    assert entry == {
        "number": 1,
        "system": "ims",
        "method": "GET",
        "path": "/ims/profile/v1?who&x",
        "status": 401,
    }
    everything = fresh_sandbox.control("GET", "/sandbox/journal")
    assert [e["system"] for e in everything] == ["ims", "entra"]
    assert [e["number"] for e in fresh_sandbox.control("GET", "/sandbox/journal?after=1")] == [2]


def test_a_body_that_is_no_json_object_is_refused(sandbox: Sandbox) -> None:
    assert "JSON object" in refusal(sandbox, "POST", "/sandbox/faults", [1])


def test_an_unknown_control_says_that_it_is_not_there(sandbox: Sandbox) -> None:
    answer = sandbox.http.post(f"{sandbox.env['SANDBOX_URL']}/sandbox/weather", timeout=10)
    assert (answer.status_code, "not imitated" in answer.json()["error"]) == (501, True)
