"""What earlier runs left open is looked at again, and a place that no longer serves is given up in words."""

from __future__ import annotations

import pytest

from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems

RESOURCES = "/sandbox/campaign/resources"
NO_KEY = {"resource": "profile", "keys": {"externalIdKey": None}}
KEY = {"resource": "profile", "keys": {"externalIdKey": {"fields": ["externalId"]}}}


@pytest.mark.usefixtures("smaller_batches")
def test_a_missing_identification_key_stops_every_run_after_one_record(
    airflow: RealAirflow, systems: Systems
) -> None:
    systems.control("POST", RESOURCES, NO_KEY)
    for _ in range(2):
        run = airflow.run()
        assert not run.ok
        assert "externalId is not an identification key of profile" in run.errors
        assert len(systems.profiles()) == 1
    systems.control("POST", RESOURCES, KEY)
    again = airflow.run()
    assert again.ok, again.errors
    assert not systems.differences()


def test_a_key_that_is_proved_later_costs_nothing_more(airflow: RealAirflow, systems: Systems) -> None:
    systems.control("POST", RESOURCES, NO_KEY)
    airflow.walk()
    systems.control("POST", RESOURCES, KEY)
    assert airflow.walk().ok
    systems.forget()
    assert airflow.walk().tally == {}
    assert systems.engine_calls() == 0
    assert not len(airflow.ledger().rejected(FLOW, rule="identification key"))


def test_a_row_in_doubt_is_written_again_as_it_is_now(airflow: RealAirflow, systems: Systems) -> None:
    """As after two runs that wrote it at once, or a backfill that was killed."""
    airflow.begin()
    key = sorted(systems.profiles())[0]
    airflow.ledger().begin(FLOW, [key], "another run")
    systems.forget()
    run = airflow.walk()
    assert run.tally == {"extracted": 1, "updated": 1}
    assert systems.engine_calls() == 1
    assert airflow.walk().tally == {}


def test_a_row_in_doubt_that_is_gone_from_dynamics_is_settled(airflow: RealAirflow, systems: Systems) -> None:
    airflow.deletes("apply")
    airflow.begin()
    key = sorted(systems.profiles())[0]
    systems.delete(key)
    assert airflow.walk().tally == {"extracted": 1, "deleted": 1}
    airflow.ledger().begin(FLOW, [key], "another run")
    assert airflow.walk().tally["extracted"] == 1
    assert key not in systems.profiles()
    assert airflow.walk().tally == {}


def test_a_rejected_row_that_changed_stands_once_in_its_batch(airflow: RealAirflow, systems: Systems) -> None:
    """It comes with the changes, and once more because the mapping has changed as well."""
    airflow.begin()
    key = systems.add(firstname="x" * 31, lastname="Alm", emailaddress1="alm@alder.example")
    assert airflow.walk().tally == {"extracted": 1, "rejected": 1}
    airflow.edit("column: email, otherwise: warn", "column: email, otherwise: reject")
    systems.change({"id": key, "firstname": "Nora"})
    run = airflow.walk()
    assert run.tally["created"] == 1
    assert systems.profiles()[key]["firstName"] == "Nora"


def test_a_rejected_row_that_is_gone_is_asked_for_once(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    key = systems.add(firstname="x" * 31, emailaddress1="alm@alder.example")
    airflow.walk()
    systems.delete(key)
    systems.control("POST", "/sandbox/dataverse/delta_tokens/expire", {})
    airflow.walk()
    assert airflow.walk(replay=True).ok
    airflow.edit("description: Contacts", "description: All contacts")
    assert airflow.walk().tally["extracted"] >= 1
    assert key not in airflow.ledger().rejected(FLOW).index
    assert airflow.walk().tally == {}


def test_new_columns_and_an_expired_place_heal_together(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    airflow.edit("  salutation:   salutation\n", "  salutation:   salutation\n  cusNickName:  nickname\n")
    systems.control("POST", "/sandbox/dataverse/delta_tokens/expire", {})
    run = airflow.walk()
    assert run.ok, run.errors
    assert airflow.walk().tally == {}
    assert not systems.differences()


def test_a_column_dropped_in_dynamics_and_in_the_mapping_heals(
    airflow: RealAirflow, systems: Systems
) -> None:
    table = {"table": "contact", "add_column": {"name": "new_shoe", "type": "String"}}
    systems.control("PUT", "/sandbox/dataverse/table", table)
    systems.control("POST", "/sandbox/clock", {"advance": 60})
    airflow.edit("  salutation:   salutation\n", "  salutation:   salutation\n  cusNote:  new_shoe\n")
    assert airflow.walk().ok
    systems.control("PUT", "/sandbox/dataverse/table", {"table": "contact", "drop_column": "new_shoe"})
    airflow.edit("  cusNote:  new_shoe\n", "")
    run = airflow.walk()
    assert run.ok, run.errors
    assert airflow.walk().tally == {}


def test_a_deletion_before_a_read_with_new_columns_arrives(airflow: RealAirflow, systems: Systems) -> None:
    airflow.deletes("apply")
    airflow.begin()
    key = sorted(systems.profiles())[0]
    systems.delete(key)
    airflow.edit("  salutation:   salutation\n", "  salutation:   salutation\n  cusNickName:  nickname\n")
    run = airflow.walk()
    assert run.ok, run.errors
    assert run.tally["deleted"] == 1
    assert not systems.differences()


@pytest.mark.usefixtures("smaller_batches")
def test_a_check_that_stops_the_run_keeps_the_other_batches_from_being_written(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.edit(
        "regex: '^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$'}",
        "regex: '^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$', otherwise: stop}",
    )
    run = airflow.run()
    assert not run.ok
    assert "a plausible address" in run.errors
    before = len(systems.profiles())
    assert before < len(systems.contacts()) - 1
