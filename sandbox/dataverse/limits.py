"""Service protection limits (dataverse.md §7): three facets, per user and server, in a sliding window.

Counts as `dataverse.…`: `charged_ms`, `refused.<facet>`, and `before_retry_after`, the requests that came although
the user was told to wait. Not the injectable faults: those are the frame's.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.dataverse.errors import Refusal
from sandbox.world import World

_ON_THE_WAY = 0.25  # seconds: what arrives so soon after a refusal had left before the refusal was read


@dataclass
class Window:
    """What one user did on one server."""

    requests: deque[float] = field(default_factory=deque)
    spent: deque[tuple[float, float]] = field(default_factory=deque)
    spent_sum: float = 0.0
    running: int = 0
    pushes: int = 0

    def slide(self, oldest: float) -> None:
        while self.requests and self.requests[0] <= oldest:
            self.requests.popleft()
        while self.spent and self.spent[0][0] <= oldest:
            self.spent_sum -= self.spent.popleft()[1]


class Limits:
    """Counts requests, their time and how many run at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, int], Window] = {}
        self._held: dict[str, tuple[float, float]] = {}  # by user: told when, to wait until when
        self._turn = itertools.count()

    def _of(self, name: str) -> Any:
        return self._world.switches[f"dataverse.{name}"]

    @property
    def on(self) -> bool:
        return bool(self._world.config.limits and self._of("limits"))

    def server_for(self, cookie: str | None) -> int:
        """The server the affinity cookie names, else the next one in turn."""
        servers = max(1, int(self._of("servers")))
        if cookie is not None and cookie.isdigit():
            return int(cookie) % servers
        return next(self._turn) % servers

    def enter(self, user: str, server: int, arrived: float | None = None) -> Window:
        """Let a request in, or raise 429 with Retry-After.

        :param arrived: when its first byte was read; what was under way when the user was told to wait is no fault.
        """
        now = self._world.clock.timestamp()
        with self._lock:
            told, until = self._held.get(user, (math.inf, 0.0))
            if told + _ON_THE_WAY < (now if arrived is None else arrived) < until:
                self._world.counters.add("dataverse.before_retry_after")
            window = self._windows.setdefault((user, server), Window())
            window.slide(now - self._of("limit_window_seconds"))
            if self.on:
                try:
                    self._check(window, now)
                except Refusal as refusal:
                    wait = int(refusal.headers["Retry-After"])
                    self._held[user] = (told if now < until else now, max(until, now + wait))
                    self._world.counters.add(f"dataverse.refused.{refusal.name}")
                    raise
            window.requests.append(now)
            window.running += 1
            window.pushes = 0
            return window

    def _check(self, window: Window, now: float) -> None:
        seconds = self._of("limit_window_seconds")
        if window.running >= self._of("limit_concurrent"):
            raise _refusal("TooManyAtOnce", 1, limit=self._of("limit_concurrent"))
        if len(window.requests) >= self._of("limit_requests"):
            oldest = window.requests[0] if window.requests else now
            raise self._pushed(window, "TooManyRequests", oldest + seconds - now, self._of("limit_requests"))
        if window.spent_sum >= self._of("limit_execution_ms"):
            oldest = window.spent[0][0] if window.spent else now
            limit = f"{self._of('limit_execution_ms'):,}"
            raise self._pushed(window, "TooMuchTime", oldest + seconds - now, limit)

    def _pushed(self, window: Window, name: str, wait: float, limit: Any) -> Refusal:
        """Retry-After grows if the client keeps pushing (§7)."""
        window.pushes += 1
        return _refusal(name, wait + window.pushes - 1, limit=limit, window=self._of("limit_window_seconds"))

    def leave(self, window: Window, milliseconds: float) -> None:
        with self._lock:
            charged = milliseconds + self._of("execution_ms_added")
            window.running -= 1
            window.spent.append((self._world.clock.timestamp(), charged))
            window.spent_sum += charged
        self._world.counters.add("dataverse.charged_ms", round(charged))

    def headers(self, user: str, server: int) -> dict[str, str]:
        """The remaining-headers and the affinity cookie (§7)."""
        with self._lock:
            window = self._windows.get((user, server), Window())
            left = self._of("limit_requests") - len(window.requests)
            spent = sum(w.spent_sum for (who, _), w in self._windows.items() if who == user)
        time_left = self._of("limit_execution_ms") - spent
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(max(0, left)),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{max(0.0, time_left) / 1000:.2f}",
            "x-ms-dop-hint": str(self._of("dop_hint")),
            "Set-Cookie": f"{self._of('affinity_cookie')}={server}; Path=/; Secure; HttpOnly; SameSite=None",
        }

    def reset(self) -> None:
        with self._lock:
            self._windows.clear()
            self._held.clear()


def _refusal(name: str, wait: float, **details: Any) -> Refusal:
    return Refusal(name, details, {"Retry-After": str(max(1, math.ceil(wait)))})
