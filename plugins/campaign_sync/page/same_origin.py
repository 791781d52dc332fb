"""Which requests may act: those that a browser says our own page has sent, and small ones. A guard beside the rights.

Airflow's login is a cookie, which a browser may add to what another site's page sends. Not for who may do what
(Airflow's rights).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow.configuration import conf
from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a body: a mapping of 100 KB as JSON, and some air.
LARGEST = 256 * 1024


def from_our_page(request: Request) -> None:
    """Refuse what another site's page has a browser send (CSRF).

    Airflow's login is a cookie, HttpOnly and SameSite=Lax: browsers leave it out of another site's POST, but "site" is
    coarser than "origin" (every host of a company may be one), and an administrator may open Airflow's CORS to other
    origins. So a browser has to say that the request is from our own origin (Sec-Fetch-Site, or Origin where it is too
    old for that; neither can be set by a script), and the body has to be JSON, which no form can send and no script of
    another origin without asking first. Who sends neither header is no browser, so nobody else's cookie is at stake.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "What is asked here must be JSON")
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        ours = site == "same-origin"
    else:
        # Behind a proxy, the Host header may be the proxy's name for us.
        hosts = {request.headers.get("host"), urlsplit(str(conf.get("api", "base_url", fallback=""))).netloc}
        ours = origin is None or urlsplit(origin).netloc in hosts - {"", None}
    if not ours:
        told = {
            "problem": "This was asked from another site's page",
            "remedy": "Open the page, and ask there",
        }
        raise HTTPException(403, told)


class SmallBodies:
    """Ends a request whose body is too large before it is held in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > LARGEST:
                raise HTTPException(413, f"More than {LARGEST // 1024} KB cannot be asked at once")
            return message

        await self.app(scope, counted, send)
