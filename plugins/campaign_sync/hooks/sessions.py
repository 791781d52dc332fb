"""Sessions that send only what we mean to send, over verified TLS, with a token that renews itself.

Not for retries and answers (rest.py)."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from requests import PreparedRequest, Session
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict

from campaign_sync import __version__
from campaign_sync.errors import RefusedError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"https": 443, "http": 80}
# What two readers of a URL may read differently: urlsplit drops some of them, browsers and proxies turn others round
UNSURE = re.compile(r"[\x00-\x1f\x7f]|^[^?#]*[ \\]")
TOKEN = re.compile(r"[\x21-\x7e]+")  # what a header can carry


def origin(url: str) -> tuple[str, str, int | None]:
    """Returns scheme, host and port: what must be equal for a token to be sent."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return ("", "", None)
    # A user part may make another host look like ours
    return ("", "", None) if "@" in parts.netloc else (parts.scheme, parts.hostname or "", port)


def is_within(url: str, base: str) -> bool:
    """Says whether a URL leads to the origin of another and to a place below its path, however it is written.

    Adobe's gateway serves every organisation, so that the host alone does not say whose API gets the token.
    """
    if UNSURE.search(url) or origin(url) != origin(base):
        return False
    path, home = unquote(urlsplit(url).path), urlsplit(base).path.rstrip("/")
    if {".", ".."} & set(re.split(r"[/\\]", path)):
        return False
    return f"{path}/".encode().lower().startswith(f"{home}/".encode().lower())


def existing(get_connection: Callable[[str], Any], name: str, system: str) -> Any:
    """Returns a connection of Airflow; that there is none is a matter for people, not for retries."""
    try:
        return get_connection(name)
    except AirflowNotFoundException:
        problem = f"the connection {name} does not exist"
        remedy = (
            f"Create it: Admin → Connections, or AIRFLOW_CONN_{name.upper()}; see the README, Real systems"
        )
        raise RefusedError(system, f"connection {name}", None, "", problem, remedy) from None


def address(connection: Any, system: str, example: str) -> str:
    """Returns a connection's address as scheme://host[:port][/path]; https unless it says otherwise."""
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        raise RefusedError(
            system, "", None, "", "the connection has no host", f"Set its host, such as {example}"
        )
    schema = connection.schema or "https"
    if "://" not in host:
        # In a connection written as a URI the path arrives as the schema
        host = f"{schema}://{host}" if schema in DEFAULT_PORTS else f"https://{host}/{schema}"
    if connection.port and not urlsplit(host).port:
        parts = urlsplit(host)
        host = parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()
    return require_tls(host, system)


def require_tls(url: str, system: str) -> str:
    """Refuses an address over which a secret or a token would travel in the clear."""
    scheme, host, _ = origin(url)
    if scheme == "https" or (scheme == "http" and host in LOOPBACK):
        return url
    raise RefusedError(
        system, "", None, "", "the address in the connection is not an https address", "Use https://"
    )


def verification(extra: Mapping[str, Any], system: str, url: str) -> bool | str:
    """Returns what `verify` in a connection's extra asks for: true, or the path of a CA file."""
    given = extra.get("verify", True)
    if given is True or str(given).lower() == "true":
        return True
    if given is False or str(given).lower() == "false":
        if origin(url)[1] in LOOPBACK:
            return False
        problem = (
            "the connection switches the verification of certificates off, which would let anyone read along"
        )
        raise RefusedError(
            system, "", None, "", problem, "Remove verify from the extra, or name a CA file there"
        )
    if not Path(str(given)).is_file():
        problem = f"the CA file {given} of the connection's verify does not exist on this machine"
        raise RefusedError(
            system, "", None, "", problem, "Put the file there, or correct verify in the extra"
        )
    return str(given)


def bare(session: Session, verify: bool | str, auth: AuthBase | None = None) -> Session:
    """Strips a session of what HttpHook put in from the extra, and of the environment's say.

    HttpHook sends unknown extras as headers; REQUESTS_CA_BUNDLE beats verify (dataverse.md §1.2); a cookie
    pins us to one server (§7).
    """
    session.headers = CaseInsensitiveDict(
        {"User-Agent": f"campaign-sync/{__version__}", "Accept-Encoding": "gzip"}
    )
    session.verify = verify
    session.trust_env = False
    session.auth = auth
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


class Token(NamedTuple):
    """A bearer token and its life in seconds."""

    value: str
    seconds: float

    def __repr__(self) -> str:
        return f"<Token for {self.seconds} s>"


class Bearer(AuthBase):
    """Carries a token that all threads share: fetched when needed, renewed early, dropped when refused."""

    def __init__(
        self, fetch: Callable[[bool], Token], url: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """`fetch(fresh)` gets a token; fresh means: not one that was given out before."""
        self._fetch = fetch
        self._origin = origin(url)
        self._headers = dict(headers or {})
        self._lock = threading.Lock()
        self._value = ""
        self._renew_at = 0.0
        self._refused = False

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if origin(request.url or "") == self._origin:
            request.headers["Authorization"] = f"Bearer {self.value()}"
            request.headers.update(self._headers)
        return request

    def value(self) -> str:
        with self._lock:
            if not self._value or time.monotonic() >= self._renew_at:
                token = self._fetch(self._refused)
                if not TOKEN.fullmatch(token.value):
                    problem = "the login service's answer holds no token that can be sent"
                    raise RefusedError(
                        "login", "", None, "", problem, "Check the login host of the connection"
                    )
                mask_secret(token.value)
                self._value, self._refused = token.value, False
                self._renew_at = time.monotonic() + token.seconds - min(300.0, token.seconds / 10)
            return self._value

    def refuse(self, value: str) -> None:
        """Drops the token if it is still the one in hand: threads refused together renew once."""
        with self._lock:
            if value == self._value:
                self._value, self._refused = "", True
