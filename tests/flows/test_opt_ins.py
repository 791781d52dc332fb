"""O5: opt-ins that wait for a person: none goes unasked, and somebody is told of them."""

from __future__ import annotations

import pytest
from campaign_sync.errors import QualityError, ReconcileError

from tests.flows.objecting import EMAIL, Objecting, OnFoot
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.flows.test_comparing import Marketer
from tests.flows.test_opt_outs import begun


@pytest.fixture
def objecting(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Objecting:
    return Objecting(airflow, systems)


def taken_back(objecting: Objecting, people: list[str]) -> None:
    """These people said no in Dynamics, which both sides know, and then yes in Campaign, which a file says."""
    objecting.dynamics(**{EMAIL: dict.fromkeys(people, True)})
    objecting.walk(f"no {people[0]}")
    objecting.later()
    for key in people:
        objecting.campaign(key, **{EMAIL: False})
    objecting.export()


def test_opt_ins_that_were_held_back_do_not_go_a_few_at_a_time(
    objecting: Objecting, systems: Systems
) -> None:
    *many, one = begun(objecting).people[:4]
    objecting.edit("opt_ins: 1000", "opt_ins: 2")
    taken_back(objecting, many)
    with pytest.raises(QualityError, match="3 contacts would be opted in, and 2 may be: nobody was"):
        objecting.walk("held back")
    objecting.later()
    Marketer(systems).edit(many[0], firstName="Ines")
    taken_back(objecting, [one])
    report = objecting.walk("one of them, and another")
    assert report["told"] == {"dynamics opt-ins": 1}
    assert "1 contacts wait for a person to be opted in" in str(report["notes"])
    assert objecting.noes() == dict.fromkeys(many, (True, False))
    run = OnFoot(objecting.mapping, "decided", decide=True)
    run.read()
    assert run.guard(answer=True) is not None
    run.load()
    assert run.reconcile()["told"] == {"dynamics opt-ins": 3}
    assert objecting.noes() == {}


def test_opt_ins_that_are_held_back_are_told_of_also_where_the_run_fails_for_another_reason(
    objecting: Objecting,
) -> None:
    one, *_ = begun(objecting).people
    objecting.edit("opt_ins: 1000", "opt_ins: 0")
    taken_back(objecting, [one])
    run = OnFoot(objecting.mapping, "broken")
    run.read()
    run.guard()
    run.load()
    run.loaded = []
    with pytest.raises(ReconcileError, match=r"1 of 1 batches did not finish.* 1 contacts would be opted in"):
        run.reconcile()
    assert "1 contacts wait for a person" in str(objecting.walk("later")["notes"])


def test_a_yes_between_two_files_of_one_run_waits_for_a_person_and_holds_up_no_file(
    objecting: Objecting,
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.edit(
        "pairs:\n", "conflict: attribute\npairs:\n"
    )  # else our own no makes the record newer than the yes
    for no in (True, False):
        objecting.campaign(one, **{EMAIL: no})
        objecting.export()
        objecting.later()
    objecting.dynamics(**{EMAIL: {two: True}})
    with pytest.raises(QualityError, match="1 contacts would be opted in whom the guard did not see"):
        objecting.walk("no and yes")
    assert objecting.files() == []
    assert objecting.noes() == {one: (True, False), two: (True, True)}
    assert objecting.walk("later")["tally"]["extracted"] < len(objecting.everybody)
    run = OnFoot(objecting.mapping, "decided", decide=True)
    run.read()
    run.guard(answer=True)
    run.load()
    assert run.reconcile()["told"] == {"dynamics opt-ins": 1}
    assert objecting.noes() == {two: (True, True)}
