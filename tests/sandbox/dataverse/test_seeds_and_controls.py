"""Seeding, restarting and the controls, in the process."""

from __future__ import annotations

import csv
import gzip
import time
from pathlib import Path

import pytest

from sandbox import dataverse
from sandbox.dataverse.org import organisation
from sandbox.seeds import TableSeed
from sandbox.world import World
from tests.sandbox.dataverse.conftest import ROOT, Api, guid, refused

VENDOR = TableSeed(
    "new_vendor",
    [
        {
            "new_vendorid": guid(1),
            "new_name": "Bike & Co",
            "new_total": 12.3456,
            "new_since": "2011-12-15T00:00:00Z",
            "new_active": True,
            "_new_contactid_value": guid(1),
            "modifiedon": "2011-12-16T00:00:00Z",
        }
    ],
    {
        "new_name": "String",
        "new_total": "Decimal",
        "new_since": "DateTime",
        "new_active": "Boolean",
        "new_contactid": "Lookup:contact",
    },
)


def test_seeds_keep_ids_and_times(api: Api) -> None:
    row = api.get(f"contacts({guid(1)})").json()
    assert (row["modifiedon"], row["fullname"], row["statecode"]) == ("2026-01-10T08:00:00Z", "Ida Brandt", 0)


def test_a_seeded_custom_table_is_a_table_like_any_other(api: Api, world: World) -> None:
    dataverse.seed(world, [VENDOR])
    row = api.value("new_vendors?$expand=new_contactid($select=firstname)")[0]
    assert (row["new_name"], row["new_total"], row["new_active"], row["new_contactid"]["firstname"]) == (
        "Bike & Co",
        12.3456,
        True,
        "Ida",
    )
    assert row["modifiedon"] == "2011-12-16T00:00:00Z"
    found = api.get("EntityDefinitions(LogicalName='new_vendor')").json()
    assert (found["ChangeTrackingEnabled"], found["PrimaryNameAttribute"]) == (True, "new_name")
    assert "@odata.deltaLink" in api.get("new_vendors?$select=new_name", Prefer="odata.track-changes").json()


def test_unknown_columns_are_added_to_standard_tables(api: Api, world: World) -> None:
    dataverse.seed(
        world, [TableSeed("contact", [{"contactid": guid(9), "new_band": "50K"}], {"new_band": "String"})]
    )
    assert api.get(f"contacts({guid(9)})").json()["new_band"] == "50K"
    with pytest.raises(ValueError, match="new_other"):
        dataverse.seed(world, [TableSeed("contact", [{"contactid": guid(8), "new_other": 1}])])


def test_a_restart_keeps_rows_definitions_and_versions(api: Api, world: World) -> None:
    dataverse.seed(world, [VENDOR])
    link = api.track()
    api.control("change_table", table="task", change_tracking=True)
    dataverse.close(world)
    api.mutate("contact", touch=1)
    assert [row["contactid"] for row in api.value(link)] == [guid(1)]
    assert api.get("new_vendors").status_code == 200
    assert api.get("EntityDefinitions(LogicalName='task')").json()["ChangeTrackingEnabled"] is True


def test_reset_forgets_everything(api: Api, world: World) -> None:
    dataverse.seed(world, [VENDOR])
    dataverse.reset(world)
    assert api.value("contacts?$select=firstname") == []
    refused(api.get("new_vendors"), 404, "0x80060888")


def test_mutations_go_through_the_row_versions(api: Api) -> None:
    before = api.control("version")["version"]
    done = api.mutate(
        "contact",
        create=[{"firstname": "New"}],
        update=[{"id": guid(1), "lastname": "x"}],
        touch=2,
        delete=[guid(5)],
    )
    assert (done["updated"], done["deleted"], len(done["created"]), done["touched"]) == (
        1,
        1,
        1,
        [guid(1), guid(2)],
    )
    assert done["version"] == before + 5
    with pytest.raises(Exception, match="ObjectDoesNotExist"):
        api.mutate("contact", update=[{"id": guid(99), "lastname": "x"}])


def test_raw_rows_come_in_key_order(api: Api) -> None:
    first = api.control("raw_rows", table="contact", limit=2, select="firstname")
    assert ([row["contactid"] for row in first["rows"]], first["more"], first["total"]) == (
        [guid(1), guid(2)],
        True,
        5,
    )
    rest = api.control("raw_rows", table="contact", after=guid(2))
    assert [row["contactid"] for row in rest["rows"]] == [guid(3), guid(4), guid(5)]


def test_columns_can_be_dropped(api: Api) -> None:
    api.control("change_table", table="contact", drop_column="jobtitle")
    refused(api.get("contacts?$select=jobtitle"), 400, "0x80060888", "jobtitle")
    assert api.get("contacts?$select=firstname").status_code == 200


def test_set_names_can_be_changed(api: Api) -> None:
    api.control("change_table", table="account", set_name="accountes")
    assert api.get("accountes").status_code == 200
    assert api.get("accounts").status_code == 404


def test_a_large_table_is_served_fast(tmp_path: Path) -> None:
    """No benchmark, only a guard: 25 columns, ten thousand rows, far below what a client would notice."""
    world = World(tmp_path)
    world.urls.dataverse = ROOT
    columns = {f"new_c{number}": "String" for number in range(24)}
    rows = ({"contactid": guid(n), **dict.fromkeys(columns, f"value {n}")} for n in range(10_000))
    dataverse.seed(world, [TableSeed("contact", rows, columns)])
    api = Api(world)
    started = time.monotonic()
    pages = api.pages(f"contacts?$select=contactid,{','.join(columns)}", 5000)
    assert sum(len(page["value"]) for page in pages) == 10_000
    assert time.monotonic() - started < 5
    api.close()
    dataverse.close(world)


def test_org_is_one_per_world(world: World) -> None:
    assert organisation(world) is organisation(world)


def test_csv_rows_of_the_seeds_fit(api: Api, world: World, tmp_path: Path) -> None:
    from sandbox.seeds.csv_files import csv_tables

    with gzip.open(tmp_path / "new_thing.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [["new_thingid", "new_name", "new_amount"], [guid(1), "a", "1.50"], [guid(2), "", ""]]
        )
    dataverse.seed(world, csv_tables(tmp_path))
    rows = api.value("new_things?$select=new_name,new_amount")
    assert [row["new_name"] for row in rows] == ["a", None]
