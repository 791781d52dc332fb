"""C4: ninety days of normal life (TEST_SIZE=nightly; else thirty), and the guard asks nobody. What Campaign holds is
computed without the package.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.flows.harsh_flow import make_harsh, out_of_step
from tests.flows.normal_life import NormalLife
from tests.flows.on_foot import walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.sandbox_process import Sandbox, start_sandbox
from tests.sizes import NIGHTLY

PEOPLE, DAYS = 1_000, 90 if NIGHTLY else 30

#: The flow stands still for longer than Dataverse keeps changes; the mapping gets a field; all is sent again.
PAUSE, MAPPED, REPLAYED = range(DAYS // 2 - 1, DAYS // 2 + 8), DAYS // 3, DAYS - 5

SALUTATION = "  salutation:   salutation\n"


@pytest.fixture(scope="module")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """More people than usual, so that shares mean something."""
    with start_sandbox(tmp_path_factory.mktemp("ninety_days"), people=PEOPLE) as running:
        yield running


@pytest.mark.timeout(600)
def test_in_months_of_normal_life_the_guard_asks_nobody(
    airflow: RealAirflow, systems: Systems, no_waiting: None
) -> None:
    make_harsh(airflow)
    walk(airflow.mapping, "first")
    systems.forget()
    life = NormalLife(systems, seed=90)
    sums, runs, most, healed = Counter[str](), 0, 0.0, False
    for day in range(1, DAYS + 1):
        systems.control("POST", "/sandbox/clock", {"advance": 24 * 3600})
        life.day(day)
        if day == MAPPED:
            airflow.edit(SALUTATION, SALUTATION + "  cusNote:  {from: jobtitle, using: [trim]}\n")
        if day in PAUSE:
            continue
        # A question would end the test here: `walk` raises it.
        report = walk(airflow.mapping, f"day-{day}", replay=day == REPLAYED)
        tally = Counter(report["tally"])
        assert tally["extracted"] == tally.total() - tally["extracted"]
        most = max(most, tally["deleted"] / len(life.alive))
        healed |= any("no longer follows this flow's place" in note for note in report["notes"])
        sums += tally
        runs += 1
        if day % 15 == 0:
            assert not out_of_step(systems), f"on day {day}"
    assert not out_of_step(systems)
    assert noted(systems)
    assert healed, "the place should have expired in the pause"
    print(f"{DAYS} days, {runs} runs, {len(systems.contacts()):,} contacts, 0 questions of the guard")
    print("what happened:", ", ".join(f"{count:,} {what}" for what, count in life.happened.items()))
    print("the runs:", ", ".join(f"{count:,} {fate}" for fate, count in sums.items() if count))
    print(
        f"the run that deleted most took {100 * most:.1f} % of the records; {systems.engine_calls():,} engine calls"
    )
    assert sums["deleted"] > 100
    assert most > 0.02, "life was too quiet to prove anything"


def noted(systems: Systems) -> bool:
    """Whether the field that was mapped later holds what it should."""
    contacts = systems.contacts()
    return all(
        (row["cusNote"] or "") == (contacts[key]["jobtitle"] or "").strip()
        for key, row in systems.profiles().items()
    )
