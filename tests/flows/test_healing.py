"""I15: a place in the change feed that has expired heals in the same run, which sends only what differs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.flows.on_foot import walk_until_killed
from tests.flows.real_airflow import FLOW, RealAirflow, Run
from tests.flows.systems import Systems

TABLE = "/sandbox/dataverse/table"
NEW_FIELD = ("  salutation:   salutation\n", "  salutation:   salutation\n  cusNickName:  nickname\n")


def expire(systems: Systems) -> None:
    """Make Dataverse refuse every delta link given out so far."""
    systems.control("POST", "/sandbox/dataverse/delta_tokens/expire", {})


def notes(run: Run) -> str:
    """What the run's report notes, as one text."""
    assert run.report is not None, run.errors
    return "\n".join(run.report["notes"])


def change_much(systems: Systems) -> dict[str, int]:
    """Create, change, delete, re-create; the calls to Campaign that this is worth."""
    keys = sorted(systems.profiles())
    changed, gone, again = keys[0:4], keys[4:7], keys[7]
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in changed))
    created = systems.contacts()[again]["createdon"]
    systems.delete(*gone, again)
    # Made anew with the old date: `cusFirstSeen` is sent at creation only, and for Campaign this is a change.
    systems.add(
        contactid=again, lastname="Alm", emailaddress1="again@alder.example", overriddencreatedon=created
    )
    for name in ("Nora", "Tove"):
        systems.add(firstname=name, emailaddress1=f"{name}@alder.example")
    never = systems.add(firstname="Never", emailaddress1="never@alder.example")
    systems.delete(never)
    return {"POST": 2, "PATCH": 4 + 1, "DELETE": 3}


@pytest.mark.usefixtures("smaller_batches")
def test_an_expired_place_heals_in_the_same_run_and_sends_only_what_differs(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    airflow = airflow_on_each_ledger
    airflow.deletes("apply")
    airflow.begin()
    dropped = len(systems.contacts()) - len(systems.profiles())
    before = airflow.place()
    worth = change_much(systems)
    expire(systems)
    systems.forget()
    run = airflow.run()
    assert run.ok, run.errors
    assert not systems.differences()
    assert systems.campaign_writes() == worth, "a row that did not differ was sent"
    assert systems.engine_calls() == sum(worth.values())
    assert run.tally["created"] == 2
    assert run.tally["updated"] == 5
    assert run.tally["deleted"] == 3
    assert run.tally["extracted"] <= 10 + dropped, "rows that do not differ are not extracted"
    assert "no longer follows this flow's place in the change feed: the place" in notes(run)
    assert f"{len(systems.contacts())} rows were compared with the ledger" in notes(run)
    assert "3 were gone from Dynamics" in notes(run)
    state, link = airflow.place()
    assert (state, link != before[1]) == ("placed", True)
    systems.forget()
    assert airflow.walk().tally == {}
    assert systems.engine_calls() == 0


@pytest.mark.parametrize("status", [403, 410, 500])
def test_an_expired_place_is_known_by_its_code_whatever_the_status(
    airflow: RealAirflow, systems: Systems, status: int
) -> None:
    airflow.deletes("apply")
    airflow.begin()
    change_much(systems)
    expire(systems)
    systems.switch(dataverse__status__ExpiredVersionStamp=status)
    run = airflow.walk()
    assert run.ok, run.errors
    assert not systems.differences()


def test_an_expired_place_with_nothing_changed_costs_no_engine_call(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.begin()
    expire(systems)
    systems.forget()
    run = airflow.walk()
    assert run.ok, run.errors
    assert systems.engine_calls() == 0
    assert set(run.tally) <= {"extracted", "dropped"}
    assert "0 were gone from Dynamics" in notes(run)


@pytest.mark.parametrize("moment", range(3))
def test_a_place_that_expires_at_any_moment_of_a_day_of_changes_converges(
    airflow: RealAirflow, systems: Systems, moment: int
) -> None:
    """Changes that are in the ledger already, changes that are not, and some while nobody looks."""
    chance = random.Random(moment)
    airflow.deletes("apply")
    airflow.begin()
    for part in range(4):
        keys = sorted(systems.contacts())
        for key in chance.sample(keys, 5):
            systems.change({"id": key, "address1_city": f"City {part}"})
        systems.delete(*chance.sample(keys, 2))
        systems.add(firstname=f"N{part}", emailaddress1=f"n{part}.{moment}@alder.example")
        if part == moment:
            expire(systems)
        if chance.random() < 0.5:
            assert airflow.walk().ok
    run = airflow.walk()
    assert run.ok, run.errors
    assert not systems.differences()
    assert airflow.walk().tally == {}


DEATHS = [
    ("rows.batch", "Batch", "write", 1, True),
    ("ledger.ledger", "Ledger", "begin", 1, False),
    ("hooks.campaign_writes", "Writer", "write", 3, True),
    ("ledger.ledger", "Ledger", "settle", 2, True),
    ("ledger.ledger", "Ledger", "end_run", 1, True),
]


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death[2]} {death[3]}")
def test_a_run_that_is_killed_while_it_heals_is_healed_by_the_next(
    airflow: RealAirflow, systems: Systems, death: tuple[str, str, str, int, bool]
) -> None:
    from importlib import import_module

    module, owner, name, nth, before = death
    airflow.deletes("apply")
    airflow.begin()
    change_much(systems)
    expire(systems)
    killed: Any = getattr(import_module(f"campaign_sync.{module}"), owner)
    walk_until_killed(airflow.mapping, killed, name, nth, before=before)
    assert airflow.place()[0] == "expired"
    run = airflow.walk()
    assert run.ok, run.errors
    assert "it was given up in an earlier run" in notes(run)
    assert not systems.differences()
    assert airflow.place()[0] == "placed"
    systems.forget()
    assert airflow.walk().tally == {}
    assert systems.engine_calls() == 0


@pytest.mark.usefixtures("smaller_batches")
def test_a_place_that_expires_while_it_is_followed_is_tried_again_from_the_start(
    airflow: RealAirflow, systems: Systems
) -> None:
    """Its first rows are at rest already: a second read beside them would write them twice."""
    airflow.deletes("apply")
    airflow.begin()
    gone = sorted(systems.profiles())[-1]
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in sorted(systems.contacts())[:30]))
    systems.delete(gone)
    body = {
        "error": {"code": "0x80044352", "message": "Version stamp associated with the client has expired."}
    }
    systems.fault(
        system="dataverse",
        method="GET",
        path="contacts",
        after=1,
        times=1,
        do="status",
        status=400,
        body=body,
    )
    run = airflow.run()
    assert not run.ok
    assert "TransientError" in run.errors
    assert "given up while it was followed" in run.errors
    assert airflow.place()[0] == "expired"
    systems.forget()
    again = airflow.walk()
    assert again.ok, again.errors
    assert not systems.differences()
    assert gone not in systems.profiles()
    assert again.tally["updated"] <= 30


def test_a_dry_run_heals_nothing_and_says_so(airflow: RealAirflow, systems: Systems) -> None:
    airflow.deletes("apply")
    airflow.begin()
    before = airflow.place()
    change_much(systems)
    expire(systems)
    systems.forget()
    dry = airflow.run(dry_run=True)
    assert dry.ok, dry.errors
    assert systems.writes() == []
    assert airflow.place() == before
    assert "a dry run heals nothing" in notes(dry)
    assert (dry.tally["created"], dry.tally["updated"], dry.tally["deleted"]) == (2, 5, 3)
    assert airflow.walk().ok
    assert not systems.differences()


def test_a_run_with_a_limit_leaves_the_place_to_be_healed(airflow: RealAirflow, systems: Systems) -> None:
    airflow.deletes("apply")
    airflow.begin()
    change_much(systems)
    expire(systems)
    limited = airflow.run(limit=3)
    assert limited.ok, limited.errors
    assert limited.tally["extracted"] == 3
    assert "a run with a limit heals nothing" in notes(limited)
    assert airflow.place()[0] == "expired"
    assert airflow.walk().ok
    assert not systems.differences()


def test_deletions_that_a_comparison_finds_respect_the_mapping(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.deletes("ignore")
    airflow.begin()
    gone = sorted(systems.profiles())[:2]
    systems.delete(*gone)
    expire(systems)
    systems.forget()
    run = airflow.walk()
    assert run.ok, run.errors
    assert run.report is not None
    assert run.report["dropped"]["deletes: ignore"] == 2
    assert systems.engine_calls() == 0
    assert systems.profiles().keys() >= set(gone)


def test_new_columns_and_an_expired_place_read_all_rows_and_find_deletions(
    airflow: RealAirflow, systems: Systems
) -> None:
    """A row of the same version may have a value in a column that nobody read before."""
    named = next(
        key
        for key, row in sorted(systems.contacts().items())
        if row["emailaddress1"] and row["statecode"] == 0
    )
    systems.change({"id": named, "nickname": "Nico"})
    airflow.deletes("apply")
    airflow.begin()
    gone = next(key for key in sorted(systems.profiles()) if key != named)
    systems.delete(gone)
    airflow.edit(*NEW_FIELD)
    expire(systems)
    systems.forget()
    run = airflow.walk()
    assert run.ok, run.errors
    assert "all rows were read again" in notes(run)
    assert "1 were gone from Dynamics" in notes(run)
    assert systems.profiles()[named]["cusNickName"] == "Nico"
    assert gone not in systems.profiles()
    assert run.tally["deleted"] == 1
    assert airflow.walk().tally == {}


def test_new_columns_are_read_in_full_even_if_the_place_was_given_up_before(
    airflow: RealAirflow, systems: Systems
) -> None:
    named = next(key for key in sorted(systems.contacts()))
    systems.change({"id": named, "nickname": "Nico", "emailaddress1": "nico@alder.example"})
    airflow.deletes("apply")
    airflow.begin()
    gone = next(key for key in sorted(systems.profiles()) if key != named)
    systems.delete(gone)
    airflow.ledger().expire_place(FLOW)
    airflow.edit(*NEW_FIELD)
    run = airflow.walk()
    assert run.ok, run.errors
    assert systems.profiles()[named]["cusNickName"] == "Nico"
    assert gone not in systems.profiles()
    assert airflow.place()[0] == "placed"


def test_a_column_dropped_in_dynamics_and_in_the_mapping_heals(
    airflow: RealAirflow, systems: Systems
) -> None:
    add = {"table": "contact", "add_column": {"name": "new_shoe", "type": "String"}}
    systems.control("PUT", TABLE, add)
    systems.control("POST", "/sandbox/clock", {"advance": 60})
    shipped = airflow.mapping.read_text()
    airflow.edit("  salutation:   salutation\n", "  salutation:   salutation\n  cusNote:  new_shoe\n")
    assert airflow.walk().ok
    systems.control("PUT", TABLE, {"table": "contact", "drop_column": "new_shoe"})
    airflow.mapping.write_text(shipped)
    airflow.deletes("apply")
    gone = sorted(systems.profiles())[0]
    systems.delete(gone)
    run = airflow.walk()
    assert run.ok, run.errors
    assert run.tally["deleted"] == 1
    assert not systems.differences()
    assert airflow.walk().tally == {}


def test_rows_that_are_rejected_for_known_reasons_are_not_sent_again(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.deletes("apply")
    airflow.begin()
    before = set(airflow.ledger().rejected(FLOW).index)
    known = systems.add(firstname="x" * 31, emailaddress1="alm@alder.example")
    gone = systems.add(firstname="x" * 31, emailaddress1="elm@alder.example")
    mended = systems.add(firstname="x" * 31, emailaddress1="oak@alder.example")
    assert airflow.walk().tally == {"extracted": 3, "rejected": 3}
    systems.delete(gone)
    systems.change({"id": mended, "firstname": "Nora"})
    expire(systems)
    run = airflow.walk()
    assert run.ok, run.errors
    assert "rejected" not in run.tally
    assert run.tally["created"] == 1
    assert set(airflow.ledger().rejected(FLOW).index) == before | {known}


def test_too_many_rejected_rows_stop_a_healing_run_however_often_it_is_repeated(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.edit("rejected_at_most: 100 or 5%", "rejected_at_most: 2")
    airflow.begin()
    for number in range(3):
        systems.add(firstname="x" * 31, emailaddress1=f"n{number}@alder.example")
    expire(systems)
    for _ in range(2):
        run = airflow.run()
        assert not run.ok
        assert "more than the mapping allows" in run.errors
        assert airflow.place()[0] == "expired"


def test_a_replay_after_a_lost_place_finds_deletions(airflow: RealAirflow, systems: Systems) -> None:
    airflow.deletes("apply")
    airflow.begin()
    gone = sorted(systems.profiles())[:2]
    systems.delete(*gone)
    airflow.forget_place()
    refused = airflow.run()
    assert not refused.ok
    assert "its place in the change feed is lost" in refused.errors
    run = airflow.run(replay=True)
    assert run.ok, run.errors
    assert run.tally["deleted"] == 2
    assert "2 were gone from Dynamics" in notes(run)
    assert not systems.differences()
    assert airflow.walk().tally == {}


def test_a_replay_of_an_expired_place_finds_deletions(airflow: RealAirflow, systems: Systems) -> None:
    airflow.deletes("apply")
    airflow.begin()
    gone = sorted(systems.profiles())[0]
    systems.delete(gone)
    airflow.ledger().expire_place(FLOW)
    run = airflow.walk(replay=True)
    assert run.ok, run.errors
    assert run.tally["deleted"] == 1
    assert gone not in systems.profiles()
    assert airflow.place()[0] == "placed"


def test_a_row_deleted_after_a_killed_first_run_is_deleted_by_the_next(
    airflow: RealAirflow, systems: Systems
) -> None:
    """The first read never ended, so no place knows of the deletion; the ledger knows that the record was written."""
    from campaign_sync.ledger.ledger import Ledger

    airflow.deletes("apply")
    walk_until_killed(airflow.mapping, Ledger, "end_run", 1, before=True)
    gone = sorted(systems.profiles())[0]
    systems.delete(gone)
    run = airflow.walk()
    assert run.ok, run.errors
    assert run.tally["deleted"] == 1
    assert not systems.differences()


@pytest.mark.usefixtures("smaller_batches")
def test_a_row_that_was_written_meanwhile_is_not_taken_for_gone(
    airflow: RealAirflow, systems: Systems
) -> None:
    """A row that the read did not list although it exists, as if a backfill had been quicker."""
    from campaign_sync.ledger.listed import Listed

    airflow.deletes("apply")
    airflow.begin()
    hidden = sorted(systems.profiles())[3]
    add = Listed.add
    airflow.monkeypatch.setattr(
        Listed, "add", lambda self, keys: add(self, [key for key in keys if key != hidden])
    )
    expire(systems)
    run = airflow.walk()
    assert run.ok, run.errors
    assert "deleted" not in run.tally
    assert hidden in systems.profiles()
