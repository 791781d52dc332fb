"""Fixtures for every test. Importable without Airflow."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import tests.airflow_home  # noqa: F401 - before any test imports Airflow
from tests.sandbox_process import Sandbox, start_sandbox

#: Where tests take longest, as nodeids begin. They come first and in this order, so that the cores end together.
LONG = (
    "tests/browser/",
    "tests/flows/test_opt_outs.py",
    "tests/flows/test_ninety_days.py",
    "tests/flows/",
    "tests/page/",
    "tests/test_command_line.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the files of long tests to the front; within them, and behind them, the order stays."""
    items.sort(
        key=lambda item: next(
            (at for at, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG)
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: while a test waits for a browser, a file or a clock, another works."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


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
