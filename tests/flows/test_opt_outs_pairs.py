"""O2–O4: a pair that means something else than before is heard for the first time; no wins."""

from __future__ import annotations

import pytest

from tests.flows.objecting import EMAIL, PHONE, Objecting
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.flows.test_opt_outs import BOTH, begun

PAIR = "\n  denyListPhone: {column: donotphone, no_is: true}"


@pytest.fixture
def objecting(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Objecting:
    found = Objecting(airflow, systems)
    found.dynamics(donotfax=dict.fromkeys(found.everybody, False))
    return found


def test_another_column_takes_back_no_no_that_was_told_for_the_one_before(objecting: Objecting) -> None:
    objecting.edit("direction: both", "direction: to_campaign")
    one, *_ = begun(objecting).people
    objecting.dynamics(**{PHONE: {one: True}})
    objecting.walk("no")
    objecting.later()
    objecting.edit("donotphone", "donotfax")
    for dry_run in (True, False):
        assert objecting.walk(f"column {dry_run}", dry_run=dry_run)["told"] == {}
    assert objecting.noes(PHONE) == {one: BOTH}


def test_a_yes_of_campaign_lifts_no_no_of_a_column_that_is_new(objecting: Objecting) -> None:
    one, *_ = objecting.people
    objecting.dynamics(donotfax={one: True})
    for no in (True, False):
        objecting.later()
        objecting.campaign(one, **{PHONE: no})
    begun(objecting)
    objecting.edit("donotphone", "donotfax")
    for dry_run in (True, False):
        assert objecting.walk(f"column {dry_run}", dry_run=dry_run)["told"] == {"campaign opt-outs": 1}
    assert objecting.noes(PHONE) == {one: (False, True)}


def test_a_column_that_is_read_the_other_way_round_is_heard_anew(objecting: Objecting) -> None:
    objecting.edit("donotphone, no_is: true", "creditonhold, no_is: false")
    people = objecting.people
    objecting.dynamics(creditonhold=dict.fromkeys(people, True))
    begun(objecting)
    objecting.edit("creditonhold, no_is: false", "creditonhold, no_is: true")
    objecting.walk("turned")
    profiles = objecting.systems.profiles()
    assert all(profiles[key]["blackListPhone"] for key in people)


def test_a_pair_that_comes_back_is_heard_for_the_first_time(objecting: Objecting) -> None:
    one, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}, PHONE: {one: True}})
    objecting.walk("no")
    objecting.edit(PAIR, "")
    objecting.walk("a pair less")
    objecting.later()
    objecting.campaign(one, **{PHONE: False})
    objecting.edit("\nload: {", f"{PAIR}\nload: {{")
    assert objecting.walk("again")["told"] == {"campaign opt-outs": 1}
    assert (objecting.noes(), objecting.noes(PHONE)) == ({one: BOTH}, {one: BOTH})
