"""campaign.md §7: workflow status, commands, signals."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox.campaign.conftest import Api

WORKFLOW = "/workflow/execution/WKF87"
SIGNAL = {"source": "d365_sync", "parameters": {"inFile": "a.csv", "batchNo": 17, "full": False}}


def state(api: Api, workflow: str = "WKF87") -> str:
    return str(api.get(f"/workflow/execution/{workflow}").json()["state"])


def command(api: Api, method: str, workflow: str = "WKF87", wait: float = 21) -> requests.Response:
    answer = api.call("POST", f"/workflow/execution/{workflow}/commands", {"method": method})
    api.advance(wait)
    return answer


def trigger(api: Api, body: dict[str, Any]) -> requests.Response:
    activities = api.get(WORKFLOW).json()["activities"]["activity"]
    return api.call("POST", activities["signal1"]["trigger"]["href"], body)


def received(api: Api) -> list[dict[str, Any]]:
    workflows = api.sandbox.control("GET", "/sandbox/campaign/workflows")
    return list(workflows[0]["received"])


def renew(api: Api) -> None:
    """Take a new token: the old one has not lived as long as the clock moved."""
    api.headers["Authorization"] = f"Bearer {api.sandbox.campaign_token()}"


@pytest.mark.rule("campaign.md 13.2/B15", "campaign.md 13.3/U5")
def test_commands_take_effect_later(api: Api) -> None:
    assert state(api) == "edition"
    answer = command(api, "start", wait=0)
    assert (answer.status_code, answer.json()) == (200, {})
    assert state(api) == "edition"
    api.advance(21)
    assert state(api) == "started"
    api.switch("command_response", "no_content")
    assert command(api, "stop").status_code == 204


@pytest.mark.rule("campaign.md 13.2/B15")
def test_each_command_has_its_effect(api: Api) -> None:
    seen = []
    for method in ("start", "pause", "resume", "pause", "start", "stop", "resume", "start"):
        command(api, method)
        seen.append(state(api))
    assert seen == ["started", "warning", "started", "warning", "started", "finished", "finished", "started"]


@pytest.mark.rule("campaign.md 13.2/B15", "campaign.md 13.3/U4")
def test_the_key_and_the_spelling_of_the_state_are_switches(api: Api) -> None:
    command(api, "start")
    command(api, "pause")
    seen = []
    for key, form in (("state", "name"), ("logicalStatus", "label"), ("status", "number")):
        api.switch("workflow_state_key", key)
        api.switch("workflow_state_form", form)
        seen.append(api.get(WORKFLOW).json().get(key))
    assert seen == ["warning", "Warning", 13]
    assert "state" not in api.get(WORKFLOW).json()


@pytest.mark.rule("campaign.md 13.2/B15")
def test_a_workflow_paused_for_more_than_7_days_is_stopped(api: Api) -> None:
    command(api, "start")
    command(api, "pause")
    api.advance(7 * 86400 - 100)
    renew(api)
    assert state(api) == "warning"
    api.advance(200)
    assert state(api) == "finished"


@pytest.mark.rule("campaign.md 13.2/B15")
def test_20_workflows_run_at_once_and_others_queue(api: Api) -> None:
    for number in range(20):
        busy = {"id": f"WKF{number + 100}", "state": "started"}
        api.sandbox.control("POST", "/sandbox/campaign/workflows", busy)
    command(api, "start")
    assert state(api) == "edition"
    command(api, "stop", "WKF100")
    assert state(api) == "started"


@pytest.mark.rule("campaign.md 7.3")
def test_an_unknown_workflow_is_a_404(api: Api) -> None:
    answer = api.get("/workflow/execution/WKF1")
    assert answer.status_code == 404
    assert "Unable to find document with path" in answer.text


@pytest.mark.rule("campaign.md 13.2/B16")
def test_a_signal_reaches_a_running_workflow(api: Api) -> None:
    command(api, "start")
    assert trigger(api, SIGNAL).status_code == 200
    assert [(s["signal"], s["source"], s["parameters"]["inFile"]) for s in received(api)] == [
        ("signal1", "d365_sync", "a.csv")
    ]


@pytest.mark.rule("campaign.md 13.2/B16", "campaign.md 13.3/U3")
def test_within_ten_minutes_the_answer_is_plain_text_and_nothing_happens(api: Api) -> None:
    command(api, "start")
    trigger(api, SIGNAL)
    early = trigger(api, SIGNAL)
    assert early.status_code == 200
    assert early.headers["content-type"].startswith("text/plain")
    assert early.text.startswith("T")
    assert len(received(api)) == 1
    api.switch("cool_down_status", 500)
    assert trigger(api, SIGNAL).status_code == 500
    api.advance(601)
    assert trigger(api, SIGNAL).headers["content-type"] == "application/json"
    assert len(received(api)) == 2


@pytest.mark.rule("campaign.md 13.2/B16")
def test_an_undeclared_parameter_is_refused_in_four_lines(api: Api) -> None:
    command(api, "start")
    answer = trigger(api, {"source": "x", "parameters": {"fileName": "a.csv"}})
    assert answer.status_code == 500
    lines = answer.json()["message"].splitlines()
    assert lines[1] == "'fileName' parameter isn't defined in signal activity."
    assert lines[2].startswith("XTK-170006 Unable to parse expression 'HandleTrigger(")
    assert received(api) == []


@pytest.mark.rule("campaign.md 13.2/B16")
@pytest.mark.parametrize(
    "body",
    [
        {"parameters": {}},
        {"source": "x", "parameters": {"batchNo": "seventeen"}},
        {"source": "x", "parameters": {"inFile": "x" * 65536}},
    ],
)
def test_source_types_and_64_kb_are_checked(api: Api, body: dict[str, Any]) -> None:
    command(api, "start")
    assert trigger(api, body).status_code == 500
    assert received(api) == []


@pytest.mark.rule("campaign.md 13.2/B16")
def test_a_signal_does_not_start_a_workflow_and_is_lost(api: Api) -> None:
    assert trigger(api, SIGNAL).status_code == 200
    assert (state(api), received(api)) == ("edition", [])
    api.switch("signal_to_stopped", "refuse")
    assert trigger(api, SIGNAL).status_code == 500


@pytest.mark.rule("campaign.md 13.3/U7")
def test_the_key_of_the_declared_parameters_is_a_switch(api: Api) -> None:
    signal = api.get(WORKFLOW).json()["activities"]["activity"]["signal1"]
    assert signal["parameters"]["batchNo"] == {"name": "batchNo", "type": "number"}
    api.switch("signal_parameters_key", "variables")
    assert "variables" in api.get(WORKFLOW).json()["activities"]["activity"]["signal1"]
