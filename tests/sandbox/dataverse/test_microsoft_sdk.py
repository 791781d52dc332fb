"""Microsoft's own Python SDK, unmodified, does its documented work against the sandbox over TLS (spec S2)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from enum import IntEnum

import pytest

from tests.sandbox_process import Sandbox

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:PowerPlatform.*"),
]
sdk = pytest.importorskip("PowerPlatform.Dataverse.client")


class Colour(IntEnum):
    RED = 512340000
    BLUE = 512340001


@pytest.fixture
def client(fresh_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[sdk.DataverseClient]:
    """The SDK with azure-identity's client credentials, both verifying our authority."""
    from azure.identity import ClientSecretCredential

    env = fresh_sandbox.env
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", env["CA_FILE"])
    credential = ClientSecretCredential(
        env["TENANT_ID"],
        env["DATAVERSE_CLIENT_ID"],
        env["DATAVERSE_CLIENT_SECRET"],
        authority=env["ENTRA_AUTHORITY"],
        disable_instance_discovery=True,
    )
    for name, value in (("column_visibility_seconds", 0), ("key_index_seconds", 0)):
        fresh_sandbox.control("PUT", f"/sandbox/switches/dataverse.{name}", {"value": value})
    with sdk.DataverseClient(env["DATAVERSE_URL"], credential) as made:
        yield made
    credential.close()


def test_records_are_created_read_changed_and_deleted(client: sdk.DataverseClient) -> None:
    account = client.records.create("account", {"name": "Contoso Ltd", "telephone1": "555-0100"})
    assert client.records.retrieve("account", account, select=["name"])["name"] == "Contoso Ltd"
    client.records.update("account", account, {"telephone1": "555-0199"})
    assert client.records.retrieve("account", account, select=["telephone1"])["telephone1"] == "555-0199"
    client.records.delete("account", account)
    assert client.records.retrieve("account", account) is None


def test_labels_of_choices_become_values(client: sdk.DataverseClient) -> None:
    contact = client.records.create("contact", {"lastname": "Alm", "gendercode": "Female"})
    assert client.records.retrieve("contact", contact, select=["gendercode"])["gendercode"] == 2


def test_many_records_travel_in_one_request(client: sdk.DataverseClient, sandbox: Sandbox) -> None:
    names = [f"Bulk {number}" for number in range(25)]
    ids = client.records.create("account", [{"name": name} for name in names])
    assert len(set(ids)) == 25
    client.records.update("account", ids, {"telephone1": "1"})
    client.records.update("account", ids[:2], [{"telephone1": "2"}, {"telephone1": "3"}])
    found = client.records.list("account", filter="startswith(name,'Bulk ')", select=["name", "telephone1"])
    by_id = {row["accountid"]: row for row in found}
    assert [by_id[row_id]["name"] for row_id in ids] == names
    assert [by_id[row_id]["telephone1"] for row_id in ids[:3]] == ["2", "3", "1"]
    assert client.records.delete("account", ids)  # a job, which runs later
    sandbox.control("POST", "/sandbox/clock", {"advance": 60})
    assert len(client.records.list("account", filter="startswith(name,'Bulk ')", select=["name"])) == 0


def test_queries_come_in_pages(client: sdk.DataverseClient) -> None:
    pages = list(
        client.records.list_pages("contact", select=["firstname"], page_size=60, orderby=["contactid"])
    )
    ids = [row["contactid"] for page in pages for row in page]
    assert len(pages) == 4
    assert len(ids) == len(set(ids)) >= 200
    assert ids == sorted(ids)


def test_the_query_builder_filters_sorts_and_expands(client: sdk.DataverseClient) -> None:
    from PowerPlatform.Dataverse.models.filters import col

    parent = client.records.create("account", {"name": "Parent"})
    child = {"name": "Child", "numberofemployees": 7, "parentaccountid@odata.bind": f"/accounts({parent})"}
    client.records.create("account", child)
    query = client.query.builder("account").select("name", "numberofemployees")
    query = query.where((col("name") == "Child") & (col("numberofemployees") > 5)).order_by(
        "name", descending=True
    )
    rows = list(query.expand("parentaccountid").top(3).execute())
    assert [row["name"] for row in rows] == ["Child"]
    assert rows[0]["parentaccountid"]["accountid"] == parent


def test_formatted_values_are_annotated(client: sdk.DataverseClient) -> None:
    row = client.records.list(
        "contact",
        select=["statecode"],
        top=1,
        include_annotations="OData.Community.Display.V1.FormattedValue",
    )[0]
    assert row["statecode@OData.Community.Display.V1.FormattedValue"] in ("Active", "Inactive")


def test_sql_selects_from_one_table(client: sdk.DataverseClient) -> None:
    for number in range(3):
        client.records.create("account", {"name": f"Sql {number}", "numberofemployees": number})
    rows = client.query.sql(
        "SELECT TOP 2 name, numberofemployees FROM account "
        "WHERE name LIKE 'sql%' AND numberofemployees >= 1 ORDER BY name DESC"
    )
    assert [row["name"] for row in rows] == ["Sql 2", "Sql 1"]


def test_a_table_with_columns_of_every_type_comes_and_goes(client: sdk.DataverseClient) -> None:
    schema = {
        "new_Title": "string",
        "new_Qty": "int",
        "new_Price": "decimal",
        "new_Weight": "float",
        "new_Due": "datetime",
        "new_Active": "bool",
        "new_Note": "memo",
        "new_Colour": Colour,
    }
    info = client.tables.create("new_Gadget", schema)
    assert info["table_logical_name"] == "new_gadget"
    assert client.tables.get("new_Gadget")["entity_set_name"] == info["entity_set_name"]
    row = {
        "new_name": "One",
        "new_title": "T",
        "new_qty": 3,
        "new_price": 12.5,
        "new_weight": 1.25,
        "new_active": True,
        "new_due": "2026-02-03T04:05:06Z",
        "new_note": "long",
        "new_colour": "BLUE",
    }
    gadget = client.records.create("new_Gadget", row)
    read = client.records.retrieve("new_Gadget", gadget)
    assert {name: read[name] for name in row if name != "new_colour"} == {
        n: v for n, v in row.items() if n != "new_colour"
    }
    assert read["new_colour"] == Colour.BLUE
    client.tables.add_columns("new_Gadget", {"new_Extra": "string"})
    names = [
        column["LogicalName"] for column in client.tables.list_columns("new_Gadget", select=["LogicalName"])
    ]
    assert "new_extra" in names
    client.tables.remove_columns("new_Gadget", "new_Extra")
    client.tables.delete("new_Gadget")
    assert client.tables.get("new_Gadget") is None


def test_alternate_keys_are_made_listed_and_used(client: sdk.DataverseClient) -> None:
    from PowerPlatform.Dataverse.models.upsert import UpsertItem

    client.tables.create("new_Part", {"new_Code": "string", "new_Qty": "int"})
    key = client.tables.create_alternate_key("new_Part", "new_PartKey", ["new_code"])
    found = client.tables.get_alternate_keys("new_Part")
    assert [(one.schema_name, one.status) for one in found] == [("new_PartKey", "Active")]
    client.records.upsert("new_Part", [UpsertItem({"new_code": "A-1"}, {"new_qty": 1})])
    client.records.upsert(
        "new_Part",
        [UpsertItem({"new_code": "A-1"}, {"new_qty": 2}), UpsertItem({"new_code": "A-2"}, {"new_qty": 9})],
    )
    rows = client.records.list("new_Part", select=["new_code", "new_qty"], orderby=["new_code"])
    assert [(row["new_code"], row["new_qty"]) for row in rows] == [("A-1", 2), ("A-2", 9)]
    client.tables.delete_alternate_key("new_Part", key.metadata_id)
    assert client.tables.get_alternate_keys("new_Part") == []


def test_relationships_are_made_found_and_removed(client: sdk.DataverseClient) -> None:
    client.tables.create("new_Order", {"new_Number": "int"})
    made = client.tables.create_lookup_field("new_Order", "new_BuyerId", "account")
    found = client.tables.get_relationship(made.relationship_schema_name)
    assert found.referenced_entity == "account"
    account = client.records.create("account", {"name": "Buyer"})
    order = client.records.create(
        "new_Order", {"new_name": "1", "new_BuyerId@odata.bind": f"/accounts({account})"}
    )
    assert client.records.retrieve("new_Order", order)["_new_buyerid_value"] == account
    assert [
        r["SchemaName"]
        for r in client.tables.list_table_relationships("new_Order")
        if r.get("IsCustomRelationship")
    ]
    client.tables.delete_relationship(found.relationship_id)
    assert client.tables.get_relationship(made.relationship_schema_name) is None


def test_metadata_is_read(client: sdk.DataverseClient) -> None:
    names = {table["LogicalName"] for table in client.tables.list(select=["LogicalName", "SchemaName"])}
    assert {"contact", "account", "task", "systemuser"} <= names
    assert client.tables.get("contact")["primary_id_attribute"] == "contactid"
    typed = {c["LogicalName"]: c for c in client.tables.list_columns("contact", typed=True)}
    assert typed["firstname"]["MaxLength"] == 50
    client.tables.create("new_Box", {"new_Label": "string"})
    client.tables.update_column("new_Box", "new_Label", {"max_length": 33})
    assert client.tables.get_column("new_Box", "new_Label", typed=True)["MaxLength"] == 33


def test_a_batch_carries_everything_and_a_change_set_is_atomic(client: sdk.DataverseClient) -> None:
    batch = client.batch.new()
    batch.records.create("account", {"name": "Batch 1"})
    with batch.changeset() as changes:
        reference = changes.records.create("contact", {"lastname": "In a set"})
        changes.records.create("account", {"name": "Batch 2", "primarycontactid@odata.bind": reference})
    batch.records.list("account", select=["name"], filter="startswith(name,'Batch ')")
    result = batch.execute()
    assert not result.has_errors, [item.error_message for item in result.failed]
    assert len(result.entity_ids) == 3
    again = client.batch.new()
    with again.changeset() as changes:
        changes.records.create("account", {"name": "Lost"})
        changes.records.update("account", str(uuid.uuid4()), {"name": "Nobody"})
    again.records.create("account", {"name": "Kept"})
    result = again.execute(continue_on_error=True)
    assert [item.status_code for item in result.failed] == [404]
    names = [
        r["name"]
        for r in client.records.list("account", select=["name"], filter="name eq 'Lost' or name eq 'Kept'")
    ]
    assert names == ["Kept"]


def test_data_frames_go_in_and_out(client: sdk.DataverseClient) -> None:
    import pandas as pd
    from PowerPlatform.Dataverse.models.filters import col

    ids = client.dataframe.create("account", pd.DataFrame([{"name": "Frame 1"}, {"name": "Frame 2"}]))
    assert len(ids) == 2
    frame = (
        client.query.builder("account")
        .select("name")
        .where(col("name").like("Frame %"))
        .execute()
        .to_dataframe()
    )
    assert sorted(frame["name"]) == ["Frame 1", "Frame 2"]


def test_errors_carry_the_services_code(client: sdk.DataverseClient) -> None:
    from PowerPlatform.Dataverse.core.errors import HttpError

    with pytest.raises(HttpError) as caught:
        client.records.create("account", {"nosuchcolumn": 1})
    assert caught.value.status_code == 400
    assert caught.value.details["service_error_code"] == "0x80048d19"
    assert caught.value.details["service_request_id"]
