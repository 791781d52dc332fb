"""Tokens of Entra ID for Dataverse, by msal, over sessions of ours.

Not for calling Dataverse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.forms import UNEXPECTED
from campaign_sync.hooks.rest import Rest
from campaign_sync.hooks.sessions import Token

AUTHORITY = "https://login.microsoftonline.com"
# dataverse.md §1.1: hosts that msal knows without asking
MICROSOFT_HOSTS = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoft.com",
        "login.windows.net",
        "sts.windows.net",
        "login.microsoftonline.us",
        "login.usgovcloudapi.net",
        "login.partner.microsoftonline.cn",
        "login.chinacloudapi.cn",
        "login.microsoftonline.de",
        "login-us.microsoftonline.com",
        "login.sovcloud-identity.fr",
        "login.sovcloud-identity.de",
        "login.sovcloud-identity.sg",
    }
)


class Credentials(NamedTuple):
    """Who asks for a token, of whom, for which environment."""

    authority: str
    tenant_id: str
    client_id: str
    client_secret: str
    environment: str

    def __repr__(self) -> str:
        return f"<Credentials for {self.client_id}>"


def token_source(credentials: Credentials, rest: Rest) -> Callable[[bool], Token]:
    """Returns the function that gets tokens; its msal application is made at the first call."""
    wire = _Wire(rest)
    scopes = [f"{credentials.environment}/.default"]
    applications: list[Any] = []

    def fetch(fresh: bool) -> Token:
        try:
            if not applications:
                applications.append(_application(credentials, wire))
            elif fresh:
                applications[0].remove_tokens_for_client()
            found = applications[0].acquire_token_for_client(scopes)
            if "access_token" in found:
                return Token(str(found["access_token"]), float(found["expires_in"]))
        except UNEXPECTED:  # ValueError is msal's word for a discovery answered 4xx (dataverse.md §1.2)
            raise _undiscovered(rest, wire) from None
        raise _refused(rest, wire, found)

    return fetch


def _application(credentials: Credentials, wire: _Wire) -> Any:
    import msal

    known = any(credentials.authority == f"https://{host}" for host in MICROSOFT_HOSTS)
    return msal.ConfidentialClientApplication(
        credentials.client_id,
        client_credential=credentials.client_secret,
        authority=f"{credentials.authority}/{credentials.tenant_id}",
        instance_discovery=None if known else False,
        http_client=wire,
    )


def _undiscovered(rest: Rest, wire: _Wire) -> RefusedError:
    if wire.last is not None and not wire.last.ok:
        return rest.refusal(wire.last)
    remedy = "Check tenant_id and authority in the connection's extra; the authority is an https address"
    return RefusedError("Entra ID", "", None, "", "the authority cannot be used", remedy)


def _refused(rest: Rest, wire: _Wire, found: Mapping[str, Any]) -> RefusedError:
    if wire.last is not None and not wire.last.ok:
        return rest.refusal(wire.last)
    return RefusedError(
        "Entra ID", "", None, str(found.get("error") or ""), "no token was issued", "Check the connection"
    )


class _Reply(NamedTuple):
    """What msal wants to see of an answer."""

    status_code: int
    text: str
    headers: dict[str, str]


class _Wire:
    """The http_client that msal calls: REQUESTS_CA_BUNDLE has no say here, and retries are ours."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.last: Answer | None = None

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> _Reply:
        return self._reply("GET", url, params, headers, None)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> _Reply:
        return self._reply("POST", url, params, headers, data)

    def close(self) -> None:
        """Sessions belong to the hook."""

    def _reply(self, method: str, url: str, params: Any, headers: Any, data: Any) -> _Reply:
        target = f"{url}?{urlencode(params)}" if params else url
        body = urlencode({name: value for name, value in data.items() if value is not None}) if data else ""
        form = {"Content-Type": "application/x-www-form-urlencoded"} if data else {}
        self.last = self._rest.exchange(
            method, target, headers={**(headers or {}), **form}, body=body.encode() or None
        )
        return _Reply(self.last.status, self.last.text, dict(self.last.headers))
