"""What the reference integration app would have billed for the same events, counted outside the package.

Its rule (campaign.md §10): insert 1, delete 1, update 2, update with an identical record 1. It looks at every row that
the change feed reports, and a row is reported when any of its columns changed (dataverse.md §4.3), once per run however
often it changed since the run before.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from local.expected import expected
from tests.flows.systems import Systems

PRICES = {"insert": 1, "delete": 1, "update": 2, "unchanged": 1}


class ReferenceApp:
    """Looks at Dynamics' rows whenever a run would, and adds up; `billed` counts entries by kind.

    Contacts that make no profile (without an address, with a text that is too long) are not counted for it, nor are
    rows created and deleted between two runs: both would cost it more.
    """

    def __init__(self, systems: Systems) -> None:
        self.systems = systems
        self.billed: Counter[str] = Counter()
        self.rows, self.version = self._rows()

    @property
    def engine_calls(self) -> int:
        """What all entries so far cost."""
        return sum(PRICES[kind] * count for kind, count in self.billed.items())

    def run(self) -> None:
        """One entry for each row that changed since the last run."""
        before = self.rows
        after, version = self._rows()
        for key, (moved, profile) in after.items():
            if moved <= self.version:
                continue
            if key not in before:
                self.billed["insert"] += 1
            else:
                self.billed["unchanged" if before[key][1] == profile else "update"] += 1
        self.billed["delete"] += len(before.keys() - after.keys())
        self.rows, self.version = after, version

    def _rows(self) -> tuple[dict[str, tuple[int, dict[str, Any]]], int]:
        rows = {}
        for key, row in self.systems.contacts().items():
            profile = expected(row)
            if profile is not None:
                rows[key] = (int(row["versionnumber"]), profile)
        version = self.systems.control("GET", "/sandbox/dataverse/version")["version"]
        return rows, int(version)
