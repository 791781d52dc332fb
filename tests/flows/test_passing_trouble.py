"""N3, N4, N5: throttling, lost answers, cut pages and expired tokens pass; a run that gives up loses nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

BUSY = {
    "system": "campaign",
    "do": "status",
    "status": 429,
    "headers": {"Retry-After": "2"},
    "body": {"error_code": "429050"},
}
TROUBLE: dict[str, list[dict[str, Any]]] = {
    "Campaign throttles": [BUSY | {"path": "/profile", "after": 5, "times": 4}],
    "Campaign's gateway fails": [
        {"system": "campaign", "method": "POST", "path": "/profile", "after": 7, "times": 2, "do": "html"},
        {"system": "campaign", "method": "GET", "times": 1, "do": "status", "status": 503},
    ],
    "Dataverse throttles": [
        BUSY | {"system": "dataverse", "path": "/contacts", "times": 3},
    ],
    "Dataverse is away for a moment": [{"system": "dataverse", "times": 2, "do": "status", "status": 503}],
    "pages are cut": [{"system": "dataverse", "path": "/contacts", "times": 2, "do": "cut_body"}],
    "connections break": [
        {"system": "dataverse", "path": "/contacts", "do": "reset_before"},
        {"system": "campaign", "method": "POST", "path": "/profile", "after": 3, "times": 3, "do": "reset_before"},
    ],
    "answers to creations are lost": [
        {"system": "campaign", "method": "POST", "path": "/profile", "after": 3, "times": 4, "do": "reset_after"},
    ],
    "answers to creations are cut": [
        {"system": "campaign", "method": "POST", "path": "/profile", "after": 3, "times": 3, "do": "cut_body"},
    ],
    "Campaign's tokens are revoked": [{"system": "campaign", "method": "POST", "after": 9, "do": "revoke_tokens"}],
    "Dataverse's tokens are revoked": [{"system": "dataverse", "path": "/contacts", "do": "revoke_tokens"}],
    "token services are busy": [
        {"system": "entra", "method": "POST", "do": "status", "status": 503},
        {"system": "ims", "do": "status", "status": 503},
    ],
}  # fmt: skip


@pytest.mark.parametrize("faults", TROUBLE.values(), ids=TROUBLE.keys())
def test_trouble_that_passes_within_a_run_is_not_noticed(
    airflow: RealAirflow, systems: Systems, no_waiting: None, faults: list[dict[str, Any]]
) -> None:
    for fault in faults:
        systems.fault(**fault)
    run = airflow.walk()
    assert run.ok, run.errors
    struck = [each for each in systems.journal() if "fault" in each]
    assert len(struck) == sum(fault.get("times", 1) for fault in faults), "a fault did not strike"
    assert run.tally["created"] == len(systems.profiles())
    assert not systems.differences()


def test_a_lost_answer_to_an_update_costs_one_call_more_and_changes_nothing(
    airflow: RealAirflow, systems: Systems, no_waiting: None
) -> None:
    airflow.begin()
    keys = sorted(systems.profiles())[:4]
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in keys))
    systems.fault(system="campaign", method="PATCH", do="reset_after", times=2)
    systems.forget()
    run = airflow.walk()
    assert run.tally == {"extracted": 4, "updated": 4}
    assert systems.engine_calls() == 6
    assert not systems.differences()


def test_a_lost_answer_to_a_deletion_is_a_deletion(
    airflow: RealAirflow, systems: Systems, no_waiting: None
) -> None:
    airflow.deletes("apply")
    airflow.begin()
    key = sorted(systems.profiles())[0]
    systems.delete(key)
    systems.fault(system="campaign", method="DELETE", do="reset_after")
    run = airflow.walk()
    assert run.ok, run.errors
    assert key not in systems.profiles()
    assert sum(run.tally.get(fate, 0) for fate in ("deleted", "unchanged")) == 1


def test_a_run_that_campaign_leaves_half_way_is_finished_by_the_next(
    airflow_on_each_ledger: RealAirflow, systems: Systems, no_waiting: None
) -> None:
    airflow = airflow_on_each_ledger
    systems.fault(
        system="campaign", method="POST", path="/profile", after=20, times=None, do="status", status=503
    )
    run = airflow.run()
    assert not run.ok
    assert "TransientError" in run.errors
    assert "1 of 1 batches did not finish" in run.errors
    assert len(systems.profiles()) >= 20
    assert airflow.place() == ("reading", None)

    written = len(systems.profiles())
    systems.heal()
    again = airflow.walk()
    assert again.ok, again.errors
    assert not systems.differences()
    assert again.tally["unchanged"] >= 20
    assert again.tally["created"] + again.tally["unchanged"] + again.tally.get("updated", 0) == len(
        systems.profiles()
    )
    assert written < len(systems.profiles())


def test_a_run_that_dynamics_leaves_reads_the_same_changes_next_time(
    airflow: RealAirflow, systems: Systems, no_waiting: None
) -> None:
    airflow.begin()
    place = airflow.place()
    systems.change({"id": sorted(systems.profiles())[0], "address1_city": "Møllehavn"})
    systems.fault(system="dataverse", path="deltatoken", times=None, do="status", status=503)
    run = airflow.run()
    assert run.tasks["extract"] == "failed"
    assert "TransientError" in run.errors
    assert airflow.place() == place
    systems.heal()
    assert airflow.walk().tally == {"extracted": 1, "updated": 1}
    assert not systems.differences()


def test_one_batch_that_fails_does_not_stop_the_others(
    airflow: RealAirflow, systems: Systems, no_waiting: None, smaller_batches: None
) -> None:
    """Batches are loaded one after the other; the first record is read back, so the 25th is in the second batch."""
    systems.fault(
        system="campaign", method="POST", path="/profile", after=25, times=6, do="status", status=403
    )
    run = airflow.run()
    assert not run.ok
    failed = [task for task, state in run.tasks.items() if task.startswith("load[") and state == "failed"]
    assert len(failed) == 1
    assert "of 3 batches did not finish" in run.errors
    assert airflow.place() == ("reading", None)
    systems.heal()
    again = airflow.walk()
    assert again.ok, again.errors
    assert not systems.differences()
