"""I14: large loads go by file, and leave in Campaign what the same rows leave by REST."""

from __future__ import annotations

import json

import pytest

from tests.flows.importing import Imports
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems


@pytest.fixture
def imports(
    airflow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> Imports:
    return Imports(airflow, systems, monkeypatch)


def test_a_large_load_goes_by_file_and_costs_two_engine_calls(
    airflow_on_each_ledger: RealAirflow, systems: Systems, imports: Imports
) -> None:
    airflow = airflow_on_each_ledger
    imports.use_files(bulk_from=10)
    systems.forget()
    run = airflow.run()
    assert run.ok, run.errors
    assert not systems.differences()
    created = run.tally["created"]
    assert created == len(systems.profiles())
    # The first record of a flow's life goes by REST, to prove the key.
    assert systems.engine_calls() == 2
    assert imports.counter("campaign.imported_rows") == created - 1
    assert imports.area() == []
    assert any(f"{created - 1} rows went in 1 files" in note for note in run.report["notes"])


def test_a_second_run_with_nothing_changed_writes_no_file(
    airflow: RealAirflow, systems: Systems, imports: Imports
) -> None:
    imports.use_files(bulk_from="always")
    assert airflow.run().ok
    systems.forget()
    run = airflow.run()
    assert run.ok, run.errors
    assert run.tally == {}
    assert (systems.engine_calls(), imports.counter("sftp.sessions")) == (0, 0)


def test_a_dry_run_says_what_would_go_by_file_and_makes_none(
    airflow: RealAirflow, systems: Systems, imports: Imports
) -> None:
    imports.use_files(bulk_from=10)
    systems.forget()
    run = airflow.run(dry_run=True)
    assert run.ok, run.errors
    assert run.report is not None
    assert any("would go by file" in note for note in run.report["notes"])
    assert (systems.writes(), imports.counter("sftp.sessions")) == ([], 0)


def test_the_command_line_prints_what_the_workflow_must_know_and_looks_at_it(
    airflow: RealAirflow, imports: Imports
) -> None:
    from campaign_sync.__main__ import main

    imports.use_files()
    assert main(["setup", "campaign", str(airflow.mapping)]) == 0
    told = airflow.output.readouterr().out
    assert "Header: op;externalId;email;" in told
    assert [line.split() for line in told.splitlines() if line.startswith("cusFirstSeen")] == [
        ["cusFirstSeen", "datetime", "YYYY/MM/DD", "HH:mm:SS", "(UTC)", "insert", "only"]
    ]
    imports.systems.control("POST", "/sandbox/campaign/imports", json.loads(told[told.rindex(": {") + 2 :]))
    assert main(["check", "--live", str(airflow.mapping)]) == 0
    airflow.edit("import_workflow: WKF88", "import_workflow: WKF99")
    assert main(["check", "--live", str(airflow.mapping)]) == 1
    assert "no workflow whose internal name is WKF99" in airflow.output.readouterr().err
