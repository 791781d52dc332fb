"""Disasters that the guard is to stop: what a person, a system or a bug does to a flow that is in step, then the run.

One small function each, undone by `InStep.undo`; what it returns is how the run is started. Not for mishaps that are
refused before the guard sees anything (``refusals.py``).
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.flows.harsh_flow import ACTIVE
from tests.flows.in_step import COLUMNS, Disaster, InStep, Script
from tests.flows.real_airflow import FLOW

WORLD = "    Germany: DE\n    Greece: GR\n    India: IN\n    Israel: IL\n    Japan: JP\n    Norway: NO\n"
CITY = "  location.city:        {from: address1_city, using: [trim]}\n"

#: What Dynamics answers that has nothing.
NOTHING = {"value": []}

GUARDED: list[Disaster] = []


def asks(*harms: str) -> Callable[[Script], Script]:
    """The guard is to ask about these harms."""

    def listed(script: Script) -> Script:
        GUARDED.append(Disaster(script, asks=harms))
        return script

    return listed


# Somebody edits the mapping, and sends everything again as its documentation says.


@asks("deletes")
def a_filter_with_a_typo_passes_nobody(flow: InStep) -> dict[str, Any]:
    flow.edit(ACTIVE, ACTIVE + "    - {name: Norwegians, column: address1_country, equals: Norwya}\n")
    return {"replay": True}


@asks("deletes")
def a_filter_has_its_operator_inverted(flow: InStep) -> dict[str, Any]:
    flow.edit("column: emailaddress1, present: true", "column: emailaddress1, present: false")
    return {"replay": True}


@asks("deletes")
def a_filter_has_the_wrong_state(flow: InStep) -> dict[str, Any]:
    flow.edit("column: statecode, equals: 0", "column: statecode, equals: 1")
    return {"replay": True}


@asks("deletes")
def a_filter_asks_for_a_column_that_hardly_anybody_has_filled(flow: InStep) -> None:
    """A new column makes the run read all rows again without being asked."""
    flow.edit(ACTIVE, ACTIVE + "    - {name: has a note, column: new_note, present: true}\n")


@asks("deletes")
def a_filter_by_points_forgets_those_without_points(flow: InStep) -> None:
    flow.edit(ACTIVE, ACTIVE + "    - {name: few points, column: new_loyaltypoints, at_most: 1000000}\n")


@asks("deletes")
def a_filter_by_letters_forgets_their_case(flow: InStep) -> dict[str, Any]:
    flow.edit("column: emailaddress1, present: true", "column: emailaddress1, ends_with: .EXAMPLE")
    return {"replay": True}


@asks("deletes")
def a_filter_with_an_expression_fits_one_domain_only(flow: InStep) -> dict[str, Any]:
    flow.edit("column: emailaddress1, present: true", "column: emailaddress1, matches: '@example[.]org$'")
    return {"replay": True}


@asks("deletes")
def a_filter_with_a_list_lost_most_of_its_entries(flow: InStep) -> dict[str, Any]:
    flow.edit(ACTIVE, ACTIVE + "    - {name: our markets, column: address1_country, in: [Norway]}\n")
    return {"replay": True}


@asks("deletes")
def a_filter_says_and_where_or_was_meant(flow: InStep) -> dict[str, Any]:
    market = "    - {{name: {0}, column: address1_country, equals: {0}}}\n"
    flow.edit(ACTIVE, ACTIVE + market.format("Norway") + market.format("Germany"))
    return {"replay": True}


@asks("deletes")
def a_filter_by_date_has_before_and_after_mixed_up(flow: InStep) -> dict[str, Any]:
    flow.edit(ACTIVE, ACTIVE + "    - {name: not from the future, column: createdon, after: 2030-01-01}\n")
    return {"replay": True}


@asks("deletes")
def a_wrong_filter_lies_dormant_until_a_nightly_script_touches_every_contact(flow: InStep) -> None:
    flow.edit("column: statecode, equals: 0", "column: statecode, not_equals: 0")
    assert flow.walk()["tally"]["extracted"] <= len(flow.contacts) - len(flow.people), "it is dormant"
    flow.touch()


@asks("blanks")
def a_field_is_pointed_to_an_empty_column(flow: InStep) -> None:
    flow.edit("from: address1_city", "from: address2_city")


@asks("blanks")
def a_name_is_pointed_to_a_column_that_nobody_fills(flow: InStep) -> None:
    flow.edit("{from: firstname, using: [trim]}", "{from: nickname, using: [trim]}")


@asks("blanks")
def a_recipe_empties_every_name(flow: InStep) -> dict[str, Any]:
    flow.edit("{from: lastname, using: [trim]}", "{from: lastname, using: [digits_only]}")
    return {"replay": True}


@asks("blanks")
def a_replacement_empties_whatever_it_does_not_list(flow: InStep) -> dict[str, Any]:
    flow.edit(WORLD, "    otherwise: ''\n")
    return {"replay": True}


@asks("blanks")
def a_choice_travels_as_label_where_its_value_is_replaced(flow: InStep) -> dict[str, Any]:
    flow.edit("{from: familystatuscode, picklist: value}", "{from: familystatuscode, picklist: label}")
    return {"replay": True}


@asks("deletes")
def a_column_is_mapped_on_the_day_of_a_mass_deletion(flow: InStep) -> None:
    """All rows are read again then, and only the old place in the change feed knows of the deletions."""
    flow.systems.delete(*flow.some(0.5))
    flow.edit(CITY, CITY + "  cusNote: jobtitle\n")


@asks("deletes")
def deletions_that_were_ignored_come_due(flow: InStep) -> None:
    """Half of the contacts go while the mapping ignores deletions; later it applies them, and the place expires."""
    flow.edit("deletes: apply", "deletes: ignore")
    flow.systems.delete(*flow.some(0.5))
    assert not flow.walk()["tally"]["deleted"]
    flow.edit("deletes: ignore", "deletes: apply")
    flow.expire()


# Something happens to the rows in Dynamics.


@asks("deletes")
def the_table_is_emptied(flow: InStep) -> None:
    flow.systems.delete(*flow.contacts)


@asks("deletes")
def a_bulk_deletion_has_the_wrong_criterion(flow: InStep) -> None:
    flow.systems.delete(*flow.some(0.5))


@asks("deletes")
def a_bulk_deletion_goes_just_over_the_limit(flow: InStep) -> None:
    flow.systems.delete(*flow.people[: len(flow.people) // 20 + 1])


@asks("deletes")
def the_table_is_emptied_and_imported_again_with_new_ids(flow: InStep) -> None:
    rows = [{name: row[name] for name in COLUMNS} for row in flow.contacts.values()]
    flow.systems.mutate(
        delete=sorted(flow.contacts), create=[{"contactid": str(uuid.uuid4()), **row} for row in rows]
    )


@asks("blanks")
def the_table_is_emptied_and_imported_again_with_names_and_addresses_only(flow: InStep) -> None:
    flow.systems.delete(*flow.people)
    kept = ("lastname", "emailaddress1", "statecode", "statuscode")
    flow.systems.mutate(create=[flow.again(key, kept) for key in flow.people])


@asks("deletes")
def a_script_deactivates_everybody(flow: InStep) -> None:
    flow.write(flow.people, statecode=1, statuscode=2)


@asks("deletes")
def a_merge_of_duplicates_deactivates_a_tenth(flow: InStep) -> None:
    flow.write(flow.some(0.1), statecode=1, statuscode=2)


@asks("deletes")
def a_script_clears_the_addresses(flow: InStep) -> None:
    flow.write(flow.people, emailaddress1=None)


@asks("deletes")
def an_import_writes_blanks_over_the_addresses_of_a_tenth(flow: InStep) -> None:
    flow.write(flow.some(0.1), emailaddress1="   ")


@asks("blanks")
def an_import_clears_the_birthdays(flow: InStep) -> None:
    flow.write(flow.people, birthdate=None)


@asks("blanks")
def an_import_writes_blanks_over_the_cities_of_a_third(flow: InStep) -> None:
    flow.write(flow.some(1 / 3), address1_city="  ")


@asks("blanks")
def a_spreadsheet_is_imported_with_an_empty_column_of_names(flow: InStep) -> None:
    flow.write(flow.people, lastname="")


@asks("deletes", "blanks")
def people_are_made_anonymous_without_a_condition(flow: InStep) -> None:
    half = len(flow.people) // 2
    flow.write(flow.people[:half], firstname="", lastname="", birthdate=None, address1_line1="")
    flow.write(flow.people[half:], emailaddress1=None)


@asks("blanks")
def the_rows_of_a_bad_import_are_sent_again_by_hand(flow: InStep) -> dict[str, Any]:
    flow.write(flow.some(0.5), mobilephone=None, address1_line1=None)
    now = datetime.now(UTC)
    return {
        "since": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
    }


@asks("blanks")
def a_backfill_covers_the_hour_of_a_bad_import(flow: InStep) -> dict[str, Any]:
    flow.write(flow.some(0.5), address1_city=None)
    now = datetime.now(UTC)
    return {"run_type": "backfill", "interval": (now - timedelta(hours=1), now + timedelta(hours=1))}


# Something happens to Dynamics as a whole, to what we may see of it, or to what we remember.


@asks("deletes")
def an_empty_environment_is_copied_over_ours(flow: InStep) -> None:
    """Our place in the change feed means nothing there: a comparison finds everything gone."""
    flow.systems.delete(*flow.contacts)
    flow.expire()


@asks("deletes")
def another_environment_answers_at_our_address(flow: InStep) -> None:
    the_table_is_emptied_and_imported_again_with_new_ids(flow)
    flow.expire()


@asks("deletes")
def the_connection_points_elsewhere_while_the_place_has_expired(flow: InStep) -> None:
    flow.airflow.ledger().expire_place(FLOW)
    flow.connect_elsewhere()


@asks("deletes")
def the_environment_lost_a_tenth_when_it_was_restored_from_a_backup(flow: InStep) -> None:
    flow.systems.delete(*flow.some(0.1))
    flow.expire()


@asks("deletes")
def dynamics_answers_every_question_with_an_empty_page(flow: InStep) -> None:
    flow.expire()
    link = flow.link()
    flow.answer(r"/contacts[?].*select(?!.*deltatoken)", NOTHING | {"@odata.deltaLink": link})


@asks("deletes")
def a_business_unit_is_hidden_from_us_while_the_place_has_expired(flow: InStep) -> None:
    """A third of the rows is in no list and is not found by its keys either."""
    flow.expire()
    page, link = flow.seen(), flow.link()
    page["value"] = [row for row in page["value"] if row["contactid"] not in flow.some(1 / 3)]
    flow.answer(r"/contacts[?].*filter=", NOTHING)
    flow.answer(r"/contacts[?](?!.*deltatoken)", page | {"@odata.deltaLink": link})


@asks("blanks")
def a_secured_column_is_hidden_from_us_while_everything_is_sent_again(flow: InStep) -> dict[str, Any]:
    """Column security changes no row, but every value of the column reads as null."""
    page = flow.seen()
    page["value"] = [row | {"lastname": None} for row in page["value"]]
    flow.answer(r"/contacts[?](?!.*deltatoken)", page)
    return {"replay": True}


@asks("deletes")
def the_place_is_lost_and_everything_sent_again_after_a_mass_deletion(flow: InStep) -> dict[str, Any]:
    """The lost place is told, and a replay is what the error advises."""
    flow.airflow.forget_place()
    flow.systems.delete(*flow.some(0.5))
    return {"replay": True}


@asks("deletes")
def the_ledger_is_restored_from_a_backup_and_half_of_the_contacts_are_gone_since(flow: InStep) -> None:
    folder = flow.airflow.folder / "campaign_sync"
    with (
        closing(sqlite3.connect(folder / "ledger.db")) as ledger,
        closing(sqlite3.connect(folder / "backup.db")) as backup,
    ):
        ledger.backup(backup)
        flow.touch()
        flow.walk()
        flow.systems.delete(*flow.some(0.5))
        backup.backup(ledger)
