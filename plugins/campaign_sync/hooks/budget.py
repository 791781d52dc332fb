"""What Dataverse's service protection limits leave, so that requests wait here instead of being refused there.

A sliding window of what was used, put right by the headers of every answer: the limits differ between environments and
others use them too (dataverse.md §7). Not for Retry-After, nor for waiting (pace.py).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from math import inf, isfinite
from typing import NamedTuple

WINDOW = 300.0  # seconds (dataverse.md §7)
MOST_SIDE_BY_SIDE = 16
FEW_SIDE_BY_SIDE = 4  # until Dataverse has recommended a number
RESERVE = 0.01  # of a limit, for others' requests, which are seen only in the next answer
SOON, LONGEST = 0.05, 1.0  # seconds until it is worth asking again


class Use(NamedTuple):
    """What was used when a request was answered: by it, or by others since the answer before."""

    at: float
    requests: float
    seconds: float


class Allowance:
    """What is left of one limit: what its header said last, less what was used since."""

    def __init__(self, header: str) -> None:
        self.header = header
        self.left = inf
        self.used = 0.0  # within the window, by us or by others, as far as we saw it
        self.most = 0.0  # that was ever left
        self.doubtful = False  # whether less is left than we can know

    @property
    def returns(self) -> bool:
        """Whether enough was used before our eyes, so that it helps to wait until it has left the window."""
        return 0 < self.most < 10 * self.used

    def spacing(self, cost: float) -> float:
        """Seconds between requests of this cost: once half is used, hardly faster than it returns, lest all stop."""
        return cost * WINDOW / (self.most + max(0.0, self.left)) if self.left < self.most / 2 else 0.0

    def use(self, amount: float) -> None:
        """Counts what was used, or, below 0, what has left the window."""
        self.used += amount
        self.left -= amount

    def told(self, said: str, refused: bool) -> None:
        """Puts right what is left.

        Less is believed at once, more by and by: answers overtake each other, and each server counts for itself.
        """
        try:
            left = float(said.replace(",", ""))
        except ValueError:
            return
        if not isfinite(left):
            return
        self.most = max(self.most, left)
        self.doubtful = self.doubtful and left <= 0
        fall = self.left - left
        unexpected = fall > self.most / 10  # not by use: this is the first answer, or the limit was lowered
        if left <= 0 and self.returns and (unexpected or (refused and fall > 0)):
            # The header ends at 0 and does not say how far we are beyond: the limit is taken for half of what it was,
            # so that half of what was used has to leave the window first.
            self.left, self.most, self.doubtful = -self.used / 2, self.most / 2, True
        elif unexpected:
            self.left = left
        elif left > 0 or fall > 0:
            self.use(fall if fall > 0 else fall / 4)


class Budget:
    """What all threads of a hook may use; one request at a time and thread.

    Times are seconds of a monotonic clock. A request is refused only if a limit is used up when it begins; so it may
    begin as long as something is left after all that is under way, were that to end now. Half of what a request usually
    takes is supposed at least, or all threads would begin for the little that was left. After a refusal one goes ahead.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = Allowance("x-ms-ratelimit-burst-remaining-xrm-requests")
        self._time = Allowance("x-ms-ratelimit-time-remaining-xrm-requests")
        self._side_by_side = FEW_SIDE_BY_SIDE
        self._under_way: dict[int, float] = {}  # thread → when it began
        self._used: deque[Use] = deque()
        self._told_at = -inf
        self._next = -inf  # when the next may begin, where they are spaced

    @property
    def side_by_side(self) -> int:
        """How many requests at once Dataverse recommends, 16 at most."""
        return self._side_by_side

    def take(self, now: float) -> float:
        """Begins a request of this thread and returns 0, or returns the seconds after which to ask again."""
        with self._lock:
            self._slide(now)
            if len(self._under_way) >= self._side_by_side:
                return SOON
            usual = self._time.used / max(1.0, self._requests.used)
            wait = self._wait(now, usual)
            if wait > 0:
                return wait
            spacing = max(self._requests.spacing(1), self._time.spacing(usual))
            self._next = max(self._next, now - LONGEST) + spacing  # who comes late may hurry
            self._under_way[threading.get_ident()] = now
            return 0.0

    def told(self, now: float, headers: Mapping[str, str]) -> None:
        """Ends this thread's request; `headers` are those of its answer, none if there was none."""
        with self._lock:
            began = self._under_way.pop(threading.get_ident(), None)
            if began is None:
                return
            self._slide(now)
            before = self._requests.used, self._time.used
            self._requests.use(1)
            self._time.use(now - began)
            for allowance in (self._requests, self._time):
                allowance.told(headers.get(allowance.header, ""), "Retry-After" in headers)
            self._used.append(Use(now, self._requests.used - before[0], self._time.used - before[1]))
            hint = headers.get("x-ms-dop-hint", "")
            if hint.isdecimal() and len(hint) < 5:
                self._side_by_side = max(1, min(int(hint), MOST_SIDE_BY_SIDE))
            self._told_at = now

    def _wait(self, now: float, usual: float) -> float:
        """Seconds until a request may begin, or until it is worth looking again.

        :param usual: seconds of execution time that a request takes
        """
        under_way, allowances = self._under_way.values(), (self._requests, self._time)
        left = {
            self._requests: self._requests.left - len(under_way),
            self._time: self._time.left - sum(max(now - began, usual / 2) for began in under_way),
        }
        long_ago = now - self._told_at > WINDOW / 30
        if under_way and any(
            each.doubtful or (long_ago and each.left < each.most / 10) for each in allowances
        ):
            return SOON  # one goes ahead, and is told how it is
        if all(left[each] > RESERVE * each.most for each in allowances):
            return min(LONGEST, self._next - now)
        if any(left[each] <= 0 and each.returns for each in allowances):
            return min(LONGEST, max(SOON, self._used[0].at + WINDOW - now))
        # Only the reserve is left, or others used everything: a request now and then, to be told how it is
        return SOON if under_way else min(LONGEST, self._told_at + WINDOW / 30 - now)

    def _slide(self, now: float) -> None:
        """What was used a window ago may be used again."""
        while self._used and self._used[0].at <= now - WINDOW:
            gone = self._used.popleft()
            self._requests.use(-gone.requests)
            self._time.use(-gone.seconds)
