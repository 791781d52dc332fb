"""What tests of loads by file share: a mapping that uses files, waiting that lasts no time, what imports did."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import pytest
import requests

from tests.flows.on_foot import walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

WORKFLOW = "WKF88"
IMPORTS = "/sandbox/campaign/imports"


class Imports:
    """The import workflow of the sandbox, and a clock that package and sandbox share.

    The package's pauses advance the sandbox's clock, and only then the package looks again.
    """

    def __init__(self, airflow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch) -> None:
        self.airflow, self.systems = airflow, systems
        self.paused: list[float] = []
        self._process = os.getpid()
        from campaign_sync.run import clock

        monkeypatch.setattr(clock, "now", self.now)
        monkeypatch.setattr(clock, "pause", self.pause)

    def now(self) -> datetime:
        return datetime.fromisoformat(self._control("GET", "/sandbox/clock")["now"])

    async def pause(self, seconds: float) -> None:
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for both, and imports get on."""
        self.paused.append(seconds)
        self._control("POST", "/sandbox/clock", {"advance": seconds})
        self.settle()

    def settle(self) -> None:
        """Wait, in real time, until what was signalled is imported."""
        self._control("GET", f"{IMPORTS}?wait=0.5")

    def use_files(self, **more: Any) -> None:
        """Make the mapping use them."""
        said = "".join(
            f"\n  {word}: {value}" for word, value in {"import_workflow": WORKFLOW, **more}.items()
        )
        self.airflow.edit("  resource: profile", f"  resource: profile{said}")

    def walk(self, run_id: str = "first") -> dict[str, Any]:
        """A run without Airflow around it, or the rest of one that failed; the counts that are not zero."""
        report = walk(self.airflow.mapping, run_id, goes_on=True)
        assert report["balanced"], report
        return {fate: count for fate, count in report["tally"].items() if count} | {"notes": report["notes"]}

    def declare(self, **declaration: Any) -> None:
        """Build the workflow, or change it."""
        self.systems.control("POST", IMPORTS, {"id": WORKFLOW, **declaration})

    def command(self, method: str) -> None:
        """What a person does to the workflow in Campaign's user interface."""
        sandbox = self.systems.sandbox
        headers = {
            "Authorization": f"Bearer {sandbox.campaign_token()}",
            "X-Api-Key": sandbox.env["CAMPAIGN_CLIENT_ID"],
        }
        url = f"{sandbox.env['CAMPAIGN_URL'].removesuffix('/campaign')}/campaign/workflow/execution/{WORKFLOW}/commands"
        assert sandbox.http.post(url, json={"method": method}, headers=headers, timeout=60).ok

    def runs(self) -> list[dict[str, Any]]:
        """What was signalled, and what came of it."""
        found: list[dict[str, Any]] = self.systems.control("GET", f"{IMPORTS}?wait=10")["runs"]
        return found

    def imported(self) -> list[str]:
        """Names of the files that were imported to their end, in order."""
        return [file["file"] for run in self.runs() for file in run["files"]]

    def counter(self, name: str) -> int:
        """One of the sandbox's counters."""
        return int(self.systems.control("GET", "/sandbox/counters").get(name, 0))

    def area(self) -> list[str]:
        """Every file in the SFTP area."""
        root = self.systems.sandbox.directory / "sftp"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        """A control; a process that was forked needs a connection of its own."""
        if self._process != os.getpid():
            self._process = os.getpid()
            sandbox = self.systems.sandbox
            sandbox.http = requests.Session()
            sandbox.http.trust_env, sandbox.http.verify = False, sandbox.env["CA_FILE"]
        return self.systems.control(method, path, body)
