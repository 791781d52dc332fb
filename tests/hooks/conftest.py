"""What tests of the hooks share: connections to the sandbox, a scripted server, a clock that never waits."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from campaign_sync.hooks import pace

from tests.hooks.scripted_server import ScriptedServer, scripted_server
from tests.sandbox_process import Sandbox


class FakeTime:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Time for a hook that shares its limits with nobody: a database's clock would not go with this one."""
    monkeypatch.setenv("AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER", "sqlite:////dev/null/ledger.db")
    fake = FakeTime()
    monkeypatch.setattr(pace, "time", fake)
    monkeypatch.setattr(pace.random, "uniform", lambda low, high: 1.0)
    return fake


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets an Airflow connection for the length of a test."""

    def setting(name: str, **values: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(values))

    return setting


def dataverse_connection(env: dict[str, str], **extra: Any) -> dict[str, Any]:
    given = {"tenant_id": env["TENANT_ID"], "authority": env["ENTRA_AUTHORITY"], "verify": env["CA_FILE"]}
    return {
        "conn_type": "dataverse",
        "host": env["DATAVERSE_URL"],
        "login": env["DATAVERSE_CLIENT_ID"],
        "password": env["DATAVERSE_CLIENT_SECRET"],
        "extra": {**given, **extra},
    }


def campaign_connection(env: dict[str, str], **extra: Any) -> dict[str, Any]:
    given = {"ims_url": env["IMS_URL"], "scopes": env["CAMPAIGN_SCOPES"], "verify": env["CA_FILE"]}
    return {
        "conn_type": "campaign",
        "host": env["CAMPAIGN_URL"],
        "login": env["CAMPAIGN_CLIENT_ID"],
        "password": env["CAMPAIGN_CLIENT_SECRET"],
        "extra": {**given, "calls_per_second": 0, **extra},
    }


@pytest.fixture
def faults(sandbox: Sandbox) -> Iterator[Callable[..., None]]:
    """Scripts faults, and forgets them after the test."""
    yield lambda **fault: sandbox.control("POST", "/sandbox/faults", fault)
    sandbox.control("DELETE", "/sandbox/faults")
