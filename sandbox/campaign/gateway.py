"""The gateway in front of Campaign: token, API key, product context, organisation (campaign.md §1.5)."""

from __future__ import annotations

from collections import deque
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.tokens import CAMPAIGN_AUDIENCE
from sandbox.world import World

OOPS = "Oops. Something went wrong. Check your URI and try again."


class Gateway:
    """Lets a request through to an organisation's Campaign or answers itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._orgs = (world.config.org, world.config.stage_org)
        self._calls: deque[float] = deque(maxlen=10_000)
        self._cold = True

    def pass_on(self, request: Request, segments: list[str]) -> Response | None:
        """Return None for a request that may reach Campaign, otherwise the gateway's own answer."""
        claims = self._claims(request.headers.get("authorization", ""))
        if claims is None:
            return _refused(401, "401013", "Oauth token is not valid")
        if request.headers.get("x-api-key") != claims["client_id"]:
            return _refused(403, "403003", "Api Key is invalid")
        org = segments[0] if segments else ""
        # the token's profile must hold a product context, and one for this organisation (§1.1)
        if not claims.get("orgs") or (org in self._orgs and org not in claims["orgs"]):
            return _refused(403, "403023", "Profile is not valid")
        if org not in self._orgs or segments[1:2] != ["campaign"]:
            return self._oops()
        return self._throttled()

    def _claims(self, authorization: str) -> dict[str, Any] | None:
        scheme, _, bearer = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self._world.tokens.check(bearer.strip(), CAMPAIGN_AUDIENCE)

    def _oops(self) -> Response:
        """Answer a wrong organisation or a malformed URI; the real gateway is not consistent about it."""
        manner = self._world.switches["campaign.wrong_tenant"]
        cold, self._cold = self._cold, False
        if manner == "400_first" and cold:
            return JSONResponse({"code": 400, "message": "Bad Request"}, 400)
        status = 502 if manner == "502" else 500
        return JSONResponse({"code": status, "message": OOPS}, status)

    def _throttled(self) -> Response | None:
        """Answer 429 above the rate of the switch (U2: none is published, so none by default)."""
        limit = self._world.switches["campaign.rate_limit"]
        if not limit:
            return None
        now = self._world.clock.timestamp()
        while self._calls and self._calls[0] <= now - 1:
            self._calls.popleft()
        if len(self._calls) >= limit:
            self._world.counters.add("campaign.throttled")
            return JSONResponse(
                {"error_code": "429", "message": "Too many requests"}, 429, {"Retry-After": "1"}
            )
        self._calls.append(now)
        return None


def _refused(status: int, code: str, message: str) -> Response:
    # §1.5: error_code is a string here, while `code` is a number
    return JSONResponse({"error_code": code, "message": message}, status)
