"""When a workflow was signalled last: at most one signal in ten minutes, of one run at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from campaign_sync.ledger.ledger import Ledger

NOW = datetime(2026, 4, 12, 3, 15, tzinfo=UTC)
APART = timedelta(minutes=10, seconds=30)


@pytest.fixture
def ledger(url: str) -> Ledger:
    """No other test's signals matter: each has a workflow of its own."""
    return Ledger(url)


@pytest.fixture
def workflow(request: pytest.FixtureRequest) -> str:
    """One that no other test has signalled."""
    return f"WKF_{request.node.name}"


def begin(ledger: Ledger, workflow: str, run: str, minutes: float = 0, flow: str = "contacts") -> bool:
    return ledger.signals.begin(
        workflow, flow, run, [f"{run}.csv.gz"], NOW + timedelta(minutes=minutes), APART
    )


def test_signals_are_ten_minutes_apart(ledger: Ledger, workflow: str) -> None:
    assert ledger.signals.last(workflow) is None
    assert begin(ledger, workflow, "one")
    assert not begin(ledger, workflow, "one", minutes=10)
    assert begin(ledger, workflow, "one", minutes=11)
    last = ledger.signals.last(workflow)
    assert last is not None
    assert (last.sent_at, last.parts, last.state) == (NOW + timedelta(minutes=11), ("one.csv.gz",), "begun")


def test_another_run_waits_until_the_first_has_ended(ledger: Ledger, workflow: str) -> None:
    assert begin(ledger, workflow, "one")
    ledger.signals.accepted(workflow, "contacts", "one")
    assert not begin(ledger, workflow, "two", minutes=60)
    ledger.signals.ended(workflow, "contacts", "two")  # of somebody who has nothing to end
    assert not begin(ledger, workflow, "two", minutes=60)
    ledger.signals.ended(workflow, "contacts", "one")
    assert begin(ledger, workflow, "two", minutes=60)


def test_of_two_runs_at_once_one_signals(ledger: Ledger, workflow: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(lambda run: begin(ledger, workflow, str(run)), range(8)))
    assert won.count(True) == 1
