"""campaign.md §4: what a write accepts, changes, answers."""

from __future__ import annotations

import re

import pytest

from tests.sandbox.campaign.conftest import EXT, Api

PROFILE = f"{EXT}/profile"
BARE = "RST-360011 An error has occurred - please contact your administrator."
MIRELA = {
    "externalId": "7b0e4c1a-92d5-4f0e-8a66-1d0c5e9f3b27",
    "firstName": "Mirela",
    "lastName": "in der Maur",
    "email": "mirela@alder.example",
    "gender": "female",
    "birthDate": "1987-03-09",
    "emailFormat": "html",
    "location": {"address1": "12 Quay St", "city": "Bergen", "zipCode": "5003", "countryCode": "NO"},
    "blackListEmail": False,
}


@pytest.mark.rule("campaign.md 13.2/B8")
def test_a_post_answers_201_with_the_whole_object_and_its_defaults(api: Api) -> None:
    api.sandbox.control("POST", "/sandbox/clock", {"set": "2026-04-12T03:15:07.412+00:00"})
    answer = api.call("POST", PROFILE, MIRELA)
    assert answer.status_code == 201
    made = answer.json()
    assert made["href"] == f"{api.url}{PROFILE}/{made['PKey']}"
    expected = {
        "title": "Mirela In Der Maur (mirela@alder.example)", "domain": "alder.example", "age": 39,
        "preferredLanguage": "none", "timeZone": "none", "fax": "", "phone": "", "orgUnit": None,
        "thumbnail": "/nl/img/thumbnails/defaultProfil.png", "isExternal": False, "cusChildren": 0,
    }  # fmt: skip
    assert {name: made[name] for name in expected} == expected
    assert made["subscriptions"]["href"].endswith("/subscriptions/")
    assert made["postalAddress"]["serialized"] == "Mirela In Der Maur\n12 Quay St\n5003 Bergen"


@pytest.mark.rule("campaign.md 13.2/B8")
def test_a_patch_answers_200_with_pkey_and_address_only_and_changes_named_fields_only(api: Api) -> None:
    made = api.profile(**MIRELA)
    answer = api.call("PATCH", made["href"], {"phone": "555", "location": {"city": "Oslo"}})
    assert answer.status_code == 200
    assert answer.json() == {"PKey": made["PKey"], "href": made["href"]}
    after = api.get(made["href"]).json()
    assert after["phone"] == "555"
    assert after["firstName"] == "Mirela"
    assert after["location"] == {**made["location"], "city": "Oslo"}


@pytest.mark.rule("campaign.md 4.1")
def test_an_empty_patch_is_200_and_changes_nothing(api: Api) -> None:
    made = api.profile(**MIRELA)
    before = api.get(made["href"]).json()
    api.advance(60)
    assert api.call("PATCH", made["href"], {}).status_code == 200
    assert api.get(made["href"]).json() == before


@pytest.mark.rule("campaign.md 13.2/B8")
@pytest.mark.parametrize("status", [200, 204])
def test_a_delete_answers_200_or_204_without_a_body(api: Api, status: int) -> None:
    api.switch("plain_delete_status", status)
    answer = api.call("DELETE", api.profile(externalId="a")["href"])
    assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.rule("campaign.md 13.2/B11")
def test_unset_values_read_back_as_empty_text_zero_false_or_null(api: Api) -> None:
    made = api.profile(externalId="a")
    unset = (
        "firstName",
        "birthDate",
        "cusFirstSeen",
        "cusChildren",
        "cusTotalPurchase",
        "cusHomeOwner",
        "orgUnit",
    )
    assert [made[name] for name in unset] == ["", "", "", 0, 0, False, None]


@pytest.mark.rule("campaign.md 13.2/B11")
def test_datetimes_have_a_space_and_z_and_last_modified_is_two_milliseconds_before_created(api: Api) -> None:
    api.sandbox.control("POST", "/sandbox/clock", {"set": "2026-04-12T03:15:07.412+00:00"})
    made = api.profile(externalId="a", cusFirstSeen="2026-04-11 23:59:59.5Z")
    assert re.fullmatch(r"2026-04-12 03:15:07\.\d{3}Z", made["created"])
    assert int(made["created"][-4:-1]) - int(made["lastModified"][-4:-1]) == 2
    assert made["cusFirstSeen"] == "2026-04-11 23:59:59.500Z"


@pytest.mark.rule("campaign.md 4.2")
def test_empty_text_clears_text_and_dates(api: Api) -> None:
    made = api.profile(**MIRELA, cusFirstSeen="2026-04-11 23:59:59.500Z")
    cleared = {"firstName": "", "birthDate": "", "cusFirstSeen": "", "email": ""}
    assert api.call("PATCH", made["href"], cleared).status_code == 200
    after = api.get(made["href"]).json()
    assert {name: after[name] for name in cleared} == cleared
    assert (after["age"], after["title"], after["domain"]) == (0, "In Der Maur", "")


@pytest.mark.rule("campaign.md 4.2")
@pytest.mark.parametrize(
    "value, reason",
    [
        ({"birthDate": "1987-02-30"}, "'1987-02-30' (type text) to date"),
        ({"birthDate": "09/03/1987"}, "(type text) to date"),
        ({"cusFirstSeen": "2026-04-12"}, "(type text) to date and time"),
        ({"cusFirstSeen": "2026-04-12T03:15:07.412Z"}, "(type text) to date and time"),
        ({"cusFirstSeen": "2026-04-12 03:15:07.412"}, "(type text) to date and time"),
        ({"cusChildren": "a"}, "'a' (type text) to integer (32 bit)"),
        ({"cusChildren": "3"}, "'3' (type text) to integer (32 bit)"),
        ({"cusChildren": 1.5}, "'1.5' (type double) to integer (32 bit)"),
        ({"cusChildren": 2**31}, "to integer (32 bit)"),
        ({"cusChildren": True}, "'true' (type boolean) to integer (32 bit)"),
        ({"cusTotalPurchase": "1,5"}, "to double"),
        ({"cusHomeOwner": "true"}, "(type text) to boolean"),
        ({"cusHomeOwner": 1}, "to boolean"),
        ({"firstName": 7}, "'7' (type integer (32 bit)) to text"),
        ({"location": "Bergen"}, "to element"),
    ],
)
def test_a_wrong_json_type_is_a_500_and_nothing_is_stored(api: Api, value: dict, reason: str) -> None:
    answer = api.call("POST", PROFILE, {"externalId": "a", **value})
    assert answer.status_code == 500
    message = answer.json()["message"]
    assert "BAS-010040 Cannot convert" in message
    assert reason in message
    assert "BAS-010011 Invalid value" in message
    assert api.rows() == []


@pytest.mark.rule("campaign.md 4.4")
def test_lenient_types_and_datetimes_are_switches(api: Api) -> None:
    api.switch("text_for_other_types", "convert")
    api.switch("datetime_with_t", "accept")
    made = api.profile(cusChildren="3", cusHomeOwner="true", cusFirstSeen="2026-04-12T03:15:07Z")
    assert (made["cusChildren"], made["cusHomeOwner"]) == (3, True)
    assert made["cusFirstSeen"] == "2026-04-12 03:15:07.000Z"


@pytest.mark.rule("campaign.md 4.4")
@pytest.mark.parametrize("value", ["femal", "Female", "2", 2, ""])
def test_an_enumeration_takes_names_only(api: Api, value: str | int) -> None:
    answer = api.call("POST", PROFILE, {"gender": value})
    assert answer.status_code == 500
    reason = (
        f"The value '{value}' is not valid for the 'nms:recipient:gender' enumeration of the '@gender' field"
    )
    assert answer.json()["message"] == f"{BARE} {reason}"


@pytest.mark.rule("campaign.md 4.2")
def test_empty_text_may_clear_an_enumeration(api: Api) -> None:
    api.switch("empty_enumeration", "clear")
    made = api.profile(gender="female")
    assert api.call("PATCH", made["href"], {"gender": ""}).status_code == 200
    assert api.get(made["href"]).json()["gender"] == "unknown"


@pytest.mark.rule("campaign.md 4.4")
def test_one_read_only_or_unknown_field_fails_the_whole_call(api: Api) -> None:
    made = api.profile(externalId="a")
    read_only = api.call("PATCH", made["href"], {"firstName": "Ines", "age": 3})
    unknown = api.call("PATCH", made["href"], {"firstName": "Ines", "shoeSize": 3})
    nested = api.call("PATCH", made["href"], {"location": {"planet": "Mars"}})
    assert {a.status_code for a in (read_only, unknown, nested)} == {500}
    assert read_only.json()["message"] == f"{BARE} Cannot update the 'age' property that is read-only"
    assert unknown.json()["message"] == f"{BARE} 'shoeSize' property is not valid for the 'profile' resource."
    assert "property is not valid for the 'profile' resource" in nested.text
    assert api.get(made["href"]).json()["firstName"] == ""
    for name in ("title", "domain", "created", "lastModified", "modifiedBy", "blackListEmailLastModified"):
        assert "that is read-only" in api.call("PATCH", made["href"], {name: ""}).text, name


@pytest.mark.rule("campaign.md 13.2/B10")
def test_a_link_without_a_pkey_is_silently_ignored(api: Api) -> None:
    answer = api.call("POST", PROFILE, {"externalId": "a", "orgUnit": {"name": "north"}})
    assert answer.status_code == 201
    assert api.get(f"{PROFILE}/a").json()["orgUnit"] is None
    assert len(api.rows("orgUnitBase")) == 2


@pytest.mark.rule("campaign.md 13.2/B10")
def test_a_link_with_a_pkey_links_and_is_not_echoed_by_the_post(api: Api) -> None:
    unit = api.content(f"{EXT}/orgUnitBase")[1]
    made = api.profile(externalId="a", orgUnit={"PKey": unit["PKey"]})
    assert made["orgUnit"] is None
    assert api.get(f"{PROFILE}/a").json()["orgUnit"]["title"] == unit["label"]


@pytest.mark.rule("campaign.md 13.2/B10")
@pytest.mark.parametrize(
    "manner, name", [("lower_rest", "Mcdonald-Ó Néill"), ("keep_rest", "MCDONALD-Ó NÉILL")]
)
def test_smart_case_rewrites_names(api: Api, manner: str, name: str) -> None:
    api.switch("smart_case", manner)
    made = api.profile(externalId="a", firstName="in der maur", lastName="MCDONALD-ó NÉILL".replace("ó", "Ó"))
    assert (made["firstName"], made["lastName"]) == ("In Der Maur", name)


@pytest.mark.rule("campaign.md 13.2/B10")
@pytest.mark.parametrize("address", ["not-an-address", "a@b", "a b@x.example", "a@@x.example", "@x.example"])
def test_an_invalid_address_is_refused(api: Api, address: str) -> None:
    answer = api.call("POST", PROFILE, {"email": address})
    assert (answer.status_code, answer.json()["message"]) == (500, BARE)


@pytest.mark.rule("campaign.md 13.3/U11")
def test_overlong_text_is_refused_with_the_bare_error_or_cut(api: Api) -> None:
    answer = api.call("POST", PROFILE, {"firstName": "x" * 31})
    assert (answer.status_code, answer.json()["message"]) == (500, BARE)
    assert api.profile(firstName="x" * 30)["firstName"] == "X" + "x" * 29
    api.switch("long_text", "cut")
    assert len(api.profile(firstName="x" * 31)["firstName"]) == 30


@pytest.mark.rule("campaign.md 13.3/U11")
def test_a_missing_mandatory_field_is_refused_with_the_bare_error(api: Api) -> None:
    api.declare("cusTicket", fields={"ticketId": {"mandatory": True}, "subject": {}})
    answer = api.call("POST", "/customResources/cusTicket", {"subject": "x"})
    assert (answer.status_code, answer.json()["message"]) == (500, BARE)
    api.switch("missing_mandatory", "accept")
    assert api.call("POST", "/customResources/cusTicket", {"subject": "x"}).status_code == 201


@pytest.mark.rule("campaign.md 13.3/U6")
def test_null_is_refused_for_a_scalar_and_clears_a_link(api: Api) -> None:
    unit = api.content(f"{EXT}/orgUnitBase")[0]
    made = api.profile(externalId="a", firstName="Ines", orgUnit={"PKey": unit["PKey"]})
    assert api.call("PATCH", made["href"], {"firstName": None}).status_code == 500
    assert api.call("PATCH", made["href"], {"orgUnit": None}).status_code == 200
    assert api.get(made["href"]).json()["orgUnit"] is None
    api.switch("null_scalar", "clear")
    api.switch("null_link", "refuse")
    assert api.call("PATCH", made["href"], {"firstName": None}).status_code == 200
    assert api.get(made["href"]).json()["firstName"] == ""
    assert api.call("PATCH", made["href"], {"orgUnit": None}).status_code == 500


@pytest.mark.rule("campaign.md 13.3/U8")
def test_a_link_by_address_or_by_raw_key_of_a_custom_resource_is_refused(api: Api) -> None:
    api.declare("cusSite", fields={"code": {}}, keys={"codeKey": {"fields": ["code"]}})
    link = {"target": "cusSite", "on_delete": "nothing"}
    api.declare("cusRoom", fields={"name": {}}, links={"cusSitelink": link})
    site = api.call("POST", "/customResources/cusSite", {"code": "oslo"}).json()
    for value in ({"href": site["href"]}, {"PKey": "oslo"}):
        assert api.call("POST", "/customResources/cusRoom", {"cusSitelink": value}).status_code == 500
    api.switch("link_by_raw_key", "resolve")
    assert api.call("POST", "/customResources/cusRoom", {"cusSitelink": {"PKey": "oslo"}}).status_code == 201
    missing = api.call("POST", "/customResources/cusRoom", {"cusSitelink": {"PKey": "rome"}})
    assert missing.status_code == 404
    assert "from key 'rome' (document" in missing.text


@pytest.mark.rule("campaign.md 13.3/U12")
def test_addresses_keep_their_case_unless_switched(api: Api) -> None:
    assert api.profile(email="Mirela@Alder.Example")["email"] == "Mirela@Alder.Example"
    api.switch("lowercase_email", True)
    assert api.profile(email="Mirela@Alder.Example")["email"] == "mirela@alder.example"


@pytest.mark.rule("campaign.md 4.1")
def test_put_is_not_offered(api: Api) -> None:
    assert api.call("PUT", api.profile(externalId="a")["href"], {}).status_code == 405


@pytest.mark.rule("campaign.md 11")
def test_a_body_that_is_no_json_object_is_refused(api: Api) -> None:
    answer = api.call("POST", PROFILE, data="@gibberish")
    assert answer.status_code == 400
    assert "'@gibberish' is not a valid constant" in answer.text


@pytest.mark.rule("campaign.md 4.2")
def test_text_of_every_script_survives(api: Api) -> None:
    note = 'Grüße, 你好, مرحبا 🎉 "quoted" \\ \n two lines'
    assert api.profile(externalId="a", cusNote=note)["cusNote"] == note
    assert api.get(f"{PROFILE}/a").json()["cusNote"] == note
