"""Tokens of Adobe IMS for Campaign.

Not for calling Campaign."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

from campaign_sync.errors import TransientError
from campaign_sync.hooks.answers import loads
from campaign_sync.hooks.rest import Rest
from campaign_sync.hooks.sessions import Token

IMS_URL = "https://ims-na1.adobelogin.com"
# campaign.md §1.1: what Campaign clients ask for; the credential's own list goes into the connection
SCOPES = (
    "openid",
    "AdobeID",
    "campaign_sdk",
    "additional_info.projectedProductContext",
    "campaign_config_server_general",
    "deliverability_service_general",
)


class Credentials(NamedTuple):
    """Who asks for a token, with which scopes."""

    client_id: str
    client_secret: str
    scopes: str

    def __repr__(self) -> str:
        return f"<Credentials for {self.client_id}>"


def scopes_of(given: object) -> str:
    """Returns scopes in the form of IMS, from a list or a text with commas; else the usual ones."""
    names = given.split(",") if isinstance(given, str) else given if isinstance(given, (list, tuple)) else ()
    return ",".join(name for each in names if (name := str(each).strip())) or ",".join(SCOPES)


def token_source(credentials: Credentials, rest: Rest) -> Callable[[bool], Token]:
    """Returns the function that gets tokens; parameters in the body keep the secret out of logs."""
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "scope": credentials.scopes,
    }

    def fetch(_: bool) -> Token:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url = f"{rest.base}/ims/token/v3"
        answer = rest.exchange("POST", url, headers=headers, body=urlencode(form).encode())
        if not answer.ok:
            raise rest.refusal(answer)
        try:
            found = loads(answer.body)
            return Token(str(found["access_token"]), float(found["expires_in"]))  # seconds (campaign.md §1.1)
        except (ValueError, KeyError, TypeError):
            problem = "the answer holds no token"
            raise TransientError(
                "Adobe IMS", answer.path, answer.status, problem, f"Check ims_url: {rest.base}"
            ) from None

    return fetch
