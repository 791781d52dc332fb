"""The sandbox's own controls, as the demo uses them."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any


class SandboxApi:
    """The controls of a running sandbox, found in what it wrote into its env file."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.context = ssl.create_default_context(cafile=env["CA_FILE"])

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What one of the sandbox's controls answers; sandbox/README.md lists them."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            self.env["SANDBOX_URL"] + path,
            data=data,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120, context=self.context) as answer:
            return json.load(answer)

    def rows(self, table: str, key: str = "") -> list[dict[str, Any]]:
        """All rows of a Dataverse table, as stored; `key` is its id, if that is not called after it."""
        return self._all(f"/sandbox/dataverse/rows?table={table}", key or f"{table}id")

    def records(self, resource: str) -> list[dict[str, Any]]:
        """All records of a Campaign resource, as stored, hidden ones included."""
        return self._all(f"/sandbox/campaign/rows?resource={resource}", "@id")

    def logs(self, resource: str) -> list[dict[str, Any]]:
        """All rows of a log of Campaign that its database has by now."""
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            path = f"/sandbox/campaign/logs?resource={resource}&after={after}&limit=5000"
            page = self.control("GET", path)
            found += page["rows"]
            after = page["next"]
        return found

    def has(self, table: str) -> bool:
        """Whether there is such a Dataverse table."""
        try:
            self.control("GET", f"/sandbox/dataverse/rows?table={table}&limit=1")
        except urllib.error.HTTPError as problem:
            if problem.code != 400:
                raise
            return False
        return True

    def mutate(self, table: str, **changes: list[Any]) -> None:
        """Create, update and delete rows of a Dataverse table."""
        self.control("POST", "/sandbox/dataverse/mutate", {"table": table, **changes})

    def clock(self, wanted: dict[str, Any]) -> None:
        """Move the clock that the sandbox believes in: {"set": time}, {"advance": seconds} or {"reset": true}."""
        self.control("POST", "/sandbox/clock", wanted)

    def engine_calls(self) -> int:
        """How many engine calls Campaign has counted."""
        counters = self.control("GET", "/sandbox/counters")
        return int(counters.get("campaign.engine_calls", 0))

    def journal(self) -> list[dict[str, Any]]:
        """The requests that all systems have seen, the last 10,000."""
        found: list[dict[str, Any]] = self.control("GET", "/sandbox/journal")
        return found

    def _all(self, path: str, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.control("GET", f"{path}&limit=5000{after}")
            found += page["rows"]
            if not page["rows"] or len(found) >= page["total"]:
                return found
            after = f"&after={found[-1][key]}"
