"""I1: whatever changes while the first load runs arrives, wherever the load is and whoever kills it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from tests.flows.on_foot import OnFoot, walk, walk_until_killed
from tests.flows.people import People, between_pages
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

PEOPLE = 150


@pytest.fixture
def people(airflow: RealAirflow, systems: Systems) -> People:
    """A Dynamics with people at work in it, and a flow without its slow checks."""
    systems.delete_rejected()
    airflow.drop_checks()
    people = People(systems, seed=11)
    people.new(PEOPLE)
    return people


def require_gapless(airflow: RealAirflow, systems: Systems) -> None:
    """The next run brings what is missing, and the one after it has nothing to do."""
    assert walk(airflow.mapping, "next")["balanced"]
    assert not systems.differences()
    systems.forget()
    assert walk(airflow.mapping, "quiet")["tally"]["extracted"] == 0
    assert systems.engine_calls() == 0


@pytest.mark.usefixtures("smaller_batches")
def test_changes_between_pages_between_batches_and_before_the_place_moves_arrive(
    airflow: RealAirflow, systems: Systems, people: People
) -> None:
    run = OnFoot(airflow.mapping, "first")
    with pytest.MonkeyPatch.context() as patch:
        between_pages(patch, people.work)
        run.read()
    pages = people.calls
    people.work()
    run.guard()
    people.work()
    run.load(between=people.work)
    people.work()
    report = run.reconcile()
    assert report["balanced"]
    print(f"{people.calls} times {PEOPLE} people were at work, {pages} of them between pages")
    assert pages > 5
    require_gapless(airflow, systems)


DEATHS = [
    ("rows.batch", "Batch", "write", 3, True),
    ("hooks.campaign_writes", "Writer", "write", 50, True),
    ("ledger.ledger", "Ledger", "settle", 6, True),
    ("ledger.ledger", "Ledger", "end_run", 1, True),
]


@pytest.mark.usefixtures("smaller_batches")
def test_a_first_load_that_is_killed_again_and_again_beside_changes_leaves_no_gap(
    airflow: RealAirflow, systems: Systems, people: People
) -> None:
    for module, owner, name, nth, before in DEATHS:
        killed: Any = getattr(import_module(f"campaign_sync.{module}"), owner)
        walk_until_killed(airflow.mapping, killed, name, nth, before=before)
        people.work()
    assert airflow.place() == ("reading", None)
    require_gapless(airflow, systems)
