"""campaign.md §3.5: business keys in the address."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.sandbox.campaign.conftest import EXT, Api

PROFILE = f"{EXT}/profile"
ID = "7b0e4c1a-92d5-4f0e-8a66-1d0c5e9f3b27"


@pytest.mark.rule("campaign.md 13.2/B7")
def test_a_record_is_read_changed_and_deleted_by_its_key(api: Api) -> None:
    made = api.profile(externalId=ID, firstName="Mirela")
    assert api.get(f"{PROFILE}/{ID}").json()["PKey"] == made["PKey"]
    changed = api.call("PATCH", f"{PROFILE}/{ID}", {"firstName": "Ines", "externalId": ID})
    assert changed.status_code == 200
    assert api.get(f"{PROFILE}/{ID}").json()["firstName"] == "Ines"
    assert api.call("DELETE", f"{PROFILE}/{ID}").status_code == 200
    assert api.get(f"{PROFILE}/{ID}").status_code == 404
    assert api.call("DELETE", f"{PROFILE}/{ID}").status_code == 404


@pytest.mark.rule("campaign.md 13.2/B7")
def test_an_unknown_key_in_the_address_is_a_404_that_quotes_it(api: Api) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = api.call(method, f"{PROFILE}/nobody", {"firstName": "x"} if method == "PATCH" else None)
        assert answer.status_code == 404
        assert (
            "Unable to find document with path 'Profile' from key 'nobody:0' "
            "(document with schema 'profile' and name 'nobody')"
        ) in answer.json()["message"]


@pytest.mark.rule("campaign.md 13.2/B7")
def test_a_key_cannot_be_changed_by_key(api: Api) -> None:
    api.profile(externalId=ID)
    answer = api.call("PATCH", f"{PROFILE}/{ID}", {"externalId": "other", "firstName": "Ines"})
    assert answer.status_code == 500
    assert (
        f"RST-360012 Inconsistent operation on resource 'profile' – Cannot update key '{ID}' to 'other'."
        in answer.json()["message"]
    )
    assert answer.json()["message"].startswith("RST-360011")
    assert api.get(f"{PROFILE}/{ID}").json()["firstName"] == ""


@pytest.mark.rule("campaign.md 13.2/B7")
def test_a_key_changed_by_pkey_to_one_that_is_taken_is_a_duplicate(api: Api) -> None:
    api.profile(externalId="taken")
    made = api.profile(externalId=ID)
    answer = api.call("PATCH", made["href"], {"externalId": "taken"})
    assert answer.status_code == 500
    assert "A 'Profile' with the same key 'taken' already exists." in answer.text
    assert "PGS-220000" in answer.text
    assert "RST-360012" in api.call("PATCH", made["href"], {"externalId": "free"}).text
    api.switch("key_change_by_pkey", "accept")
    assert api.call("PATCH", made["href"], {"externalId": "free"}).status_code == 200


@pytest.mark.rule("campaign.md 13.2/B7")
def test_a_composite_key_is_reached_by_a_filter_only(api: Api) -> None:
    rules = [
        {"column": "crm", "parameter": "crm_parameter"},
        {"column": "region", "parameter": "region_parameter"},
    ]
    api.declare(
        "cusDeal",
        fields={"crm": {}, "region": {}},
        keys={"crmKey": {"fields": ["crm", "region"]}},
        filters={"bycrmKey": {"rules": rules}},
    )
    for region in ("EMEA", "APAC"):
        assert api.call("POST", "/customResources/cusDeal", {"crm": "7", "region": region}).status_code == 201
    assert api.call("POST", "/customResources/cusDeal", {"crm": "7", "region": "EMEA"}).status_code == 500
    assert api.get("/customResources/cusDeal/7").status_code == 404
    rows = api.content("/customResources/cusDeal/bycrmKey?crm_parameter=7&region_parameter=APAC")
    assert [row["region"] for row in rows] == ["APAC"]


@pytest.mark.rule("campaign.md 13.2/B12")
def test_a_duplicate_key_is_a_500_with_the_databases_words(api: Api) -> None:
    api.profile(externalId=ID)
    answer = api.call("POST", PROFILE, {"externalId": ID})
    assert answer.status_code == 500
    assert answer.json()["message"] == (
        f"A 'Profile' with the same key '{ID}' already exists. PGS-220000 PostgreSQL error: "
        'ERROR: duplicate key value violates unique constraint "nmsrecipient_externalid" '
        f"DETAIL: Key (sexternalid)=({ID}) already exists."
    )


@pytest.mark.rule("campaign.md 13.2/B12")
def test_of_many_posts_of_one_key_at_once_exactly_one_wins(api: Api) -> None:
    def post(number: int) -> requests.Response:
        return api.call("POST", PROFILE, {"externalId": ID, "cusChildren": number})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(40)))
    assert sorted(a.status_code for a in answers) == [201] + [500] * 39
    assert all("PGS-220000" in a.text for a in answers if a.status_code == 500)
    assert len(api.rows()) == 1


@pytest.mark.rule("campaign.md 3.5")
def test_records_without_a_key_value_do_not_collide(api: Api) -> None:
    api.profile(email="a@x.example")
    api.profile(email="b@x.example", externalId="")
    assert len(api.rows()) == 2


@pytest.mark.rule("campaign.md 13.3/U10")
def test_without_an_identification_key_external_ids_repeat_and_are_no_address(api: Api) -> None:
    api.declare("profile", keys={"externalIdKey": None})
    api.profile(externalId=ID)
    api.profile(externalId=ID)
    assert len(api.content(f"{PROFILE}/byextId?externalId_parameter={ID}")) == 2
    assert api.get(f"{PROFILE}/{ID}").status_code == 404


@pytest.mark.rule("campaign.md 6.1")
def test_a_key_cannot_be_published_over_duplicates(api: Api) -> None:
    api.declare("profile", keys={"externalIdKey": None})
    api.seed("profile", [{"externalId": ID}, {"externalId": ID}])
    asked = {"resource": "profile", "keys": {"externalIdKey": {"fields": ["externalId"]}}}
    url = api.sandbox.env["SANDBOX_URL"] + "/sandbox/campaign/resources"
    answer = api.sandbox.http.post(url, json=asked, timeout=60)
    assert answer.status_code == 400
    assert "externalIdKey" in answer.json()["error"]
    assert api.get(PROFILE).status_code == 200


@pytest.mark.rule("campaign.md 13.2/B7")
def test_a_key_holds_on_the_plain_endpoint_too(api: Api) -> None:
    api.profile(externalId=ID)
    made = api.call("POST", "/profileAndServices/profile", {"externalId": "other"}).json()
    assert "PGS-220000" in api.call("POST", "/profileAndServices/profile", {"externalId": ID}).text
    assert "PGS-220000" in api.call("PATCH", made["href"], {"externalId": ID}).text
