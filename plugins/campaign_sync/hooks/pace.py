"""How fast and how patiently a hook calls: pauses for the whole pool, calls per second, back-off, a budget.

Not for deciding what is worth repeating (rest.py)."""

from __future__ import annotations

import random
import threading
import time
from typing import NamedTuple


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


class Pace:
    """Spaces the calls of all threads of a hook, and holds all of them when the system says so."""

    SLOWEST = 0.5  # calls per second: a rate halved for ever would take days to find out that all is well
    RECOVERY = 60.0  # seconds without throttling until a halved rate is doubled again

    def __init__(self, calls_per_second: float = 0) -> None:
        self._lock = threading.Lock()
        self._fastest = calls_per_second
        self._rate = calls_per_second
        self._next_slot = 0.0
        self._resume_at = 0.0
        self._faster_at = 0.0
        self._throttled_in_a_row = 0

    def wait(self) -> float:
        """Returns when the next call may start: the seconds that it took."""
        with self._lock:
            now = time.monotonic()
            if self._rate < self._fastest and now >= self._faster_at:
                self._rate, self._faster_at = min(self._fastest, self._rate * 2), now + self.RECOVERY
            slot = max(now, self._next_slot, self._resume_at)
            self._next_slot = slot + (1 / self._rate if self._rate else 0)
        while (left := max(slot, self._resume_at) - time.monotonic()) > 0:
            time.sleep(left)
        return time.monotonic() - now

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

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(seconds)
