"""campaign.md §3.2: opaque keys that mean nothing outside their instance, resource and use."""

from __future__ import annotations

import re

import pytest

from tests.sandbox.campaign.conftest import EXT, Api


@pytest.mark.rule("campaign.md 13.2/B2")
def test_a_pkey_is_an_at_sign_and_about_a_hundred_url_safe_characters(api: Api) -> None:
    assert re.fullmatch(r"@[A-Za-z0-9_-]{90,130}", api.profile(externalId="a")["PKey"])


@pytest.mark.rule("campaign.md 13.2/B2")
def test_the_pkey_in_a_collections_address_is_not_the_records_own_and_opens_only_collections(
    api: Api,
) -> None:
    made = api.profile(externalId="a")
    inside = made["subscriptions"]["href"].split("/")[-3]
    assert inside.startswith("@")
    assert inside != made["PKey"]
    assert api.get(f"{EXT}/profile/{inside}").status_code == 500
    assert api.get(f"{EXT}/profile/{made['PKey']}/subscriptions/").status_code == 500
    assert api.get(made["subscriptions"]["href"]).status_code == 200


@pytest.mark.rule("campaign.md 13.2/B2")
def test_a_link_shows_another_pkey_for_the_same_record(api: Api) -> None:
    unit = api.content(f"{EXT}/orgUnitBase")[0]
    api.profile(externalId="a", orgUnit={"PKey": unit["PKey"]})
    linked = api.get(f"{EXT}/profile/a").json()["orgUnit"]
    assert set(linked) == {"PKey", "href", "title"}
    assert linked["PKey"] != unit["PKey"]
    assert api.get(linked["href"]).json()["name"] == unit["name"]


@pytest.mark.rule("campaign.md 13.2/B2")
def test_a_pkey_of_another_tenant_is_an_unknown_attribute_and_not_a_404(api: Api) -> None:
    api.seed("profile", [{"externalId": "a"}])
    api.seed("profile", [{"externalId": "a"}], tenant="alderleaf-mkt-stage")
    staged = api.get(f"{api.stage}/profileAndServices/profile").json()["content"][0]["PKey"]
    assert staged != api.content(f"{EXT}/profile")[0]["PKey"]
    answer = api.get(f"{EXT}/profile/{staged}")
    assert answer.status_code == 500
    bare = staged.removeprefix("@")
    assert answer.json()["message"].endswith(
        f"'{bare}' attribute unknown (see definition of 'Profiles (nms:recipient)' schema). "
        f"XTK-170036 Unable to parse expression '@id = @{bare}'."
    )


@pytest.mark.rule("campaign.md 13.2/B2")
def test_a_pkey_of_another_resource_is_refused(api: Api) -> None:
    service = api.content(f"{EXT}/service")[0]["PKey"]
    answer = api.get(f"{EXT}/profile/{service}")
    assert answer.status_code == 500
    assert "XTK-170036" in answer.text


@pytest.mark.rule("campaign.md 3.2")
def test_a_pkey_of_a_deleted_record_is_a_404(api: Api) -> None:
    made = api.profile(externalId="a")
    assert api.call("DELETE", made["href"]).status_code == 200
    answer = api.get(made["href"])
    assert answer.status_code == 404
    assert "Unable to find document with path 'Profile'" in answer.json()["message"]
