"""How fast and how patiently a hook calls: pauses for the whole pool, calls per second, back-off, what limits leave.

Not for deciding what is worth repeating (rest.py)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from math import inf
from typing import NamedTuple

from campaign_sync.hooks.budget import FEW_SIDE_BY_SIDE, Budget


class Patience(NamedTuple):
    """How often and how long one request is tried before Airflow's own retry takes over."""

    attempts: int = 5
    budget: float = 900.0
    """Seconds of waiting, whatever for: a longer Retry-After is left to Airflow."""
    first: float = 1.0
    longest: float = 60.0

    def delay(self, attempt: int) -> float:
        """Seconds before the next attempt: 1, 2, 4 … 60, with jitter (campaign.md §11)."""
        return min(self.longest, self.first * 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311


class HeldError(Exception):
    """All threads are held for longer than the caller has patience."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Pace:
    """Spaces the calls of all threads of a hook, and holds all of them when the system says so."""

    SLOWEST = 0.5  # calls per second: a rate halved for ever would take days to find out that all is well
    RECOVERY = 60.0  # seconds without throttling until a halved rate is doubled again

    def __init__(self, calls_per_second: float = 0, budget: Budget | None = None) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._fastest = calls_per_second
        self._rate = calls_per_second
        self._next_slot = 0.0
        self._resume_at = 0.0
        self._faster_at = 0.0
        self._throttled_in_a_row = 0

    def wait(self, longest: float = inf) -> float:
        """Returns when the next call may start: the seconds that it took. `ended` is called after each call.

        Raises HeldError as soon as a pause is known that goes on after `longest` seconds.
        """
        with self._lock:
            now = time.monotonic()
            if self._rate < self._fastest and now >= self._faster_at:
                self._rate, self._faster_at = min(self._fastest, self._rate * 2), now + self.RECOVERY
            slot = max(now, self._next_slot, self._resume_at)
            self._next_slot = slot + (1 / self._rate if self._rate else 0)
        while (left := self._left(slot, now + longest)) > 0:
            time.sleep(left)
        return time.monotonic() - now

    @property
    def side_by_side(self) -> int:
        """How many calls at once the system recommends."""
        return self.budget.side_by_side if self.budget else FEW_SIDE_BY_SIDE

    def ended(self, headers: Mapping[str, str]) -> None:
        """Says that this thread's call has ended, with the headers of its answer, if there is one."""
        if self.budget:
            self.budget.told(time.monotonic(), headers)

    def pause(self, seconds: float) -> None:
        """Holds every thread: a 429 is about the user or the server, not about one call (dataverse.md §7).

        Two pauses in a row halve the rate (campaign.md §10). Threads that are told in the same pause were
        throttled together: that counts once.
        """
        with self._lock:
            now = time.monotonic()
            if now >= self._resume_at:
                self._throttled_in_a_row += 1
                if self._throttled_in_a_row == 2:
                    self._rate = max(self._rate / 2, min(self._fastest, self.SLOWEST))
                    self._throttled_in_a_row = 0
            self._resume_at = max(self._resume_at, now + seconds)
            self._faster_at = self._resume_at + self.RECOVERY

    def answered(self) -> None:
        """Ends a row of throttled answers, unless the answer is to a call from before the pause."""
        with self._lock:
            if time.monotonic() >= self._resume_at:
                self._throttled_in_a_row = 0

    def _left(self, slot: float, latest: float) -> float:
        """Seconds to wait, at least; 0 when the call has begun: no pause comes in between."""
        with self._lock:
            now = time.monotonic()
            if self._resume_at > max(now, latest):
                raise HeldError(self._resume_at - now)
            left = max(slot, self._resume_at) - now
            return self.budget.take(now) if left <= 0 and self.budget else left

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(seconds)
