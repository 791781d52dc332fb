"""O3, O4: export files with bad times and empty cells: no no is lost by them, and no yes is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.flows.objecting import EMAIL, Objecting, exported, refuse_in_dynamics, row
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.flows.test_comparing import Marketer
from tests.flows.test_opt_outs import BOTH, begun


@pytest.fixture
def objecting(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Objecting:
    return Objecting(airflow, systems)


def stamp(objecting: Objecting, key: str, attribute: str = "blackListEmail") -> datetime:
    """When Campaign says that an attribute was changed."""
    return datetime.fromisoformat(objecting.systems.profiles()[key][f"{attribute}LastModified"])


def written(at: datetime) -> str:
    """A time as export files have it."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize("modified", ["absent", "empty", "future"])
def test_a_yes_without_a_time_is_told_dynamics_no(
    objecting: Objecting, systems: Systems, modified: str
) -> None:
    """A profile that was made again holds its default: whether that is newer, its row cannot say."""
    one, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.walk("no")
    Marketer(systems).delete(one)
    Marketer(systems).add(externalId=one, email="n@alder.example")
    told = {"externalId": one, "blackListEmail": "0", "blackListPhone": "0"}
    if modified != "absent":
        told["lastModified"] = written(datetime.now(UTC) + timedelta(hours=2)) if modified == "future" else ""
    objecting.put("optout_20260412_000000.csv", exported(told))
    report = objecting.walk("made again")
    assert report["told"] == {"campaign opt-outs": 1}
    assert report["rejected"] == ({"time": 1} if modified == "future" else {})
    assert objecting.noes() == {one: BOTH}


def test_a_yes_without_a_time_lifts_no_no_that_dynamics_could_not_be_told(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    with monkeypatch.context() as patch:
        refuse_in_dynamics(patch, one)
        assert objecting.walk("refused")["rejected"] == {"Dynamics": 1}
    told = {"externalId": one, "blackListEmail": "0", "blackListPhone": "0"}
    objecting.put("optout_20260412_000000.csv", exported(told))
    assert objecting.walk("untimed")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH}


def test_a_yes_with_a_time_of_its_own_needs_no_time_of_its_profile(objecting: Objecting) -> None:
    one, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.walk("no")
    objecting.later(600)
    objecting.campaign(one, **{EMAIL: False})
    told = {"externalId": one, "blackListEmail": "0", "blackListPhone": "0"}
    told["blackListEmailLastModified"] = written(stamp(objecting, one))
    objecting.put("optout_20260412_000000.csv", exported(told))
    assert objecting.walk("yes")["told"] == {"dynamics opt-ins": 1}
    assert objecting.noes() == {}


def test_in_the_hour_that_comes_twice_a_no_is_not_older_than_a_yes(objecting: Objecting) -> None:
    """02:45 in summer time, and 25 minutes later, in winter time, 02:10."""
    one, two, *_ = begun(objecting).people
    objecting.edit("  expected_every: ~\n", "  expected_every: ~\n  time_zone: Europe/Berlin\n")
    objecting.put(
        "optout_1.csv", exported(row(one, "0", "2025-10-26 02:45:00"), row(two, "0", "2025-10-26 02:45:00"))
    )
    objecting.walk("yes")
    stand_in = row(two, "1", "", "2025-10-26 02:10:00")
    objecting.put("optout_2.csv", exported(row(one, "1", "2025-10-26 02:10:00"), stand_in))
    assert objecting.walk("no")["told"] == {"dynamics opt-outs": 2}
    objecting.put("optout_3.csv", exported(row(one, "0", "2025-10-26 02:50:00")))
    assert "dynamics opt-ins" not in objecting.walk("yes in doubt")["told"]
    assert {one, two} == {key for key, (no, _) in objecting.said().items() if no}


@pytest.mark.parametrize("newer", ["no", "yes"])
def test_a_no_that_seems_older_than_a_yes_is_asked_of_in_campaign(
    objecting: Objecting, systems: Systems, newer: str
) -> None:
    """Its file is late, or its times are of a zone farther west than the mapping says."""
    one, *_ = objecting.people
    objecting.campaign(one, **{EMAIL: True})
    late = stamp(objecting, one)
    objecting.later()
    objecting.campaign(one, **{EMAIL: False})
    begun(objecting)
    if newer == "no":
        objecting.later(3600)
        objecting.campaign(one, **{EMAIL: True})
        late = stamp(objecting, one) - timedelta(hours=4)
    other, before = objecting.people[1], late - timedelta(days=3)
    objecting.put("optout_1.csv", exported(row(one, "1", written(late)), row(other, "0", written(before))))
    systems.forget()
    told = objecting.walk("older")["told"]
    assert systems.engine_calls() == 1
    assert told == ({"dynamics opt-outs": 1} if newer == "no" else {})
    assert objecting.noes() == ({one: BOTH} if newer == "no" else {})


def test_where_an_empty_cell_counts_as_no_both_sides_are_told(objecting: Objecting) -> None:
    objecting.edit("load: {resource", 'replace: {denyListEmail: {empty: "no"}}\nload: {resource')
    one, *_ = begun(objecting).people
    objecting.put("optout_1.csv", exported(row(one, "", "", "2026-04-12 00:00:00")))
    assert objecting.walk("empty")["told"] == {"campaign opt-outs": 1, "dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH}
    objecting.export()
    assert objecting.walk("echo")["told"] == {}
