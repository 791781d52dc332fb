"""Campaign's workflows through the hook: every form of a state, signals that are taken, refused or lost (§7)."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.hooks.campaign import CampaignHook
from campaign_sync.hooks.campaign_workflows import Workflows

from tests.hooks.conftest import FakeTime, campaign_connection
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox
SIGNAL = "010_contacts_*.csv.gz"


@pytest.fixture
def workflows(fresh_sandbox: Sandbox, connect: Any, clock: FakeTime) -> Workflows:
    connect("campaign_default", **campaign_connection(fresh_sandbox.env))
    fresh_sandbox.control("POST", "/sandbox/campaign/imports", {"id": "WKF88", "if_no_files": "end"})
    return CampaignHook().workflows


def switch(sandbox: Sandbox, **switches: Any) -> None:
    named = {f"campaign.{name}": value for name, value in switches.items()}
    sandbox.control("PUT", "/sandbox/switches", named)


@pytest.mark.parametrize("key", ["logicalStatus", "state", "status", "workflowStatus"])
@pytest.mark.parametrize("form", ["name", "label", "number"])
@pytest.mark.parametrize(
    ("state", "meant"),
    [("edition", "editing"), ("started", "running"), ("warning", "paused"), ("finished", "finished")],
)
def test_a_state_is_understood_in_every_form(
    workflows: Workflows, fresh_sandbox: Sandbox, key: str, form: str, state: str, meant: str
) -> None:
    fresh_sandbox.control("POST", "/sandbox/campaign/imports", {"id": "WKF88", "state": state})
    switch(fresh_sandbox, workflow_state_key=key, workflow_state_form=form)
    assert workflows.read("WKF88").state == meant


def test_a_workflow_that_is_not_there_is_the_mappings_mistake(workflows: Workflows) -> None:
    with pytest.raises(RefusedError, match="no workflow whose internal name is WKF99") as refused:
        workflows.read("WKF99")
    assert "load.import_workflow" in refused.value.remedy


def test_a_workflow_without_our_parameter_is_refused_before_anything_is_sent(
    workflows: Workflows, fresh_sandbox: Sandbox
) -> None:
    declared = {"id": "WKF88", "parameters": {"batchNo": "number"}}
    fresh_sandbox.control("POST", "/sandbox/campaign/imports", declared)
    with pytest.raises(RefusedError, match="parameter inFile"):
        workflows.signal(workflows.read("WKF88"), SIGNAL)


@pytest.mark.parametrize("response", ["object", "empty", "no_content"])
def test_a_start_takes_effect_some_time_after_any_answer(
    workflows: Workflows, fresh_sandbox: Sandbox, response: str
) -> None:
    switch(fresh_sandbox, command_response=response)
    workflows.start("WKF88")
    assert workflows.read("WKF88").state == "editing"
    fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 30})
    assert workflows.read("WKF88").state == "running"


@pytest.mark.parametrize("status", [200, 429, 500])
def test_within_ten_minutes_a_signal_is_refused_whatever_the_status(
    workflows: Workflows, fresh_sandbox: Sandbox, clock: FakeTime, status: int
) -> None:
    switch(fresh_sandbox, cool_down_status=status)
    workflow = workflows.read("WKF88")
    assert workflows.signal(workflow, SIGNAL) == "accepted"
    assert workflows.signal(workflow, SIGNAL) == "refused"
    fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 630})
    assert workflows.signal(workflow, SIGNAL) == "accepted"
    assert clock.slept == []


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "cut_body"])
def test_a_signal_whose_answer_is_lost_is_sent_once(
    workflows: Workflows, fresh_sandbox: Sandbox, faults: Any, fault: str
) -> None:
    workflow = workflows.read("WKF88")
    faults(system="campaign", method="POST", path="/trigger", do=fault, times=None)
    assert workflows.signal(workflow, SIGNAL) == "unknown"
    sent = [
        each for each in fresh_sandbox.control("GET", "/sandbox/journal") if "/trigger" in str(each["path"])
    ]
    assert len(sent) == 1
