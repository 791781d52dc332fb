"""When a flow that links to others finds work for the first time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from campaign_sync.ledger.ledger import Ledger, Move
from campaign_sync.run.work import Work, find_work


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def work(ledger: Ledger, *parents: str) -> Work | None:
    nobody: Any = None  # Dataverse is not asked before the first load
    return find_work("children", "sha", columns=(), parents=parents, ledger=ledger, dataverse=nobody)


def test_a_flow_has_nothing_to_do_until_the_first_load_of_its_parents_has_ended(ledger: Ledger) -> None:
    assert work(ledger, "mothers", "fathers") is None
    for parent in ("mothers", "fathers"):
        ledger.open_place(parent, "first")
        assert work(ledger, "mothers", "fathers") is None
        ledger.end_run(parent, "first", "success", {}, Move(None, "https://…?$deltatoken=1"))
    found = work(ledger, "mothers", "fathers")
    assert found is not None
    assert "nothing has been read" in found.why


def test_a_flow_without_parents_begins_at_once(ledger: Ledger) -> None:
    assert work(ledger) is not None


def test_a_first_load_that_has_only_begun_waits_as_well(ledger: Ledger) -> None:
    """As after a try with few rows, or a backfill; one that was killed goes on, for its parents are loaded."""
    ledger.open_place("children", "a try")
    ledger.begin("children", ["a row"], "a try")
    assert work(ledger, "mothers") is None
    ledger.open_place("mothers", "first")
    assert work(ledger, "mothers") is None
    ledger.end_run("mothers", "first", "success", {}, Move(None, "https://…?$deltatoken=1"))
    assert work(ledger, "mothers") is not None


def test_a_flow_whose_first_load_has_ended_waits_for_nobody(ledger: Ledger) -> None:
    ledger.open_place("children", "a replay that a person forced")
    ledger.end_run(
        "children", "a replay that a person forced", "success", {}, Move(None, "https://…?$deltatoken=1")
    )
    ledger.expire_place("children")
    assert work(ledger, "mothers") is not None


def test_a_flow_that_has_lost_its_place_says_so_at_once(ledger: Ledger) -> None:
    ledger.begin("children", ["a row"], "a run")
    assert work(ledger, "mothers") is not None
