"""AdventureWorks: its contacts alone, and its six tables whole, compared with computations from the files that share no
code with anything.

Skipped where the data is not there (`TEST_ADVENTUREWORKS` names its folder).
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows import adventureworks
from tests.flows.adventureworks import CREATED, DATA, FLOWS, PARKED, RESOURCES
from tests.flows.importing import Imports
from tests.flows.on_foot import walk
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


#: What no two Campaigns have alike: numbers and times of their own.
OF_CAMPAIGN = ("@id", "acsId", "created", "cryptedId", "lastModified")
FATES = ("dropped", "parked", "rejected", "created", "updated", "deleted", "unchanged")


@pytest.mark.timeout(900)
def test_all_six_tables_arrive_whole_with_their_links_and_by_file_the_same_as_by_rest(
    airflow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    """53,454 rows, flows started in any order, children before their parents too (I3, I14)."""
    records, waiting = adventureworks.wanted()
    assert {flow: len(records[FLOWS[flow][2]]) for flow in FLOWS} == CREATED
    assert {flow: len(keys) for flow, keys in waiting.items()} == PARKED
    contents = []
    for by_file in (False, True):
        for declaration in RESOURCES:
            systems.control("POST", "/sandbox/campaign/resources", declaration)
        for declaration in adventureworks.imports() if by_file else ():
            systems.control("POST", "/sandbox/campaign/imports", declaration)
        shutil.rmtree(airflow.mappings)
        airflow.mappings.mkdir()
        files = adventureworks.mapping_files(airflow.mappings, by_file=by_file)
        monkeypatch.setenv("AIRFLOW_HOME", str(airflow.folder / ("file" if by_file else "rest")))
        Imports(airflow, systems, monkeypatch)

        tallies = run_until_quiet(files, random.Random(19_972 + by_file))
        assert {flow: tally["created"] for flow, tally in tallies.items()} == CREATED
        assert {flow: tally["dropped"] for flow, tally in tallies.items() if tally["dropped"]} == {
            "vendors_to_vendors": 4
        }
        for fate in ("rejected", "updated", "deleted"):
            assert not any(tally[fate] for tally in tallies.values()), (fate, tallies)
        if not by_file:
            assert systems.engine_calls() == sum(CREATED.values()) + len(FLOWS)

        content = {resource: systems.records(resource, key) for _, _, resource, key in FLOWS.values()}
        for resource, wanted_ones in records.items():
            assert content[resource].keys() == wanted_ones.keys(), resource
            hidden = [key for key, record in content[resource].items() if record["@hidden"]]
            assert not hidden, f"Campaign hides {len(hidden)} of {resource}, e.g. {hidden[:3]}"
            different = {
                key
                for key, wanted_one in wanted_ones.items()
                if wanted_one != {field: content[resource][key][field] for field in wanted_one}
            }
            assert not different, f"{len(different)} of {resource} differ, e.g. {sorted(different)[:3]}"
        contents.append(without(content, OF_CAMPAIGN))
        systems.control("POST", "/sandbox/reset")
    by_rest, by_files = contents
    assert by_rest == by_files


def run_until_quiet(files: list[Path], order: random.Random) -> dict[str, dict[str, int]]:
    """Run all flows, in another order each time, until nothing is written any more; what all runs of a flow came to."""
    tallies = {file.stem: dict.fromkeys(FATES, 0) for file in files}
    for number in range(10):
        wrote = 0
        for file in order.sample(files, len(files)):
            report = walk(file, f"round-{number}")
            assert report["balanced"], report
            for fate in FATES:
                tallies[file.stem][fate] += report["tally"][fate]
            wrote += sum(report["tally"][fate] for fate in ("created", "updated", "deleted"))
        if not wrote:
            return tallies
    raise AssertionError(f"still writing after ten rounds: {tallies}")


def without(content: dict[str, dict[str, dict[str, Any]]], fields: tuple[str, ...]) -> dict[str, Any]:
    """All records of all resources without these fields."""
    return {
        resource: {
            key: {name: value for name, value in record.items() if name not in fields}
            for key, record in found.items()
        }
        for resource, found in content.items()
    }
