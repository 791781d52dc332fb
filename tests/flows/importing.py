"""What tests of loads by file share: a mapping that uses files, waiting that lasts no time, what imports did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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
        self._ahead = timedelta()
        from campaign_sync.run import waiting

        monkeypatch.setattr(waiting, "now", self.now)
        monkeypatch.setattr(waiting, "pause", self.pause)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    async def pause(self, seconds: float) -> None:
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for both, and imports get on."""
        self.paused.append(seconds)
        self._ahead += timedelta(seconds=seconds)
        self.systems.control("POST", "/sandbox/clock", {"advance": seconds})
        self.settle()

    def settle(self) -> None:
        """Wait, in real time, until what was signalled is imported."""
        self.systems.control("GET", f"{IMPORTS}?wait=10")

    def use_files(self, **more: Any) -> None:
        """Make the mapping use them."""
        said = "".join(f"\n  {word}: {value}" for word, value in {"import_workflow": WORKFLOW, **more}.items())
        self.airflow.edit("  resource: profile", f"  resource: profile{said}")

    def declare(self, **declaration: Any) -> None:
        """Build the workflow, or change it."""
        self.systems.control("POST", IMPORTS, {"id": WORKFLOW, **declaration})

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
