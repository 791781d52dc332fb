"""A sandbox for the tests of the simulated Campaign, and a client that knows nothing but HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.sandbox_process import Sandbox, start_sandbox

EXT = "/profileAndServicesExt"


class Api:
    """One organisation's API as a client with a valid token sees it."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.sandbox = sandbox
        self.url = sandbox.env["CAMPAIGN_URL"]
        self.stage = self.url.replace("/alderleaf/", "/alderleaf-mkt-stage/")
        self.headers = {
            "Authorization": f"Bearer {token}",
            "X-Api-Key": sandbox.env["CAMPAIGN_CLIENT_ID"],
            "Cache-Control": "no-cache",
        }

    def call(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        """Send one request to a path below CAMPAIGN_URL or to an absolute address."""
        address = path if path.startswith("https:") else self.url + path
        headers = {**self.headers, **more.pop("headers", {})}
        return self.sandbox.http.request(method, address, json=json, headers=headers, timeout=60, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def content(self, path: str) -> list[Any]:
        """Return the rows of a list's first page."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["content"])

    def profile(self, **fields: Any) -> dict[str, Any]:
        """Create a profile and return what the API answers."""
        answer = self.call("POST", f"{EXT}/profile", fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def seed(self, resource: str, rows: list[dict[str, Any]], **more: Any) -> None:
        self.sandbox.control("POST", "/sandbox/campaign/seed", {"resource": resource, "rows": rows, **more})

    def declare(self, resource: str | None = None, **more: Any) -> dict[str, Any]:
        """Declare a resource and publish."""
        return dict(
            self.sandbox.control("POST", "/sandbox/campaign/resources", {"resource": resource, **more})
        )

    def switch(self, name: str, value: Any) -> None:
        self.sandbox.control("PUT", f"/sandbox/switches/campaign.{name}", {"value": value})

    def advance(self, seconds: float) -> None:
        self.sandbox.control("POST", "/sandbox/clock", {"advance": seconds})

    def rows(self, resource: str = "profile", **more: Any) -> list[dict[str, Any]]:
        """Return raw stored rows, hidden ones included."""
        query = "&".join(f"{k}={v}" for k, v in {"resource": resource, **more}.items())
        return list(self.sandbox.control("GET", f"/sandbox/campaign/rows?{query}")["rows"])

    def counter(self, name: str) -> int:
        return int(self.sandbox.control("GET", "/sandbox/counters").get(f"campaign.{name}", 0))

    def journal(self) -> list[dict[str, Any]]:
        return list(self.sandbox.control("GET", "/sandbox/journal?system=campaign"))


@pytest.fixture(scope="session")
def campaign_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox without people: Campaign begins empty anyway, and this one is quickly reset."""
    with start_sandbox(tmp_path_factory.mktemp("campaign"), people=0) as running:
        yield running


@pytest.fixture
def api(campaign_sandbox: Sandbox) -> Api:
    """The production organisation in its start state."""
    campaign_sandbox.control("POST", "/sandbox/reset")
    return Api(campaign_sandbox, campaign_sandbox.campaign_token())
