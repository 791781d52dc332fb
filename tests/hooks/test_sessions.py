"""Addresses, certificates and what a session sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.hooks import entra, ims
from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.campaign import CampaignHook
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.hooks.sessions import Bearer, Token, address, origin, verification

from tests.hooks.scripted_server import Reply, ScriptedServer


@pytest.mark.parametrize(
    ("host", "schema", "port", "expected"),
    [
        ("https://a.example", None, None, "https://a.example"),
        ("https://a.example/", None, None, "https://a.example"),
        ("a.example", None, None, "https://a.example"),
        ("a.example/org", "https", 444, "https://a.example:444/org"),
        ("a.example", "org", None, "https://a.example/org"),
        ("https://a.example:1/org/", None, 2, "https://a.example:1/org"),
        ("http://127.0.0.1:8", None, None, "http://127.0.0.1:8"),
    ],
)
def test_an_address_is_https_unless_it_is_this_machine(
    host: str, schema: str | None, port: int | None, expected: str
) -> None:
    assert address(SimpleNamespace(host=host, schema=schema, port=port), "X", "") == expected


@pytest.mark.parametrize(
    "host", ["", None, "http://a.example", "http://localhost.evil.example", "ftp://a.example"]
)
def test_an_address_without_tls_is_refused(host: str | None) -> None:
    with pytest.raises(RefusedError):
        address(SimpleNamespace(host=host, schema=None, port=None), "X", "https://…")


@pytest.mark.parametrize("given", [False, "false", "False"])
def test_switching_verification_off_is_refused_unless_it_is_this_machine(given: object) -> None:
    with pytest.raises(RefusedError, match="anyone read along"):
        verification({"verify": given}, "X", "https://a.example")
    assert verification({"verify": given}, "X", "https://localhost:1") is False


def test_a_ca_file_must_exist(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    assert verification({"verify": str(tmp_path / "ca.pem")}, "X", "https://a.example") == str(
        tmp_path / "ca.pem"
    )
    with pytest.raises(RefusedError, match="does not exist"):
        verification({"verify": str(tmp_path / "other.pem")}, "X", "https://a.example")
    assert verification({}, "X", "https://a.example") is True


def test_the_origin_of_an_address_is_its_scheme_host_and_port() -> None:
    assert origin("https://A.example/x") == origin("https://a.example:443/y") != origin("http://a.example/x")
    assert origin("https://a.example@evil.example/") == ("", "", None)


def test_what_carries_a_secret_does_not_show_it() -> None:
    shown = [
        Token("planted", 1),
        Answer("GET", "https://a.example/x?$filter=planted", 200, {}, b"planted", token="planted"),
        entra.Credentials("https://a.example", "tenant", "id", "planted", "https://b.example"),
        ims.Credentials("id", "planted", "openid"),
    ]
    assert "planted" not in repr(shown)


def test_threads_refused_together_renew_once() -> None:
    fetched: list[bool] = []

    def fetch(fresh: bool) -> Token:
        fetched.append(fresh)
        return Token(f"planted-{len(fetched)}", 3600)

    bearer = Bearer(fetch, "https://a.example")
    old = bearer.value()
    bearer.refuse(old)
    new = bearer.value()
    bearer.refuse(old)
    assert bearer.value() == new
    assert fetched == [False, True]


def test_a_token_with_little_life_left_is_renewed_early() -> None:
    bearer = Bearer(lambda _: Token("planted", 0), "https://a.example")
    assert bearer.value() == "planted"


SECRETS = {
    "tenant_id": "planted-tenant",
    "authority": "https://login.example",
    "ims_url": "https://ims.example",
    "scopes": "planted-scope",
    "parallel": 3,
    "client_certificate": "planted-certificate",
}


@pytest.mark.parametrize("make", [DataverseHook, CampaignHook])
def test_nothing_of_the_connection_leaves_as_a_header(
    make: Callable[[str], DataverseHook | CampaignHook],
    server: ScriptedServer,
    connect: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/planted/ca.pem")
    connect("wire", conn_type="http", host=f"{server.url}/org", login="id", password="planted", extra=SECRETS)
    hook = make("wire")
    hook._bearer = Bearer(lambda _: Token("the-token", 3600), server.url, {"X-Api-Key": "id"})
    server.answers(Reply())
    session = hook.get_conn()
    session.get(f"{server.url}/x", timeout=5)
    session.close()
    sent = server.asked[0].headers
    assert sent["Authorization"] == "Bearer the-token"
    assert "planted" not in str(sent)
    assert not {name.lower() for name in sent} & {
        "tenant_id",
        "authority",
        "ims_url",
        "scopes",
        "parallel",
        "verify",
    }
    assert (session.trust_env, session.verify) == (False, True)
