"""I1, I17, C3: what a flow does when nothing goes wrong."""

from __future__ import annotations

from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems


def test_the_first_run_brings_every_mapped_contact_and_the_second_costs_nothing(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    airflow = airflow_on_each_ledger
    first = airflow.run()
    assert first.ok, first.errors
    assert not systems.differences()
    tally, profiles = first.tally, systems.profiles()
    assert tally["extracted"] == len(systems.contacts())
    assert tally["created"] == len(profiles)
    # One call per record, and one that reads the very first of them back (campaign.md §3.5).
    assert systems.engine_calls() == len(profiles) + 1
    assert systems.campaign_writes() == {"POST": len(profiles)}

    systems.forget()
    place = airflow.place()
    second = airflow.run()
    assert second.ok, second.errors
    assert second.tally == {}
    assert systems.engine_calls() == 0
    assert systems.writes() == []
    assert place[0] == airflow.place()[0] == "placed"


def test_the_first_run_brings_inactive_contacts_too(airflow: RealAirflow, systems: Systems) -> None:
    inactive = {
        key for key, row in systems.contacts().items() if row["statecode"] == 1 and row["emailaddress1"]
    }
    assert airflow.run().ok
    assert inactive
    assert inactive <= systems.profiles().keys()


def test_later_runs_send_only_what_changed_in_mapped_columns(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    airflow = airflow_on_each_ledger
    airflow.deletes("apply")
    airflow.begin()
    loaded = sorted(systems.profiles())
    systems.forget()
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in loaded[:3]))
    systems.change(*({"id": key, "jobtitle": "Head of surprises"} for key in loaded[3:7]))
    added = [systems.add(firstname="Nora", emailaddress1=f" Nora.{n}@Newcomers.example ") for n in range(2)]
    systems.delete(loaded[7])

    run = airflow.run()
    assert run.ok, run.errors
    assert run.tally == {"extracted": 10, "updated": 3, "unchanged": 4, "created": 2, "deleted": 1}
    assert systems.campaign_writes() == {"PATCH": 3, "POST": 2, "DELETE": 1}
    assert systems.engine_calls() == 6
    profiles = systems.profiles()
    assert {profiles[key]["location"]["city"] for key in loaded[:3]} == {"Møllehavn"}
    assert {profiles[key]["email"] for key in added} == {
        "nora.0@newcomers.example",
        "nora.1@newcomers.example",
    }
    assert loaded[7] not in profiles
    assert not systems.differences()


def test_a_value_that_is_emptied_in_dynamics_is_emptied_in_campaign(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.begin()
    key = next(key for key, row in systems.profiles().items() if row["location"]["city"] and row["birthDate"])
    systems.change({"id": key, "address1_city": None, "birthdate": None, "gendercode": None})
    assert airflow.run().tally == {"extracted": 1, "updated": 1}
    profile = systems.profiles()[key]
    assert (profile["location"]["city"] or "", profile["birthDate"] or "", profile["gender"]) == (
        "",
        "",
        "unknown",
    )


def test_a_contact_that_was_deleted_and_never_was_a_profile_costs_nothing(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.deletes("apply")
    airflow.begin()
    systems.delete(next(key for key, row in systems.contacts().items() if not row["emailaddress1"]))
    systems.forget()
    assert airflow.run().tally == {"extracted": 1, "unchanged": 1}
    assert systems.engine_calls() == 0


def test_deletions_are_counted_and_otherwise_ignored_if_the_mapping_says_so(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.deletes("ignore")
    airflow.begin()
    key = sorted(systems.profiles())[0]
    systems.delete(key)
    systems.forget()
    assert airflow.run().tally == {"extracted": 1, "dropped": 1}
    assert systems.engine_calls() == 0
    assert key in systems.profiles()


def test_a_contact_that_loses_its_e_mail_stays_a_profile_if_the_mapping_keeps_what_is_filtered_out(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.begin()
    key = sorted(systems.profiles())[0]
    systems.change({"id": key, "emailaddress1": None})
    systems.forget()
    run = airflow.run()
    assert run.tally == {"extracted": 1, "dropped": 1}
    assert run.report is not None
    assert run.report["dropped"] == {"has an e-mail": 1}
    assert systems.engine_calls() == 0
    assert key in systems.profiles()


def test_a_contact_that_loses_its_e_mail_is_deleted_if_the_mapping_says_so(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.edit("emailaddress1, present: true}\n", "emailaddress1, present: true}\n  filtered_out: delete\n")
    first = airflow.run()
    assert first.ok, first.errors
    never = next(key for key, row in systems.contacts().items() if not row["emailaddress1"])
    key = sorted(systems.profiles())[0]
    systems.change({"id": key, "emailaddress1": None}, {"id": never, "jobtitle": "never a profile"})
    systems.forget()
    run = airflow.run()
    assert run.tally["deleted"] == 1, run.tally
    assert systems.engine_calls() == 1
    assert key not in systems.profiles()


def test_a_run_tells_its_counts_in_report_xcom_and_ledger(airflow: RealAirflow, systems: Systems) -> None:
    run = airflow.run()
    assert run.report is not None
    assert run.report["balanced"] is True
    assert run.report["batches"] == 1
    assert (airflow.returned(run, "reconcile")["tally"]) == run.report["tally"]
    kept = airflow.ledger().runs("contacts_to_profiles")
    assert [(each.run_id, each.state, each.tally) for each in kept] == [
        (run.run_id, "success", run.report["tally"])
    ]
    assert not list(run.folder.glob("*.parquet")), "rows stay after a good run"
    assert list(run.folder.glob("*.html")), "no page of the checks"


def test_many_batches_add_up_to_one_report(
    airflow: RealAirflow, systems: Systems, smaller_batches: None
) -> None:
    run = airflow.run()
    assert run.ok, run.errors
    assert run.report is not None
    assert run.report["batches"] > 2
    assert len([task for task in run.tasks if task.startswith("load[")]) == run.report["batches"]
    assert run.tally["extracted"] == len(systems.contacts())
    assert not systems.differences()


def test_norway_stays_no(airflow: RealAirflow, systems: Systems) -> None:
    norwegian = systems.contact("norway@example.org")
    assert systems.contacts()[norwegian]["address1_country"] == "NO"
    airflow.begin()
    assert systems.profiles()[norwegian]["location"]["countryCode"] == "NO"
