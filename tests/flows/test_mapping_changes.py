"""I5–I7, I11: what the words of a mapping do over several runs."""

from __future__ import annotations

from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems


def test_a_field_without_updates_is_sent_at_creation_and_on_replay_only(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.edit("salutation:   salutation", "salutation:   {from: salutation, updates: false}")
    airflow.begin()
    alone, both = [
        key
        for key, row in sorted(systems.contacts().items())
        if key in systems.profiles() and row["salutation"]
    ][:2]
    first = {key: systems.profiles()[key]["salutation"] for key in (alone, both)}
    assert first == {key: systems.contacts()[key]["salutation"] for key in (alone, both)}

    systems.change(
        {"id": alone, "salutation": "Capt."},
        {"id": both, "salutation": "Capt.", "address1_city": "Møllehavn"},
    )
    assert airflow.run().tally == {"extracted": 2, "unchanged": 1, "updated": 1}
    profiles = systems.profiles()
    assert {key: profiles[key]["salutation"] for key in (alone, both)} == first
    assert profiles[both]["location"]["city"] == "Møllehavn"

    assert airflow.run(replay=True).ok
    assert {systems.profiles()[key]["salutation"] for key in (alone, both)} == {"Capt."}


def test_first_seen_is_kept_from_the_creation(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    created = {
        key: row["createdon"].replace("T", " ").replace("Z", ".000Z")
        for key, row in systems.contacts().items()
    }
    assert {key: row["cusFirstSeen"] for key, row in systems.profiles().items()} == {
        key: created[key] for key in systems.profiles()
    }


def test_a_picklist_travels_as_label_or_value_as_the_field_says(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.edit(
        "  phone:        {",
        "  cusNickName:  {from: familystatuscode, picklist: label}\n"
        "  cusIncomeBand: {from: familystatuscode, picklist: value}\n"
        "  phone:        {",
    )
    airflow.begin()
    labels = {1: "Single", 2: "Married", 3: "Divorced", 4: "Widowed", None: ""}
    contacts = systems.contacts()
    seen = set()
    for key, profile in systems.profiles().items():
        value = contacts[key]["familystatuscode"]
        assert (profile["cusNickName"] or "") == labels[value]
        assert (profile["cusIncomeBand"] or "") == ("" if value is None else str(value))
        seen.add(value)
    assert len(seen) > 2


def test_a_new_column_in_the_mapping_is_filled_for_rows_that_did_not_change(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.deletes("apply")
    airflow.begin()
    gone = sorted(systems.profiles())[0]
    systems.delete(gone)
    airflow.edit("  phone:        {", "  cusNote:      {from: jobtitle, using: [trim]}\n  phone:        {")
    run = airflow.walk()
    assert run.ok, run.errors
    assert run.report is not None
    assert any("all rows were read again" in note for note in run.report["notes"])
    contacts, profiles = systems.contacts(), systems.profiles()
    assert {key: row["cusNote"] or "" for key, row in profiles.items()} == {
        key: (contacts[key]["jobtitle"] or "").strip() for key in profiles
    }
    assert run.tally["deleted"] == 1, (
        "a read from the beginning lists no deletions: they come from the old place"
    )
    assert gone not in profiles
    systems.forget()
    assert airflow.walk().tally == {}
    assert systems.engine_calls() == 0


def test_a_changed_replacement_reaches_rows_when_they_change_or_on_replay(
    airflow: RealAirflow, systems: Systems
) -> None:
    norwegian = systems.contact("norway@example.org")
    airflow.begin()
    airflow.edit("    Norway: NO\n", "    Norway: NO\n    'NO': SJ\n")
    airflow.walk()
    assert systems.profiles()[norwegian]["location"]["countryCode"] == "NO"
    assert airflow.walk(replay=True).ok
    assert systems.profiles()[norwegian]["location"]["countryCode"] == "SJ"


def test_a_run_ends_with_the_mapping_it_began_with(airflow: RealAirflow, systems: Systems) -> None:
    import json

    run = airflow.run()
    setting = json.loads((run.folder / "setting.json").read_text())
    assert setting["mapping"]["load"]["resource"] == "profile"
    assert setting["mapping"]["sha"]
