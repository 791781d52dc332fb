"""Airflow's plugin for the page: in the navigation, and as a tab on DAGs. Every Airflow process imports this file, so
it is thin: the page itself (``campaign_sync.page``) is imported when the API server is first asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/campaign-sync"

Asgi = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


class LazyApp:
    """The page's application, made at the first request."""

    def __init__(self) -> None:
        self._app: Asgi | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        if self._app is None:
            # In a thread: the imports take a second or so, and the server has others to answer meanwhile.
            self._app = await asyncio.to_thread(_application)
        await self._app(scope, receive, send)


def _application() -> Asgi:
    from campaign_sync.page.app import application

    return application()


def _address(path: str) -> str:
    """An address of the page as browsers see it: Airflow may be served below a path."""
    base = str(conf.get("api", "base_url", fallback=""))
    return urlsplit(base).path.rstrip("/") + PREFIX + path


class CampaignSyncPage(AirflowPlugin):
    """What Airflow is told of the page."""

    name = "campaign_sync"
    fastapi_apps = [{"app": LazyApp(), "url_prefix": PREFIX, "name": "campaign_sync"}]  # noqa: RUF012 - Airflow's way
    external_views = [  # noqa: RUF012
        {
            "name": "Campaign sync",
            "href": _address("/"),
            "destination": "nav",
            "category": "browse",
            "url_route": "campaign-sync",
        },
        # Airflow shows it on every DAG; where the DAG is none of ours, the page says so.
        {
            "name": "Campaign sync",
            "href": _address("/#/flows/{DAG_ID}"),
            "destination": "dag",
            "url_route": "campaign-sync-flow",
        },
    ]
