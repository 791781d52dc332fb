"""O3, O4: what the times in an export file are good for: with a bad one no no is lost, and no yes is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.flows.objecting import EMAIL, Objecting, exported, refuse_in_dynamics
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
