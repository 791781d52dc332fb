"""The seeds: generated people and tables from CSV files."""

from __future__ import annotations

import gzip
import json
import uuid
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from sandbox.seeds import TableSeed, companies, purchases
from sandbox.seeds import awkward as who
from sandbox.seeds.chance import NAMESPACE
from sandbox.seeds.companies import AWKWARD_ACCOUNTS, accounts, awkward_account
from sandbox.seeds.csv_files import csv_tables
from sandbox.seeds.generated import generated_tables
from sandbox.seeds.people import awkward, awkward_id, people
from tests.sandbox_process import Sandbox, start_sandbox

CONTACT = (
    "contactid,firstname,address1_line1,address1_postalcode,numberofchildren,donotemail,statecode,modifiedon"
)


def test_the_same_seed_gives_the_same_people() -> None:
    assert list(people(100, 7)) == list(people(100, 7))
    assert list(people(100, 7)) != list(people(100, 8))


def test_a_person_is_the_same_in_a_larger_crowd_but_for_the_organisation() -> None:
    few, many = list(people(100, 7)), list(islice(people(10_000, 7), 100))
    organisation = "_parentcustomerid_value"
    assert [{**a, organisation: None} for a in few] == [{**b, organisation: None} for b in many]


def test_every_person_has_an_id_of_its_own_and_the_same_columns() -> None:
    rows = list(people(5000, 7))
    assert len({row["contactid"] for row in rows}) == 5000
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert str(uuid.uuid5(NAMESPACE, "contact:7:100")) == rows[100]["contactid"]


def test_every_organisation_that_people_belong_to_exists() -> None:
    known = {row["accountid"] for row in accounts(5000, 7)}
    named = {row["_parentcustomerid_value"] for row in people(5000, 7)} - {None}
    assert named
    assert named <= known


def test_ordinary_people_fit_the_columns_of_a_contact() -> None:
    """Lengths and options of dataverse.md §10.1."""
    longest = {
        "firstname": 50,
        "lastname": 50,
        "emailaddress1": 100,
        "mobilephone": 50,
        "address1_line1": 250,
    }
    for row in people(3000, 7):
        assert all(len(row[column] or "") <= length for column, length in longest.items())
        assert len(row["address1_postalcode"] or "") <= 20
        assert row["gendercode"] in (None, 1, 2)
        assert row["familystatuscode"] in (None, 1, 2, 3, 4)
        assert (row["statecode"], row["statuscode"]) in ((0, 1), (1, 2))
        assert row["createdon"] <= row["modifiedon"]


def test_there_are_gaps_and_several_scripts() -> None:
    rows = list(people(2000, 7))
    for column in ("emailaddress1", "mobilephone", "birthdate", "gendercode", "_parentcustomerid_value"):
        assert 10 < sum(row[column] is None for row in rows) < 1900
    last_names = "".join(row["lastname"] or "" for row in rows)
    for letter in "éøłΠИכمश佐김":
        assert letter in last_names
    assert 10 < sum(row["statecode"] for row in rows) < 200


def test_the_awkward_people_come_first_by_name() -> None:
    ids = [row["contactid"] for row in people(200, 7)]
    assert ids[: len(who.AWKWARD)] == [awkward_id(name) for name in who.AWKWARD]
    assert [row["contactid"] for row in people(3, 99)] == ids[:3]


def test_the_awkward_people_are_what_they_are_called() -> None:
    assert awkward(who.NO_EMAIL)["emailaddress1"] is None
    assert awkward(who.SHARES_EMAIL_1)["emailaddress1"] == awkward(who.SHARES_EMAIL_2)["emailaddress1"]
    assert awkward(who.FEBRUARY_30)["new_birthdaytext"].endswith("-02-30")
    assert len(awkward(who.LONG_NOTE)["new_note"]) == 4000
    assert awkward(who.NORWAY)["address1_country"] == "NO"
    assert len(awkward(who.LONG_FIRST_NAME)["firstname"]) == 50
    assert awkward(who.INACTIVE)["statecode"] == 1
    assert awkward(who.UPPER_CASE_EMAIL)["emailaddress1"].isupper()
    assert "+" in awkward(who.PLUS_EMAIL)["emailaddress1"]
    assert "@" not in awkward(who.INVALID_EMAIL)["emailaddress1"]
    assert awkward(who.OLDEST)["birthdate"] == "1753-01-01"
    assert max(map(ord, awkward(who.EMOJI)["firstname"])) > 0xFFFF
    assert {'"', ";"} <= set(awkward(who.PUNCTUATION)["firstname"])
    assert "\n" in awkward(who.PUNCTUATION)["address1_line1"]
    assert awkward(who.BLANKS)["firstname"] != awkward(who.BLANKS)["firstname"].strip()


def generated(people_count: int, seed: int = 7) -> dict[str, list[dict[str, Any]]]:
    return {table.table: list(table.rows) for table in generated_tables(people_count, seed)}


def test_custom_columns_of_generated_tables_are_declared() -> None:
    for table in generated_tables(50, 7):
        rows = list(table.rows)
        lookups = {name[1:-6] for name in rows[0] if name.startswith("_new_")}
        used = {name for row in rows for name in row if name.startswith("new_")} - {f"{table.table}id"}
        assert used | lookups == set(table.columns or {})


def test_around_the_people_there_is_company_that_grows_with_them() -> None:
    tables = ("account", "contact", "new_vendor", "new_purchaseorder", "new_purchaseorderline")
    sizes = {count: {name: len(rows) for name, rows in generated(count).items()} for count in (200, 2000)}
    assert sizes == {
        200: dict(zip(tables, (40, 200, 12, 60, 200), strict=True)),
        2000: dict(zip(tables, (400, 2000, 125, 625, 2083), strict=True)),
    }
    for table in tables:
        rows = generated(200)[table]
        assert rows == generated(200)[table]
        assert rows != generated(200, seed=8)[table]
        assert len({row[f"{table}id"] for row in rows}) == len(rows)


def test_every_lookup_of_generated_rows_leads_to_a_row_or_is_empty() -> None:
    for count in (1, 30, 1000):
        tables = generated(count)
        for table, lookup, parent in (
            ("account", "_primarycontactid_value", "contact"),
            ("new_purchaseorder", "_new_vendorid_value", "new_vendor"),
            ("new_purchaseorderline", "_new_purchaseorderid_value", "new_purchaseorder"),
        ):
            named = {row[lookup] for row in tables[table]}
            assert None in named
            assert named - {None} <= {row[f"{parent}id"] for row in tables[parent]}
            assert len(named) > 1 or count == 1


def test_the_awkward_accounts_and_purchases_are_what_they_are_called() -> None:
    tables = generated(200)
    emails = {row["contactid"]: row["emailaddress1"] for row in tables["contact"]}
    by_id = {row["accountid"]: row for row in tables["account"]}
    stores = {trait: by_id[awkward_account(trait)] for trait in AWKWARD_ACCOUNTS}
    asked = {trait: row["_primarycontactid_value"] for trait, row in stores.items()}
    assert asked[companies.NOBODY] is None
    assert emails[asked[companies.ASKS_NO_EMAIL]] is None
    assert "@" not in emails[asked[companies.ASKS_INVALID_EMAIL]]
    assert asked[companies.ASKS_THE_SAME_1] == asked[companies.ASKS_THE_SAME_2]
    assert len(stores[companies.LONG_NAME]["name"]) == 160
    assert sum(row["_primarycontactid_value"] is None for row in tables["account"]) > 5
    vendors = {row["new_vendorid"]: row for row in tables["new_vendor"]}
    assert vendors[purchases.awkward_vendor(purchases.INACTIVE)]["new_active"] is False
    assert len(vendors[purchases.awkward_vendor(purchases.LONG_NAME)]["new_name"]) == 200
    orders = {row["new_purchaseorderid"]: row for row in tables["new_purchaseorder"]}
    assert orders[purchases.awkward_order(purchases.NO_VENDOR)]["_new_vendorid_value"] is None
    for trait, vendor in (
        (purchases.OF_INACTIVE, purchases.INACTIVE),
        (purchases.OF_LONG_NAME, purchases.LONG_NAME),
    ):
        order = orders[purchases.awkward_order(trait)]
        assert order["_new_vendorid_value"] == purchases.awkward_vendor(vendor)
        below = [
            row for row in tables["new_purchaseorderline"]
            if row["_new_purchaseorderid_value"] == order["new_purchaseorderid"]
        ]  # fmt: skip
        assert below


def test_rows_are_json() -> None:
    for rows in generated(100).values():
        for row in rows:
            assert json.loads(json.dumps(row)) == row


def write(directory: Path, name: str, *lines: str) -> None:
    text = "\r\n".join(lines) + "\r\n"
    if name.endswith(".gz"):
        (directory / name).write_bytes(gzip.compress(text.encode()))
    else:
        (directory / name).write_text(text, newline="")


def tables(directory: Path) -> dict[str, TableSeed]:
    return {
        seed.table: TableSeed(seed.table, list(seed.rows), seed.columns) for seed in csv_tables(directory)
    }


def test_standard_columns_have_dataverses_types(tmp_path: Path) -> None:
    write(tmp_path, "contact.csv", CONTACT, "id-1, 007 ,1,00501,2,True,0,2014-01-02T00:00:00Z", "id-2,,,,,,,")
    seed = tables(tmp_path)["contact"]
    first, second = seed.rows
    assert first == {
        "contactid": "id-1",
        "firstname": " 007 ",
        "address1_line1": "1",
        "address1_postalcode": "00501",
        "numberofchildren": 2,
        "donotemail": True,
        "statecode": 0,
        "modifiedon": "2014-01-02T00:00:00Z",
    }
    assert {value for name, value in second.items() if name != "contactid"} == {None}
    assert seed.columns == {}


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "", "-20"], "Integer", [1, None, -20]),
        (["1", "2.50", "-0.01"], "Decimal", [1.0, 2.5, -0.01]),
        (["True", "False", ""], "Boolean", [True, False, None]),
        (["2014-01-02", "", "1953-01-01"], "DateOnly", ["2014-01-02", None, "1953-01-01"]),
        (["2014-01-02T03:04:05Z", "", ""], "DateTime", ["2014-01-02T03:04:05Z", None, None]),
        (["007", "8", "9"], "String", ["007", "8", "9"]),
        (["4+", "3", "2"], "String", ["4+", "3", "2"]),
        (["True", "1", "2"], "String", ["True", "1", "2"]),
        (["", "", ""], "String", [None, None, None]),
        (["x" * 101, "", "y"], "Memo", ["x" * 101, None, "y"]),
        (["12345678901", "1", "2"], "Decimal", [12345678901.0, 1.0, 2.0]),
    ],
)
def test_the_type_of_a_custom_column_is_what_all_its_values_have(
    tmp_path: Path, cells: list[str], kind: str, values: list[object]
) -> None:
    write(
        tmp_path,
        "new_thing.csv.gz",
        "new_thingid,new_it",
        *(f"id-{n},{cell}" for n, cell in enumerate(cells)),
    )
    seed = tables(tmp_path)["new_thing"]
    assert seed.columns == {"new_it": kind}
    assert [row["new_it"] for row in seed.rows] == values


def test_a_lookup_points_to_the_table_that_has_its_ids_and_parents_come_first(tmp_path: Path) -> None:
    write(tmp_path, "new_a_child.csv", "new_a_childid,_new_owner_value", "c1,p1", "c2,")
    write(tmp_path, "new_parent.csv", "new_parentid,new_name", "p1,One")
    write(tmp_path, "new_zero.csv", "new_zeroid,_new_contactid_value", "z1,")
    found = tables(tmp_path)
    assert found["new_a_child"].columns == {"new_owner": "Lookup:new_parent"}
    assert found["new_zero"].columns == {"new_contactid": "Lookup:contact"}
    assert [row["_new_owner_value"] for row in found["new_a_child"].rows] == ["p1", None]
    assert list(found).index("new_parent") < list(found).index("new_a_child")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["new_name", "x"], "new_thing.csv has no column new_thingid"),
        (["new_thingid,new_name", "1"], "new_thing.csv line 2 has not as many cells as the head line"),
        (["new_thingid,new_name", "1,2,3"], "new_thing.csv line 2 has not as many cells as the head line"),
        (
            ["new_thingid,statecode", "1,open"],
            "new_thing.csv line 2 does not hold a value of its column's type",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, lines: list[str], sentence: str) -> None:
    write(tmp_path, "new_thing.csv", *lines)
    with pytest.raises(ValueError, match=sentence):
        tables(tmp_path)


def test_a_directory_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no \*.csv"):
        tables(tmp_path)


def contacts(sandbox: Sandbox, options: str) -> list[dict[str, object]]:
    answer = sandbox.http.get(
        f"{sandbox.env['DATAVERSE_URL']}/api/data/v9.2/contacts?{options}",
        headers={"Authorization": f"Bearer {sandbox.dataverse_token()}"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["value"])


@pytest.mark.sandbox
def test_every_generated_person_is_in_dataverse_as_generated(sandbox: Sandbox) -> None:
    columns = [name for name in next(iter(people(1, 7))) if name != "statecode"]
    stored = {row["contactid"]: row for row in contacts(sandbox, f"$select={','.join(columns)}")}
    assert len(stored) == 200
    for row in people(200, 7):
        assert {name: stored[row["contactid"]][name] for name in columns} == {
            name: row[name] for name in columns
        }


@pytest.mark.sandbox
def test_a_reset_brings_the_seeded_rows_back(fresh_sandbox: Sandbox) -> None:
    one = awkward_id(who.NORWAY)
    fresh_sandbox.control("POST", "/sandbox/dataverse/mutate", {"table": "contact", "delete": [one]})
    assert contacts(fresh_sandbox, f"$filter=contactid eq {one}") == []
    fresh_sandbox.control("POST", "/sandbox/reset")
    assert [row["address1_country"] for row in contacts(fresh_sandbox, f"$filter=contactid eq {one}")] == [
        "NO"
    ]


@pytest.mark.sandbox
def test_csv_files_become_tables(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    parent, child = str(uuid.uuid4()), str(uuid.uuid4())
    write(data, "new_vendor.csv.gz", "new_vendorid,new_name,new_active", f"{parent},Öl & Söhne,True")
    write(data, "new_order.csv", "new_orderid,_new_vendorid_value,new_total,modifiedon",
          f"{child},{parent},35178.4185,2014-08-12T00:00:00Z")  # fmt: skip
    with start_sandbox(tmp_path / "state", data=data) as running:
        address = (
            f"{running.env['DATAVERSE_URL']}/api/data/v9.2/new_orders({child})?$select=new_total,modifiedon"
        )
        answer = running.http.get(
            f"{address}&$expand=new_vendorid($select=new_name,new_active)",
            headers={"Authorization": f"Bearer {running.dataverse_token()}"},
            timeout=10,
        )
        assert contacts(running, "$top=1") == []
    assert answer.status_code == 200, answer.text
    row = answer.json()
    assert (row["new_total"], row["modifiedon"]) == (35178.4185, "2014-08-12T00:00:00Z")
    assert row["new_vendorid"]["new_name"] == "Öl & Söhne"
    assert row["new_vendorid"]["new_active"] is True


@pytest.mark.sandbox
def test_every_generated_row_around_the_people_is_in_dataverse_and_tracked(sandbox: Sandbox) -> None:
    tables = generated(200)
    for table in ("account", "new_vendor", "new_purchaseorder", "new_purchaseorderline"):
        key, columns = f"{table}id", sorted({*tables[table][0]} - {"statecode", "statuscode"})
        address = f"{sandbox.env['DATAVERSE_URL']}/api/data/v9.2/{table}s?$select={','.join(columns)}"
        answer = sandbox.http.get(
            address,
            headers={
                "Authorization": f"Bearer {sandbox.dataverse_token()}",
                "Prefer": "odata.track-changes,odata.maxpagesize=1000",
            },
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        assert "@odata.deltaLink" in answer.json()
        stored = {row[key]: {name: row[name] for name in columns} for row in answer.json()["value"]}
        assert stored == {row[key]: {name: row[name] for name in columns} for row in tables[table]}
