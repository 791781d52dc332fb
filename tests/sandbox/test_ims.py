"""Adobe IMS over the wire: tokens, refusals and the product profile as campaign.md §1.1 has them."""

from __future__ import annotations

import pytest
import requests

from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox


def parameters(sandbox: Sandbox, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": sandbox.env["CAMPAIGN_CLIENT_ID"],
        "client_secret": sandbox.env["CAMPAIGN_CLIENT_SECRET"],
        "scope": sandbox.env["CAMPAIGN_SCOPES"],
        **changes,
    }


def ask(sandbox: Sandbox, **changes: str) -> requests.Response:
    address = f"{sandbox.env['IMS_URL']}/ims/token/v3"
    return sandbox.http.post(address, data=parameters(sandbox, **changes), timeout=10)


def profile(sandbox: Sandbox, token: str) -> requests.Response:
    address = f"{sandbox.env['IMS_URL']}/ims/profile/v1"
    return sandbox.http.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=10)


@pytest.mark.rule("campaign.md 13.2/B1")
def test_a_token_lives_for_a_day_given_in_seconds(sandbox: Sandbox) -> None:
    answer = ask(sandbox)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 86399)


def test_parameters_may_be_in_the_query(sandbox: Sandbox) -> None:
    address = f"{sandbox.env['IMS_URL']}/ims/token/v3"
    assert sandbox.http.post(address, params=parameters(sandbox), timeout=10).status_code == 200


def test_scopes_may_be_separated_by_comma_and_space(sandbox: Sandbox) -> None:
    assert ask(sandbox, scope=sandbox.env["CAMPAIGN_SCOPES"].replace(",", ", ")).status_code == 200


@pytest.mark.rule("campaign.md 13.2/B1")
@pytest.mark.parametrize(
    ("changes", "body"),
    [
        (
            {"client_secret": "wrong"},
            {"error": "invalid_client", "error_description": "invalid client_secret parameter"},
        ),
        (
            {"client_id": "wrong"},
            {"error": "invalid_client", "error_description": "invalid client_id parameter"},
        ),
    ],
)
def test_wrong_credentials_are_refused_with_two_keys(
    sandbox: Sandbox, changes: dict[str, str], body: dict[str, str]
) -> None:
    answer = ask(sandbox, **changes)
    assert (answer.status_code, answer.json()) == (400, body)


@pytest.mark.parametrize("scope", ["openid,somebody_elses_scope", ""])
def test_a_scope_that_the_credential_lacks_is_refused(sandbox: Sandbox, scope: str) -> None:
    answer = ask(sandbox, scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_an_unknown_scope_may_be_ignored_by_a_switch(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches/ims.unknown_scope", {"value": "ignore"})
    assert ask(fresh_sandbox, scope="openid,somebody_elses_scope").status_code == 200


@pytest.mark.rule("campaign.md 13.2/B1")
def test_a_short_life_is_a_switch_and_ends_by_the_clock(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches/ims.expires_in", {"value": 30})
    answer = ask(fresh_sandbox).json()
    assert answer["expires_in"] == 30
    assert profile(fresh_sandbox, answer["access_token"]).status_code == 200
    fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 31})
    assert profile(fresh_sandbox, answer["access_token"]).status_code == 401


def test_the_profile_names_the_organisations_a_token_opens(sandbox: Sandbox) -> None:
    contexts = profile(sandbox, ask(sandbox).json()["access_token"]).json()["projectedProductContext"]
    assert [c["prodCtx"]["organization_id"] for c in contexts] == ["alderleaf", "alderleaf-mkt-stage"]
    assert {c["prodCtx"]["serviceCode"] for c in contexts} == {"dma_tartan"}


def test_without_its_scope_a_token_has_no_product_context(sandbox: Sandbox) -> None:
    token = ask(sandbox, scope="openid,AdobeID").json()["access_token"]
    assert profile(sandbox, token).json()["projectedProductContext"] == []


def test_the_retired_jwt_exchange_is_not_imitated(sandbox: Sandbox) -> None:
    assert sandbox.http.post(f"{sandbox.env['IMS_URL']}/ims/exchange/jwt/", timeout=10).status_code == 501
