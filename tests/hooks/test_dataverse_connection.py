"""Dataverse's connection: what is wrong is said at once, with who must do what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.dataverse import DataverseHook

from tests.hooks.conftest import FakeTime, dataverse_connection
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox


@pytest.fixture
def connected(
    sandbox: Sandbox, connect: Callable[..., None], clock: FakeTime
) -> Callable[..., DataverseHook]:
    """Makes a hook from the sandbox's connection, changed as a test wants."""

    def make(extra: dict[str, Any] | None = None, **changes: Any) -> DataverseHook:
        connection = dataverse_connection(sandbox.env, **(extra or {}))
        connect("dataverse_default", **{**connection, **changes})
        return DataverseHook()

    return make


def test_a_right_connection_works(
    connected: Callable[..., DataverseHook], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    works, sentence = connected().test_connection()
    assert works
    assert sandbox.env["DATAVERSE_URL"] in sentence
    assert connected(host=sandbox.env["DATAVERSE_URL"] + "/api/data/v9.2/").test_connection()[0]


@pytest.mark.parametrize(
    ("changes", "extra", "words"),
    [
        ({"password": "wrong"}, {}, "Put the secret's value"),
        ({"login": "c0ffee00-0000-4000-8000-00000000ffff"}, {}, "the application is unknown in this tenant"),
        ({"login": None}, {}, "lacks tenant_id"),
        ({"password": None}, {}, "lacks tenant_id"),
        ({"host": ""}, {}, "Set its host"),
        ({}, {"tenant_id": ""}, "lacks tenant_id"),
        ({}, {"tenant_id": "7d1c0000-0000-4000-8000-00000000ffff"}, "Correct tenant_id"),
        ({}, {"tenant_id": "not a tenant"}, "Correct tenant_id"),
        ({}, {"authority": "http://login.example"}, "not an https address"),
        ({}, {"verify": "/nowhere/ca.pem"}, "does not exist on this machine"),
        ({}, {"verify": True}, "not trusted on this machine"),
    ],
)
def test_a_wrong_connection_says_who_must_do_what(
    connected: Callable[..., DataverseHook], changes: dict[str, Any], extra: dict[str, Any], words: str
) -> None:
    works, sentence = connected(extra, **changes).test_connection()
    assert not works
    assert words in sentence


def test_a_missing_connection_is_refused_with_who_must_do_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_DATAVERSE_DEFAULT", raising=False)
    with pytest.raises(RefusedError, match="the connection dataverse_default does not exist") as caught:
        DataverseHook().table("contact")
    assert "AIRFLOW_CONN_DATAVERSE_DEFAULT" in caught.value.remedy


def test_an_environment_of_another_tenant_is_refused(
    connected: Callable[..., DataverseHook], sandbox: Sandbox
) -> None:
    works, sentence = connected(host=sandbox.env["CAMPAIGN_URL"]).test_connection()
    assert not works
    assert "Check the connection's host" in sentence


def test_an_expired_secret_asks_for_a_new_one(
    connected: Callable[..., DataverseHook], sandbox: Sandbox
) -> None:
    sandbox.control("PUT", "/sandbox/switches/entra.secret_state", {"value": "expired"})
    try:
        assert "makes a new secret" in connected().test_connection()[1]
    finally:
        sandbox.control("PUT", "/sandbox/switches/entra.secret_state", {"value": "valid"})


def test_an_application_without_a_user_is_a_403_and_renews_no_token(
    connected: Callable[..., DataverseHook], sandbox: Sandbox
) -> None:
    sandbox.control("PUT", "/sandbox/switches/dataverse.application_user", {"value": False})
    sandbox.control("POST", "/sandbox/counters/reset")
    try:
        with pytest.raises(RefusedError, match="Application users") as caught:
            connected().table("contact")
    finally:
        sandbox.control("PUT", "/sandbox/switches/dataverse.application_user", {"value": True})
    assert (caught.value.status, caught.value.code) == (403, "0x80072560")
    assert sandbox.control("GET", "/sandbox/counters")["entra.tokens"] == 1


def test_a_token_that_is_refused_again_is_final(
    connected: Callable[..., DataverseHook], sandbox: Sandbox
) -> None:
    sandbox.control("PUT", "/sandbox/switches/dataverse.refuse_bearer", {"value": True})
    sandbox.control("POST", "/sandbox/counters/reset")
    try:
        with pytest.raises(RefusedError) as caught:
            connected().table("contact")
    finally:
        sandbox.control("PUT", "/sandbox/switches/dataverse.refuse_bearer", {"value": False})
    assert caught.value.status == 401
    assert sandbox.control("GET", "/sandbox/counters")["entra.tokens"] == 2


@pytest.mark.parametrize("path", ["openid-configuration", "oauth2/v2.0/token"])
def test_a_login_service_that_is_busy_is_asked_again(
    connected: Callable[..., DataverseHook], faults: Callable[..., None], path: str
) -> None:
    faults(system="entra", path=path, times=2, do="status", status=503)
    assert connected().test_connection()[0]
    faults(system="entra", path=path, times=None, do="status", status=503)
    with pytest.raises(TransientError, match="Entra ID"):
        connected().table("contact")
