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


def test_a_flow_without_parents_begins_at_once_and_one_that_began_waits_for_nobody(ledger: Ledger) -> None:
    assert work(ledger) is not None
    ledger.open_place("children", "a replay that a person forced")
    assert work(ledger, "mothers") is not None
