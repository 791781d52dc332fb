"""I12: a replay of any size, beside live changes, loses no place and never overwrites newer data with older."""

from __future__ import annotations

import pytest

from tests.flows.on_foot import OnFoot, walk
from tests.flows.people import People, between_pages
from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems

PEOPLE = 100


@pytest.fixture
def people(airflow: RealAirflow, systems: Systems) -> People:
    """A loaded flow without its slow checks, and people at work."""
    systems.delete_rejected()
    airflow.drop_checks()
    people = People(systems, seed=12)
    people.new(PEOPLE)
    airflow.begin()
    return people


@pytest.mark.usefixtures("smaller_batches")
def test_a_replay_beside_changes_and_live_runs_never_takes_campaign_back(
    airflow: RealAirflow, systems: Systems, people: People
) -> None:
    """Whenever a live run has ended and the replay's next batch has been written, Campaign is still as it should be."""
    lived = 0

    def live() -> None:
        nonlocal lived
        # The replay's batch before this one has overwritten nothing.
        assert not systems.differences()
        people.work()
        assert walk(airflow.mapping, f"live {lived}")["balanced"]
        lived += 1
        assert not systems.differences()

    replay = OnFoot(airflow.mapping, "replay", "manual", replay=True)
    with pytest.MonkeyPatch.context() as patch:
        between_pages(patch, live, "everything")
        replay.read()
    replay.guard()
    place = airflow.place()
    replay.load(between=live)
    assert not systems.differences()
    assert airflow.place() != place, "the live runs moved it"
    place = airflow.place()
    report = replay.reconcile()
    assert airflow.place() == place, "the replay did not"
    assert report["tally"]["extracted"] > PEOPLE
    print(f"{report['tally']['extracted']} rows sent again beside {lived} live runs: {report['notes']}")
    walk(airflow.mapping, "next")
    assert not systems.differences()
    systems.forget()
    assert walk(airflow.mapping, "quiet")["tally"]["extracted"] == 0
    assert systems.engine_calls() == 0
    assert airflow.ledger().counts(FLOW).in_doubt == 0


@pytest.mark.usefixtures("smaller_batches")
def test_a_replay_larger_than_so_many_batches_grows_them(
    airflow: RealAirflow, systems: Systems, people: People
) -> None:
    """Batches of one page: more pages than Airflow would map tasks."""
    airflow.monkeypatch.setattr("campaign_sync.run.run.max_batches", lambda: 4)
    replay = OnFoot(airflow.mapping, "replay", "manual", replay=True)
    replay.read()
    sizes = [batch["tally"]["extracted"] for batch in replay.batches]
    assert sum(sizes) == len(systems.contacts()) > 4 * sizes[0]
    assert len(sizes) <= 4
    replay.guard()
    replay.load()
    assert replay.reconcile()["tally"]["updated"] == len(systems.profiles())
    assert not systems.differences()
    assert people.calls == 0


@pytest.mark.usefixtures("smaller_batches", "people")
def test_a_run_that_is_too_large_after_all_says_which_setting_to_raise(airflow: RealAirflow) -> None:
    from campaign_sync.errors import RefusedError

    airflow.monkeypatch.setattr("campaign_sync.run.run.max_batches", lambda: 1)
    with pytest.raises(RefusedError, match=r"more than 1 batches, 20 rows.*Raise \[core\] max_map_length"):
        OnFoot(airflow.mapping, "replay", "manual", replay=True).read()
