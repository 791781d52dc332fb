"""Adobe IMS: tokens, and the profile that says which Campaign organisations they open (campaign.md §1.1)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.switches import declare
from sandbox.tokens import CAMPAIGN_AUDIENCE
from sandbox.wire import not_imitated
from sandbox.world import World

PRODUCT_CONTEXT = "additional_info.projectedProductContext"
MORE_SCOPES = (
    "read_organizations",
    "additional_info.roles",
    "adobeio_api",
    "read_client_secret",
    "manage_client_secrets",
)

declare("ims.expires_in", 86399, None, "lifetime of an IMS token in seconds", "campaign.md §1.1")
declare(
    "ims.unknown_scope",
    "refuse",
    ("refuse", "ignore"),
    "a scope that the credential lacks: 400 invalid_scope, or left out of the token",
    "campaign.md §1.1 (U)",
)


def app(world: World) -> Starlette:
    """Return the IMS service of a world."""

    async def token(request: Request) -> Response:
        # campaign.md §1.1: parameters may be in the body or in the query
        body = parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True)
        given = {**request.query_params, **dict(body)}
        return _token(world, given)

    async def profile(request: Request) -> Response:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        claims = world.tokens.check(bearer.strip(), CAMPAIGN_AUDIENCE) if scheme.lower() == "bearer" else None
        if claims is None:
            return _error("invalid_token", "invalid token", 401)
        contexts = [
            {
                "prodCtx": {
                    "organization_id": org,
                    "serviceCode": "dma_tartan",
                    "label": "Adobe Campaign Standard",
                }
            }
            for org in claims["orgs"]
        ]
        answer = {"userId": f"{claims['client_id']}@techacct.adobe.com", "account_type": "service"}
        return JSONResponse({**answer, "projectedProductContext": contexts})

    async def other(request: Request) -> Response:
        return not_imitated(f"IMS {request.method} {request.url.path}")

    return Starlette(
        routes=[
            Route("/ims/token/v3", token, methods=["POST"]),
            Route("/ims/profile/v1", profile, methods=["GET"]),
            Route("/{path:path}", other, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]
    )


def _token(world: World, given: dict[str, str]) -> Response:
    if given.get("grant_type") != "client_credentials":
        return _error("unsupported_grant_type", "unsupported grant_type parameter")
    client = world.config.ims_clients.get(given.get("client_id", ""))
    if client is None:
        return _error("invalid_client", "invalid client_id parameter")
    secret, orgs = client
    if given.get("client_secret") != secret:
        return _error("invalid_client", "invalid client_secret parameter")
    # comma-separated; live clients send comma and space
    scopes = [scope.strip() for scope in given.get("scope", "").split(",") if scope.strip()]
    allowed = {*world.config.campaign_scopes, *MORE_SCOPES}
    unknown = [scope for scope in scopes if scope not in allowed]
    if not scopes or (unknown and world.switches["ims.unknown_scope"] == "refuse"):
        return _error("invalid_scope", f"Scope not allowed: {', '.join(unknown) or 'none given'}")
    scopes = [scope for scope in scopes if scope in allowed]
    lifetime = world.switches["ims.expires_in"]
    bearer = world.tokens.issue(
        CAMPAIGN_AUDIENCE,
        given["client_id"],
        lifetime,
        type="access_token",
        scopes=scopes,
        orgs=list(orgs) if PRODUCT_CONTEXT in scopes else [],
    )
    world.counters.add("ims.tokens")
    return JSONResponse({"access_token": bearer, "token_type": "bearer", "expires_in": lifetime})


def _error(error: str, description: str, status: int = 400) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)
