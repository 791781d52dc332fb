"""O4: who could not be told a no, for whatever reason, is told in the end, and people hear of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from campaign_sync.errors import MappingError, QualityError
from campaign_sync.run import clock

from tests.flows import objecting
from tests.flows.objecting import EMAIL, PHONE
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.flows.test_born_with_noes import noes, opt_outs
from tests.flows.test_comparing import Marketer


def test_a_profile_that_is_made_beside_the_flow_of_profiles_is_told_as_well(
    airflow: RealAirflow, systems: Systems, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    systems.delete_rejected()
    opt_outs(airflow)
    nobody = systems.add(firstname="N", donotbulkemail=True)  # without an address that flow makes no profile
    mapping = airflow.mappings / "opt_outs.yaml"
    objecting.walk(mapping, "first")
    assert nobody in airflow.ledger().parked("opt_outs").index
    Marketer(systems).add(externalId=nobody, email="n@alder.example")
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=1))
    assert objecting.walk(mapping, "a day later")["told"] == {"campaign opt-outs": 1}
    assert noes(systems.profiles()[nobody]) == {"blackListEmail"}


def test_a_run_is_red_when_somebody_waits_for_too_long_to_be_told_a_no(
    airflow: RealAirflow, systems: Systems, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = objecting.Objecting(airflow, systems)
    assert people.walk("begin")["balanced"]
    one, without_profile = people.people[0], people.everybody[-1]
    people.dynamics(**{PHONE: {without_profile: True}})  # who may never have one
    people.campaign(one, **{EMAIL: True})
    people.export()
    with monkeypatch.context() as patch:
        objecting.refuse_in_dynamics(patch, one)
        assert people.walk("refused")["rejected"] == {"Dynamics": 1}
        patch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=3))
        red = rf"1 contacts wait for more than 48 hours to be told a no \({one}\)"
        with pytest.raises(QualityError, match=red):
            people.walk("red")
        people.edit("load: {", "reconcile: {told_within: 7d}\nload: {")
        assert people.walk("patient")["balanced"]
    assert people.walk("mended")["told"] == {"dynamics opt-outs": 1}


@pytest.mark.parametrize("direction", ["both", "to_campaign"])
def test_a_column_that_cannot_be_written_is_an_error_where_it_would_be(
    airflow: RealAirflow, systems: Systems, no_waiting: None, direction: str
) -> None:
    """Dynamics would take the no and forget it: it would be told in every run, and never be there."""
    people = objecting.Objecting(airflow, systems)
    people.edit("direction: both", f"direction: {direction}")
    people.edit("donotphone", "merged")
    if direction == "both":
        with pytest.raises(
            MappingError, match=r"opt_outs.yaml:\d+: pairs.denyListPhone.column: merged cannot be written"
        ):
            people.walk("ignored")
        assert not people.writes()
    else:
        assert people.walk("read")["balanced"]
