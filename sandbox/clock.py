"""The sandbox's clock: real time plus an offset that a test may move.

Not a stopwatch: durations of real work (delays, journal milliseconds) use the monotonic clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Tells the time that every imitated service believes in."""

    def __init__(self) -> None:
        self._offset = 0.0

    def timestamp(self) -> float:
        return time.time() + self._offset

    def now(self) -> datetime:
        """Return the time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock; it goes on ticking from there."""
        self._offset += seconds

    def set(self, moment: datetime) -> None:
        """Move the clock to a moment (naive: UTC); it goes on ticking from there."""
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        self._offset = aware.timestamp() - time.time()

    def reset(self) -> None:
        self._offset = 0.0

    @property
    def offset(self) -> float:
        """Seconds by which this clock is ahead of the machine's."""
        return self._offset
