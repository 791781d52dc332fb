"""Entra ID over the wire: discovery, tokens and refusals as dataverse.md §1 has them."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import msal
import pytest
import requests

from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox

SIX_KEYS = {"error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id"}


def ask(sandbox: Sandbox, tenant: str | None = None, **changes: str | None) -> requests.Response:
    """Ask for a token as documented, but for the changes; None leaves a parameter out."""
    form = {
        "grant_type": "client_credentials",
        "client_id": sandbox.env["DATAVERSE_CLIENT_ID"],
        "client_secret": sandbox.env["DATAVERSE_CLIENT_SECRET"],
        "scope": f"{sandbox.env['DATAVERSE_URL']}/.default",
        **changes,
    }
    address = f"{sandbox.env['ENTRA_AUTHORITY']}/{tenant or sandbox.env['TENANT_ID']}/oauth2/v2.0/token"
    return sandbox.http.post(address, data={k: v for k, v in form.items() if v is not None}, timeout=10)


def client(sandbox: Sandbox, **changes: object) -> msal.ConfidentialClientApplication:
    settings: dict[str, object] = {
        "client_id": sandbox.env["DATAVERSE_CLIENT_ID"],
        "client_credential": sandbox.env["DATAVERSE_CLIENT_SECRET"],
        "authority": f"{sandbox.env['ENTRA_AUTHORITY']}/{sandbox.env['TENANT_ID']}",
        "verify": sandbox.env["CA_FILE"],
        "instance_discovery": False,
        **changes,
    }
    return msal.ConfidentialClientApplication(**settings)


@pytest.mark.rule("dataverse.md 12.2/1")
def test_a_token_is_answered_with_four_keys_and_looks_like_a_jwt(sandbox: Sandbox) -> None:
    answer = ask(sandbox)
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3599)
    parts = body["access_token"].split(".")
    assert len(parts) == 3
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    assert (claims["aud"], claims["tid"]) == (sandbox.env["DATAVERSE_URL"], sandbox.env["TENANT_ID"])


@pytest.mark.rule("dataverse.md 12.2/1")
@pytest.mark.parametrize(
    ("changes", "status", "error", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": None}, 401, "invalid_client", 7000218),
        ({"client_id": "c0ffee00-0000-4000-8000-00000000ffff"}, 400, "unauthorized_client", 700016),
        ({"scope": "{url}"}, 400, "invalid_scope", 1002012),
        ({"scope": "https%3A%2F%2Flocalhost/.default"}, 400, "invalid_scope", 1002012),
        ({"scope": "{url}/.default openid"}, 400, "invalid_scope", 70011),
        ({"scope": "https://elsewhere.example/.default"}, 400, "invalid_resource", 500011),
        ({"scope": "{url}/api/data/.default"}, 400, "invalid_resource", 500011),
        ({"scope": None}, 400, "invalid_request", 900144),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ],
)
def test_a_wrong_request_is_refused_with_the_documented_six_keys(
    sandbox: Sandbox, changes: dict[str, str | None], status: int, error: str, code: int
) -> None:
    url = sandbox.env["DATAVERSE_URL"]
    answer = ask(sandbox, **{k: v and v.replace("{url}", url) for k, v in changes.items()})
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [code])
    assert set(body) == SIX_KEYS
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    assert (
        f"Trace ID: {body['trace_id']} Correlation ID: {body['correlation_id']}" in body["error_description"]
    )
    assert body["error_description"].endswith(f"Timestamp: {body['timestamp']}")


@pytest.mark.parametrize(
    ("tenant", "code"),
    [("7d1c0000-0000-4000-8000-00000000ffff", 90002), ("no.such.example", 90002), ("§", 900023)],
)
def test_an_unknown_tenant_is_refused_at_both_endpoints(sandbox: Sandbox, tenant: str, code: int) -> None:
    discovery = f"{sandbox.env['ENTRA_AUTHORITY']}/{tenant}/v2.0/.well-known/openid-configuration"
    for answer in (ask(sandbox, tenant=tenant), sandbox.http.get(discovery, timeout=10)):
        assert (answer.status_code, answer.json()["error_codes"]) == (400, [code])


def test_a_tenant_may_be_named_by_its_domain(sandbox: Sandbox) -> None:
    assert ask(sandbox, tenant="alderleaf.onmicrosoft.com").status_code == 200


def test_client_and_secret_may_come_as_http_basic(sandbox: Sandbox) -> None:
    pair = f"{sandbox.env['DATAVERSE_CLIENT_ID']}:{quote(sandbox.env['DATAVERSE_CLIENT_SECRET'], safe='')}"
    answer = sandbox.http.post(
        f"{sandbox.env['ENTRA_AUTHORITY']}/{sandbox.env['TENANT_ID']}/oauth2/v2.0/token",
        data={"grant_type": "client_credentials", "scope": f"{sandbox.env['DATAVERSE_URL']}/.default"},
        headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
        timeout=10,
    )
    assert answer.status_code == 200


def test_an_expired_secret_is_a_switch(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches/entra.secret_state", {"value": "expired"})
    assert ask(fresh_sandbox).json()["error_codes"] == [7000222]


@pytest.mark.rule("dataverse.md 12.2/1")
def test_the_lifetime_is_a_switch(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches", {"entra.expires_in": 290})
    assert ask(fresh_sandbox).json()["expires_in"] == 290


def test_certificates_are_not_imitated_and_say_so(sandbox: Sandbox) -> None:
    answer = ask(sandbox, client_secret=None, client_assertion="a.b.c")
    assert answer.status_code == 501
    assert "not imitated by this sandbox" in answer.json()["error"]


@pytest.mark.usefixtures("own_authority")
class TestUnmodifiedMsal:
    """msal, with verification on, against the local authority (dataverse.md §1.2)."""

    def test_gets_a_token_and_keeps_it(self, sandbox: Sandbox) -> None:
        app, scope = client(sandbox), [f"{sandbox.env['DATAVERSE_URL']}/.default"]
        first, second = app.acquire_token_for_client(scope), app.acquire_token_for_client(scope)
        assert first["token_source"] == "identity_provider"
        assert second["token_source"] == "cache"
        assert first["access_token"] == second["access_token"]

    def test_reports_a_wrong_secret_as_a_dict(self, sandbox: Sandbox) -> None:
        app = client(sandbox, client_credential="wrong")
        answer = app.acquire_token_for_client([f"{sandbox.env['DATAVERSE_URL']}/.default"])
        assert answer["error"] == "invalid_client"
        assert answer["error_codes"] == [7000215]

    def test_raises_for_an_unknown_tenant(self, sandbox: Sandbox) -> None:
        authority = f"{sandbox.env['ENTRA_AUTHORITY']}/7d1c0000-0000-4000-8000-00000000ffff"
        with pytest.raises(ValueError, match="Unable to get authority configuration"):
            client(sandbox, authority=authority)

    def test_raises_for_a_server_error_in_discovery(self, fresh_sandbox: Sandbox) -> None:
        fresh_sandbox.control("POST", "/sandbox/faults", {"system": "entra", "do": "status", "status": 503})
        with pytest.raises(msal.exceptions.MsalServiceError, match="503"):
            client(fresh_sandbox)

    def test_finds_the_tenant_through_instance_discovery(self, sandbox: Sandbox) -> None:
        """The documented detour: an http_client that sends the well-known host's question here."""
        asked: list[str] = []

        class Rewriting(requests.Session):
            def get(self, url, **more):  # type: ignore[no-untyped-def]
                asked.append(url)
                return super().get(
                    url.replace("https://login.microsoftonline.com", sandbox.env["ENTRA_AUTHORITY"]), **more
                )

        with Rewriting() as http:
            http.verify = sandbox.env["CA_FILE"]
            app = client(sandbox, instance_discovery=True, http_client=http)
            answer = app.acquire_token_for_client([f"{sandbox.env['DATAVERSE_URL']}/.default"])
        assert any("/common/discovery/instance" in url for url in asked)
        assert "access_token" in answer

    def test_refuses_a_server_whose_authority_it_does_not_know(self, sandbox: Sandbox) -> None:
        with pytest.raises(requests.exceptions.SSLError):
            client(sandbox, verify=True)


def test_an_unknown_instance_is_invalid(sandbox: Sandbox) -> None:
    question = {
        "authorization_endpoint": "https://evil.example/t/oauth2/v2.0/authorize",
        "api-version": "1.0",
    }
    answer = sandbox.http.get(
        f"{sandbox.env['ENTRA_AUTHORITY']}/common/discovery/instance", params=question, timeout=10
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_instance")


def test_what_is_not_imitated_says_so(sandbox: Sandbox) -> None:
    answer = sandbox.http.get(f"{sandbox.env['ENTRA_AUTHORITY']}/common/oauth2/v2.0/authorize", timeout=10)
    assert answer.status_code == 501
