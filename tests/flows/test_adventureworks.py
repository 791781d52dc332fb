"""AdventureWorks' 19,972 contacts, compared with a computation from the CSV file that shares no code with anything.

Skipped where the data is not beside the checkout (../shared/data/adventureworks).
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from typing import Any

import pytest

from tests.flows.adventureworks import DATA
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.sandbox_process import Sandbox, start_sandbox

CONTACTS = 19_972
CODES = {
    "Australia": "AU",
    "Canada": "CA",
    "France": "FR",
    "Germany": "DE",
    "United Kingdom": "GB",
    "United States": "US",
}


def csv_rows() -> dict[str, dict[str, str]]:
    """The file's rows by contactid."""
    with gzip.open(DATA / "contact.csv.gz", "rb") as file:
        rows = csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))
        return {row["contactid"].lower(): row for row in rows}


def wanted(row: dict[str, str]) -> dict[str, str]:
    """What the shipped mapping makes of a row of the file."""
    country = row["address1_country"].strip()
    return {
        "email": row["emailaddress1"].strip().lower(),
        "salutation": row["salutation"],
        "firstName": row["firstname"].strip().casefold(),
        "middleName": row["middlename"].strip().casefold(),
        "lastName": row["lastname"].strip().casefold(),
        "birthDate": row["birthdate"][:10],
        "gender": {"1": "male", "2": "female"}.get(row["gendercode"], "unknown"),
        "phone": row["telephone1"].strip(),
        "mobilePhone": row["mobilephone"].strip(),
        "location.address1": " ".join(row["address1_line1"].split()),
        "location.address2": " ".join(row["address1_line2"].split()),
        "location.zipCode": row["address1_postalcode"].strip(),
        "location.city": row["address1_city"].strip(),
        "location.stateCode": row["address1_stateorprovince"].strip(),
        "location.countryCode": CODES.get(country, country),
    }


def found(profile: dict[str, Any], fields: dict[str, str]) -> dict[str, str]:
    """The same fields of a profile; Campaign decides on the capitals of names (campaign.md §4.3)."""
    values = {}
    for field in fields:
        item, _, part = field.partition(".")
        value = str((profile[item][part] if part else profile[item]) or "")
        values[field] = value.casefold() if field.endswith("Name") else value
    return values


@pytest.fixture(scope="module")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """In place of the small one: a sandbox with the file's contacts."""
    if not DATA.is_dir():
        reason = f"{DATA} is not there: AdventureWorks was not compared"
        print(reason)
        pytest.skip(reason)
    with start_sandbox(tmp_path_factory.mktemp("adventureworks"), data=DATA) as running:
        yield running


@pytest.mark.timeout(600)
def test_every_profile_equals_a_computation_from_the_file_and_changes_cost_what_they_must(
    airflow: RealAirflow, systems: Systems
) -> None:
    rows = csv_rows()
    assert len(rows) == CONTACTS

    first = airflow.run()
    assert first.ok, first.errors
    assert first.tally == {"extracted": CONTACTS, "created": CONTACTS}
    assert systems.engine_calls() == CONTACTS + 1  # the first record is read back by its key
    profiles = systems.profiles()
    assert profiles.keys() == rows.keys()
    different = {key for key, row in rows.items() if found(profiles[key], wanted(row)) != wanted(row)}
    assert not different, f"{len(different)} differ, e.g. {sorted(different)[:3]}"

    systems.forget()
    assert airflow.run().tally == {}
    assert systems.engine_calls() == 0

    keys = sorted(rows)[::39][:500]
    mapped, unmapped = keys[:200], keys[200:]
    systems.change(
        *({"id": key, "address1_city": f"Møllehavn {n}"} for n, key in enumerate(mapped)),
        *({"id": key, "jobtitle": f"Surveyor {n}"} for n, key in enumerate(unmapped)),
    )
    systems.forget()
    changed = airflow.run()
    assert changed.ok, changed.errors
    assert changed.tally == {"extracted": 500, "updated": 200, "unchanged": 300}
    assert systems.engine_calls() == 200
    cities = {key: profile["location"]["city"] for key, profile in systems.profiles().items()}
    assert all(cities[key] == f"Møllehavn {n}" for n, key in enumerate(mapped))
    assert all((cities[key] or "") == rows[key]["address1_city"].strip() for key in unmapped)
