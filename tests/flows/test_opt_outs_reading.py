"""O1, O2, O5: what a run of opt-outs reads, so that nobody's no is missed: who passes the filter, both sides in full,
contacts that are not shown, export files that cannot be fetched, are many or large.
"""

from __future__ import annotations

import weakref
from datetime import timedelta
from typing import Any

import pytest
from campaign_sync.again import Which, try_again
from campaign_sync.consent import run as consent_run
from campaign_sync.consent.file import load_opt_outs
from campaign_sync.consent.optout_file import OptOutFile
from campaign_sync.consent.setting import Feed
from campaign_sync.errors import QualityError, TransientError
from campaign_sync.exports import export_file
from campaign_sync.hooks import campaign_records
from campaign_sync.hooks.campaign_files import CampaignFilesHook
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.hooks.dataverse_updates import Updated
from campaign_sync.run import clock
from campaign_sync.run.work import find_work

from tests.flows.objecting import EMAIL, FLOW, PHONE, Objecting, exported, row
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

BOTH = (True, True)
LOAD = "load: {resource"
FILTER = f"filter: {{all: [{{name: ours, column: department, equals: Sales}}]}}\n{LOAD}"


@pytest.fixture
def objecting(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Objecting:
    return Objecting(airflow, systems)


def begun(objecting: Objecting) -> Objecting:
    """After a first run in which nobody objected."""
    assert objecting.walk("begin")["balanced"]
    objecting.later()
    return objecting


def test_a_contact_that_begins_to_pass_while_a_run_reads_is_not_missed(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    objecting.edit(LOAD, FILTER)
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{PHONE: False})  # a row for the file, which says nothing new
    objecting.export()
    by_keys = DataverseHook.by_keys
    asked: list[str] = []

    def changing(hook: Any, table: Any, columns: Any, keys: Any) -> Any:
        yield from by_keys(hook, table, columns, keys)
        if not asked:
            asked.append(one)
            objecting.systems.change({"id": one, "department": "Sales", EMAIL: True})

    monkeypatch.setattr(DataverseHook, "by_keys", changing)
    assert objecting.walk("not yet")["told"] == {}
    assert asked == [one]
    assert objecting.walk("passes")["told"] == {"campaign opt-outs": 1}
    assert objecting.noes() == {one: BOTH}


@pytest.mark.parametrize("wider", ["not_equals: Sales", ""])
def test_who_passes_a_wider_filter_is_heard_though_nobody_changed_the_contact(
    objecting: Objecting, wider: str
) -> None:
    objecting.edit(LOAD, FILTER)
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.campaign(two, **{EMAIL: True})
    objecting.export()
    assert objecting.walk("held back")["told"] == {}
    assert objecting.walk("nothing new")["tally"]["extracted"] == 0
    if wider:
        objecting.edit("equals: Sales", wider)
    else:
        objecting.edit(FILTER, LOAD)
    assert objecting.walk("wider")["told"] == {"campaign opt-outs": 1, "dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH, two: BOTH}
    assert objecting.walk("once")["tally"]["extracted"] <= 2, "only what was told comes back from the feed"


def test_contacts_that_pass_as_days_go_by_are_heard(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = objecting.people
    objecting.systems.change({"id": one, "birthdate": f"{clock.now():%Y-%m-%d}", EMAIL: True})
    days = "{all: [{name: grown up, column: birthdate, before: 30 days ago}]}"
    objecting.edit(LOAD, f"filter: {days}\n{LOAD}")
    begun(objecting)
    assert objecting.noes() == {one: (True, False)}
    later = clock.now() + timedelta(days=32)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert objecting.walk("a month later")["told"] == {"campaign opt-outs": 1}
    assert objecting.noes() == {one: BOTH}
    assert objecting.walk("the same day")["tally"]["extracted"] <= 1


def test_empty_cells_that_count_as_no_from_now_on_are_told(objecting: Objecting, systems: Systems) -> None:
    objecting.edit("donotphone, no_is: true", "new_newsletter, no_is: false")
    begun(objecting)
    contacts = systems.contacts()
    empty = {key for key in objecting.people if contacts[key]["new_newsletter"] is None}
    assert empty
    objecting.edit(LOAD, f'replace: {{denyListPhone: {{empty: "no"}}}}\n{LOAD}')
    assert objecting.walk("empty is no")["told"]["campaign opt-outs"] == len(empty)
    profiles = systems.profiles()
    assert empty <= {key for key in objecting.people if profiles[key]["blackListPhone"]}


def test_a_profile_that_is_made_while_its_contact_is_held_back_lifts_no_no(objecting: Objecting) -> None:
    late = objecting.everybody[-1]
    objecting.systems.change({"id": late, "department": "Sales"})
    objecting.edit(LOAD, FILTER)
    begun(objecting)
    objecting.systems.change({"id": late, "department": "Marketing", EMAIL: True})
    objecting.later()
    objecting.make_profiles(late)
    now = objecting.systems.control("GET", "/sandbox/clock")["now"]
    objecting.put("optout_20260412_000000.csv", exported(row(late, "0", now[:19].replace("T", " "))))
    assert objecting.walk("held back")["told"] == {}
    objecting.edit("equals: Sales", "not_equals: Sales")
    assert objecting.walk("wider")["told"] == {"campaign opt-outs": 1}
    assert objecting.noes() == {late: BOTH}


@pytest.mark.parametrize("place", ["kept", "expired"])
def test_a_contact_that_is_not_shown_is_not_forgotten_when_the_mapping_is_edited(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    with monkeypatch.context() as patch:
        refuse(patch, one)
        assert objecting.walk("refused")["rejected"] == {"Dynamics": 1}
    objecting.edit("watch:", "owner: others\nwatch:")
    if place == "expired":
        objecting.airflow.ledger().expire_place(FLOW)
    with monkeypatch.context() as patch:
        hide(patch, one)
        assert objecting.walk("hidden")["dropped"] == {"no such contact": 1}
    assert objecting.walk("shown")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH}


@pytest.mark.parametrize("rows", [[], [""], ["b0000000-0000-4000-8000-000000000001"]])
def test_a_file_that_speaks_of_no_contact_is_taken_under_a_filter_too(
    objecting: Objecting, rows: list[str]
) -> None:
    objecting.edit(LOAD, FILTER)
    begun(objecting)
    content = exported(*map(row, rows)) if rows else exported(row("")).splitlines()[0] + "\n"
    objecting.put("optout_20260412_000000.csv", content)
    assert objecting.walk("nobody")["tally"]["dropped"] == len(rows)
    assert objecting.files() == []


def test_contacts_that_are_looked_at_again_and_not_shown_stop_no_run_under_a_filter(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = objecting.people
    objecting.systems.change({"id": one, "department": "Sales"})
    objecting.edit(LOAD, FILTER)
    begun(objecting)
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    with monkeypatch.context() as patch:
        refuse(patch, one)
        assert objecting.walk("refused")["rejected"] == {"Dynamics": 1}
    later = clock.now() + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    with monkeypatch.context() as patch:
        hide(patch, one)
        assert objecting.walk("hidden")["dropped"] == {"no such contact": 1}


def test_a_contact_that_is_to_be_tried_again_is_work_until_a_run_has_looked(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{EMAIL: True})
    objecting.export()
    with monkeypatch.context() as patch:
        refuse(patch, one)
        assert objecting.walk("refused")["rejected"] == {"Dynamics": 1}
    assert work(objecting) is None
    ledger = objecting.airflow.ledger()
    assert try_again(ledger._database, FLOW, "opt_outs", Which()).rows == 1
    assert work(objecting) == "earlier runs left rows open"
    with monkeypatch.context() as patch:
        hide(patch, one)
        assert objecting.walk("hidden")["dropped"] == {"no such contact": 1}
        assert work(objecting) is None
    assert try_again(ledger._database, FLOW, "opt_outs", Which(key=one)).rows == 1
    assert objecting.walk("shown")["told"] == {"dynamics opt-outs": 1}
    assert ledger.unsettled(FLOW, load_opt_outs(objecting.mapping).sha, 10) == set()


def work(objecting: Objecting) -> str | None:
    """What the flow's watcher finds to do."""
    mapping = load_opt_outs(objecting.mapping)
    found = find_work(
        FLOW, mapping.sha, columns=Feed.of(mapping).columns(), parents=(),
        ledger=objecting.airflow.ledger(), dataverse=DataverseHook(),
    )  # fmt: skip
    return found and found.why


@pytest.mark.parametrize("away", ["connection", "folder"])
def test_what_dynamics_says_does_not_wait_for_the_sftp_area(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    one, two, *_ = begun(objecting).people
    objecting.dynamics(**{EMAIL: {one: True}})
    objecting.campaign(two, **{EMAIL: True})
    objecting.export()
    with monkeypatch.context() as patch:
        if away == "connection":
            error = TransientError(
                "Campaign SFTP", "/", None, "the connection was lost", "Airflow tries again"
            )
            patch.setattr(CampaignFilesHook, "_connected", lambda _: raised(error))
        else:
            objecting.edit("  table: contact\n", "  table: contact\n  done: d365_loads/nowhere\n")
        with pytest.raises(
            QualityError, match=r"export files were not read, as .*; what Dynamics says was told"
        ):
            objecting.walk("away")
    assert objecting.noes() == {one: BOTH, two: (False, True)}
    if away == "folder":
        objecting.edit("  done: d365_loads/nowhere\n", "")
    assert objecting.walk("back")["told"] == {"dynamics opt-outs": 1}
    assert objecting.noes() == {one: BOTH, two: BOTH}


def test_a_pile_of_files_is_taken_by_as_many_runs_as_it_needs(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = begun(objecting).people
    monkeypatch.setattr(consent_run, "max_batches", lambda: 5)
    for number, key in enumerate(people[:6]):
        objecting.campaign(key, **{EMAIL: True})
        objecting.put(f"optout_2026041{number}_000000.csv", exported(row(key, "1")))
    objecting.dynamics(**{EMAIL: {people[-1]: True}})
    first = objecting.walk("first")
    assert "3 files are left for the next run, as this one has no room for them" in first["notes"]
    assert first["told"] == {"campaign opt-outs": 1, "dynamics opt-outs": 3}
    assert objecting.walk("second")["told"] == {"dynamics opt-outs": 3}
    assert objecting.files() == []
    assert objecting.noes() == dict.fromkeys([*people[:6], people[-1]], BOTH)


def test_of_a_large_file_two_frames_at_most_are_in_memory_at_once(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_file, "ROWS", 2)
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []
    judged = OptOutFile.judged

    def counting(*args: Any) -> Any:
        sifted = judged(*args)
        made.append(weakref.ref(sifted.kept))
        alive.append(sum(each() is not None for each in made))
        return sifted

    begun(objecting)
    monkeypatch.setattr(OptOutFile, "judged", counting)
    objecting.put("optout_20260412_000000.csv", exported(*(row(key, "1") for key in objecting.people)))
    assert objecting.walk("large")["told"] == {"dynamics opt-outs": 10}
    assert len(alive) == 5
    assert max(alive) <= 2


def test_campaign_is_not_heard_in_full_while_it_lists_less_than_it_has(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = objecting.people
    objecting.campaign(one, **{EMAIL: True})
    fetched = campaign_records._parse

    def short(body: bytes) -> Any:
        page = fetched(body)
        return page._replace(records=[each for each in page.records if each["externalId"] != one])

    with monkeypatch.context() as patch:
        patch.setattr(campaign_records, "_parse", short)
        report = objecting.walk("short")
    assert "Campaign has 1 profiles more than it lists" in str(report["notes"])
    assert objecting.noes() == {one: (False, True)}
    assert objecting.walk("whole")["told"] == {"dynamics opt-outs": 1}
    assert objecting.walk("once")["tally"]["extracted"] <= 1


def raised(error: Exception) -> None:
    raise error


def refuse(patch: pytest.MonkeyPatch, one: str) -> None:
    """Have Dynamics refuse every change of this contact."""
    write = DataverseHook.write_updates

    def refusing(hook: Any, updates: Any) -> Any:
        asked = list(updates)
        yield from write(hook, [each for each in asked if each.key != one])
        yield [Updated(one, "rejected", "refused") for each in asked if each.key == one]

    patch.setattr(DataverseHook, "write_updates", refusing)


def hide(patch: pytest.MonkeyPatch, one: str) -> None:
    """Have Dynamics not show this contact to whoever asks for it by its key, nor in a full list."""
    by_keys, changes = DataverseHook.by_keys, DataverseHook.changes

    def hiding(hook: Any, table: Any, columns: Any, keys: Any) -> Any:
        return by_keys(hook, table, columns, [key for key in keys if key != one])

    def listing(hook: Any, *more: Any) -> Any:
        import pyarrow.compute as pc

        for page in changes(hook, *more):
            yield page._replace(rows=page.rows.filter(pc.not_equal(page.rows.column(0), one)))

    patch.setattr(DataverseHook, "by_keys", hiding)
    patch.setattr(DataverseHook, "changes", listing)
