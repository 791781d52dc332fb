"""Processes that call with one credential: what they use together, and what one is told."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest
import requests
from campaign_sync.errors import TransientError
from campaign_sync.hooks.pace import Pace, Patience
from campaign_sync.hooks.remedies import CAMPAIGN
from campaign_sync.hooks.rest import Rest
from campaign_sync.hooks.sessions import bare
from campaign_sync.hooks.shared import InLedger
from campaign_sync.hooks.shares import Terms
from campaign_sync.ledger.rates import Rates

from tests.hooks.calling import call
from tests.hooks.conftest import dataverse_connection
from tests.hooks.scripted_server import Reply, ScriptedServer
from tests.sandbox_process import Sandbox
from tests.sizes import NIGHTLY

WINDOW = 10
REQUESTS = 200
SECONDS = 120 if NIGHTLY else 15
LIMITS = {"limit_requests": REQUESTS, "limit_window_seconds": WINDOW, "dop_hint": 8}


@pytest.fixture
def limited(fresh_sandbox: Sandbox) -> Callable[..., None]:
    """Sets limits of the sandbox's Dataverse, and forgets what was used."""

    def limit(**switches: int) -> None:
        wanted = {f"dataverse.{name}": value for name, value in switches.items()}
        fresh_sandbox.control("PUT", "/sandbox/switches", wanted)

    limit(**LIMITS)
    fresh_sandbox.control("PUT", "/sandbox/dataverse/limits", {"reset": True})
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    return limit


def rest_of(server: ScriptedServer, ledger: Path, client: str = "client") -> Rest:
    """As each process has one; it does not wait."""
    pace = Pace(Terms(), InLedger(Rates(f"sqlite:///{ledger}"), server.url, client))
    at_once = Patience(attempts=1, budget=0)
    return Rest(CAMPAIGN, server.url, lambda: bare(requests.Session(), True), pace=pace, patience=at_once)


def test_four_processes_keep_limits_that_are_halved_on_the_way_and_one_of_them_dies(
    fresh_sandbox: Sandbox, limited: Callable[..., None], tmp_path: Path
) -> None:
    env = {
        "AIRFLOW_CONN_DATAVERSE_DEFAULT": json.dumps(dataverse_connection(fresh_sandbox.env)),
        "AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER": f"sqlite:///{tmp_path}/ledger.db",
    }
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["campaign_sync.hooks.dataverse"])
    pipes = [context.Pipe() for _ in range(4)]
    processes = [context.Process(target=call, args=(env, WINDOW, theirs)) for _, theirs in pipes]
    for each in processes:
        each.start()
    for mine, _ in pipes:
        assert mine.recv() == "ready"
    halving = Timer(SECONDS / 2, limited, kwargs={"limit_requests": REQUESTS // 2})
    dying = Timer(SECONDS / 3, processes[0].kill)
    halving.start(), dying.start()
    for mine, _ in pipes:
        mine.send(SECONDS)
    done = [mine.recv() for mine, _ in pipes[1:]]
    for each in (*processes, halving, dying):
        each.join()

    counters = fresh_sandbox.control("GET", "/sandbox/counters")
    refused = sum(count for name, count in counters.items() if name.startswith("dataverse.refused."))
    assert counters.get("dataverse.before_retry_after", 0) == 0
    assert (
        refused <= 0.03 * counters["dataverse.requests"]
    )  # of few, some were under way when limits were halved
    assert min(done) >= 0.5 * sum(done) / len(done)
    state = sqlite3.connect(tmp_path / "rates.db").execute("SELECT state FROM rates").fetchone()[0]
    assert len(json.loads(state)["workers"]) == 3


def test_what_one_is_told_to_wait_all_wait(server: ScriptedServer, tmp_path: Path) -> None:
    first, second = (rest_of(server, tmp_path / "ledger.db") for _ in range(2))
    second.json(f"{server.url}/x")
    server.answers(Reply(429, headers={"Retry-After": "600"}), Reply())
    with pytest.raises(TransientError):
        first.json(f"{server.url}/x")

    def go_on() -> None:
        for _ in range(10_000):  # for a tenth of a second nobody looks whether there is news
            second.json(f"{server.url}/x")

    with pytest.raises(TransientError) as caught:
        go_on()
    assert 590 <= (caught.value.retry_after or 0) <= 600


def test_others_with_another_credential_go_on(server: ScriptedServer, tmp_path: Path) -> None:
    first, second = (rest_of(server, tmp_path / "ledger.db", client) for client in ("one", "other"))
    server.answers(Reply(429, headers={"Retry-After": "600"}), Reply())
    with pytest.raises(TransientError):
        first.json(f"{server.url}/x")
    second.json(f"{server.url}/x")


def test_without_a_ledger_each_keeps_the_limits_alone(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    rest = rest_of(server, Path("/dev/null/ledger.db"))
    rest.json(f"{server.url}/x")
    assert "limits are kept by this process alone" in caplog.text
    server.answers(Reply(429, headers={"Retry-After": "600"}), Reply())
    for _ in range(2):
        with pytest.raises(TransientError):
            rest.json(f"{server.url}/x")
    assert len(server.asked) == 1
