"""O3, O4: refusals, systems that are away, runs beside each other; no no is lost, whatever comes together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from campaign_sync.consent.telling import _Chunk
from campaign_sync.errors import TransientError
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.hooks.dataverse_updates import Updated
from campaign_sync.run import clock

from tests.flows.objecting import EMAIL, FLOW, PHONE, Objecting, OnFoot, exported, row
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.flows.test_comparing import Marketer
from tests.flows.test_opt_out_histories import one_clock  # noqa: F401
from tests.flows.test_opt_outs import BOTH, begun


@pytest.fixture
def objecting(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Objecting:
    return Objecting(airflow, systems)


def refuse(patch: pytest.MonkeyPatch, key: str) -> None:
    """Have Dynamics refuse to change one contact."""
    write = DataverseHook.write_updates

    def refused(hook: Any, updates: Any) -> Any:
        yield from write(hook, [each for each in updates if each.key != key])
        yield [Updated(each.key, "rejected", "refused") for each in updates if each.key == key]

    patch.setattr(DataverseHook, "write_updates", refused)


def beside(objecting: Objecting, between: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A backfill over everybody, and what happens when it has planned and nothing is told yet; its report."""
    now = datetime.now(UTC)
    interval = (now - timedelta(days=30), now + timedelta(days=30))
    slow = OnFoot(objecting.mapping, "backfill", "backfill", interval)
    slow.read()
    slow.guard()
    tell = _Chunk.tell_dynamics

    def late(chunk: Any) -> None:
        monkeypatch.setattr(_Chunk, "tell_dynamics", tell)
        between()
        tell(chunk)

    monkeypatch.setattr(_Chunk, "tell_dynamics", late)
    slow.load()
    return slow.reconcile()


def test_a_backfill_wipes_out_no_no_that_a_run_beside_it_heard(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.systems.change({"id": one, "firstname": "Ines"})
    objecting.dynamics(**{EMAIL: {two: True}})
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()

    def scheduled() -> None:
        with monkeypatch.context() as patch:
            refuse(patch, one)
            assert objecting.walk("scheduled")["rejected"] == {"Dynamics": 1}

    report = beside(objecting, scheduled, monkeypatch)
    assert report["told"]["dynamics opt-outs"] == 1
    assert objecting.noes() == {one: BOTH, two: BOTH}
    assert not len(objecting.airflow.ledger().rejected(FLOW))


def test_a_backfill_that_can_tell_no_better_leaves_the_no_and_its_rejection(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = begun(objecting).people
    objecting.systems.change({"id": one, "firstname": "Ines"})
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    with monkeypatch.context() as patch:
        refuse(patch, one)
        beside(objecting, lambda: objecting.walk("scheduled") and None, monkeypatch)
    assert list(objecting.airflow.ledger().rejected(FLOW).index) == [one]
    assert objecting.walk("looked at again")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH}


def test_a_load_that_is_overtaken_again_and_again_is_tried_again(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    told = _Chunk.told
    consents = objecting.airflow.ledger().consents
    times = iter(range(100))

    def overtaken(chunk: Any) -> Any:
        kept = consents.known(FLOW, [one])
        again = kept[one]["denyListEmail"]._replace(told_at=datetime.now(UTC) + timedelta(days=next(times)))
        consents.keep(FLOW, "another", "sha", [(one, "denyListEmail", again)], datetime.now(UTC), read=kept)
        return told(chunk)

    with monkeypatch.context() as patch:
        patch.setattr(_Chunk, "told", overtaken)
        with pytest.raises(TransientError, match="another run kept something of 1 contacts each of the 5"):
            objecting.walk("overtaken")
    assert objecting.walk("alone")["tally"]["rejected"] == 0
    kept = consents.known(FLOW, [one])[one]["denyListEmail"]
    assert (kept.known.agreed, objecting.noes()) == (True, {one: BOTH})


@pytest.mark.usefixtures("one_clock")
def test_a_profile_that_was_found_missing_and_is_made_again_lifts_no_no(
    objecting: Objecting, systems: Systems
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.campaign(two, **{EMAIL: True})
    objecting.export()
    objecting.walk("no")
    objecting.later(600)
    for key in (one, two):
        Marketer(systems).delete(key)
    objecting.dynamics(**{PHONE: {one: True, two: True}})
    assert objecting.walk("missing")["tally"]["parked"] == 2
    objecting.later(600)
    objecting.make_profiles(one, two, blackListEmailLastModified=f"{clock.now():%Y-%m-%d %H:%M:%S}.000Z")
    objecting.later()
    objecting.export()
    assert "dynamics opt-ins" not in objecting.walk("made again")["told"]
    assert objecting.said()[one] == BOTH
    assert objecting.said()[two][0] is True  # a person's word to Campaign, of which no time is known any more
    assert objecting.noes(PHONE) == {one: BOTH, two: BOTH}
    objecting.later(600)
    objecting.campaign(one, **{EMAIL: False})
    objecting.export()
    assert objecting.walk("a person's yes")["told"]["dynamics opt-ins"] == 1
    assert objecting.said()[one] == (False, False)


def test_a_contact_of_whom_one_side_was_told_goes_on_waiting_for_the_other(
    objecting: Objecting, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = begun(objecting).everybody[-1]
    objecting.dynamics(**{PHONE: {late: True}})
    objecting.put("optout_20260412_000000.csv", exported(row(late, "1", "2026-04-12 00:00:00")))
    with monkeypatch.context() as patch:
        refuse(patch, late)
        assert objecting.walk("refused")["rejected"] == {"Dynamics": 1}
    objecting.make_profiles(late, blackListEmail=True)
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=1))
    systems.fault(system="dataverse", method="POST", path="[$]batch", do="status", status=503, times=None)
    with pytest.raises(TransientError):
        objecting.walk("away")
    systems.heal()
    assert (objecting.noes(), objecting.noes(PHONE)) == ({late: (False, True)}, {late: BOTH})
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=5))
    assert objecting.walk("there again")["told"] == {"dynamics opt-outs": 1}
    assert not len(objecting.airflow.ledger().rejected(FLOW))
