"""Fixtures for every test. Importable without Airflow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tests.airflow_home  # noqa: F401 - before any test imports Airflow
from tests.sandbox_process import Sandbox, start_sandbox

#: Where tests take longest. They begin first, so that the cores end together.
LONG = ("tests/flows/", "tests/page/", "tests/test_command_line.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the files of long tests to the front; within them, and behind them, the order stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running sandbox with 200 people, shared by all tests: for those that leave it as it was."""
    with start_sandbox(tmp_path_factory.mktemp("sandbox"), people=200) as running:
        yield running


@pytest.fixture
def fresh_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The shared sandbox as it was at its start, for tests that change it."""
    sandbox.control("POST", "/sandbox/reset")
    yield sandbox
    sandbox.control("POST", "/sandbox/reset")


@pytest.fixture
def own_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """For clients that read the environment: REQUESTS_CA_BUNDLE would silently beat their own CA setting."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
