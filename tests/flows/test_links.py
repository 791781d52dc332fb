"""I3: what names a record is never sent before it, never outlives it, and goes by itself once it may."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.flows.levels import Levels, level_tables
from tests.flows.on_foot import Asked, walk_until_killed
from tests.flows.real_airflow import RealAirflow
from tests.sandbox_process import Sandbox, start_sandbox

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("no_waiting")]

#: Three levels, each naming the one above it: by links that hide orphans, and by links that do not.
THREE: dict[int, dict[int, str]] = {1: {}, 2: {1: "1"}, 3: {2: "1"}}
OPTIONAL: dict[int, dict[int, str]] = {1: {}, 2: {1: "0..1"}, 3: {2: "0..1"}}

#: More than the field takes: its row is rejected.
TOO_LONG = "x" * 300


@pytest.fixture(scope="module")
def levels_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with empty tables that name each other."""
    folder = tmp_path_factory.mktemp("levels")
    with start_sandbox(folder / "state", data=level_tables(folder)) as running:
        yield running


@pytest.fixture
def airflow(
    airflow_home: Path,
    levels_sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> RealAirflow:
    """An Airflow whose connections lead to that sandbox."""
    airflow = RealAirflow(airflow_home, tmp_path, monkeypatch, levels_sandbox.env, capfd)
    airflow.mapping.unlink()
    return airflow


@pytest.fixture
def levels(airflow: RealAirflow, levels_sandbox: Sandbox) -> Levels:
    """Three levels, each naming the one above it by a link that hides orphans, every flow at the start of its feed."""
    return at_the_start(levels_sandbox, airflow)


@pytest.fixture(params=["sqlite", "postgres"])
def levels_on_each_ledger(
    request: pytest.FixtureRequest, airflow: RealAirflow, levels_sandbox: Sandbox
) -> Levels:
    """The same, once with the ledger in SQLite and once in Postgres."""
    if request.param == "postgres":
        airflow.use_ledger(request.getfixturevalue("postgres"))
    return at_the_start(levels_sandbox, airflow)


def at_the_start(sandbox: Sandbox, airflow: RealAirflow) -> Levels:
    """Three levels whose flows have read their empty tables."""
    made = Levels(sandbox, airflow.mappings)
    made.declare(THREE)
    made.run(1, 2, 3)
    made.forget()
    return made


def family(levels: Levels) -> tuple[str, str, str]:
    """A row of each level, each naming the one above it."""
    first = levels.add(1)
    second = levels.add(2, l1=first)
    return first, second, levels.add(3, l2=second)


def waits(report: dict[str, Any]) -> dict[str, int]:
    """What the rows of a run wait for."""
    return dict(report["parked"])


def test_three_levels_arrive_whatever_the_order_of_the_flows(
    levels_on_each_ledger: Levels,
) -> None:
    levels = levels_on_each_ledger
    first, second, third = family(levels)
    report = levels.run(3)
    assert (report["tally"]["parked"], waits(report)) == (1, {"a record of l2_to_things": 1})
    assert report["parked_samples"] == {"a record of l2_to_things": [third]}
    assert levels.run(2)["tally"]["parked"] == 1
    assert levels.writes() == [], "a child was sent before its parent"
    assert levels.run(1)["tally"]["created"] == 1
    assert levels.run(3)["tally"]["extracted"] == 0, "the parent's own wait is not over"
    assert levels.run(2)["tally"]["created"] == 1
    assert levels.run(3)["tally"]["created"] == 1
    assert levels.hidden() == set()
    assert levels.records(3)[third]["l2Id"] == second
    assert levels.records(2)[second]["l1Id"] == first
    levels.forget()
    levels.run_until_quiet(1)
    assert levels.writes() == []


def test_a_parked_row_goes_in_its_latest_state(levels: Levels) -> None:
    first, other = str(uuid.uuid4()), levels.add(1)
    levels.run(1)
    child = levels.add(2, "early", l1=first)
    levels.run(2)
    levels.put(1, first)
    levels.change(2, child, "latest")
    levels.run(2)
    levels.run(1, 2)
    assert levels.records(2)[child]["name"] == "latest"
    levels.change(2, child, l1=other)
    assert levels.run(2)["tally"]["updated"] == 1
    assert levels.records(2)[child]["l1Id"] == other


def test_a_row_that_names_nobody_waits_for_nobody(levels: Levels) -> None:
    levels.declare(OPTIONAL)
    child = levels.add(2)
    assert levels.run(2)["tally"]["created"] == 1
    assert levels.records(2)[child]["l1Id"] == ""


def test_a_record_stays_as_it_was_while_its_update_waits(levels: Levels, airflow: RealAirflow) -> None:
    first, second, _ = family(levels)
    levels.run(1, 2, 3)
    new = levels.add(1)
    levels.change(2, second, "moved", l1=new)
    levels.forget()
    assert levels.run(2)["tally"]["parked"] == 1
    assert levels.writes() == []
    assert levels.records(2)[second]["l1Id"] == first
    told = airflow.ledger().parked("l2_to_things")
    assert list(told.index) == [second]
    row = told.iloc[0]
    assert (row["kind"], row["waits_for"], row["waits_key"]) == ("parent", "l1_to_things", new)
    assert "names a record of l1_to_things" in row["reason"]
    assert airflow.ledger().counts("l2_to_things").parked == 1
    levels.run(1, 2)
    assert (levels.records(2)[second]["l1Id"], levels.records(2)[second]["name"]) == (new, "moved")
    assert airflow.ledger().counts("l2_to_things").parked == 0


def test_deletions_run_children_first_in_whatever_order_the_flows_run(
    levels_on_each_ledger: Levels,
) -> None:
    levels = levels_on_each_ledger
    first, second, third = family(levels)
    levels.run(1, 2, 3)
    levels.delete(1, first)
    levels.delete(2, second)
    levels.delete(3, third)
    report = levels.run(1)
    assert waits(report) == {"records of l2_to_things to go": 1}
    assert levels.run(2)["tally"]["parked"] == 1
    assert set(levels.records(1)) == {first}
    assert levels.hidden() == set()
    for level in (3, 2, 1):
        assert levels.run(level)["tally"]["deleted"] == 1
    assert [levels.records(level) for level in (1, 2, 3)] == [{}, {}, {}]
    levels.run_until_quiet(1)


def test_a_deletion_goes_when_the_last_child_names_another(levels: Levels) -> None:
    first, second, _ = family(levels)
    third = levels.add(2, l1=first)
    levels.run(1, 2, 3)
    other = levels.add(1)
    levels.change(2, second, l1=other)
    levels.change(2, third, l1=other)
    levels.delete(1, first)
    report = levels.run(1)
    assert report["tally"] | {"created": 1, "parked": 1} == report["tally"]
    assert levels.run(2)["tally"]["updated"] == 2
    assert levels.run(1)["tally"]["deleted"] == 1
    assert levels.hidden() == set()


def test_the_report_says_how_many_records_a_deletion_waits_for(levels: Levels, airflow: RealAirflow) -> None:
    first, second, _ = family(levels)
    levels.add(2, l1=first)
    levels.run(1, 2, 3)
    levels.delete(1, first)
    levels.run(1)
    told = airflow.ledger().parked("l1_to_things").loc[first]
    assert told["reason"] == "waits for 2 records of l2_to_things that still name it"
    assert told["kind"] == "children"
    assert second in levels.records(2)


def test_a_row_deleted_and_made_anew_keeps_its_children(levels: Levels) -> None:
    first, second, _ = family(levels)
    levels.run(1, 2, 3)
    levels.delete(1, first)
    levels.run(1)
    levels.put(1, first, "again")
    levels.change(2, second, l1=first)
    levels.run_until_quiet()
    assert levels.records(1)[first]["name"] == "again"
    assert levels.hidden() == set()


def test_a_parked_row_that_is_changed_and_then_deleted_leaves_nothing(
    levels: Levels, airflow: RealAirflow
) -> None:
    child = levels.add(2, l1=levels.add(1))
    levels.run(2)
    levels.change(2, child, "two")
    levels.run(2)
    levels.delete(2, child)
    assert levels.run(2)["tally"]["unchanged"] == 1
    assert airflow.ledger().counts("l2_to_things").parked == 0
    levels.run_until_quiet()
    assert levels.records(2) == {}


def test_a_parked_update_of_a_record_that_is_deleted_meanwhile_becomes_a_deletion(levels: Levels) -> None:
    first, second, third = family(levels)
    levels.run(1, 2, 3)
    levels.change(2, second, l1=levels.add(1))
    levels.run(2)
    levels.delete(2, second)
    assert waits(levels.run(2)) == {"records of l3_to_things to go": 1}
    levels.delete(3, third)
    levels.run(3, 2)
    assert levels.records(2) == {}
    assert set(levels.records(1)) == {first}


def test_the_children_of_a_rejected_parent_wait_until_it_is_mended(levels: Levels) -> None:
    first, second, third = family(levels)
    levels.change(1, first, TOO_LONG)
    assert levels.run(1)["tally"]["rejected"] == 1
    levels.run(2, 3)
    assert levels.records(2) == {}
    levels.change(1, first, "mended")
    levels.run_until_quiet()
    assert (set(levels.records(2)), set(levels.records(3))) == ({second}, {third})
    assert levels.hidden() == set()


def test_a_row_that_is_rejected_no_longer_waits_and_the_other_way_round(
    levels: Levels, airflow: RealAirflow
) -> None:
    child = levels.add(2, l1=levels.add(1))
    levels.run(2)
    levels.change(2, child, TOO_LONG)
    levels.run(2)
    counts = airflow.ledger().counts("l2_to_things")
    assert (counts.rejected, counts.parked) == (1, 0)
    levels.change(2, child, "good")
    levels.run(2)
    counts = airflow.ledger().counts("l2_to_things")
    assert (counts.rejected, counts.parked) == (0, 1)


def test_ignored_deletions_do_not_hold_parents_back(levels: Levels) -> None:
    first, second, third = family(levels)
    levels.run(1, 2, 3)
    levels.write(3, deletes="ignore")
    levels.delete(3, third)
    levels.delete(2, second)
    assert levels.run(2)["tally"]["parked"] == 1
    assert levels.run(3)["tally"]["dropped"] == 1
    assert levels.run(2)["tally"]["deleted"] == 1
    assert (set(levels.records(1)), set(levels.records(2)), set(levels.records(3))) == (
        {first},
        set(),
        {third},
    )


def test_what_is_filtered_out_and_kept_does_not_hold_parents_back(levels: Levels) -> None:
    _, second, third = family(levels)
    levels.run(1, 2, 3)
    levels.write(3, filter="{all: [{column: new_name, equals: one}]}")
    levels.change(3, third, "two")
    levels.delete(2, second)
    assert levels.run(2)["tally"]["parked"] == 1
    assert levels.run(3)["tally"]["dropped"] == 1
    assert levels.run(2)["tally"]["deleted"] == 1


def test_what_is_filtered_out_and_deleted_goes_before_its_parent(levels: Levels) -> None:
    levels.declare(OPTIONAL)
    first, second, third = family(levels)
    levels.run(1, 2, 3)
    levels.write(2, filter="{all: [{column: new_name, equals: one}], filtered_out: delete}")
    levels.change(2, second, "two")
    assert waits(levels.run(2)) == {"records of l3_to_things to go": 1}
    levels.change(3, third, l2=None)
    levels.run(3, 2)
    assert levels.records(2) == {}
    assert set(levels.records(1)) == {first}


def test_a_link_that_the_mapping_no_longer_has_holds_nobody_back(levels: Levels) -> None:
    first, _, _ = family(levels)
    levels.run(1, 2, 3)
    file = levels.file(2)
    file.write_text(file.read_text().replace(", link: l1_to_things", ""))
    levels.delete(1, first)
    assert levels.run(1)["tally"]["parked"] == 1
    levels.run(2)
    assert levels.run(1)["tally"]["deleted"] == 1


def test_parked_rows_are_judged_anew_when_the_mapping_changes(levels: Levels) -> None:
    levels.declare(OPTIONAL)
    child = levels.add(2, l1=levels.add(1))
    levels.run(2)
    file = levels.file(2)
    file.write_text(file.read_text().replace(", link: l1_to_things", ""))
    assert levels.run(2)["tally"]["created"] == 1
    assert child in levels.records(2)


def test_a_replay_parks_what_waits_and_sends_the_rest(levels: Levels, airflow: RealAirflow) -> None:
    family(levels)
    levels.run(1, 2, 3)
    levels.add(2, l1=str(levels.add(1)))
    levels.run(2)
    run = airflow.run("l2_to_things", replay=True)
    assert run.ok, run.errors
    assert run.tally == {"extracted": 2, "updated": 1, "parked": 1}


def test_an_expired_place_heals_without_sending_what_waits(levels: Levels, airflow: RealAirflow) -> None:
    family(levels)
    levels.run(1, 2, 3)
    waiting, gone = levels.add(2, l1=levels.add(1)), levels.add(2, l1=levels.add(1))
    levels.run(2)
    levels.delete(2, gone)
    levels.control("POST", "/sandbox/dataverse/delta_tokens/expire", {})
    report = levels.run(2)
    assert report["tally"]["extracted"] == 1, report
    assert list(airflow.ledger().parked("l2_to_things").index) == [waiting]
    levels.run_until_quiet()
    assert waiting in levels.records(2)
    assert gone not in levels.records(2)


DEATHS = [("begin", 1, False), ("settle", 2, True), ("settle", 2, False), ("end_run", 1, True)]


@pytest.mark.parametrize(("name", "nth", "before"), DEATHS)
def test_a_run_killed_between_begin_and_settle_loses_no_child_and_hides_none(
    levels_on_each_ledger: Levels,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    nth: int,
    before: bool,
) -> None:
    from campaign_sync.ledger import begin
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.settings import ledger_url

    levels = levels_on_each_ledger
    first, second, third = family(levels)
    levels.run(1, 2)
    other = levels.add(1)
    levels.run(1)
    levels.change(2, second, "moved", l1=other)
    levels.delete(1, first)
    walk_until_killed(levels.file(2), Ledger, name, nth, before=before)
    levels.run(1)
    assert levels.hidden() == set(), "the record may name either parent while it is in doubt"
    Ledger(ledger_url()).end_run(levels.flow(2), "killed", "failed", {})
    monkeypatch.setattr(begin, "UNDER_WAY", timedelta(0))  # by now all that the killed run sent has arrived
    levels.run_until_quiet()
    assert set(levels.records(1)) == {other}
    assert levels.records(2)[second]["l1Id"] == other
    assert set(levels.records(3)) == {third}
    assert levels.hidden() == set()


def test_a_parent_killed_while_it_was_deleted_takes_no_children_meanwhile(levels: Levels) -> None:
    from campaign_sync.ledger.ledger import Ledger

    first = levels.add(1)
    levels.run(1)
    levels.delete(1, first)
    walk_until_killed(levels.file(1), Ledger, "begin", 1, before=False)
    child = levels.add(2)
    levels.change(2, child, l1=first)
    assert levels.run(2)["tally"]["parked"] == 1
    levels.run_until_quiet()
    assert (levels.records(1), levels.records(2)) == ({}, {})


def test_a_hidden_records_404_does_not_say_that_it_is_gone(levels: Levels, airflow: RealAirflow) -> None:
    """campaign.md §6.3: somebody deleted the parent in Campaign itself, and the ledger was made to forget it."""
    first = levels.add(1)
    second = levels.add(2, l1=first)
    levels.run(1, 2)
    levels.lose(1, first)
    assert levels.hidden() == {second}
    airflow.ledger().forget("l1_to_things")
    levels.delete(2, second)
    assert waits(levels.run(2)) == {"a record of l1_to_things": 1}
    assert second in levels.records(2)
    levels.run_until_quiet()
    assert first in levels.records(1)
    assert levels.records(2) == {}


def test_a_child_whose_update_meets_a_hidden_record_waits(levels: Levels, airflow: RealAirflow) -> None:
    first, second, _ = family(levels)
    other = levels.add(1)
    levels.run(1, 2)
    levels.lose(1, first)
    ledger = airflow.ledger()
    known = ledger.known("l1_to_things", [other])
    ledger.forget("l1_to_things")
    nobody = pd.DataFrame(columns=["version", "step", "rule", "reason"])
    ledger.settle("l1_to_things", known.assign(result="created"), nobody, "before", "")
    levels.change(2, second, "changed", l1=other)
    assert waits(levels.run(2)) == {"a record of l1_to_things": 1}
    assert ledger.counts("l2_to_things").rejected == 0
    assert airflow.run("l1_to_things", replay=True).ok
    levels.run_until_quiet()
    assert first in levels.records(1)
    assert (levels.records(2)[second]["name"], levels.records(2)[second]["l1Id"]) == ("changed", other)
    assert levels.hidden() == set()


def test_a_first_load_waits_for_the_parents_first_load(airflow: RealAirflow, levels_sandbox: Sandbox) -> None:
    levels = Levels(levels_sandbox, airflow.mappings)
    levels.declare(THREE)
    first, second, third = family(levels)
    for level, awaited in ((3, 2), (2, 1), (3, 2)):
        report = levels.run(level)
        assert report["tally"]["extracted"] == 0
        assert report["notes"] == [f"nothing was read: waits for the first load of l{awaited}_to_things"]
    ledger = airflow.ledger()
    assert ledger.place("l2_to_things") is None
    assert ledger.counts("l3_to_things").parked == 0
    assert airflow.run("l3_to_things").state == "success"
    levels.run(1, 2, 3)
    assert [set(levels.records(level)) for level in (1, 2, 3)] == [{first}, {second}, {third}]


def test_a_first_load_after_a_try_with_few_rows_waits_too(
    airflow: RealAirflow, levels_sandbox: Sandbox
) -> None:
    levels = Levels(levels_sandbox, airflow.mappings)
    levels.declare(THREE)
    family(levels)
    family(levels)
    assert airflow.run("l2_to_things", limit=1).tally == {"extracted": 1, "parked": 1}
    report = levels.run(2)
    assert report["notes"] == ["nothing was read: waits for the first load of l1_to_things"]
    levels.run(1, 2)
    assert len(levels.records(2)) == 2
    assert airflow.ledger().counts("l2_to_things").parked == 0


def test_what_a_person_forces_does_not_wait_for_the_parents_first_load(
    airflow: RealAirflow, levels_sandbox: Sandbox
) -> None:
    levels = Levels(levels_sandbox, airflow.mappings)
    levels.declare(THREE)
    family(levels)
    for form in ({"replay": True}, {"limit": 1}, {"dry_run": True}):
        ledger = airflow.ledger()
        ledger.forget("l2_to_things")
        run = airflow.run("l2_to_things", **form)
        assert run.ok, run.errors
        assert run.tally == {"extracted": 1, "parked": 1}


def test_a_dry_run_shows_what_would_wait(levels: Levels, airflow: RealAirflow) -> None:
    child = levels.add(2, l1=levels.add(1))
    run = airflow.run("l2_to_things", dry_run=True)
    assert run.tally == {"extracted": 1, "parked": 1}
    assert run.report is not None
    assert run.report["parked_samples"] == {"a record of l1_to_things": [child]}
    assert "parked, waiting for\n  a record of l1_to_things" in run.log
    assert airflow.ledger().counts("l2_to_things").parked == 0


def test_preview_shows_what_a_row_waits_for(levels: Levels, airflow: RealAirflow) -> None:
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.mapping.file import load_mapping
    from campaign_sync.run.preview import preview, to_text

    child = levels.add(2, l1=levels.add(1))
    mapping = load_mapping(levels.file(2))
    shown = preview(mapping, dataverse=DataverseHook(), campaign=CampaignHook(), ledger=airflow.ledger())
    assert [(each.key, each.fate, each.rule) for each in shown] == [(child, "parked", "l1_to_things")]
    assert "names a record of l1_to_things that is not surely in Campaign" in to_text(shown, mapping)


def test_the_guard_counts_only_deletions_that_would_go_now(levels: Levels) -> None:
    firsts = [levels.add(1) for _ in range(3)]
    for first in firsts:
        levels.add(2, l1=first)
    levels.run(1, 2)
    levels.write(1, guard="{deletes: '1'}")
    levels.delete(1, *firsts)
    assert levels.run(1)["tally"]["parked"] == 3, "nothing to ask: nothing would go"
    levels.run(2)  # Dynamics has emptied their lookups
    with pytest.raises(Asked, match="3 deletes"):
        levels.run(1)


def test_what_stops_waiting_after_the_guard_looked_goes_in_the_next_run(
    levels: Levels, airflow: RealAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.run import run as steps

    first, second, third = family(levels)
    levels.run(1, 2, 3)
    levels.delete(1, first)
    levels.delete(3, third)
    levels.run(3)
    levels.delete(2, second)
    load = steps.load_batch

    def after_the_children(stored: dict[str, Any], log: Any) -> Any:
        monkeypatch.setattr(steps, "load_batch", load)
        levels.run(2)
        return load(stored, log)

    monkeypatch.setattr(steps, "load_batch", after_the_children)
    assert levels.run(1)["tally"]["parked"] == 1
    assert levels.records(2) == {}
    assert levels.run(1)["tally"]["deleted"] == 1


def test_a_child_does_not_go_whose_parent_left_after_the_plan(
    levels: Levels, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.run import load

    first = levels.add(1)
    levels.run(1)
    child = levels.add(2, l1=first)
    levels.delete(1, first)
    levels.change(2, child, l1=first)
    plan = load.plan_batch

    def and_then_the_parent_leaves(*given: Any, **named: Any) -> Any:
        made = plan(*given, **named)
        monkeypatch.setattr(load, "plan_batch", plan)
        levels.run(1)
        return made

    monkeypatch.setattr(load, "plan_batch", and_then_the_parent_leaves)
    assert levels.run(2)["tally"]["parked"] == 1
    assert (levels.records(1), levels.records(2)) == ({}, {})
