"""O1–O7: what people object to, on both sides; a no is never lost, and no yes is told that nobody said."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from campaign_sync.consent import telling
from campaign_sync.consent.file import load_opt_outs
from campaign_sync.errors import MappingError, QualityError, ReconcileError, TransientError
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.run import clock

from tests.flows.objecting import ASIDE, DONE, EMAIL, FLOW, PHONE, Objecting, OnFoot, exported, row
from tests.flows.on_foot import KILLED, die_at, in_a_process
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.flows.test_guard import person
from tests.sizes import NIGHTLY

BOTH = (True, True)


@pytest.fixture
def objecting(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Objecting:
    return Objecting(airflow, systems)


def fates(report: dict[str, Any]) -> dict[str, int]:
    """The counts that are not zero; they must add up."""
    counts = dict(report["tally"])
    assert counts["extracted"] == sum(counts.values()) - counts["extracted"], counts
    return {fate: count for fate, count in counts.items() if count}


def test_on_the_first_run_no_wins_and_the_report_lists_who_differed(
    objecting: Objecting, systems: Systems
) -> None:
    one, two, three, *_ = objecting.people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.later()
    objecting.campaign(one, **{EMAIL: False, PHONE: False})
    objecting.campaign(two, **{EMAIL: True})
    objecting.campaign(three, **{PHONE: True})
    run = objecting.run()
    assert run.ok, run.errors
    assert objecting.noes() == {one: BOTH, two: BOTH}
    assert objecting.noes(PHONE) == {three: BOTH}
    assert run.report is not None
    assert run.report["told"] == {"campaign opt-outs": 1, "dynamics opt-outs": 2}
    assert sum(each["count"] for each in run.report["differed"].values()) == 3
    assert one in str(run.report["notes"])
    systems.forget()
    again = objecting.run()
    assert again.ok, again.errors
    assert not again.tally.get("updated")
    assert not objecting.writes()


def begun(objecting: Objecting) -> Objecting:
    """After a first run in which nobody objected."""
    assert objecting.walk("begin")["balanced"]
    objecting.later()
    return objecting


def test_an_opt_out_goes_each_way_and_comes_back_as_news_nowhere(
    objecting: Objecting, systems: Systems
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.campaign(two, **{PHONE: True})
    objecting.export()
    report = objecting.walk("there")
    assert report["told"] == {"campaign opt-outs": 1, "dynamics opt-outs": 1}
    assert (objecting.noes(), objecting.noes(PHONE)) == ({one: BOTH}, {two: BOTH})
    assert objecting.files() == []
    objecting.later()
    objecting.export()
    systems.forget()
    echo = objecting.walk("echo")
    assert echo["tally"]["extracted"] > 0
    assert fates(echo).keys() == {"extracted", "unchanged"}
    assert not objecting.writes()


def test_the_newer_yes_of_campaign_wins_and_the_newer_yes_of_dynamics_does_not(
    objecting: Objecting,
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True, two: True}})
    assert fates(objecting.walk("no"))["updated"] == 2
    objecting.later()
    objecting.campaign(one, **{EMAIL: False})
    objecting.dynamics(**{EMAIL: {two: False}})
    objecting.export()
    report = objecting.walk("yes")
    assert report["told"] == {"dynamics opt-ins": 1, "dynamics opt-outs": 1}
    assert objecting.noes() == {two: BOTH}


def test_a_yes_of_campaign_that_dynamics_has_overruled_since_does_not_win(objecting: Objecting) -> None:
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    objecting.walk("no")
    objecting.later()
    objecting.campaign(one, **{EMAIL: False})
    objecting.later()
    objecting.dynamics(**{PHONE: {one: True}})  # the record is newer now, whatever was changed in it
    objecting.export()
    report = objecting.walk("newer record")
    assert objecting.noes() == {one: BOTH}
    assert report["told"]["campaign opt-outs"] == 2


def at(objecting: Objecting, hours: float) -> str:
    """A time of the sandbox's clock so many hours from now, as exports write it."""
    now = datetime.fromisoformat(objecting.systems.control("GET", "/sandbox/clock")["now"])
    return f"{now + timedelta(hours=hours):%Y-%m-%d %H:%M:%S}"


def test_files_count_in_the_order_of_what_they_say_and_once(objecting: Objecting, systems: Systems) -> None:
    one, two, *_ = begun(objecting).people
    long_ago, ago = at(objecting, -5), at(objecting, -4)
    new = [row(one, "1", ago), row(two, "0", ago), row(one.upper(), "1", ago)]
    old = [row(one, "0", long_ago), row(two, "0", long_ago)]
    objecting.put("optout_20260412_000000.csv", exported(*new, row("")))
    first = objecting.walk("newer first")
    assert fates(first) == {"extracted": 4, "dropped": 1, "updated": 1, "unchanged": 2}
    objecting.put("optout_20260411_000000.csv", exported(*old))
    objecting.put("optout_20260413_000000.csv", exported(*new))
    systems.forget()
    assert fates(objecting.walk("older later")).keys() == {"extracted", "unchanged"}
    assert not objecting.writes()
    assert objecting.noes()[one][0] is True
    assert objecting.noes().keys() == {one}
    assert len(objecting.files(DONE)) == 3


def test_a_file_that_cannot_be_read_is_set_aside_and_a_row_never_becomes_a_yes(objecting: Objecting) -> None:
    one, two, three, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {two: True}})
    objecting.walk("no")
    assert objecting.noes(PHONE) == {}
    objecting.later()
    rows = [
        row(one, "Yes", "yesterday", at(objecting, -1)), row(two, "no", at(objecting, 5), at(objecting, -1)),
        row(three, "Nein", at(objecting, -1), phone="1"),
    ]  # fmt: skip
    objecting.put("optout_20260412_000000.csv", exported(*rows))
    report = objecting.walk("bad rows")
    assert report["rejected"] == {"denyListEmail": 1, "time": 2}
    assert report["samples"]["denyListEmail"] == ["optout_20260412_000000.csv:row 3"]
    assert objecting.noes() == {one: (True, False), two: BOTH}
    assert objecting.noes(PHONE) == {three: (True, False)}  # the no beside the cell that cannot be read
    objecting.edit(
        "watch:", "owner: others\nwatch:"
    )  # whatever was judged by the old mapping is looked at again
    objecting.put("optout_20260413_000000.csv", "Number,Name\n1,x\n")
    with pytest.raises(QualityError, match="1 of 1 files cannot be used"):
        objecting.walk("bad file")
    assert [name[:22] for name in objecting.files(ASIDE)] == ["optout_20260413_000000"]
    assert objecting.noes() == {one: (True, False), two: BOTH}


def test_a_first_try_with_few_rows_tells_few_on_both_sides(objecting: Objecting) -> None:
    objecting.dynamics(**{EMAIL: dict.fromkeys(objecting.people, True)})
    report = objecting.walk("try", limit=3)
    assert fates(report) == {"extracted": 3, "updated": 3}
    assert fates(objecting.walk("whole"))["updated"] == 7


def test_campaign_is_heard_in_full_until_a_whole_run_has_ended_well(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, one, two = objecting.people
    objecting.campaign(one, **{EMAIL: True})
    objecting.walk("try", limit=3)
    with monkeypatch.context() as patch:
        patch.setattr(DataverseHook, "write_updates", lambda *_: pytest.fail("gone"))
        with pytest.raises(pytest.fail.Exception):
            objecting.walk("died")
    assert objecting.walk("whole")["told"] == {"dynamics opt-outs": 1}
    objecting.campaign(two, **{EMAIL: True})  # without an export
    assert "told" not in str(objecting.walk("changes")["notes"])
    pair = "\n  denyListPhone: {column: donotphone, no_is: true}"
    objecting.edit(pair, "")
    objecting.walk("a pair less")
    objecting.campaign(two, **{PHONE: True})
    objecting.edit("\nload: {", f"{pair}\nload: {{")
    objecting.walk("the pair again")
    assert (objecting.noes()[two], objecting.noes(PHONE)) == (BOTH, {two: BOTH})


@pytest.mark.parametrize("form", [{"replay": True}, {"run_type": "backfill"}])
def test_what_is_read_again_tells_no_yes(objecting: Objecting, form: dict[str, Any]) -> None:
    one, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.walk("no")
    objecting.later()
    objecting.campaign(one, **{EMAIL: False})
    if "run_type" in form:
        now = datetime.now(UTC)
        form = form | {"interval": (now - timedelta(days=1), now + timedelta(days=30))}
    report = objecting.walk("again", **form)
    assert "opt-ins" not in str(report["told"])
    assert objecting.said()[one][0] is True
    objecting.export()
    assert objecting.walk("news")["told"] == {"dynamics opt-ins": 1}
    assert objecting.said()[one] == (False, False)


def test_a_no_waits_for_the_profile_and_is_told_when_there_is_one(objecting: Objecting) -> None:
    begun(objecting)
    waiting, known_to_rows = objecting.everybody[-2:]
    objecting.dynamics(**{EMAIL: {waiting: True}, PHONE: {known_to_rows: True}})
    report = objecting.walk("parked")
    assert fates(report)["parked"] == 2
    objecting.make_profiles(waiting)
    objecting.later()
    objecting.export()
    report = objecting.walk("told")
    assert objecting.noes() == {waiting: BOTH}
    assert set(objecting.airflow.ledger().parked(FLOW).index) == {known_to_rows}
    assert report["told"] == {"campaign opt-outs": 1}


def test_a_contact_that_is_gone_is_dropped_and_forgotten(objecting: Objecting, systems: Systems) -> None:
    one, two, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    systems.delete(one, two)
    report = objecting.walk("gone")
    assert report["dropped"] == {"deleted in Dynamics": 2, "no such contact": 2}
    assert objecting.airflow.ledger().consents.known(FLOW, [one, two]) == {}
    assert one not in systems.contacts()


def test_a_no_of_a_contact_that_is_filtered_out_counts_once_it_passes(objecting: Objecting) -> None:
    objecting.edit(
        "load: {resource", "filter: {all: [{name: ours, column: department, equals: Sales}]}\nload: {resource"
    )
    one, two, *_ = objecting.people
    objecting.systems.change({"id": two, "department": "Sales"})
    begun(objecting)
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    assert objecting.walk("filtered out")["dropped"]["ours"] >= 1
    assert objecting.noes() == {one: (False, True)}
    assert objecting.airflow.ledger().consents.undecided(FLOW, 10) == []
    objecting.systems.change({"id": one, "department": "Sales"})
    assert objecting.walk("passes")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH}


def test_a_no_of_a_contact_that_is_not_shown_for_a_while_is_told_later(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    by_keys = DataverseHook.by_keys

    def hiding(hook: Any, table: Any, columns: Any, keys: Any) -> Any:
        return by_keys(hook, table, columns, [key for key in keys if key != one])

    with monkeypatch.context() as patch:
        patch.setattr(DataverseHook, "by_keys", hiding)
        assert objecting.walk("hidden")["dropped"] == {"no such contact": 1}
    objecting.systems.change({"id": one, "firstname": "Ines"})
    assert objecting.walk("shown")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH}


def test_a_no_that_was_refused_outlives_that_its_contact_is_not_shown_under_a_changed_mapping(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    write, by_keys = DataverseHook.write_updates, DataverseHook.by_keys

    def overtaken(hook: Any, updates: Any) -> Any:
        objecting.systems.change({"id": one, "firstname": "Ines"})
        return write(hook, updates)

    def hiding(hook: Any, table: Any, columns: Any, keys: Any) -> Any:
        return by_keys(hook, table, columns, [key for key in keys if key != one])

    with monkeypatch.context() as patch:
        patch.setattr(DataverseHook, "write_updates", overtaken)
        assert objecting.walk("refused")["rejected"] == {"changed by another": 1}
    objecting.edit("What people object to.", "What people say no to.")
    with monkeypatch.context() as patch:
        patch.setattr(DataverseHook, "by_keys", hiding)
        for number in range(2):
            assert objecting.walk(f"hidden {number}")["dropped"] == {"no such contact": 1}
    assert not objecting.airflow.ledger().unsettled(FLOW, load_opt_outs(objecting.mapping).sha, 1)
    objecting.systems.change({"id": one, "firstname": "Ina"})
    assert objecting.walk("shown")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH}


def test_a_contact_that_changes_while_it_is_told_is_read_and_decided_anew(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.walk("no")
    objecting.later()
    objecting.campaign(one, **{EMAIL: False})
    objecting.campaign(two, **{EMAIL: True})
    objecting.export()
    write = DataverseHook.write_updates
    changes = iter([{PHONE: {one: True}}, {PHONE: {two: True}}])

    def late(hook: Any, updates: Any) -> Any:
        objecting.later()
        if change := next(changes, None):
            objecting.dynamics(**change)
        return write(hook, updates)

    monkeypatch.setattr(DataverseHook, "write_updates", late)
    report = objecting.walk("race")
    # The record of the first is newer now than Campaign's yes.
    assert objecting.noes() == {one: BOTH, two: BOTH}
    assert "dynamics opt-ins" not in report["told"]


def test_a_contact_that_never_rests_is_rejected_and_told_by_the_next_run(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    write = DataverseHook.write_updates

    def late(hook: Any, updates: Any) -> Any:
        objecting.systems.change({"id": one, "firstname": "Ines"})
        return write(hook, updates)

    with monkeypatch.context() as patch:
        patch.setattr(DataverseHook, "write_updates", late)
        report = objecting.walk("restless")
    assert report["rejected"] == {"changed by another": 1}
    assert objecting.walk("calm")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH}
    assert not len(objecting.airflow.ledger().rejected(FLOW))


def test_a_no_that_was_refused_often_is_told_once_the_reason_is_mended(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    objecting.edit("load: {", "reconcile: {told_within: ~}\nload: {")
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    days = iter(range(100))
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=next(days)))
    write = DataverseHook.write_updates

    def refused(hook: Any, updates: Any) -> Any:
        objecting.systems.change({"id": one, "firstname": "Ines"})
        return write(hook, updates)

    with monkeypatch.context() as patch:
        patch.setattr(DataverseHook, "write_updates", refused)
        for number in range(7):
            report = objecting.walk(f"refused {number}")
            assert report["rejected"] == {"changed by another": 1}
    assert "1 contacts wait to be told a no, the longest since" in str(report["notes"])
    report = objecting.walk("mended")
    assert report["told"] == {"dynamics opt-outs": 1}
    assert "wait" not in str(report["notes"])


def test_a_no_for_a_profile_that_no_flow_makes_is_told_once_it_is_there(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = begun(objecting).everybody[-1]
    objecting.dynamics(**{EMAIL: {one: True}})
    assert fates(objecting.walk("parked"))["parked"] == 1
    objecting.make_profiles(one)
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=1))
    assert objecting.walk("told")["told"] == {"campaign opt-outs": 1}
    assert objecting.noes() == {one: BOTH}


def with_a_yes_that_waits(objecting: Objecting) -> str:
    """A contact whose yes in Campaign was held back by the run that also told a no of another."""
    one, two, *_ = begun(objecting).people
    objecting.edit("opt_ins: 1000", "opt_ins: 0")
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.walk("no")
    objecting.later()
    objecting.campaign(one, **{EMAIL: False})
    objecting.campaign(two, **{EMAIL: True})
    objecting.export()
    with pytest.raises(QualityError, match="1 contacts would be opted in, and 0 may be: nobody was"):
        objecting.walk("held back")
    assert objecting.noes() == {one: (True, False), two: BOTH}
    return one


def test_opt_ins_wait_for_a_person_and_hold_up_no_later_run(objecting: Objecting) -> None:
    one = with_a_yes_that_waits(objecting)
    two, three = objecting.people[1:3]
    assert objecting.files() == []
    objecting.later()
    objecting.dynamics(**{EMAIL: {three: True}})
    report = objecting.walk("next")
    assert report["tally"]["extracted"] < len(objecting.everybody), "the place in the change feed has moved"
    assert report["told"] == {"campaign opt-outs": 1}
    assert objecting.noes() == {one: (True, False), two: BOTH, three: BOTH}
    objecting.later()
    objecting.export()  # Campaign says it once more
    assert "opt-ins" not in str(objecting.walk("no news")["told"])
    assert objecting.said()[one] == (True, False)
    with pytest.raises(QualityError, match="1 of 60 contacts would be opted in"):
        objecting.walk("asked", decide=True)
    run = OnFoot(objecting.mapping, "answered", decide=True)
    run.read()
    assert one in run.guard(answer=True).body
    run.load()
    assert run.reconcile()["told"] == {"dynamics opt-ins": 1}
    assert objecting.noes() == {two: BOTH, three: BOTH}
    assert objecting.walk("decided", decide=True)["tally"]["updated"] == 0


@pytest.mark.parametrize("answer", ["Approve", "Reject"])
def test_a_person_decides_about_opt_ins_in_required_actions_and_opt_outs_are_told_before(
    objecting: Objecting, answer: str
) -> None:
    one = with_a_yes_that_waits(objecting)
    three = objecting.people[2]
    objecting.later()
    objecting.dynamics(**{EMAIL: {three: True}})
    before: list[Any] = []
    with person(answer, lambda: before.append(objecting.said())) as someone:
        run = objecting.run(decide=True)
    ((task, subject, body, _),) = someone.asked
    assert (task, subject) == ("guard", "opt_outs: 1 opt_ins?")
    assert "1 contacts would be opted in" in body
    assert f"`{one}`" in body
    assert "The opt-outs of this run have been told already" in body
    assert "no answer within 15m" in body
    assert (before[0][one], before[0][three]) == ((True, False), BOTH)
    approved = answer == "Approve"
    assert run.ok == approved, run.errors
    assert ("a person refused this" in run.errors) == (not approved)
    assert objecting.said()[three] == BOTH
    assert objecting.said()[one] == (not approved, False)
    if approved:
        assert run.report is not None
        assert run.report["told"] == {"campaign opt-outs": 1, "dynamics opt-ins": 1}
    else:
        assert objecting.walk("later")["told"] == {}


def test_a_yes_that_waits_loses_to_a_later_no_and_no_replay_tells_it(objecting: Objecting) -> None:
    one = with_a_yes_that_waits(objecting)
    assert "opt-ins" not in str(objecting.walk("replay", replay=True, decide=True)["told"])
    assert objecting.said()[one] == (True, False)
    objecting.later()
    objecting.dynamics(**{PHONE: {one: True}})  # the record is newer now, whatever was changed in it
    assert objecting.walk("newer record")["told"] == {"campaign opt-outs": 2}
    assert objecting.said()[one] == BOTH
    assert objecting.walk("nothing left", decide=True)["told"] == {}


def test_only_to_campaign_dynamics_lifts_what_it_asked_for_and_nothing_else(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = lambda: datetime.fromisoformat(objecting.systems.control("GET", "/sandbox/clock")["now"])  # noqa: E731
    monkeypatch.setattr(clock, "now", now)
    objecting.edit("direction: both", "direction: to_campaign")
    ours, theirs, both, *_ = begun(objecting).people
    objecting.campaign(theirs, **{EMAIL: True})
    objecting.campaign(both, **{EMAIL: True})
    objecting.later(600)
    objecting.dynamics(**{EMAIL: {ours: True, both: True}})
    assert objecting.walk("no")["told"] == {"campaign opt-outs": 2}
    assert objecting.noes() == {ours: BOTH, theirs: (False, True), both: BOTH}
    objecting.later(600)
    objecting.edit("opt_ins: 1000", "opt_ins: 0")
    objecting.dynamics(**{EMAIL: {ours: False, both: False, theirs: False}})
    with pytest.raises(QualityError, match="2 contacts would be opted in, and 0 may be"):
        objecting.walk("held back")
    objecting.edit("opt_ins: 0", "opt_ins: 1000")
    assert objecting.walk("yes", decide=True)["told"] == {"campaign opt-ins": 1}
    assert objecting.noes() == {theirs: (False, True), both: (False, True)}


def test_only_to_dynamics_campaign_is_never_written(objecting: Objecting, systems: Systems) -> None:
    objecting.edit("direction: both", "direction: to_dynamics")
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.campaign(two, **{EMAIL: True})
    objecting.export()
    systems.forget()
    assert objecting.walk("one way")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: (True, False), two: BOTH}
    assert systems.campaign_writes() == {}


def test_a_pair_that_is_added_is_heard_on_both_sides_and_no_wins(objecting: Objecting) -> None:
    one, two, *_ = begun(objecting).people
    objecting.dynamics(donotfax={one: True})
    objecting.campaign(two, **{PHONE: False})
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.writes import Write

    hook = CampaignHook()
    assert [*hook.write(hook.resource("profile"), "externalId", [Write("amend", two, {"denyListFax": True})])]
    objecting.edit("load: {", "  denyListFax: {column: donotfax, no_is: true}\nload: {")
    report = objecting.walk("new pair")
    assert report["told"]["campaign opt-outs"] >= 1
    profiles, contacts = objecting.systems.profiles(), objecting.systems.contacts()
    assert profiles[one]["blackListFax"]
    assert contacts[two]["donotfax"]


def test_a_pair_that_is_removed_and_added_again_is_at_first_sight(objecting: Objecting) -> None:
    one, two, *_ = begun(objecting).people
    objecting.campaign(one, **{PHONE: True})
    objecting.export()
    objecting.walk("no")
    assert objecting.noes(PHONE) == {one: BOTH}
    pair = "  denyListPhone: {column: donotphone, no_is: true}\n"
    objecting.edit(pair, "")
    objecting.walk("without")
    objecting.later()
    objecting.campaign(one, **{PHONE: False})
    objecting.campaign(two, **{PHONE: True})
    objecting.later()
    objecting.edit("load: {", f"{pair}load: {{")
    assert "opt-ins" not in str(objecting.walk("again")["told"])
    assert objecting.noes(PHONE) == {one: BOTH, two: BOTH}


class Death(NamedTuple):
    """Where a process dies: before or after the nth call of a function of the package."""

    where: str
    module: str
    owner: str
    name: str
    nth: int = 1
    before: bool = False


DEATHS = [
    Death("while rows are read", "rows.batch", "Batch", "write", nth=4),
    Death("before Dynamics is told", "hooks.dataverse", "DataverseHook", "write_updates", before=True),
    Death("while Campaign is told", "hooks.campaign_writes", "Writer", "write", nth=2, before=True),
    Death(
        "when all are told and nothing is remembered",
        "ledger.consent",
        "Consents",
        "keep",
        nth=2,
        before=True,
    ),
    Death("when it is remembered", "ledger.consent", "Consents", "keep", nth=2),
    Death("before the files are remembered", "ledger.events", "Events", "remember", before=True),
    Death("before the files are moved", "ledger.events", "Events", "remember"),
    Death("before the place is moved", "ledger.ledger", "Ledger", "end_run", before=True),
]


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.where)
def test_a_run_that_is_killed_loses_no_no_and_tells_no_yes(
    request: pytest.FixtureRequest,
    airflow: RealAirflow,
    systems: Systems,
    no_waiting: None,
    death: Death,
    ledger: str,
) -> None:
    if ledger == "postgres":
        if death is not DEATHS[3] and not NIGHTLY:
            pytest.skip("on Postgres, one death is enough by day")
        airflow.use_ledger(request.getfixturevalue("postgres"))
    from importlib import import_module

    objecting = begun(Objecting(airflow, systems))
    one, two, three, four, *_ = objecting.people
    objecting.dynamics(**{EMAIL: {one: True, two: True, three: True}})
    objecting.campaign(four, **{PHONE: True})
    objecting.export()
    owner = getattr(import_module(f"campaign_sync.{death.module}"), death.owner)

    def dying() -> None:
        die_at(owner, death.name, death.nth, before=death.before)
        objecting.walk("killed")

    assert os.waitstatus_to_exitcode(os.waitpid(in_a_process(dying), 0)[1]) == KILLED
    objecting.walk("next")
    assert objecting.noes() == {one: BOTH, two: BOTH, three: BOTH}
    assert objecting.noes(PHONE) == {four: BOTH}
    assert objecting.files() == []
    systems.forget()
    assert "updated" not in fates(objecting.walk("after"))
    assert not objecting.writes()


def test_a_yes_between_two_noes_that_is_read_last_lifts_neither(objecting: Objecting) -> None:
    one, *_ = begun(objecting).people
    first, between, last = (at(objecting, hours) for hours in (1, 2, 3))
    objecting.later(4 * 3600)
    for name, flag, when in (("11", "1", first), ("13", "1", last), ("12", "0", between)):
        objecting.put(f"optout_202604{name}_000000.csv", exported(row(one, flag, when)))
        report = objecting.walk(name)
    assert objecting.noes()[one][0] is True
    assert "opt-ins" not in str(report["told"])


def test_the_filter_the_meaning_of_a_column_and_of_an_empty_one_hold_for_both_sides(
    objecting: Objecting, systems: Systems
) -> None:
    objecting.edit("donotphone, no_is: true", "creditonhold, no_is: false")
    objecting.edit(
        "load: {resource", "filter: {all: [{name: ours, column: department, equals: Sales}]}\nload: {resource"
    )
    one, two, three, four, *others = objecting.people
    systems.change(*({"id": key, "department": "Sales", "creditonhold": True} for key in (one, two, four)))
    systems.change(*({"id": key, "creditonhold": False, EMAIL: True} for key in others))
    systems.change({"id": four, "creditonhold": False})
    objecting.campaign(two, **{PHONE: True})
    objecting.campaign(three, **{PHONE: True})
    report = objecting.walk("first")
    profiles, contacts = systems.profiles(), systems.contacts()
    assert report["told"] == {"campaign opt-outs": 1, "dynamics opt-outs": 1}
    assert (contacts[two]["creditonhold"], bool(profiles[four]["blackListPhone"])) == (0, True)
    assert contacts[one]["creditonhold"] == 1
    assert report["dropped"] == {"ours": 57}
    assert not any(profiles[key]["blackListEmail"] for key in others)


def test_a_dry_run_says_what_would_be_told_and_tells_nobody(objecting: Objecting, systems: Systems) -> None:
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.campaign(two, **{EMAIL: True})
    objecting.export()
    systems.forget()
    report = objecting.walk("dry", dry_run=True)
    assert report["told"] == {"campaign opt-outs": 1, "dynamics opt-outs": 1}
    assert not objecting.writes()
    assert len(objecting.files()) == 1
    assert objecting.walk("wet")["told"] == report["told"]


def test_a_mapping_that_does_not_fit_reads_nothing(objecting: Objecting, systems: Systems) -> None:
    objecting.edit("donotphone", "lastname")
    with pytest.raises(MappingError, match=r"pairs.denyListPhone.column: lastname is no Yes/No column"):
        objecting.walk("misfit")
    assert not objecting.writes()


@pytest.mark.parametrize(
    ("broken", "asked"), [("dynamics", ("POST", "[$]batch")), ("campaign", ("PATCH", "/profile"))]
)
def test_trouble_of_one_side_keeps_no_no_from_the_other(
    objecting: Objecting,
    systems: Systems,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    asked: tuple[str, str],
) -> None:
    first, second, *_ = begun(objecting).people
    monkeypatch.setattr(telling, "CHUNK", 1)
    of_campaign, of_dynamics = (first, second) if broken == "dynamics" else (second, first)
    objecting.campaign(of_campaign, **{EMAIL: True})
    objecting.dynamics(**{EMAIL: {of_dynamics: True}})
    objecting.export()
    system = {"dynamics": "dataverse"}.get(broken, broken)
    systems.fault(system=system, method=asked[0], path=asked[1], do="status", status=503, times=None)
    with pytest.raises(TransientError):
        objecting.walk("in trouble")
    there, untold = (of_dynamics, of_campaign) if broken == "dynamics" else (of_campaign, of_dynamics)
    assert objecting.noes()[there] == BOTH
    assert objecting.noes()[untold] != BOTH
    systems.heal()
    assert objecting.walk("healed")["balanced"]
    assert objecting.noes() == {first: BOTH, second: BOTH}


def test_a_contact_that_cannot_be_decided_anew_is_told_nowhere(
    objecting: Objecting, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.dynamics(**{PHONE: {one: True, two: True}})
    objecting.export()
    write = DataverseHook.write_updates

    def late(hook: Any, updates: Any) -> Any:
        objecting.dynamics(**{PHONE: {one: False}})
        for some in write(hook, updates):
            systems.fault(system="dataverse", do="status", status=503, times=None)
            yield some

    with monkeypatch.context() as patch:
        patch.setattr(DataverseHook, "write_updates", late)
        with pytest.raises(TransientError):
            objecting.walk("changed")
    systems.heal()
    assert objecting.noes(PHONE) == {two: BOTH}


def test_when_campaign_was_told_is_when_it_answered(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.campaign(two, **{EMAIL: True})
    objecting.export()
    now, write, late = clock.now, DataverseHook.write_updates, timedelta(minutes=10)

    def slow(hook: Any, updates: Any) -> Any:
        yield from write(hook, updates)
        monkeypatch.setattr(clock, "now", lambda: now() + late)

    monkeypatch.setattr(DataverseHook, "write_updates", slow)
    before = now()
    objecting.walk("slow")
    kept = objecting.airflow.ledger().consents.known(FLOW, [one])[one]["denyListEmail"]
    assert kept.told_at is not None
    assert kept.told_at >= before + late


def test_a_dry_run_that_read_nothing_is_not_remembered(objecting: Objecting) -> None:
    for dry_run in (True, False):
        run = OnFoot(objecting.mapping, f"dry run: {dry_run}", dry_run=dry_run)
        run.batches = None  # type: ignore[assignment]  # what a failed extract leaves
        with pytest.raises(ReconcileError, match="extract did not finish"):
            run.reconcile()
    assert [each.run_id for each in objecting.airflow.ledger().runs(FLOW)] == ["dry run: False"]


def test_only_a_run_that_looks_for_files_says_that_none_came(objecting: Objecting) -> None:
    objecting.edit("expected_every: ~", "expected_every: 26h")
    begun(objecting)
    with sqlite3.connect(objecting.airflow.folder / "campaign_sync" / "ledger.db") as database:
        database.execute("UPDATE runs SET started = datetime(started, '-27 hours') || '.000000'")
    objecting.put("optout_20260412_000000.csv", exported(row(objecting.people[0])))
    assert objecting.walk("again", replay=True)["balanced"]
    assert objecting.walk("a few", limit=3)["balanced"]
    assert objecting.walk("with the file")["balanced"]
    with sqlite3.connect(objecting.airflow.folder / "campaign_sync" / "ledger.db") as database:
        database.execute("UPDATE export_files SET last_seen = datetime(last_seen, '-27 hours') || '.000000'")
    with pytest.raises(QualityError, match="no file of opt outs"):
        objecting.walk("without")
