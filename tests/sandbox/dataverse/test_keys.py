"""Alternate keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.dataverse.conftest import API, Api, guid, refused

TABLE = "EntityDefinitions(LogicalName='contact')"


@pytest.fixture
def keyed(api: Api) -> Api:
    """Contacts with an active key over a text column."""
    api.control("change_table", table="contact", add_column={"name": "mkt_externalid", "type": "String"})
    api.control(
        "change_table", table="contact", add_key={"name": "mkt_ExternalKey", "columns": ["mkt_externalid"]}
    )
    api.mutate(
        "contact", update=[{"id": guid(1), "mkt_externalid": "A-1"}, {"id": guid(2), "mkt_externalid": "A-2"}]
    )
    return api


def find(api: Api, external: str) -> dict[str, Any]:
    answer = api.get(f"contacts(mkt_externalid='{external}')")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.rule("dataverse.md 12.2/13")
def test_rows_are_addressed_by_key(keyed: Api) -> None:
    assert find(keyed, "A-1")["contactid"] == guid(1)
    assert find(keyed, "a-1")["contactid"] == guid(1)
    assert keyed.get(f"contacts(contactid={guid(1)})").status_code == 200
    refused(keyed.get("contacts(mkt_externalid='A-9')"), 404, "0x80060891", "contact")
    assert keyed.delete("contacts(mkt_externalid='A-2')").status_code == 204


@pytest.mark.rule("dataverse.md 12.2/13")
def test_an_upsert_echoes_the_key_and_not_the_id(keyed: Api) -> None:
    answer = keyed.patch("contacts(mkt_externalid='A-17')", {"lastname": "New"})
    assert answer.status_code == 204
    assert answer.headers["odata-entityid"] == f"{API}/contacts(mkt_externalid='A-17')"
    assert find(keyed, "A-17")["lastname"] == "New"
    assert keyed.patch("contacts(mkt_externalid='A-17')", {"lastname": "Again"}).status_code == 204
    assert find(keyed, "A-17")["lastname"] == "Again"
    refused(
        keyed.patch("contacts(mkt_externalid='A-9')", {"lastname": "x"}, **{"If-Match": "*"}),
        404,
        "0x80060891",
    )


@pytest.mark.rule("dataverse.md 12.2/13")
def test_the_body_wins_on_create_and_is_dropped_on_update(keyed: Api) -> None:
    keyed.patch("contacts(mkt_externalid='A-20')", {"lastname": "B", "mkt_externalid": "A-21"})
    assert find(keyed, "A-21")["lastname"] == "B"
    keyed.patch("contacts(mkt_externalid='A-21')", {"lastname": "C", "mkt_externalid": "A-22"})
    assert find(keyed, "A-21")["lastname"] == "C"


@pytest.mark.rule("dataverse.md 12.2/13")
def test_keys_are_unique(keyed: Api) -> None:
    refused(
        keyed.post("contacts", {"mkt_externalid": "a-1"}),
        412,
        "0x80060892",
        "mkt_ExternalKey",
        "mkt_externalid",
    )
    refused(keyed.patch(f"contacts({guid(3)})", {"mkt_externalid": "A-2"}), 412, "0x80060892")
    assert keyed.patch(f"contacts({guid(1)})", {"mkt_externalid": "A-1"}).status_code == 204
    assert keyed.post("contacts", {"lastname": "without"}).status_code == 204
    keyed.switch("status.DuplicateRecordEntityKey", 400)
    assert keyed.post("contacts", {"mkt_externalid": "A-1"}).status_code == 400


@pytest.mark.rule("dataverse.md 12.2/13")
def test_an_undefined_key_is_400(api: Api) -> None:
    words = "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.contact'."
    refused(api.get("contacts(lastname='Ek')"), 400, "0x80060888", words)


@pytest.mark.rule("dataverse.md 12.2/13")
@pytest.mark.parametrize("character", ["%2F", "%3C", "*", "%25", "%26", ":", "%5C", "%3F", "%2B"])
def test_forbidden_characters_make_requests_by_key_fail(keyed: Api, character: str) -> None:
    path = f"contacts(mkt_externalid='A{character}1')"
    assert keyed.get(path).status_code == 400
    assert keyed.patch(path, {"lastname": "x"}).status_code == 400
    keyed.switch("encoded_key_characters", "work")
    assert keyed.get(path).status_code == 404


@pytest.mark.rule("dataverse.md 12.2/13")
def test_the_index_is_built_in_the_background(api: Api) -> None:
    body = {"SchemaName": "mkt_Mail", "KeyAttributes": ["emailaddress2", "lastname"]}
    answer = api.post(f"{TABLE}/Keys", body)
    assert answer.status_code == 204
    assert "/Keys(" in answer.headers["odata-entityid"]
    seen = []
    for _ in range(3):
        seen.append(
            api.value(f"{TABLE}/Keys?$select=SchemaName,EntityKeyIndexStatus")[0]["EntityKeyIndexStatus"]
        )
        if seen[-1] != "Active":
            refused(api.get("contacts(emailaddress2='x',lastname='y')"), 400, "0x80060890")
        api.world.clock.advance(5.5)
    assert seen == ["Pending", "InProgress", "Active"]
    assert api.get("contacts(emailaddress2='x',lastname='y')").status_code == 404


@pytest.mark.rule("dataverse.md 12.2/13")
def test_a_key_over_duplicates_fails(api: Api) -> None:
    api.post(f"{TABLE}/Keys", {"SchemaName": "mkt_First", "KeyAttributes": ["firstname"]})  # Ida and ida
    api.world.clock.advance(11)
    assert api.value(f"{TABLE}/Keys")[0]["EntityKeyIndexStatus"] == "Failed"
    refused(api.get("contacts(firstname='Ida')"), 400, "0x80060890")


@pytest.mark.rule("dataverse.md 12.2/13")
def test_a_lookup_may_be_part_of_a_key(api: Api) -> None:
    api.control(
        "change_table",
        table="contact",
        add_key={"name": "mkt_P", "columns": ["parentcustomerid", "lastname"]},
    )
    account = api.get(f"contacts({guid(1)})").json()["_parentcustomerid_value"]
    assert api.get(f"contacts(_parentcustomerid_value={account},lastname='Brandt')").json()[
        "contactid"
    ] == guid(1)


@pytest.mark.rule("dataverse.md 12.2/13")
@pytest.mark.parametrize("columns", [[], ["nosuch"], ["description"], ["donotemail"]])
def test_only_some_columns_make_keys(api: Api, columns: list[str]) -> None:
    refused(api.post(f"{TABLE}/Keys", {"SchemaName": "mkt_K", "KeyAttributes": columns}), 400, "0x80040203")
