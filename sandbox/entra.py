"""Entra ID: tenant discovery and the token endpoint for client credentials (dataverse.md §1.1, §1.2)."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.switches import declare
from sandbox.wire import not_imitated
from sandbox.world import World

UNCONFIRMED = "dataverse.md §1.1 (unconfirmed)"
declare("entra.expires_in", 3599, None, "lifetime of an Entra token in seconds", "dataverse.md §1.1")
declare(
    "entra.secret_state",
    "valid",
    ("valid", "expired"),
    "whether the right secret has expired",
    "dataverse.md §1.1",
)
declare("entra.wrong_secret_status", 401, (401, 400), "status of AADSTS7000215 and 7000222", UNCONFIRMED)
declare("entra.unknown_client_status", 400, (400, 401), "status of AADSTS700016", UNCONFIRMED)
declare(
    "entra.unknown_client_error",
    "unauthorized_client",
    ("unauthorized_client", "invalid_client"),
    "`error` of AADSTS700016",
    UNCONFIRMED,
)
declare("entra.bad_scope_status", 400, (400, 401), "status of AADSTS1002012", UNCONFIRMED)
declare("entra.unknown_tenant_status", 400, (400, 404), "status of AADSTS90002 and 900023", UNCONFIRMED)
declare(
    "entra.unknown_tenant_error",
    "invalid_request",
    ("invalid_request", "invalid_tenant"),
    "`error` of AADSTS90002 and 900023",
    UNCONFIRMED,
)
declare("entra.unknown_resource_status", 400, (400, 401), "status of AADSTS500011", UNCONFIRMED)
declare(
    "entra.unknown_resource_error",
    "invalid_resource",
    ("invalid_resource", "invalid_request"),
    "`error` of AADSTS500011",
    UNCONFIRMED,
)

DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)
WELL_KNOWN_HOSTS = (
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
)


class Refusal(NamedTuple):
    """Why no token is issued, in Entra's terms."""

    code: int
    error: str
    text: str
    status: int = 400


def app(world: World) -> Starlette:
    """Return the Entra service of a world."""

    async def discovery(request: Request) -> Response:
        tenant = request.path_params["tenant"]
        refusal = _wrong_tenant(world, tenant)
        return _refused(world, refusal) if refusal else JSONResponse(_metadata(world, tenant))

    async def token(request: Request) -> Response:
        refusal = _wrong_tenant(world, request.path_params["tenant"])
        if refusal:
            return _refused(world, refusal)
        form = dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))
        if "client_assertion" in form:
            return not_imitated("Entra client_assertion (certificates)")
        outcome = _grant(world, {**form, **_basic(request.headers.get("authorization", ""))})
        return _refused(world, outcome) if isinstance(outcome, Refusal) else outcome

    async def instance(request: Request) -> Response:
        return _instance(world, request.query_params.get("authorization_endpoint", ""))

    async def other(request: Request) -> Response:
        return not_imitated(f"Entra {request.method} {request.url.path}")

    return Starlette(
        routes=[
            Route("/common/discovery/instance", instance, methods=["GET"]),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", discovery, methods=["GET"]),
            Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
            Route("/{path:path}", other, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]
    )


def _metadata(world: World, tenant: str) -> dict[str, object]:
    root = f"{world.urls.entra}/{tenant}"
    return {
        "token_endpoint": f"{root}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": [
            "client_secret_post",
            "private_key_jwt",
            "client_secret_basic",
        ],
        "jwks_uri": f"{root}/discovery/v2.0/keys",
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "issuer": f"{world.urls.entra}/{world.config.tenant_id}/v2.0",
        "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
        "tenant_region_scope": "EU",
    }


def _instance(world: World, endpoint: str) -> Response:
    """Say whether an authority is one of Entra's; msal asks without the port (dataverse.md §1.2)."""
    parts = urlsplit(endpoint)
    host, tenant = parts.hostname or "", parts.path.strip("/").split("/")[0]
    if host not in ("localhost", "127.0.0.1", world.config.host, *WELL_KNOWN_HOSTS) or not tenant:
        return _refused(world, Refusal(50049, "invalid_instance", "Unknown or invalid instance."))
    found = f"{world.urls.entra}/{tenant}/v2.0/.well-known/openid-configuration"
    aliases = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
    return JSONResponse({"tenant_discovery_endpoint": found, "api-version": "1.1", "metadata": [aliases]})


def _grant(world: World, form: dict[str, str]) -> Response | Refusal:
    refusal = _wrong_grant(form) or _wrong_client(world, form) or _wrong_scope(world, form.get("scope", ""))
    if refusal:
        return refusal
    lifetime, tenant = world.switches["entra.expires_in"], world.config.tenant_id
    client = form["client_id"].lower()
    bearer = world.tokens.issue(
        world.urls.dataverse,
        client,
        lifetime,
        iss=f"https://sts.windows.net/{tenant}/",
        appid=client,
        idtyp="app",
        oid=str(uuid.uuid5(uuid.UUID(client), tenant)),
        tid=tenant,
        ver="1.0",
    )
    world.counters.add("entra.tokens")
    return JSONResponse(
        {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": bearer}
    )


def _wrong_tenant(world: World, tenant: str) -> Refusal | None:
    if tenant.lower() in (world.config.tenant_id, world.config.tenant_domain):
        return None
    error, status = (
        world.switches["entra.unknown_tenant_error"],
        world.switches["entra.unknown_tenant_status"],
    )
    if _is_guid(tenant) or DOMAIN.fullmatch(tenant):
        return Refusal(90002, error, f"Tenant '{tenant}' not found.", status)
    text = f"Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."
    return Refusal(900023, error, text, status)


def _wrong_grant(form: dict[str, str]) -> Refusal | None:
    for name in ("grant_type", "client_id", "scope"):
        if not form.get(name):
            text = f"The request body must contain the following parameter: '{name}'."
            return Refusal(900144, "invalid_request", text)
    if form["grant_type"] != "client_credentials":
        return Refusal(70003, "unsupported_grant_type", "The app requested an unsupported grant type.")
    return None


def _wrong_client(world: World, form: dict[str, str]) -> Refusal | None:
    switches, client = world.switches, form["client_id"].lower()
    secret = world.config.entra_clients.get(client)
    if secret is None:
        text = f"Application with identifier '{client}' was not found in the directory."
        return Refusal(
            700016, switches["entra.unknown_client_error"], text, switches["entra.unknown_client_status"]
        )
    status = switches["entra.wrong_secret_status"]
    if not form.get("client_secret"):
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        return Refusal(7000218, "invalid_client", text, status)
    if form["client_secret"] != secret:
        text = "Invalid client secret provided. Ensure the secret being sent is the value, not the secret ID."
        return Refusal(7000215, "invalid_client", text, status)
    if switches["entra.secret_state"] == "expired":
        text = f"The provided client secret keys for app '{client}' are expired."
        return Refusal(7000222, "invalid_client", text, status)
    return None


def _wrong_scope(world: World, scope: str) -> Refusal | None:
    """Refuse all but one resource with /.default; double-encoded scopes lack it too (dataverse.md §1.1)."""
    asked = [part for part in scope.split(" ") if part]
    if len(asked) != 1:
        return Refusal(70011, "invalid_scope", "The provided request must include one 'scope' value only.")
    if not asked[0].endswith("/.default") or "%" in asked[0]:
        text = (
            "The scope is not valid: client credentials need a resource identifier suffixed with /.default."
        )
        return Refusal(1002012, "invalid_scope", text, world.switches["entra.bad_scope_status"])
    resource = asked[0].removesuffix("/.default")
    if resource.rstrip("/") != world.urls.dataverse:
        error = world.switches["entra.unknown_resource_error"]
        text = f"The resource principal named {unquote(resource)} was not found in the tenant."
        return Refusal(500011, error, text, world.switches["entra.unknown_resource_status"])
    return None


def _basic(header: str) -> dict[str, str]:
    """Return client id and secret from HTTP Basic, which Entra accepts too; both are form-encoded inside."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"client_id": unquote_plus(client), "client_secret": unquote_plus(secret)}


def _refused(world: World, refusal: Refusal) -> Response:
    moment = world.clock.now().strftime("%Y-%m-%d %H:%M:%SZ")
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    ids = f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"
    return JSONResponse(
        {
            "error": refusal.error,
            "error_description": f"AADSTS{refusal.code}: {refusal.text} {ids}",
            "error_codes": [refusal.code],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
        },
        status_code=refusal.status,
    )


def _is_guid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
