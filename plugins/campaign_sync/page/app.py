"""The page's application: static files and routers behind Airflow's login, and errors that say no more than they must.

Not for what the answers are (one module for each room of the page).
"""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException as HttpError
from starlette.types import ASGIApp

from campaign_sync import __version__
from campaign_sync.errors import SyncError
from campaign_sync.page import actions, approvals, contact, flow, flows, preview, rows
from campaign_sync.page.headers import SafeHeaders
from campaign_sync.page.same_origin import SmallBodies

STATIC = Path(__file__).parent / "static"

#: Named, as what a system says of a file's kind differs, and a browser that is told not to guess needs it right.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: How people call what errors name.
SYSTEMS = {"Dataverse": "Dynamics", "Entra ID": "Dynamics"}

log = logging.getLogger(__name__)


def application() -> ASGIApp:
    """The application, with nothing public: whoever is not logged in to Airflow is told just that."""
    app = FastAPI(
        title="campaign_sync",
        version=__version__,
        description="What flows do, and which rows wait or were rejected. Behind Airflow's login; what is told of a "
        "flow needs the right to read its DAG, what is done to one the right to start its runs, a preview the right to "
        "edit it. Starting, pausing and unpausing are in Airflow's own API.",
        dependencies=[Depends(requires_authenticated())],
        # FastAPI's own pages for these are public, and load scripts from elsewhere.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.auth_manager = get_auth_manager()  # Airflow's dependencies look for it here (airflow.md §7.2)
    for room in (flows, flow, rows, actions, contact, approvals, preview):
        app.include_router(room.router, prefix="/api")
    app.get("/api/openapi.json", include_in_schema=False)(app.openapi)
    app.get("/{path:path}", include_in_schema=False)(_static)
    app.add_exception_handler(HttpError, _refused)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(SyncError, _unable)
    app.add_exception_handler(Exception, _broken)
    return SafeHeaders(SmallBodies(_without_traces(app)))


def _without_traces(app: FastAPI) -> ASGIApp:
    """The application itself; what Starlette raises again after the answer is in our log already."""

    async def quiet(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except Exception:  # noqa: BLE001 - answered and logged by `_broken`
            log.debug("answered with 500")

    return quiet


_FILES = {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES}


def _static(path: str) -> FileResponse:
    """A file of the page; only what lies in its folder has a name here."""
    file = _FILES.get(path or "index.html")
    if file is None:
        raise HTTPException(404, "There is nothing at this address")
    # A file may be kept, and is asked for anew each time: its ETag tells whether it changed.
    return FileResponse(file, media_type=TYPES[file.suffix], headers={"Cache-Control": "private, no-cache"})


def _answer(status: int, problem: str, remedy: str = "") -> JSONResponse:
    return JSONResponse({"problem": problem, "remedy": remedy}, status)


def _refused(request: Request, error: Any) -> JSONResponse:  # noqa: ARG001
    if isinstance(error.detail, dict):  # ours, with a remedy of its own
        return _answer(error.status_code, **error.detail)
    remedies = {
        401: "Log in to Airflow, and open the page again",
        403: "Ask an administrator of Airflow for the right",
    }
    told = error.detail if isinstance(error.detail, str) else HTTPStatus(error.status_code).phrase
    return _answer(error.status_code, told, remedies.get(error.status_code, ""))


def _misunderstood(request: Request, error: Any) -> JSONResponse:  # noqa: ARG001
    """What was asked is not repeated in the answer."""
    wrong = sorted({str(each["loc"][-1]) for each in error.errors()})
    return _answer(422, f"Not understood: {', '.join(wrong)}", "See api/openapi.json for what can be asked")


def _unable(request: Request, error: Any) -> JSONResponse:
    """A system cannot be read: hosts, users and paths are for the log."""
    system = SYSTEMS.get(getattr(error, "system", ""), "The ledger or the storage")
    return _answer(503, f"{system} cannot be read now", _logged(request, error))


def _broken(request: Request, error: Any) -> JSONResponse:
    return _answer(500, "Something went wrong here", _logged(request, error))


def _logged(request: Request, error: Exception) -> str:
    number = secrets.token_hex(4)
    log.error("page: error %s at %s", number, request.scope["route"].path, exc_info=error)
    return f"See error {number} in the log of Airflow's API server"
