"""I14: large loads go by file, and leave in Campaign what the same rows leave by REST."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.flows.importing import Imports
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems


@pytest.fixture
def imports(
    airflow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> Imports:
    return Imports(airflow, systems, monkeypatch)


def test_a_large_load_goes_by_file_and_costs_one_engine_call(
    airflow: RealAirflow, systems: Systems, imports: Imports
) -> None:
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
