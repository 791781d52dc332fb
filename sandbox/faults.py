"""Scripted faults: which requests go wrong, when, and how. The script only; `wire` carries it out.

Every fault counts the requests it matches by itself, so that a script gives the same story each time.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

DEEDS = (
    "status", "html", "delay", "reset_before", "reset_after", "cut_body", "slow_body", "revoke_tokens",
)  # fmt: skip


@dataclass
class Fault:
    """One scripted fault: after `after` matching requests the next `times` go wrong (None: all of them)."""

    do: str
    system: str | None = None
    method: str | None = None
    path: str = ""
    after: int = 0
    times: int | None = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 0.0
    id: int = 0
    matched: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        if self.do not in DEEDS:
            raise ValueError(f"a fault cannot do {self.do!r}: choose one of {', '.join(DEEDS)}")
        try:
            self._pattern = re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from None

    def matches(self, system: str, method: str, path: str) -> bool:
        """Say whether a request is of this fault's kind; `path` includes the query."""
        return (
            self.system in (None, system)
            and self.method in (None, method)
            and self._pattern.search(path) is not None
        )

    def due(self) -> bool:
        """Say whether the request just counted goes wrong."""
        return self.matched > self.after and (self.times is None or self.done < self.times)

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class Faults:
    """The faults in force, oldest first; safe to call from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._next = 1

    def add(self, **settings: Any) -> Fault:
        """Add a fault; raise ValueError if its settings make no sense."""
        try:
            fault = Fault(**settings)
        except TypeError as error:
            known = "system, method, path, after, times, do, status, headers, body, seconds"
            raise ValueError(f"a fault has these settings: {known} ({error})") from None
        with self._lock:
            fault.id, self._next = self._next, self._next + 1
            self._faults.append(fault)
        return fault

    def __iter__(self) -> Any:
        return iter(list(self._faults))

    def clear(self, fault_id: int | None = None) -> int:
        """Remove one fault or all; return how many are gone."""
        with self._lock:
            before = len(self._faults)
            self._faults = [f for f in self._faults if fault_id is not None and f.id != fault_id]
            return before - len(self._faults)

    def strike(self, system: str, method: str, path: str) -> Fault | None:
        """Count a request with every fault it matches and return the oldest one that is due, if any."""
        if not self._faults:
            return None
        with self._lock:
            matching = [f for f in self._faults if f.matches(system, method, path)]
            for fault in matching:
                fault.matched += 1
            chosen = next((f for f in matching if f.due()), None)
            if chosen is not None:
                chosen.done += 1
            return chosen
