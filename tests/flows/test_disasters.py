"""C4: disasters are stopped before anything in Campaign changes, and cost nothing once they are undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.disasters import GUARDED
from tests.flows.harsh_flow import make_harsh, out_of_step
from tests.flows.in_step import Disaster, InStep
from tests.flows.on_foot import Asked
from tests.flows.real_airflow import RealAirflow
from tests.flows.refusals import REFUSED
from tests.flows.systems import Systems
from tests.flows.test_guard import person
from tests.sandbox_process import Sandbox, start_sandbox

PEOPLE = 240

#: A field whose choice is replaced by its value, so that labels and values can be mixed up.
SALUTATION = "  salutation:   salutation\n"
STATUS = "  cusNickName:  {from: familystatuscode, picklist: value}\n"
WORDS = "replace:\n  cusNickName: {1: single, 2: married, 3: divorced, 4: widowed, otherwise: ''}\n"


@pytest.fixture(scope="module")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """More people than usual, so that shares mean something."""
    with start_sandbox(tmp_path_factory.mktemp("disasters"), people=PEOPLE) as running:
        yield running


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Another environment."""
    with start_sandbox(tmp_path_factory.mktemp("elsewhere"), people=PEOPLE, args=["--seed", "3"]) as running:
        yield running


def in_step(airflow: RealAirflow, systems: Systems, elsewhere: Sandbox) -> InStep:
    """A harsh flow after its first run."""
    make_harsh(airflow)
    airflow.edit(SALUTATION, SALUTATION + STATUS)
    airflow.edit("replace:\n", WORDS)
    return InStep(airflow, systems, elsewhere)


@pytest.fixture
def flow(airflow: RealAirflow, systems: Systems, elsewhere: Sandbox) -> InStep:
    """A flow of this test alone."""
    return in_step(airflow, systems, elsewhere)


@pytest.fixture(scope="module")
def handed_on() -> list[InStep]:
    """The flow that a test has left as it found it, for the next."""
    return []


@pytest.fixture(scope="module")
def patches() -> Iterator[pytest.MonkeyPatch]:
    """The environment of the flow that is handed on."""
    with pytest.MonkeyPatch.context() as patches:
        yield patches


@pytest.fixture
def used_flow(
    handed_on: list[InStep],
    patches: pytest.MonkeyPatch,
    airflow_home: Path,
    flows_sandbox: Sandbox,
    elsewhere: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
    capfd: pytest.CaptureFixture[str],
) -> InStep:
    """A flow that has seen other disasters; a new one after a test that failed."""
    flow = handed_on.pop() if handed_on else None
    if flow is not None and not out_of_step(flow.systems):
        return flow
    flows_sandbox.control("POST", "/sandbox/reset")
    folder = tmp_path_factory.mktemp("used_flow")
    airflow = RealAirflow(airflow_home, folder, patches, flows_sandbox.env, capfd)
    return in_step(airflow, Systems(flows_sandbox), elsewhere)


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("disaster", [*GUARDED, *REFUSED], ids=lambda disaster: disaster.script.__name__)
def test_a_disaster_is_stopped_changes_nothing_and_costs_nothing_once_it_is_undone(
    used_flow: InStep, handed_on: list[InStep], disaster: Disaster
) -> None:
    from campaign_sync.errors import SyncError

    flow, systems = used_flow, used_flow.systems
    how = disaster.script(flow) or {}
    profiles, link = systems.profiles(), flow.link()
    systems.forget()
    with pytest.raises(Asked if disaster.asks else SyncError) as stopped:
        flow.walk(**how)
    if disaster.asks:
        subject = stopped.value.question.subject
        assert [word.split()[-1] for word in subject.rstrip("?").split(", ")] == list(disaster.asks), subject
    else:
        assert disaster.refuses in str(stopped.value)
    assert systems.campaign_writes() == {}
    assert systems.engine_calls() == 0
    assert systems.profiles() == profiles
    assert flow.link() == link, "the place has moved"

    flow.undo()
    assert flow.walk()["balanced"]
    assert systems.engine_calls() == 0, "something was sent needlessly"
    assert systems.profiles() == profiles
    assert not out_of_step(systems)
    flow.walk()
    assert systems.engine_calls() == 0
    handed_on.append(flow)


def test_thirty_disasters_are_the_guards_business() -> None:
    print(f"{len(GUARDED)} disasters are stopped by the guard, {len(REFUSED)} before it comes to that")
    assert len(GUARDED) >= 30


@pytest.mark.parametrize("disaster", GUARDED[::12], ids=lambda disaster: disaster.script.__name__)
def test_a_disaster_waits_for_a_person_in_airflow(flow: InStep, systems: Systems, disaster: Disaster) -> None:
    conf = disaster.script(flow) or {}
    profiles, link = systems.profiles(), flow.link()
    systems.forget()
    with person("Reject") as someone:
        run = flow.airflow.run(**conf)
    assert run.state == "failed"
    assert "a person refused this" in run.errors
    assert len(someone.asked) == 1
    assert systems.engine_calls() == 0
    assert (systems.profiles(), flow.link()) == (profiles, link)
    flow.undo()
    assert flow.airflow.run().ok
    assert systems.engine_calls() == 0


# What the words of the mapping allow, the guard lets go: each run is judged alone. These are not among the disasters.


def test_four_in_a_hundred_a_day_are_never_asked_about(flow: InStep, systems: Systems) -> None:
    """A slow disaster: a week of it takes a quarter of the records."""
    for _ in range(7):
        left = sorted(systems.profiles())
        systems.delete(*left[: len(left) * 4 // 100])
        assert flow.walk()["balanced"]
    share = 1 - len(systems.profiles()) / len(flow.people)
    print(f"{100 * share:.0f} % of the records went in seven days of 4 %, and nobody was asked")
    assert 0.2 < share < 0.3


def test_two_harms_that_are_each_within_their_limit_are_not_added_up(flow: InStep, systems: Systems) -> None:
    deleted, emptied = flow.some(0.049), flow.some(0.23)[len(flow.some(0.049)) :]
    systems.delete(*deleted)
    flow.write(emptied, mobilephone=None, lastname=None)
    tally = flow.walk()["tally"]
    assert (tally["deleted"], tally["updated"] > len(emptied) / 2) == (len(deleted), True)


def test_wrong_values_are_not_empty_ones(flow: InStep, systems: Systems) -> None:
    """Checks are for that (`otherwise: stop`): the guard's words are deletes and blanks."""
    flow.edit(
        "gender:       {from: gendercode, picklist: value}",
        "gender:       {from: gendercode, picklist: label}",
    )
    flow.walk(replay=True)
    assert {row["gender"] for row in systems.profiles().values()} == {"unknown"}
