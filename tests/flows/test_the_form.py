"""I12 and the trigger form: replay, since, until, limit, dry_run."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from campaign_sync.errors import ReconcileError

from tests.flows.on_foot import OnFoot
from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems


def test_a_replay_sends_everything_again_and_keeps_the_place(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    place, loaded = airflow.place(), systems.profiles()
    changed = sorted(loaded)[0]
    systems.change({"id": changed, "address1_city": "Møllehavn"})
    systems.forget()
    run = airflow.run(replay=True)
    assert run.ok, run.errors
    assert run.tally["updated"] == len(loaded)
    assert systems.campaign_writes() == {"PATCH": len(loaded)}
    assert airflow.place() == place
    assert systems.profiles()[changed]["location"]["city"] == "Møllehavn"
    systems.forget()
    after = airflow.run()
    assert after.tally == {"extracted": 1, "unchanged": 1}, (
        "the change is still in the feed, and costs nothing"
    )
    assert systems.engine_calls() == 0


def test_a_replay_repairs_what_somebody_broke_in_campaign(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    key = sorted(systems.profiles())[0]
    token = systems.sandbox.campaign_token()
    env = systems.sandbox.env
    headers = {"Authorization": f"Bearer {token}", "X-Api-Key": env["CAMPAIGN_CLIENT_ID"]}
    address = f"{env['CAMPAIGN_URL']}/profileAndServicesExt/profile/{key}"
    assert systems.sandbox.http.delete(address, headers=headers, timeout=60).ok
    assert systems.differences() == {key}
    assert airflow.run().tally == {}, "a run reads Dynamics' changes and none of Campaign's"
    assert airflow.run(replay=True).tally["created"] == 1
    assert not systems.differences()


def test_a_replay_on_a_flow_that_never_ran_is_its_first_run(airflow: RealAirflow, systems: Systems) -> None:
    run = airflow.run(replay=True)
    assert run.ok, run.errors
    assert not systems.differences()
    assert airflow.place()[0] == "placed"
    assert airflow.run().tally == {}


def test_since_and_until_send_again_what_was_modified_between_them(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.begin()
    place = airflow.place()
    early, late = sorted(systems.profiles())[:2]
    systems.control("POST", "/sandbox/clock", {"set": "2031-05-01T10:00:00Z"})
    systems.change({"id": early, "address1_city": "Early"})
    systems.control("POST", "/sandbox/clock", {"set": "2031-05-01T12:00:00Z"})
    systems.change({"id": late, "address1_city": "Late"})
    systems.control("POST", "/sandbox/clock", {"reset": True})
    systems.forget()
    run = airflow.run(since="2031-05-01T10:00:00Z", until="2031-05-01T12:00:00Z")
    assert run.ok, run.errors
    assert run.tally == {"extracted": 1, "updated": 1}
    assert systems.profiles()[early]["location"]["city"] == "Early"
    assert systems.profiles()[late]["location"]["city"] != "Late"
    assert airflow.place() == place
    assert airflow.run().tally == {"extracted": 2, "updated": 1, "unchanged": 1}


def test_a_limit_takes_some_rows_and_the_next_run_the_others(airflow: RealAirflow, systems: Systems) -> None:
    run = airflow.run(limit=10)
    assert run.ok, run.errors
    assert run.tally["extracted"] == 10
    some = len(systems.profiles())
    assert 0 < some <= 10
    assert airflow.place() == ("reading", None)
    rest = airflow.run()
    assert rest.ok, rest.errors
    assert rest.tally["unchanged"] == some
    assert not systems.differences()
    assert airflow.place()[0] == "placed"


def test_a_limit_later_on_keeps_the_place(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    place = airflow.place()
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in sorted(systems.profiles())[:5]))
    assert airflow.run(limit=2).tally == {"extracted": 2, "updated": 2}
    assert airflow.place() == place
    assert airflow.run().tally == {"extracted": 5, "updated": 3, "unchanged": 2}


@pytest.mark.parametrize("conf", [{}, {"replay": True}, {"limit": 7}], ids=str)
def test_a_dry_run_counts_and_writes_nothing_anywhere(
    airflow: RealAirflow, systems: Systems, conf: dict[str, Any]
) -> None:
    run = airflow.run(dry_run=True, **conf)
    assert run.ok, run.errors
    assert run.tally["created"] > 0
    assert systems.writes() == []
    assert systems.profiles() == {}
    assert airflow.place() is None
    assert airflow.ledger().is_empty(FLOW)
    assert airflow.ledger().runs(FLOW) == []


def test_a_dry_run_whose_extract_failed_is_not_remembered(airflow: RealAirflow) -> None:
    for dry_run in (True, False):
        run = OnFoot(airflow.mapping, f"dry run: {dry_run}", dry_run=dry_run)
        run.batches = None  # type: ignore[assignment]  # what a failed extract leaves
        with pytest.raises(ReconcileError, match="extract did not finish"):
            run.reconcile()
    assert [each.run_id for each in airflow.ledger().runs(FLOW)] == ["dry run: False"]


def test_a_dry_run_later_on_leaves_the_ledger_untouched(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    before = _content(airflow.folder / "campaign_sync" / "ledger.db")
    key = sorted(systems.profiles())[0]
    systems.change({"id": key, "address1_city": "Møllehavn"})
    systems.forget()
    assert airflow.run(dry_run=True).tally == {"extracted": 1, "updated": 1}
    assert systems.writes() == []
    assert _content(airflow.folder / "campaign_sync" / "ledger.db") == before
    assert airflow.run().tally == {"extracted": 1, "updated": 1}


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"replay": True, "since": "2026-01-01T00:00:00Z"}, "replay and since/until exclude each other"),
        ({"since": "2026-01-01T00:00:00Z"}, "since is given without until"),
        ({"until": "2026-01-01T00:00:00Z"}, "until is given without since"),
        ({"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "is not before until"),
    ],
)
def test_a_form_that_contradicts_itself_is_refused_before_anything_is_read(
    airflow: RealAirflow, systems: Systems, conf: dict[str, Any], said: str
) -> None:
    run = airflow.run(**conf)
    assert not run.ok
    assert run.tasks["extract"] == "failed"
    assert said in run.errors
    assert "from the trigger form" in run.errors
    assert systems.journal() == []
    assert airflow.place() is None
    assert airflow.run().ok
    assert not systems.differences()


@pytest.mark.parametrize(
    "conf", [{"limit": 0}, {"limit": "many"}, {"replay": "perhaps"}, {"since": 5}], ids=str
)
def test_the_form_takes_only_what_makes_sense(airflow: RealAirflow, conf: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = airflow.dags()[FLOW].params
    with pytest.raises(ParamValidationError, match="Invalid input for param"):
        params.update(conf)


def _content(file: Path) -> str:
    """The ledger's rows, as a hash; the file itself is touched by reading it."""
    with sqlite3.connect(file) as database:
        return hashlib.sha256("\n".join(database.iterdump()).encode()).hexdigest()
