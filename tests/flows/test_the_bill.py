"""I17: engine calls over a week of mixed traffic, beside what the reference app's rule bills for the same events.

Ours are inserts + deletes + updates; by its rule it is inserts + deletes + 2 updates + unchanged rows. So ours are half
or less if at least as many of the rows reported are unchanged as are inserted or deleted. How many are, depends on the
company: there are three weeks. Unchanged rows are many because any of a contact's hundred and more columns moves its
row version, and the shipped mapping reads sixteen: owners, scores, last activities, roll-ups, and integrations that
save a form as it was.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.flows.on_foot import walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.reference_app import ReferenceApp
from tests.flows.systems import Systems
from tests.sandbox_process import Sandbox, start_sandbox
from tests.sizes import NIGHTLY

#: As much happens to each of fewer people by day.
PEOPLE, EVENTS = (500, 45) if NIGHTLY else (160, 15)
RUNS_A_DAY, DAYS = 4, 7


class Week(NamedTuple):
    """Of a hundred events of a week, how many are of which kind, and how much of the reference app's bill is ours."""

    name: str
    insert: int
    update: int  # mapped columns
    touch: int  # unmapped columns only
    same: int  # a client saves the row as it was
    back: int  # a mapped column changes, and changes back before the next run
    delete: int
    at_most: float | None


WEEKS = (
    Week("update-heavy", insert=4, update=60, touch=24, same=8, back=2, delete=2, at_most=0.5),
    Week("touch-heavy", insert=2, update=15, touch=60, same=20, back=2, delete=1, at_most=0.5),
    # A migration: what is inserted costs one call whoever does it, so that the whole cannot be half.
    Week("import-heavy", insert=70, update=15, touch=9, same=3, back=1, delete=2, at_most=None),
)


@pytest.fixture(scope="module")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """As many people as a week of such traffic belongs to."""
    with start_sandbox(tmp_path_factory.mktemp("the_bill"), people=PEOPLE) as running:
        yield running


@pytest.fixture
def reference(airflow: RealAirflow, systems: Systems) -> ReferenceApp:
    """The reference app beside our flow, both in step."""
    airflow.begin()
    systems.forget()
    return ReferenceApp(systems)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("week", WEEKS, ids=lambda week: week.name)
def test_a_week_costs_half_of_what_the_reference_app_bills_or_less(
    airflow: RealAirflow, systems: Systems, reference: ReferenceApp, week: Week
) -> None:
    chance = random.Random(week.name)
    alive, runs = sorted(systems.profiles()), DAYS * RUNS_A_DAY
    for run in range(runs):
        live(systems, week, chance, alive, run)
        reference.run()
        assert walk(airflow.mapping, f"run-{run}")["balanced"]
    assert not systems.differences()
    ours, theirs = systems.engine_calls(), reference.engine_calls
    print(
        f"{week.name}: {runs} runs, {dict(reference.billed)}; engine calls: ours {ours:,}, "
        f"by the reference app's rule {theirs:,}: {100 * ours / theirs:.0f} %"
    )
    counts = reference.billed
    assert ours == counts["insert"] + counts["delete"] + counts["update"]
    assert ours < theirs
    if week.at_most is not None:
        assert ours <= week.at_most * theirs


@pytest.mark.parametrize(
    "kind, ours, theirs", [("insert", 1, 1), ("delete", 1, 1), ("update", 1, 2), ("unchanged", 0, 1)]
)
def test_a_row_of_each_kind_costs(
    airflow: RealAirflow, systems: Systems, reference: ReferenceApp, kind: str, ours: int, theirs: int
) -> None:
    keys = sorted(systems.profiles())[:10]
    changes: dict[str, list[Any]] = {
        "insert": {"create": [person(number) for number in range(10)]},
        "delete": {"delete": keys},
        "update": {"update": [{"id": key, "address1_city": "Møllehavn"} for key in keys]},
        "unchanged": {"update": [{"id": key, "jobtitle": "Surveyor"} for key in keys]},
    }[kind]
    systems.mutate(**changes)
    reference.run()
    walk(airflow.mapping, kind)
    print(
        f"10 rows, {kind}: ours {systems.engine_calls()}, the reference app's rule {reference.engine_calls}"
    )
    assert +reference.billed == {kind: 10}
    assert (systems.engine_calls(), reference.engine_calls) == (10 * ours, 10 * theirs)


def live(systems: Systems, week: Week, chance: random.Random, alive: list[str], run: int) -> None:
    """The events between two runs; a row may be met more than once."""
    kinds = ("insert", "update", "touch", "same", "back", "delete")
    happening = chance.choices(kinds, [getattr(week, kind) for kind in kinds], k=EVENTS)
    for number, kind in enumerate(happening):
        key, word = chance.choice(alive), f"{run}-{number}"
        if kind == "insert":
            row = person(1_000 * (run + 1) + number)
            alive.append(row["contactid"])
            systems.mutate(create=[row])
        elif kind == "delete":
            alive.remove(key)
            systems.delete(key)
        elif kind == "same":
            systems.mutate(touch=[key])
        elif kind == "touch":
            systems.change({"id": key, "jobtitle": f"Surveyor {word}"})
        elif kind == "update":
            systems.change({"id": key, "address1_city": f"City {word}"})
        else:
            was = systems.contacts()[key]["address1_city"]
            systems.change({"id": key, "address1_city": f"City {word}"})
            systems.change({"id": key, "address1_city": was})


def person(number: int) -> dict[str, Any]:
    """A new contact."""
    return {
        "contactid": f"00000000-0000-4000-8000-{number:012d}",
        "lastname": f"Alm {number}",
        "emailaddress1": f"alm.{number}@alder.example",
    }
