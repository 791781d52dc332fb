"""What the flows' tests have, with fewer people: a run is repeated here for every moment at which it may be killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scenes import SCENES, Scene
from tests.flows.conftest import (  # noqa: F401 - fixtures
    airflow,
    airflow_home,
    no_waiting,
    postgres,
    smaller_batches,
    systems,
)
from tests.flows.levels import level_tables
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.sandbox_process import Sandbox, start_sandbox

PEOPLE = 12


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them need both."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.airflow)
            item.add_marker(pytest.mark.sandbox)


@pytest.fixture(scope="session")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with a few people, and with tables that name each other."""
    folder = tmp_path_factory.mktemp("faults")
    with start_sandbox(folder / "state", people=PEOPLE, data=level_tables(folder)) as running:
        yield running


@pytest.fixture(params=SCENES, ids=[each.name for each in SCENES])
def scene(
    request: pytest.FixtureRequest,
    airflow: RealAirflow,  # noqa: F811
    systems: Systems,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    no_waiting: None,  # noqa: F811
    smaller_batches: None,  # noqa: F811
) -> Scene:
    """One kind of flow, with something of every kind to do."""
    made: Scene = request.param(airflow, systems, monkeypatch)
    return made
