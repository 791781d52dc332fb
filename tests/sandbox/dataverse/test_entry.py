"""Who gets in: tokens, application users, privileges, addresses."""

from __future__ import annotations

import pytest

from tests.sandbox.dataverse.conftest import API, Api, guid, refused


@pytest.mark.rule("dataverse.md 12.2/2")
@pytest.mark.parametrize("header", ["", "Bearer nonsense.a.b", "Basic abc"])
def test_a_bad_token_is_401_with_a_challenge(api: Api, header: str) -> None:
    answer = api.get("contacts", Authorization=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer authorization_uri=https://login.example/")
    assert answer.content == b""


@pytest.mark.rule("dataverse.md 12.2/1")
def test_a_token_expires_by_the_sandboxs_clock(api: Api) -> None:
    assert api.get("WhoAmI").status_code == 200
    api.world.clock.advance(3600)
    assert api.get("WhoAmI").status_code == 401


@pytest.mark.rule("dataverse.md 12.2/1")
def test_a_token_for_another_resource_is_401(api: Api) -> None:
    api.token = api.world.tokens.issue(
        "https://other.crm.dynamics.com", api.world.config.dataverse_client_id, 60
    )
    assert api.get("WhoAmI").status_code == 401


@pytest.mark.rule("dataverse.md 12.2/2")
def test_an_application_without_a_user_is_403(api: Api) -> None:
    api.token = api.new_token(api.world.config.dataverse_stranger_id)
    refused(api.get("contacts"), 403, "0x80072560", "not a member of the organization")


@pytest.mark.rule("dataverse.md 12.2/2")
def test_the_three_refusals_are_separate_switches(api: Api) -> None:
    api.switch("application_user", False)
    refused(api.get("contacts"), 403, "0x80072560")
    api.switch("refuse_bearer", True)
    assert api.get("contacts").status_code == 401
    api.switch("refuse_bearer", False)
    api.switch("application_user", True)
    api.control("privileges", table="contact", read="none")
    refused(api.get("contacts"), 403, "0x80040220")
    api.switch("privileges", False)
    assert api.get("contacts").status_code == 200


@pytest.mark.rule("dataverse.md 12.2/2")
@pytest.mark.parametrize(
    ("verb", "method", "path", "body"),
    [
        ("read", "GET", "contacts", None),
        ("read", "GET", f"contacts({guid(1)})", None),
        ("create", "POST", "contacts", {"lastname": "x"}),
        ("create", "PATCH", f"contacts({guid(77)})", {"lastname": "x"}),
        ("write", "PATCH", f"contacts({guid(1)})", {"lastname": "x"}),
        ("delete", "DELETE", f"contacts({guid(1)})", None),
    ],
)
def test_a_missing_privilege_is_named(api: Api, verb: str, method: str, path: str, body: object) -> None:
    api.control("privileges", table="contact", **{verb: "none"})
    refused(api.send(method, path, body), 403, "0x80040220", f"prv{verb.capitalize()}Contact", "'contact'")


@pytest.mark.rule("dataverse.md 12.2/2")
def test_a_narrow_read_depth_shows_only_ones_own_rows(api: Api) -> None:
    stranger = api.mutate("systemuser", create=[{"fullname": "Somebody"}])["created"][0]
    api.mutate("contact", update=[{"id": guid(1), "_ownerid_value": stranger}])
    api.control("privileges", table="contact", read="user")
    assert guid(1) not in api.column("contacts?$select=contactid", "contactid")
    refused(api.get(f"contacts({guid(1)})"), 403, "0x80048306")
    assert api.get(f"contacts({guid(2)})").status_code == 200


@pytest.mark.rule("dataverse.md 12.2/3")
@pytest.mark.parametrize("path", ["Contacts", "contact", "CONTACTS", "nosuchthing"])
def test_set_names_are_exact(api: Api, path: str) -> None:
    refused(api.get(path), 404, "0x80060888", f"Resource not found for the segment '{path}'.")


@pytest.mark.rule("dataverse.md 12.2/3")
@pytest.mark.parametrize(
    "query", ["$select=FirstName", "$filter=FirstName eq 'x'", "$orderby=FirstName", "$select=ownerid"]
)
def test_property_names_are_exact(api: Api, query: str) -> None:
    refused(
        api.get(f"contacts?{query}"),
        400,
        "0x80060888",
        "Could not find a property named",
        "on type 'Microsoft.Dynamics.CRM.contact'",
    )


@pytest.mark.rule("dataverse.md 12.2/3")
def test_the_codes_of_both_service_versions_can_be_chosen(api: Api) -> None:
    api.switch("segment_code", "0x8006088a")
    api.switch("property_code", "0x0")
    refused(api.get("Contacts"), 404, "0x8006088a")
    refused(api.get("contacts?$select=Name"), 400, "0x0")


@pytest.mark.rule("dataverse.md 12.2/4")
def test_percent_encoded_option_names_and_values_are_understood(api: Api) -> None:
    rows = api.value("contacts?%24select=firstname&%24filter=emailaddress1%20eq%20%27a%2Bb%40ek.example%27")
    assert [row["firstname"] for row in rows] == ["Åsa"]
    again = api.value("contacts?%24select=firstname&$filter=emailaddress1%20eq%20%27a%2bb%40ek.example%27")
    assert again == rows


@pytest.mark.rule("dataverse.md 12.2/4")
def test_a_raw_plus_is_a_space(api: Api) -> None:
    assert api.value("contacts?$select=firstname&$filter=emailaddress1+eq+'a+b@ek.example'") == []
    assert len(api.value("contacts?$select=firstname&$filter=firstname+eq+'Per'")) == 1


@pytest.mark.rule("dataverse.md 12.2/4")
def test_an_url_has_32768_characters_at_most(api: Api) -> None:
    fixed = len("/api/data/v9.2/contacts?$select=firstname&tag=")
    assert api.get("contacts?$select=firstname&tag=" + "x" * (32_768 - fixed)).status_code == 200
    assert api.get("contacts?$select=firstname&tag=" + "x" * (32_769 - fixed)).status_code == 414


def test_the_service_document_lists_the_sets(api: Api) -> None:
    names = {entry["name"] for entry in api.get("").json()["value"]}
    assert {"contacts", "accounts", "tasks", "systemusers"} <= names


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("$metadata", "$metadata"),
        ("contacts?$apply=aggregate($count as n)", "$apply"),
        ("contacts?fetchXml=<fetch/>", "fetchXml"),
        ("contacts?partitionId=1", "elastic"),
        ("contacts?$filter=year(createdon) eq 2026", "year"),
    ],
)
def test_what_is_not_imitated_says_so(api: Api, path: str, word: str) -> None:
    refused(api.get(path), 501, "0x80040315", "does not imitate", word)


def test_impersonation_needs_a_privilege_that_the_user_lacks(api: Api) -> None:
    refused(api.get("contacts", MSCRMCallerID=guid(9)), 403, "0x8004a110")


def test_every_answer_has_the_odata_version_and_a_request_id(api: Api) -> None:
    answer = api.get("contacts?$top=1")
    assert answer.headers["odata-version"] == "4.0"
    assert answer.headers["x-ms-service-request-id"]
    assert answer.headers["content-type"] == "application/json; odata.metadata=minimal"
    assert answer.json()["@odata.context"] == f"{API}/$metadata#contacts"


def test_a_path_without_a_resource_is_404(api: Api) -> None:
    refused(api.get("https://acme.crm4.dynamics.com/nothing"), 404, "", "No HTTP resource was found")
    refused(api.post("WhoAmI", {}), 404, "", "No HTTP resource was found")
