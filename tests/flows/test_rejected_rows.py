"""C2: one bad row never stops the good ones; it is listed with key, step, rule and reason, and tried again in time."""

from __future__ import annotations

from typing import Any

from tests.flows.real_airflow import FLOW, RealAirflow, Run
from tests.flows.systems import Systems

LONG = "Wolfeschlegelsteinhausenbergerdorffwelchevoraltern"  # Campaign takes 30 characters
ENUMERATION = (
    "RST-360011 An error has occurred - please contact your administrator. The value 'Grundlosigkeit' is not "
    "valid for the 'nms:recipient:gender' enumeration of the '@gender' field"
)


def rejected(airflow: RealAirflow) -> dict[str, dict[str, Any]]:
    """What the ledger lists, by key."""
    found: dict[str, dict[str, Any]] = airflow.ledger().rejected(FLOW).astype(object).to_dict("index")
    return {str(key): row for key, row in found.items()}


def same_counts(airflow: RealAirflow, run: Run) -> None:
    """The report and the ledger list the same rows."""
    assert run.report is not None
    assert sum(run.report["rejected"].values()) == run.tally.get("rejected", 0)
    assert {key for keys in run.report["samples"].values() for key in keys} <= rejected(airflow).keys()


def test_rows_that_cannot_be_converted_or_fail_a_check_are_listed_and_the_others_load(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    airflow = airflow_on_each_ledger
    long, invalid = systems.contact("long@example.org"), systems.contact("not-an-address")
    atlantis = systems.add(emailaddress1="far@example.org", address1_country="Atlantis")
    run = airflow.run()
    assert run.ok, run.errors
    assert not systems.differences()
    same_counts(airflow, run)
    listed = rejected(airflow)
    assert {key: (row["step"], row["rule"]) for key, row in listed.items()} == {
        long: ("map", "firstName"),
        atlantis: ("replace", "location.countryCode"),
        invalid: ("check", "a plausible address"),
    }
    assert all(row["reason"] for row in listed.values())
    told = str(listed)
    assert all(value not in told for value in (LONG, "Atlantis", "not-an-address", "far@example.org"))


def test_rejected_rows_rest_until_their_source_or_the_mapping_changes(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    airflow = airflow_on_each_ledger
    long, invalid = systems.contact("long@example.org"), systems.contact("not-an-address")
    atlantis = systems.add(emailaddress1="far@example.org", address1_country="Atlantis")
    airflow.begin()
    assert rejected(airflow).keys() == {long, invalid, atlantis}

    systems.forget()
    assert airflow.run().tally == {}, "tried again although nothing changed"
    assert systems.writes() == []
    assert {row["tries"] for row in rejected(airflow).values()} == {1}

    systems.change({"id": long, "firstname": "Wolfe"})
    assert airflow.walk().tally == {"extracted": 1, "created": 1}
    assert rejected(airflow).keys() == {invalid, atlantis}

    airflow.edit("    Australia: AU\n", "    Australia: AU\n    Atlantis: GR\n")
    run = airflow.walk()
    assert run.tally == {"extracted": 2, "created": 1, "rejected": 1}
    assert run.report is not None
    assert any("were looked at again" in note for note in run.report["notes"])
    assert rejected(airflow).keys() == {invalid}
    assert systems.profiles()[atlantis]["location"]["countryCode"] == "GR"


def test_a_row_that_a_changed_mapping_still_rejects_is_tried_once_for_each_change(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.begin()
    listed = rejected(airflow).keys()
    airflow.edit("description: Contacts become", "description: Contacts still become")
    assert airflow.walk().tally == {"extracted": 2, "rejected": 2}
    assert airflow.walk().tally == {}
    assert rejected(airflow).keys() == listed
    assert {row["tries"] for row in rejected(airflow).values()} == {2}


def test_a_rejected_change_leaves_the_profile_as_it_was(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    key = sorted(systems.profiles())[0]
    before = systems.profiles()[key]
    systems.change({"id": key, "firstname": LONG})
    systems.forget()
    run = airflow.walk()
    assert run.tally == {"extracted": 1, "rejected": 1}
    assert systems.engine_calls() == 0
    assert systems.profiles()[key] == before
    assert rejected(airflow)[key]["rule"] == "firstName"


def test_a_row_that_campaign_refuses_is_rejected_and_the_others_load(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.begin()
    refused, fine = sorted(systems.profiles())[:2]
    before = systems.profiles()[refused]
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in (refused, fine)))
    systems.fault(system="campaign", method="PATCH", path=refused, do="status", status=500, times=None,
                  body={"error_code": 500, "message": ENUMERATION})  # fmt: skip
    run = airflow.run()
    assert run.ok, run.errors
    assert run.tally == {"extracted": 2, "updated": 1, "rejected": 1}
    same_counts(airflow, run)
    row = rejected(airflow)[refused]
    assert (row["step"], row["rule"]) == ("load", "refused by Campaign")
    assert "gender" in row["reason"]
    assert "Grundlosigkeit" not in str(row) + run.log
    assert systems.profiles()[refused] == before

    systems.heal()
    systems.forget()
    assert airflow.walk().tally == {}
    assert systems.writes() == []
    systems.change({"id": refused, "jobtitle": "unmapped, but a change"})
    assert airflow.walk().tally == {"extracted": 1, "updated": 1}
    assert rejected(airflow).keys().isdisjoint({refused})
    assert not systems.differences()


def test_a_row_whose_other_unique_field_is_taken_is_rejected(airflow: RealAirflow, systems: Systems) -> None:
    """Campaign names the duplicate and does not show the record: it is another's (campaign.md §3.5)."""
    systems.control(
        "POST",
        "/sandbox/campaign/resources",
        {"resource": "profile", "keys": {"email": {"fields": ["email"]}}},
    )
    sharing = {key for key, row in systems.contacts().items() if row["emailaddress1"] == "family@example.org"}
    run = airflow.walk()
    assert run.ok, run.errors
    same_counts(airflow, run)
    doubled = rejected(airflow).keys() & sharing
    assert len(sharing) == 2
    assert len(doubled) == 1
    assert rejected(airflow)[doubled.pop()]["step"] == "load"


def test_a_run_with_more_rejected_rows_than_allowed_is_red_and_its_rows_are_read_again(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.edit("rejected_at_most: 100 or 5%", "rejected_at_most: 2")
    airflow.begin()
    place = airflow.place()
    good = sorted(systems.profiles())[:4]
    systems.change(
        *({"id": key, "firstname": LONG} for key in good[:3]), {"id": good[3], "address1_city": "Bergen"}
    )
    run = airflow.run()
    assert not run.ok
    assert "3 of 4 rows were rejected, more than the mapping allows (2)" in run.errors
    assert systems.profiles()[good[3]]["location"]["city"] == "Bergen"
    assert airflow.place() == place
    systems.change(*({"id": key, "firstname": "Wolfe"} for key in good[:3]))
    assert airflow.walk().tally == {"extracted": 4, "updated": 3, "unchanged": 1}
    assert not systems.differences()


def test_a_stop_check_ends_the_run_before_anything_is_written(airflow: RealAirflow, systems: Systems) -> None:
    airflow.edit(
        "regex: '^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$'}",
        "regex: '^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$', otherwise: stop}",
    )
    run = airflow.run()
    assert not run.ok
    assert run.tasks["batch.check[0]"] == "failed"
    assert "a plausible address" in run.errors
    assert "not-an-address" not in run.log
    assert systems.engine_calls() == 0
    assert systems.profiles() == {}
    systems.change({"id": systems.contact("not-an-address"), "emailaddress1": "an@address.example"})
    again = airflow.run()
    assert again.ok, again.errors
    assert not systems.differences()
