"""A real Airflow for the flows' tests: SQLite in a folder of its own, both connections to the sandbox."""

from __future__ import annotations

import os
import secrets
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from tests.airflow_home import HOME
from tests.flows.real_airflow import DAG_FILE, RealAirflow
from tests.flows.systems import Systems
from tests.sandbox_process import Sandbox, start_sandbox

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")
PEOPLE = 60


class FakeTime:
    """A clock for the hooks' waiting."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs an Airflow; only parsing DAGs needs no sandbox."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.airflow)
            if "systems" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.sandbox)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """Airflow's home with a fresh metadata database."""
    for folder in ("dags", "plugins"):
        (HOME / folder).mkdir(exist_ok=True)
    (HOME / "dags" / "flows.py").write_text(DAG_FILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Airflow's own modules are told while they are imported
        import airflow.api_fastapi.execution_api.app  # noqa: F401  # `dag.test()` runs it in this process
        import campaign_sync.preload  # noqa: F401  # so that no process that a test forks has to import it
        from airflow.utils.db import initdb

    initdb()
    return HOME


@pytest.fixture(scope="session")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox of these tests alone: small, so that a run is quick."""
    with start_sandbox(tmp_path_factory.mktemp("flows_sandbox"), people=PEOPLE) as running:
        yield running


@pytest.fixture
def systems(flows_sandbox: Sandbox) -> Systems:
    """Dynamics and Campaign as they were at their start."""
    flows_sandbox.control("POST", "/sandbox/reset")
    return Systems(flows_sandbox)


@pytest.fixture
def airflow(
    airflow_home: Path,
    systems: Systems,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[RealAirflow]:
    """An Airflow with a mappings folder, a storage and a ledger of this test alone."""
    real = RealAirflow(airflow_home, tmp_path, monkeypatch, systems.sandbox.env, capfd)
    yield real
    for run in real.runs:
        print(run.log)  # shown if the test fails


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes by sleeping only: what the hooks would wait for costs nothing.

    Each hook keeps the systems' limits for itself, as the clock by which all share them would not go with this one.
    """
    from campaign_sync.hooks import pace, shared

    monkeypatch.setattr(shared.InLedger, "of", lambda *credential: None)
    monkeypatch.setattr(pace, "time", FakeTime())


@pytest.fixture
def smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 20 rows, and a batch for each."""
    from campaign_sync.hooks import dataverse
    from campaign_sync.run import extract

    monkeypatch.setattr(extract.in_pieces, "__defaults__", (20,))
    monkeypatch.setattr(dataverse, "_page_size", lambda rows: "odata.maxpagesize=20")


@pytest.fixture(params=["sqlite", "postgres"])
def airflow_on_each_ledger(request: pytest.FixtureRequest, airflow: RealAirflow) -> RealAirflow:
    """The same, once with the ledger in SQLite and once in Postgres."""
    if request.param == "postgres":
        airflow.use_ledger(request.getfixturevalue("postgres"))
    return airflow


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of a Postgres database of this test alone."""
    server = make_url(POSTGRES).set(drivername="postgresql+psycopg2", database="postgres")
    engine = create_engine(server, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    name = f"campaign_sync_{secrets.token_hex(6)}"
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        reason = f"no Postgres: {' '.join(str(error.orig).split())}"
        print(reason)
        pytest.skip(reason)
    yield server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
