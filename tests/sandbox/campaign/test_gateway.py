"""campaign.md §1: tokens and the gateway in front of Campaign."""

from __future__ import annotations

import pytest
import requests

from tests.sandbox.campaign.conftest import Api

PROFILE = "/profileAndServicesExt/profile"
OOPS = "Oops. Something went wrong. Check your URI and try again."


def token_request(api: Api, **changes: str) -> requests.Response:
    env = api.sandbox.env
    form = {
        "grant_type": "client_credentials",
        "client_id": env["CAMPAIGN_CLIENT_ID"],
        "client_secret": env["CAMPAIGN_CLIENT_SECRET"],
        "scope": env["CAMPAIGN_SCOPES"],
    }
    return api.sandbox.http.post(f"{env['IMS_URL']}/ims/token/v3", data={**form, **changes}, timeout=60)


@pytest.mark.rule("campaign.md 13.2/B1")
def test_a_token_is_asked_for_by_form_and_its_life_is_in_seconds(api: Api) -> None:
    answer = token_request(api)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "bearer"
    assert answer.json()["expires_in"] == 86399


@pytest.mark.rule("campaign.md 13.2/B1")
@pytest.mark.parametrize(
    "change, error, description",
    [
        ({"client_secret": "wrong"}, "invalid_client", "invalid client_secret parameter"),
        ({"client_id": "wrong"}, "invalid_client", "invalid client_id parameter"),
    ],
)
def test_wrong_credentials_are_400_with_two_keys(
    api: Api, change: dict[str, str], error: str, description: str
) -> None:
    answer = token_request(api, **change)
    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}


@pytest.mark.rule("campaign.md 13.2/B1")
def test_a_short_lived_token_dies_on_the_sandbox_clock(api: Api) -> None:
    api.sandbox.control("PUT", "/sandbox/switches/ims.expires_in", {"value": 60})
    short = token_request(api).json()
    assert short["expires_in"] == 60
    bearer = {"Authorization": f"Bearer {short['access_token']}"}
    assert api.get(PROFILE, headers=bearer).status_code == 200
    api.advance(61)
    answer = api.get(PROFILE, headers=bearer)
    assert answer.status_code == 401
    assert answer.json() == {"error_code": "401013", "message": "Oauth token is not valid"}


@pytest.mark.rule("campaign.md 13.2/B1")
def test_the_gateway_looks_at_token_then_key_then_product_then_organisation(api: Api) -> None:
    stranger_id = "5f2c8d31a9e04b76b0c1d2e3f4a50002"
    without_product = token_request(api, scope="openid,AdobeID,campaign_sdk").json()["access_token"]
    nowhere = api.url.replace("/alderleaf/", "/elsewhere/") + PROFILE
    bad_token = {"Authorization": "Bearer nonsense", "X-Api-Key": stranger_id}
    bad_key = {"Authorization": f"Bearer {without_product}", "X-Api-Key": stranger_id}
    bad_product = {"Authorization": f"Bearer {without_product}"}
    seen = [api.get(nowhere, headers=headers) for headers in (bad_token, bad_key, bad_product, {})]
    assert [answer.status_code for answer in seen] == [401, 403, 403, 500]
    assert [answer.json() for answer in seen] == [
        {"error_code": "401013", "message": "Oauth token is not valid"},
        {"error_code": "403003", "message": "Api Key is invalid"},
        {"error_code": "403023", "message": "Profile is not valid"},
        {"code": 500, "message": OOPS},
    ]
    assert api.counter("engine_calls") == 0


@pytest.mark.rule("campaign.md 1.5")
def test_an_address_without_campaign_in_it_is_the_gateways_oops(api: Api) -> None:
    answer = api.get(api.url.removesuffix("/campaign") + PROFILE)
    assert (answer.status_code, answer.json()) == (500, {"code": 500, "message": OOPS})


@pytest.mark.rule("campaign.md 1.5")
@pytest.mark.parametrize("manner, statuses", [("500", [500, 500]), ("502", [502, 502]), ("400_first", None)])
def test_a_wrong_organisation_is_refused_as_the_switch_says(
    api: Api, manner: str, statuses: list[int] | None
) -> None:
    api.switch("wrong_tenant", manner)
    nowhere = api.url.replace("/alderleaf/", "/elsewhere/") + PROFILE
    answers = [api.get(nowhere) for _ in range(2)]
    assert [a.status_code for a in answers] in ([statuses] if statuses else [[400, 500], [500, 500]])


@pytest.mark.rule("campaign.md 13.3/U2")
def test_no_rate_limit_unless_switched_on(api: Api) -> None:
    assert {api.get(f"{PROFILE}/_count").status_code for _ in range(30)} == {200}
    api.switch("rate_limit", 3)
    answers = [api.get(f"{PROFILE}/_count") for _ in range(20)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused
    assert refused[0].headers["Retry-After"] == "1"
