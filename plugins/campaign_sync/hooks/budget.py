"""What Dataverse's service protection limits leave, so that requests wait here instead of being refused there.

A sliding window of what was used, put right by the headers of every answer: the limits differ between environments and
others use them too (dataverse.md §7). Not for Retry-After nor for who gets how much (shares.py), nor for waiting
(pace.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import inf, isfinite
from typing import Any, NamedTuple

WINDOW = 300.0  # seconds (dataverse.md §7)
GRAINS = 60  # of a window: what is used within one of them leaves the window together
MOST_SIDE_BY_SIDE = 16  # in one process
LIMIT_SIDE_BY_SIDE = 52  # of all together (dataverse.md §7)
FEW_SIDE_BY_SIDE = 4  # until Dataverse has recommended a number
RESERVE = 0.01  # of a limit, at least, for others' requests, which are seen only in the next answer
SOON, LONGEST = 0.05, 1.0  # seconds until it is worth asking again

REQUESTS = "x-ms-ratelimit-burst-remaining-xrm-requests"
SECONDS = "x-ms-ratelimit-time-remaining-xrm-requests"


class Told(NamedTuple):
    """What the headers of answers said is left; inf where they did not."""

    requests: float = inf
    seconds: float = inf
    side_by_side: int = 0
    """Requests at once that are recommended; 0: nothing was said."""
    refused: bool = False
    ago: float = 0.0
    """Seconds since the last of the answers."""

    @classmethod
    def by(cls, headers: Mapping[str, str]) -> Told:
        """What the headers of one answer say."""
        hint = headers.get("x-ms-dop-hint", "")
        at_once = max(1, int(hint)) if hint.isdecimal() and len(hint) < 5 else 0
        return cls(
            _number(headers.get(REQUESTS)), _number(headers.get(SECONDS)), at_once, "Retry-After" in headers
        )

    def joined(self, later: Told) -> Told:
        """What both say; the less of two is believed, as answers overtake each other."""
        return Told(
            min(self.requests, later.requests),
            min(self.seconds, later.seconds),
            later.side_by_side or self.side_by_side,
            self.refused or later.refused,
        )


class Use(NamedTuple):
    """Requests and seconds of execution."""

    requests: float = 0.0
    seconds: float = 0.0


class Grain(NamedTuple):
    """What was used from when to when, by us or by others, and how many seconds of it we saw."""

    began: float
    last: float
    requests: float
    seconds: float
    took: float

    def joined(self, later: Grain) -> Grain:
        """Both as one."""
        used = (mine + its for mine, its in zip(self[2:], later[2:], strict=True))
        return Grain(self.began, later.last, *used)


class Grant(NamedTuple):
    """How many requests may begin."""

    requests: int
    again: float = 0.0
    """Seconds after which to ask again, if none may."""
    step: float = 0.0
    """Seconds for which each of them keeps all others waiting."""
    after: float = 0.0
    """Seconds before the first of them."""


class Allowance:
    """What is left of one limit: what its header said last, less what was used since."""

    def __init__(
        self, left: float = inf, used: float = 0.0, most: float = 0.0, doubtful: bool = False
    ) -> None:
        self.left = left
        self.used = used  # within the window, by us or by others, as far as we saw it
        self.most = most  # that was ever left
        self.doubtful = doubtful  # whether less is left than we can know

    @property
    def returns(self) -> bool:
        """Whether enough was used before our eyes, so that it helps to wait until it has left the window."""
        return 0 < self.most < 10 * self.used

    def free(self, reserve: float) -> float:
        """What may be used, with a share of the limit left for others."""
        return self.left - reserve * self.most

    def spacing(self, cost: float, reserve: float) -> float:
        """Seconds between requests of this cost: once half is used, hardly faster than it returns, lest all stop."""
        ours, free = self.most * (1 - reserve), self.free(reserve)
        return cost * WINDOW / (ours + max(0.0, free)) if free < ours / 2 else 0.0

    def use(self, amount: float) -> None:
        """Counts what was used, or, below 0, what has left the window."""
        self.used += amount
        self.left -= amount

    def told(self, left: float, refused: bool, unseen: float) -> bool:
        """Puts right what is left, and says whether that is news for everybody.

        Less is believed at once, more by and by: answers overtake each other, and each server counts for itself.

        :param unseen: what others of us may have used already that has not been counted here
        """
        if left == inf:
            return False
        self.most = max(self.most, left)
        if self.doubtful and left > 0:
            # It is known again how far we are, so the limit is, too: what is left and what was used
            self.left, self.most, self.doubtful = left, max(left, left + self.used), False
            return False
        fall = self.left - left
        unexpected = fall > self.most / 10  # not by use: this is the first answer, or the limit was lowered
        if left <= 0 and self.returns and (unexpected or (refused and fall > 0)):
            # The header ends at 0 and does not say how far we are beyond: the limit is taken for half of what it was,
            # so that half of what was used has to leave the window first.
            self.left, self.most, self.doubtful = -self.used / 2, self.most / 2, True
            return True
        if unexpected:
            self.left = left
            return True
        if fall > unseen:
            self.use(fall - unseen)
        elif fall < 0 < left:
            self.use(fall / 4)
        return False


class Budget:
    """What all who call with one credential may use. Times are seconds of a clock that they share.

    A request is refused only if a limit is used up when it begins; so it may begin as long as something is left after
    all that is under way, were that to end now. Half of what a request usually takes is supposed at least, or all
    would begin for the little that was left. After a refusal one goes ahead.
    """

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        """:param kept: what `keep` returned"""
        kept = kept or {}
        self._requests = Allowance(*kept.get("requests", ()))
        self._time = Allowance(*kept.get("time", ()))
        self._used = deque(Grain(*each) for each in kept.get("used", ()))
        self.side_by_side = int(kept.get("side_by_side", FEW_SIDE_BY_SIDE))
        self._took = float(kept.get("took", 0.0))  # seconds of what we used, as we saw them
        self._told_at = float(kept.get("told_at", -inf))
        self._lowered_at = float(kept.get("lowered_at", -inf))
        self._next = float(kept.get("next", -inf))  # when the next may begin, where they are spaced

    def keep(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "requests": _kept(self._requests),
            "time": _kept(self._time),
            "used": [[round(number, 3) for number in each] for each in self._used],
            "side_by_side": self.side_by_side,
            "took": round(self._took, 3),
            "told_at": self._told_at,
            "next": self._next,
            "lowered_at": self._lowered_at,
        }

    def is_old(self, now: float) -> bool:
        """Whether nobody called for a whole window: then nothing is known of the limits as they are."""
        return -inf < self._told_at < now - WINDOW

    def cost(self, took: float) -> float:
        """Seconds of execution that a request is charged which takes so many seconds here; 0: not known."""
        if not took or not self._took:
            return self._time.used / max(1.0, self._requests.used)
        return took * max(1.0, self._time.used / self._took)

    @property
    def enough(self) -> Told:
        """What headers may say is left without being news for everybody."""
        requests, seconds = (each.left - each.most / 10 for each in (self._requests, self._time))
        return Told(requests, seconds)

    def told(self, now: float, use: Use, told: Told, unseen: Use) -> bool:
        """Counts what one of us used, and what was said about what is left; whether that is news for everybody.

        :param unseen: what others of us may have used already without having told
        """
        self._slide(now)
        if now - told.ago < self._lowered_at:
            told = Told()  # what was said before is no longer true
        before = self._requests.used, self._time.used
        self._requests.use(use.requests)
        self._time.use(use.seconds)
        news = self._requests.told(told.requests, told.refused, unseen.requests)
        news = self._time.told(told.seconds, told.refused, unseen.seconds) or news
        if news:
            self._lowered_at = now
        requests, seconds = self._requests.used - before[0], self._time.used - before[1]
        self._took += use.seconds
        if requests or seconds or use.seconds:
            self._count(Grain(now, now, requests, seconds, use.seconds))
        self.side_by_side = told.side_by_side or self.side_by_side
        if use.requests:
            self._told_at = now
        return news

    def grant(self, now: float, cost: float, pending: Use, workers: int, ahead: float, leave: float) -> Grant:
        """What one of so many workers may begin now.

        :param cost: seconds of execution that a request of this worker takes
        :param pending: what is under way or granted, of all workers
        :param ahead: for how many seconds
        :param leave: share of the limits that is left for others
        """
        self._slide(now)
        leave = max(RESERVE, leave)
        wait = self._wait(now, pending, leave)
        step = max(self._requests.spacing(1, leave), self._time.spacing(cost, leave))
        if wait <= 0 and step and self._next > now + ahead:
            wait = self._next - now - ahead
        if wait > 0:
            return Grant(0, min(LONGEST, wait), step)
        room = min(
            self._requests.free(leave) - pending.requests,
            (self._time.free(leave) - pending.seconds) / max(cost, 1e-3),
        )
        fitting = min(room / workers / 2, 1e6)  # half, as another may come before this one reports again
        began = max(self._next, now - LONGEST)  # who comes late may hurry
        if step:
            fitting = min(fitting, ahead / step / workers, (now + ahead - began) / step)
        doubtful = self._requests.doubtful or self._time.doubtful
        number = 1 if doubtful else max(1, int(fitting))
        self._next = began + number * step
        return Grant(number, 0.0, step)

    def give_back(self, requests: int, step: float) -> None:
        """Takes back what was granted and not used."""
        self._next -= requests * step

    def _wait(self, now: float, pending: Use, leave: float) -> float:
        """Seconds until a request may begin, or until it is worth looking again."""
        left = {
            self._requests: self._requests.left - pending.requests,
            self._time: self._time.left - pending.seconds,
        }
        under_way = pending.requests > 0
        long_ago = now - self._told_at > WINDOW / 30
        if under_way and any(
            each.doubtful or (long_ago and each.free(leave) < each.most / 10) for each in left
        ):
            return SOON  # one goes ahead, and is told how it is
        lacking = [each for each in left if left[each] <= leave * each.most]
        if not lacking:
            return 0.0
        if self._used and any(left[each] <= 0 and each.returns for each in lacking):
            return max(SOON, self._used[0].last + WINDOW - now)
        # Only the reserve is left, or others used everything: a request now and then, to be told how it is; fewer where
        # it is known when something returns, lest such requests use up the reserve
        looks = 6 if all(each.returns for each in lacking) else 30
        return SOON if under_way else self._told_at + WINDOW / looks - now

    def _count(self, grain: Grain) -> None:
        if self._used and grain.last - self._used[-1].began < WINDOW / GRAINS:
            grain = self._used.pop().joined(grain)
        self._used.append(grain)

    def _slide(self, now: float) -> None:
        """What was used a window ago may be used again."""
        while self._used and self._used[0].last <= now - WINDOW:
            gone = self._used.popleft()
            self._requests.use(-gone.requests)
            self._time.use(-gone.seconds)
            self._took -= gone.took


def _number(said: str | None) -> float:
    try:
        number = float((said or "").replace(",", ""))
    except ValueError:
        return inf
    return number if isfinite(number) else inf


def _kept(allowance: Allowance) -> list[float | bool]:
    each = allowance
    return [round(each.left, 3), round(each.used, 3), each.most, each.doubtful]
