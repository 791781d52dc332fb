"""campaign.md §4.7: subscribing and unsubscribing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.campaign.conftest import EXT, Api


def subscribe(api: Api) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    service = api.content("/profileAndServices/service")[0]
    profile = api.profile(externalId="a", firstName="Ines")
    answer = api.call("POST", profile["subscriptions"]["href"], {"service": {"PKey": service["PKey"]}})
    assert answer.status_code == 201
    return profile, service, answer.json()


@pytest.mark.rule("campaign.md 4.7")
def test_a_profile_subscribes_through_its_own_collection(api: Api) -> None:
    profile, service, _ = subscribe(api)
    rows = api.get(profile["subscriptions"]["href"]).json()["content"]
    assert [row["service"]["name"] for row in rows] == [service["name"]]
    assert set(rows[0]["service"]) == {"PKey", "href", "title", "label", "name"}
    seen = api.content(f"{EXT}/profile/subscribers?service={service['PKey']}")
    assert [row["externalId"] for row in seen] == ["a"]


@pytest.mark.rule("campaign.md 4.7")
def test_a_service_takes_a_subscriber_through_its_own_collection(api: Api) -> None:
    service = api.content(f"{EXT}/service")[0]
    profile = api.profile(externalId="a")
    answer = api.call("POST", service["subscriptions"]["href"], {"subscriber": {"PKey": profile["PKey"]}})
    assert answer.status_code == 201
    assert len(api.get(profile["subscriptions"]["href"]).json()["content"]) == 1


@pytest.mark.rule("campaign.md 4.5")
def test_a_service_may_be_named_by_its_raw_key(api: Api) -> None:
    profile = api.profile(externalId="a")
    named = api.call("POST", profile["subscriptions"]["href"], {"service": {"PKey": "harbour_news"}})
    assert named.status_code == 201
    missing = api.call("POST", profile["subscriptions"]["href"], {"service": {"PKey": "adobe_nl"}})
    assert missing.status_code == 404
    assert (
        "Unable to find document with path 'Service' from key 'adobe_nl' "
        "(document with schema 'service' and name 'adobe_nl')"
    ) in missing.json()["message"]


@pytest.mark.rule("campaign.md 4.7")
def test_nobody_subscribes_twice(api: Api) -> None:
    profile, service, _ = subscribe(api)
    again = api.call("POST", profile["subscriptions"]["href"], {"service": {"PKey": service["PKey"]}})
    assert again.status_code == 500
    assert "PGS-220000" in again.text


@pytest.mark.rule("campaign.md 4.1")
def test_deleting_the_subscriptions_own_address_is_204_and_leaves_the_service(api: Api) -> None:
    profile, service, row = subscribe(api)
    answer = api.call("DELETE", row["href"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(profile["subscriptions"]["href"]).json()["content"] == []
    assert api.get(service["href"]).status_code == 200


@pytest.mark.rule("campaign.md 4.1")
def test_deleting_the_services_address_deletes_the_service(api: Api) -> None:
    profile, service, _ = subscribe(api)
    assert api.call("DELETE", service["href"]).status_code == 200
    assert api.get(service["href"]).status_code == 404
    assert api.get(profile["subscriptions"]["href"]).json()["content"] == []


@pytest.mark.rule("campaign.md 12.4")
def test_the_marketing_history_of_a_profile_has_no_events_yet(api: Api) -> None:
    profile = api.profile(externalId="a")
    history = api.get(f"/profileAndServices/history/{profile['PKey']}").json()
    assert api.get(history["events"]["href"]).json()["content"] == []
