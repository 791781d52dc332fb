"""Creates, updates, upserts, deletes: status codes, preconditions, validation, defaults, types."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.dataverse.conftest import ACCOUNT, API, Api, guid, refused

ONE, NOBODY = f"contacts({guid(1)})", f"contacts({guid(99)})"


def row(api: Api, number: int = 1) -> dict[str, Any]:
    answer = api.get(f"contacts({guid(number)})")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.rule("dataverse.md 12.2/11")
def test_a_create_is_204_with_the_address_of_the_row(api: Api) -> None:
    answer = api.post("contacts", {"lastname": "Alm"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["odata-entityid"].startswith(f"{API}/contacts(")
    assert api.get(answer.headers["odata-entityid"]).json()["lastname"] == "Alm"


@pytest.mark.rule("dataverse.md 12.2/11")
def test_a_create_with_representation_is_201_without_that_header(api: Api) -> None:
    answer = api.post("contacts?$select=lastname", {"lastname": "Alm"}, Prefer="return=representation")
    assert answer.status_code == 201
    assert "odata-entityid" not in answer.headers
    assert answer.headers["preference-applied"] == "return=representation"
    assert set(answer.json()) == {"@odata.context", "@odata.etag", "lastname", "contactid"}
    assert answer.headers["etag"] == answer.json()["@odata.etag"]


@pytest.mark.rule("dataverse.md 12.2/11")
def test_a_patch_is_an_upsert(api: Api) -> None:
    assert api.patch(NOBODY, {"lastname": "New"}).status_code == 204
    assert row(api, 99)["lastname"] == "New"
    created = api.patch(f"contacts({guid(98)})", {"lastname": "N"}, Prefer="return=representation")
    updated = api.patch(f"contacts({guid(98)})", {"lastname": "M"}, Prefer="return=representation")
    assert (created.status_code, updated.status_code) == (201, 200)
    assert updated.json()["lastname"] == "M"


@pytest.mark.rule("dataverse.md 12.2/11")
@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("PATCH", ONE, {"If-Match": "*"}, 204, None),
        ("PATCH", NOBODY, {"If-Match": "*"}, 404, "0x80040217"),
        ("PATCH", ONE, {"If-None-Match": "*"}, 412, "0x80040237"),
        ("PATCH", NOBODY, {"If-None-Match": "*"}, 204, None),
        ("PATCH", ONE, {"If-Match": 'W/"1"'}, 412, "0x80060882"),
        ("PATCH", NOBODY, {"If-Match": 'W/"1"'}, 404, "0x80040217"),
        ("PATCH", ONE, {"If-None-Match": "null"}, 204, None),
        ("DELETE", ONE, {"If-Match": 'W/"1"'}, 412, "0x80060882"),
        ("DELETE", ONE, {"If-Match": "*"}, 204, None),
        ("DELETE", ONE, {}, 204, None),
        ("DELETE", NOBODY, {}, 404, "0x80040217"),
        ("GET", NOBODY, {}, 404, "0x80040217"),
        ("DELETE", "contacts", {}, 405, "0x80040315"),
        ("PATCH", "contacts", {}, 405, "0x80040315"),
    ],
)
def test_the_matrix_of_preconditions(
    api: Api, method: str, path: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = api.send(method, path, {"jobtitle": "x"} if method == "PATCH" else None, **headers)
    assert answer.status_code == status, answer.text
    if code:
        refused(answer, status, code)
    if status == 404:
        assert f"contact With Id = {guid(99)} Does Not Exist" in answer.text


@pytest.mark.rule("dataverse.md 12.2/11")
def test_the_current_version_matches(api: Api) -> None:
    etag = api.get(ONE).headers["etag"]
    assert api.patch(ONE, {"jobtitle": "a"}, **{"If-Match": etag}).status_code == 204
    assert api.patch(ONE, {"jobtitle": "b"}, **{"If-Match": etag}).status_code == 412
    assert api.delete(ONE, **{"If-Match": api.get(ONE).headers["etag"]}).status_code == 204


@pytest.mark.rule("dataverse.md 12.2/11")
def test_a_known_version_is_304_unless_more_is_asked_for(api: Api) -> None:
    etag = api.get(ONE).headers["etag"]
    answer = api.get(ONE, **{"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert api.get(f"{ONE}?$expand=ownerid", **{"If-None-Match": etag}).status_code == 200
    assert (
        api.get(ONE, **{"If-None-Match": etag, "Prefer": 'odata.include-annotations="*"'}).status_code == 200
    )
    assert api.get(ONE, **{"If-None-Match": 'W/"1"'}).status_code == 200


@pytest.mark.rule("dataverse.md 12.2/12")
def test_a_client_may_choose_the_id_once(api: Api) -> None:
    body = {"contactid": guid(50).upper(), "lastname": "Own"}
    assert api.post("contacts", body).headers["odata-entityid"] == f"{API}/contacts({guid(50)})"
    refused(api.post("contacts", body), 412, "0x80040237", "Cannot insert duplicate key.")


@pytest.mark.rule("dataverse.md 12.2/14")
def test_what_is_not_writable_is_ignored(api: Api) -> None:
    body = {
        "lastname": "Alm",
        "firstname": "Bo",
        "fullname": "X",
        "createdon": "2001-01-01T00:00:00Z",
        "versionnumber": 1,
        "modifiedon": "2001-01-01T00:00:00Z",
        "statecode": 1,
    }
    made = api.get(api.post("contacts", body).headers["odata-entityid"]).json()
    assert (made["fullname"], made["statecode"], made["statuscode"]) == ("Bo Alm", 0, 1)
    assert made["createdon"] > "2026" < made["modifiedon"]
    assert made["versionnumber"] > 1
    api.patch(ONE, {"contactid": guid(77), "fullname": "X"})
    assert row(api)["fullname"] == "Ida Brandt"


@pytest.mark.rule("dataverse.md 12.2/14")
@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (
            {"nosuchcolumn": 1},
            "0x80048d19",
            "Invalid property 'nosuchcolumn' was found in entity 'Microsoft.Dynamics.CRM.contact'",
        ),
        ({"FirstName": "x"}, "0x80048d19", "Invalid property 'FirstName'"),
        (
            {"firstname": "x" * 51},
            "0x80044331",
            (
                "The length of the 'firstname' attribute of the 'contact' entity "
                "exceeded the maximum allowed length of '50'."
            ),
        ),
        ({"firstname": "😀" * 26}, "0x80044331", "firstname"),
        ({"firstname": 5}, "0x80048d19", "firstname"),
        ({"firstname": "a\x07"}, "0x80040278", "firstname"),
        ({"numberofchildren": -1}, "0x8004432f", "numberofchildren"),
        ({"numberofchildren": 1.5}, "0x80048d19", "numberofchildren"),
        ({"numberofchildren": "3"}, "0x80048d19", "numberofchildren"),
        ({"creditlimit": -1}, "0x80044330", "creditlimit"),
        ({"address1_latitude": 91}, "0x80044330", "address1_latitude"),
        ({"gendercode": 9}, "0x8004431a", "gendercode"),
        ({"donotemail": 1}, "0x80048d19", "donotemail"),
        ({"birthdate": "1752-12-31"}, "0x80040239", ""),
        ({"birthdate": "1990-02-30"}, "0x80048d19", "birthdate"),
        ({"birthdate": "1990-05-17T00:00:00Z"}, "0x80048d19", "birthdate"),
        ({"statuscode": 2}, "0x80048408", "2 is not a valid status code for state code 0 on contact."),
        ({"_parentcustomerid_value": ACCOUNT}, "0x80048d19", "_parentcustomerid_value"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_wrong_values_are_refused_and_never_quoted(
    api: Api, method: str, body: dict[str, Any], code: str, words: str
) -> None:
    answer = api.send(method, "contacts" if method == "POST" else ONE, body)
    refused(answer, 400, code, words)
    value = next(iter(body.values()))
    assert not isinstance(value, str) or len(value) < 5 or value not in answer.text


@pytest.mark.rule("dataverse.md 12.2/14")
def test_application_required_is_not_enforced_and_system_required_is(api: Api) -> None:
    assert api.post("contacts", {"firstname": "Only"}).status_code == 204
    refused(api.patch(ONE, {"ownerid@odata.bind": None}), 400, "0x80040203", "ownerid")


@pytest.mark.rule("dataverse.md 12.2/14")
def test_state_and_status_go_together(api: Api) -> None:
    assert api.patch(ONE, {"statecode": 1}).status_code == 204
    assert (row(api)["statecode"], row(api)["statuscode"]) == (1, 2)
    assert api.patch(ONE, {"statecode": 0, "statuscode": 1}).status_code == 204
    refused(api.patch(ONE, {"statecode": 0, "statuscode": 2}), 400, "0x80048408")
    refused(api.patch(ONE, {"statecode": 7}), 400, "0x8004431a")


@pytest.mark.rule("dataverse.md 12.2/14")
def test_a_body_that_is_no_object_is_refused(api: Api) -> None:
    refused(api.post("contacts", "{nonsense"), 400, "0x80048d19")
    refused(api.post("contacts", "[]"), 400, "0x80048d19")


@pytest.mark.rule("dataverse.md 12.2/15")
@pytest.mark.parametrize(
    "reference",
    [
        f"/accounts({ACCOUNT})",
        f"accounts({ACCOUNT})",
        f"{API}/accounts({ACCOUNT})",
        f"accounts(accountid={ACCOUNT})",
    ],
)
def test_a_bind_takes_every_form_of_address(api: Api, reference: str) -> None:
    assert (
        api.patch(f"contacts({guid(2)})", {"parentcustomerid_account@odata.bind": reference}).status_code
        == 204
    )
    assert row(api, 2)["_parentcustomerid_value"] == ACCOUNT


@pytest.mark.rule("dataverse.md 12.2/15")
def test_a_polymorphic_lookup_knows_its_table(api: Api) -> None:
    api.patch(ONE, {"parentcustomerid_contact@odata.bind": f"contacts({guid(2)})"})
    read = api.get(f"{ONE}?$select=_parentcustomerid_value", Prefer='odata.include-annotations="*"').json()
    assert read["_parentcustomerid_value"] == guid(2)
    assert read["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "contact"
    assert (
        read["_parentcustomerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty"]
        == "parentcustomerid_contact"
    )
    api.patch(ONE, {"parentcustomerid_account@odata.bind": None})
    assert row(api)["_parentcustomerid_value"] is None


@pytest.mark.rule("dataverse.md 12.2/15")
def test_wrong_binds_are_refused(api: Api) -> None:
    undeclared = api.patch(ONE, {"parentcustomerid@odata.bind": f"accounts({ACCOUNT})"})
    refused(
        undeclared,
        400,
        "0x80048d19",
        "An undeclared property 'parentcustomerid' which only has property annotations",
    )
    missing = api.patch(ONE, {"parentcustomerid_account@odata.bind": f"accounts({guid(99)})"})
    refused(missing, 404, "0x80040217", f"account With Id = {guid(99)} Does Not Exist")
    api.switch("status.BoundRowDoesNotExist", 400)
    assert api.patch(ONE, {"parentcustomerid_account@odata.bind": f"accounts({guid(99)})"}).status_code == 400
    refused(
        api.patch(ONE, {"parentcustomerid_account@odata.bind": f"contacts({guid(2)})"}), 400, "0x80048d19"
    )


@pytest.mark.rule("dataverse.md 12.2/15")
def test_activities_are_bound_by_target_and_table(api: Api) -> None:
    body = {"subject": "Call", "regardingobjectid_contact_task@odata.bind": f"/contacts({guid(1)})"}
    task = api.get(api.post("tasks", body).headers["odata-entityid"]).json()
    assert task["_regardingobjectid_value"] == guid(1)
    assert (task["activitytypecode"], task["prioritycode"], task["statuscode"]) == ("task", 1, 2)


@pytest.mark.rule("dataverse.md 12.2/20")
def test_rows_get_their_defaults(api: Api) -> None:
    made = api.get(
        api.post("contacts", {"firstname": "Bo", "lastname": "Alm"}).headers["odata-entityid"]
    ).json()
    me = api.get("WhoAmI").json()["UserId"]
    assert (made["statecode"], made["statuscode"], made["fullname"]) == (0, 1, "Bo Alm")
    for name in (
        "donotemail",
        "donotbulkemail",
        "donotphone",
        "donotfax",
        "donotpostalmail",
        "donotbulkpostalmail",
        "donotsendmm",
    ):
        assert made[name] is False
    assert made["followemail"] is True
    assert made["preferredcontactmethodcode"] == 1
    for name in ("_ownerid_value", "_createdby_value", "_modifiedby_value", "_owninguser_value"):
        assert made[name] == me
    assert made["createdon"] == made["modifiedon"]
    assert made["createdon"].endswith("Z")
    assert len(made["createdon"]) == 20


@pytest.mark.rule("dataverse.md 12.2/20")
def test_times_come_from_the_sandboxs_clock(api: Api) -> None:
    from datetime import datetime

    api.world.clock.set(datetime(2031, 5, 6, 7, 8, 9, 900_000))
    api.token = api.new_token()
    api.patch(ONE, {"lastname": "x"})
    assert row(api)["modifiedon"] in ("2031-05-06T07:08:09Z", "2031-05-06T07:08:10Z")
    assert row(api)["fullname"] == "Ida x"


@pytest.mark.rule("dataverse.md 12.2/22")
@pytest.mark.parametrize(
    ("column", "sent", "read"),
    [
        ("lastname", "", None),
        ("description", "one\r\ntwo\nthree", "one\r\ntwo\nthree"),
        ("birthdate", "1753-01-01", "1753-01-01"),
        ("creditlimit", 12.345, 12.35),
        ("address1_latitude", 59.33258123, 59.33258),
        ("emailaddress1", "not an address", "not an address"),
        ("donotemail", True, True),
        ("numberofchildren", 2, 2),
        ("gendercode", None, None),
    ],
)
def test_values_are_kept_as_their_types_say(api: Api, column: str, sent: object, read: object) -> None:
    assert api.patch(ONE, {column: sent}).status_code == 204
    assert row(api)[column] == read


@pytest.mark.rule("dataverse.md 12.2/22")
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
        ("2026-02-03T04:05:06", "2026-02-03T04:05:06Z"),
        ("2026-02-03T04:05:06.789+01:00", "2026-02-03T03:05:06Z"),
        ("2026-02-03T00:30:00+01:00", "2026-02-02T23:30:00Z"),
    ],
)
def test_user_local_times_are_utc(api: Api, sent: str, read: str) -> None:
    task = api.post("tasks", {"subject": "x", "scheduledend": sent}).headers["odata-entityid"]
    assert api.get(task).json()["scheduledend"] == read


@pytest.mark.rule("dataverse.md 12.2/22")
def test_time_zone_independent_and_multi_select_columns(api: Api) -> None:
    api.switch("column_visibility_seconds", 0)
    path = "EntityDefinitions(LogicalName='contact')/Attributes"
    nominal = {
        "@odata.type": "Microsoft.Dynamics.CRM.DateTimeAttributeMetadata",
        "SchemaName": "mkt_When",
        "Format": "DateAndTime",
        "DateTimeBehavior": {"Value": "TimeZoneIndependent"},
    }
    label = {"LocalizedLabels": [{"Label": "Mail", "LanguageCode": 1033}]}
    options = [{"Value": 3, "Label": label}, {"Value": 7, "Label": label}]
    many = {
        "@odata.type": "Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata",
        "SchemaName": "mkt_Channels",
        "OptionSet": {"IsGlobal": False, "Options": options},
    }
    assert api.post(path, nominal).status_code == 204
    assert api.post(path, many).status_code == 204
    assert (
        api.patch(ONE, {"mkt_when": "2026-02-03T14:00:00+05:00", "mkt_channels": "3, 7"}).status_code == 204
    )
    assert (row(api)["mkt_when"], row(api)["mkt_channels"]) == ("2026-02-03T14:00:00Z", "3,7")
    refused(api.patch(ONE, {"mkt_channels": "3,8"}), 400, "0x8004431a")
    found = "Microsoft.Dynamics.CRM.ContainValues(PropertyName='mkt_channels',PropertyValues=[\"7\"])"
    assert api.column(f"contacts?$select=contactid&$filter={found}", "contactid") == [guid(1)]


@pytest.mark.rule("dataverse.md 12.2/22")
def test_money_keeps_its_companions(api: Api) -> None:
    api.patch(f"contacts({guid(2)})", {"creditlimit": 10})
    read = row(api, 2)
    assert (read["creditlimit"], read["creditlimit_base"]) == (10, 10)
    assert read["_transactioncurrencyid_value"]


@pytest.mark.rule("dataverse.md 12.2/11")
def test_single_properties_are_set_and_cleared(api: Api) -> None:
    assert api.send("PUT", f"{ONE}/jobtitle", {"value": "Boss"}).status_code == 204
    assert row(api)["jobtitle"] == "Boss"
    assert api.delete(f"{ONE}/jobtitle").status_code == 204
    assert row(api)["jobtitle"] is None
    assert api.delete(f"{ONE}/parentcustomerid_account/$ref").status_code == 204
    assert row(api)["_parentcustomerid_value"] is None
    reference = {"@odata.id": f"{API}/accounts({ACCOUNT})"}
    assert api.send("PUT", f"{ONE}/parentcustomerid_account/$ref", reference).status_code == 204
    assert row(api)["_parentcustomerid_value"] == ACCOUNT


@pytest.mark.rule("dataverse.md 12.2/11")
def test_a_deep_insert_makes_all_rows(api: Api) -> None:
    body = {
        "name": "Deep",
        "primarycontactid": {"lastname": "First"},
        "contact_customer_accounts": [{"lastname": "Second"}, {"lastname": "Third"}],
    }
    account = api.get(api.post("accounts", body).headers["odata-entityid"]).json()
    assert row_of(api, account["_primarycontactid_value"])["lastname"] == "First"
    children = api.value(
        f"accounts({account['accountid']})/contact_customer_accounts?$select=lastname&$orderby=lastname"
    )
    assert [child["lastname"] for child in children] == ["Second", "Third"]


def row_of(api: Api, row_id: str) -> dict[str, Any]:
    return dict(api.get(f"contacts({row_id})").json())


def test_closed_tasks_cannot_be_edited(api: Api) -> None:
    task = api.post("tasks", {"subject": "x"}).headers["odata-entityid"]
    assert api.patch(task, {"statecode": 1, "statuscode": 5}).status_code == 204
    assert api.patch(task, {"subject": "y"}).status_code == 405
    assert api.patch(task, {"statecode": 0, "subject": "y"}).status_code == 204


def test_a_failed_deep_insert_leaves_nothing(api: Api) -> None:
    before = len(api.value("accounts?$select=name"))
    body = {"name": "Deep", "contact_customer_accounts": [{"lastname": "ok"}, {"nosuch": 1}]}
    assert api.post("accounts", body).status_code == 400
    assert len(api.value("accounts?$select=name")) == before
    assert "ok" not in api.column("contacts?$select=lastname", "lastname")
