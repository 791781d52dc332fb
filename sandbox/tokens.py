"""Bearer tokens: issued by the imitated identity services, checked by the imitated APIs.

They look like JWTs and are signed with a key that lives as long as the process. Not a JWT library.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

from sandbox.clock import Clock

CAMPAIGN_AUDIENCE = "campaign"  # what IMS tokens are for; Entra tokens are for the environment's root URL


class Tokens:
    """Issues and checks tokens against the sandbox's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._serial = 0
        self._valid_from: dict[str, int] = {}
        self._checked: dict[str, dict[str, Any]] = {}

    def issue(self, audience: str, client_id: str, lifetime: float, **claims: Any) -> str:
        """Return a token of three base64 parts that lives for `lifetime` seconds."""
        self._serial += 1
        now = self._clock.timestamp()
        body = {
            "aud": audience,
            "client_id": client_id,
            "iat": int(now),
            "nbf": int(now),
            "exp": now + lifetime,
            "jti": self._serial,
            **claims,
        }
        signed = f"{_part({'typ': 'JWT', 'alg': 'HS256', 'kid': 'sandbox'})}.{_part(body)}"
        return f"{signed}.{self._signature(signed)}"

    def check(self, token: str, audience: str) -> dict[str, Any] | None:
        """Return the token's claims, or None if it is forged, revoked, expired or meant for somebody else."""
        claims = self._checked.get(token) or self._read(token)
        if claims is None or claims["aud"] != audience:
            return None
        if claims["exp"] <= self._clock.timestamp() or claims["jti"] < self._valid_from.get(audience, 0):
            return None
        return claims

    def revoke(self, audience: str) -> None:
        """Make every token issued so far for an audience invalid."""
        self._valid_from[audience] = self._serial + 1

    def _read(self, token: str) -> dict[str, Any] | None:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return None
        body = signed.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        if len(self._checked) > 1000:
            self._checked.clear()
        self._checked[token] = claims
        return claims

    def _signature(self, signed: str) -> str:
        return _encode(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())


def _part(content: dict[str, Any]) -> str:
    return _encode(json.dumps(content, separators=(",", ":")).encode())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
