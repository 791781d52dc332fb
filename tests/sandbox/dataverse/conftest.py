"""The imitated Web API inside the test's process, spoken to over ASGI: fast, and with its World at hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import dataverse
from sandbox.dataverse import steering
from sandbox.dataverse.org import organisation
from sandbox.seeds import TableSeed
from sandbox.world import World

ROOT = "https://acme.crm4.dynamics.com"
API = f"{ROOT}/api/data/v9.2"


def guid(number: int) -> str:
    """A readable id."""
    return f"{number:08d}-0000-4000-8000-{number:012d}"


class Api:
    """A client with a valid token; paths are below the service root."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(dataverse.app(world)), timeout=60)
        self.token = self.new_token()

    def new_token(self, client_id: str | None = None, lifetime: float = 3599) -> str:
        return self.world.tokens.issue(ROOT, client_id or self.world.config.dataverse_client_id, lifetime)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def together(self, *paths: str) -> list[httpx.Response]:
        """GET several addresses at the same time."""

        async def all_of_them() -> list[httpx.Response]:
            return list(await asyncio.gather(*(self._send("GET", path, None, {}) for path in paths)))

        return self._runner.run(all_of_them())

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self._runner.run(self._send(method, path, body, headers))

    async def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Authorization", f"Bearer {self.token}")
        content = None if body is None else json.dumps(body) if not isinstance(body, (str, bytes)) else body
        url = path if path.startswith("https://") else f"{API}/{path}"
        if content is not None:
            given.setdefault("Content-Type", "application/json")
        self._client.cookies.clear()
        return await self._client.request(method, url, content=content, headers=given)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.send("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> httpx.Response:
        return self.send("DELETE", path, **headers)

    def value(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """The rows of a page that must come."""
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["value"])

    def column(self, path: str, name: str, **headers: str) -> list[Any]:
        return [row[name] for row in self.value(path, **headers)]

    def pages(self, path: str, size: int, **headers: str) -> list[dict[str, Any]]:
        """All pages of a read, each asked for with the same page size."""
        prefer = ",".join(part for part in (headers.get("Prefer"), f"odata.maxpagesize={size}") if part)
        found, url = [], path
        while url:
            answer = self.get(url, Prefer=prefer)
            assert answer.status_code == 200, answer.text
            found.append(answer.json())
            url = found[-1].get("@odata.nextLink")
        return found

    def track(self, path: str = "contacts?$select=firstname", size: int = 5000) -> str:
        """The delta link after an initial read."""
        return str(self.pages(path, size, Prefer="odata.track-changes")[-1]["@odata.deltaLink"])

    def mutate(self, table: str, **changes: Any) -> dict[str, Any]:
        return steering.mutate(organisation(self.world), {"table": table, **changes})

    def switch(self, name: str, value: Any) -> None:
        self.world.switches.set(f"dataverse.{name}", value)

    def control(self, work: str, **content: Any) -> Any:
        return getattr(steering, work)(organisation(self.world), content)


def refused(answer: httpx.Response, status: int, code: str, *words: str) -> None:
    """Assert an error of the catalogue."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code, error
    for word in words:
        assert word in error["message"], error["message"]


ACCOUNT = guid(900)
PEOPLE = [
    {
        "contactid": guid(1),
        "firstname": "Ida",
        "lastname": "Brandt",
        "emailaddress1": "ida@brandt.example",
        "gendercode": 2,
        "donotbulkemail": True,
        "birthdate": "1990-05-17",
        "_parentcustomerid_value": ACCOUNT,
        "creditlimit": "1499.9000",
        "modifiedon": "2026-01-10T08:00:00Z",
        "address1_latitude": 59.33258,
    },
    {
        "contactid": guid(2),
        "firstname": "Åsa",
        "lastname": "Ek",
        "emailaddress1": "a+b@ek.example",
        "gendercode": 2,
        "modifiedon": "2026-01-20T08:00:00Z",
        "description": "50% off",
    },
    {
        "contactid": guid(3),
        "firstname": "Per",
        "lastname": "O'Neil",
        "emailaddress1": "per@oneil.example",
        "gendercode": 1,
        "modifiedon": "2026-02-01T08:00:00Z",
        "description": "500 kr",
        "numberofchildren": 3,
    },
    {
        "contactid": guid(4),
        "firstname": "Zoe",
        "modifiedon": "2026-02-10T08:00:00Z",
        "numberofchildren": 5,
        "statecode": 1,
        "statuscode": 2,
    },
    {
        "contactid": guid(5),
        "firstname": "ida",
        "lastname": "Alm",
        "emailaddress1": "IDA@alm.example",
        "modifiedon": "2026-02-11T08:00:00Z",
    },
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "state")
    made.urls.dataverse = ROOT
    made.urls.entra = "https://login.example"
    yield made
    dataverse.close(made)


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    """Five contacts and an account."""
    made = Api(world)
    dataverse.seed(
        world,
        [TableSeed("account", [{"accountid": ACCOUNT, "name": "Brandt AB"}]), TableSeed("contact", PEOPLE)],
    )
    yield made
    made.close()
