"""How fast and how patiently a hook calls: its turns, pauses for all that share its credential, back-off.

Not for deciding what is worth repeating (rest.py), nor how much is whose (shares.py)."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Mapping
from math import inf
from typing import NamedTuple, Protocol

from campaign_sync.errors import SyncError
from campaign_sync.hooks.budget import LONGEST, MOST_SIDE_BY_SIDE, SOON, Told, Use
from campaign_sync.hooks.shares import Lease, Report, Shares, Terms

log = logging.getLogger(__name__)

LASTS = 1.0  # seconds: how long a worker goes on with a lease before it reports
APART = 0.1  # seconds between two reports, at least, and between two looks whether there is news
ALONE = 60.0  # seconds until a ledger that could not be reached is tried again


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


class Common(Protocol):
    """Shares that all processes have in common; raises SyncError when it cannot be reached."""

    def share(self, name: str, report: Report, terms: Terms, lasts: float) -> tuple[Lease, int]:
        """A lease for a worker's report, and the number of the latest news."""
        ...

    def look(self) -> tuple[int, float]:
        """The number of the latest news, and for how many seconds nobody may call."""
        ...


class Pace:
    """Gives all threads of a hook their turns, from what it may use of what all together may."""

    def __init__(self, terms: Terms | None = None, common: Common | None = None) -> None:
        """:param common: where the shares of all processes are; without one this hook is alone"""
        self._terms = terms or Terms()
        self._common = common
        self._alone = Shares()
        self._alone_until = -inf
        self._name = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._began: dict[int, float] = {}  # thread → when its call began
        self._waiting = 0
        self._wants = 0  # at once, at most, since the last report
        self._wanted = 0  # as the last report said
        self._report = Report()  # of what has ended since the last
        self._lease = Lease()
        self._reported_at = -inf
        self._looked_at = -inf
        self._told_at = 0.0  # when the last answer came
        self._news = 0
        self._urgent = False
        self._next = -inf
        self._resume_at = -inf

    def wait(self, longest: float = inf) -> float:
        """Returns when the next call may start: the seconds that it took. `ended` is called after each call.

        Raises HeldError as soon as a pause is known that goes on after `longest` seconds. Who has no patience at all,
        such as somebody who looks once in ten seconds, takes of what is left for people.
        """
        began = time.monotonic()
        if longest <= 0:
            self._require_no_pause(began)
            return 0.0
        with self._lock:
            self._waiting += 1
        try:
            while (left := self._turn(began + longest)) > 0:
                time.sleep(left)
        finally:
            with self._lock:
                self._waiting -= 1
        return time.monotonic() - began

    @property
    def side_by_side(self) -> int:
        """How many calls at once the system recommends, 16 at most."""
        return min(self._lease.side_by_side, MOST_SIDE_BY_SIDE)

    def ended(self, headers: Mapping[str, str]) -> None:
        """Says that this thread's call has ended, with the headers of its answer, if there is one."""
        with self._lock:
            now = time.monotonic()
            began = self._began.pop(threading.get_ident(), None)
            if began is None:
                return
            told, enough, report = Told.by(headers), self._lease.enough, self._report
            use = Use(report.use.requests + 1, report.use.seconds + now - began)
            self._report, self._told_at = report._replace(use=use, told=report.told.joined(told)), now
            if told.requests < enough.requests or told.seconds < enough.seconds or told.refused:
                self._urgent = True
            if self._urgent or not self._is_common(now) or now - self._reported_at >= LASTS:
                self._exchange(now)

    def pause(self, seconds: float) -> None:
        """Holds every thread of all workers: a 429 is about the user or the server, not about one call."""
        with self._lock:
            now = time.monotonic()
            self._hold(seconds)
            self._report = self._report._replace(pause=max(self._report.pause, seconds), answered=False)
            self._exchange(now)

    def answered(self) -> None:
        """Ends a row of throttled answers, unless the answer is to a call from before the pause."""
        with self._lock:
            if time.monotonic() >= self._resume_at:
                self._report = self._report._replace(answered=True)

    def _require_no_pause(self, now: float) -> None:
        with self._lock:
            self._has_news(now)
            if self._resume_at > now:
                raise HeldError(self._resume_at - now)

    def _turn(self, latest: float) -> float:
        """Seconds to wait, at least; 0 when the call has begun: no pause comes in between."""
        with self._lock:
            now = time.monotonic()
            if self._is_due(now):
                self._exchange(now)
                now = time.monotonic()
            if self._resume_at > max(now, latest):
                raise HeldError(self._resume_at - now)
            left = self._resume_at - now if now < self._resume_at else self._left(now)
            if left > 0:
                self._report = self._report._replace(waited=True)
                return left
            self._began[threading.get_ident()] = now
            self._lease = self._lease._replace(requests=self._lease.requests - 1)
            late = LONGEST if self._terms.service_protection else 0.0  # who comes late may hurry
            self._next = max(self._next, now - late) + self._lease.apart
            return 0.0

    def _left(self, now: float) -> float:
        """Seconds until a call may begin by the lease, or until it is worth looking again."""
        if len(self._began) >= self._lease.at_once:
            return SOON
        if self._lease.requests < 1:
            return max(SOON, self._lease.again - (now - self._reported_at))
        return self._next - now

    def _is_due(self, now: float) -> bool:
        """Whether a report goes before the next call: the lease is over, or more is wanted, or there is news."""
        self._wants = max(self._wants, self._waiting + len(self._began))
        since = now - self._reported_at
        if self._urgent or since >= LASTS or not self._is_common(now):
            return True
        if since < APART:
            return False
        if self._lease.requests < 1 and since >= self._lease.again:
            return True
        if self._wants > max(self._lease.at_once, self._wanted):
            return True
        return self._has_news(now)

    def _has_news(self, now: float) -> bool:
        if self._common is None or not self._is_common(now) or now - self._looked_at < APART:
            return False
        self._looked_at = now
        try:
            latest, held = self._common.look()
        except SyncError as error:
            self._go_alone(now, error)
            return True
        self._hold(held)
        return latest != self._news

    def _hold(self, seconds: float) -> None:
        if seconds:
            self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def _exchange(self, now: float) -> None:
        """Reports, and takes a new lease."""
        report = self._report._replace(
            running=len(self._began),
            running_for=sum(now - began for began in self._began.values()),
            unused=max(0, self._lease.requests),
            told=self._report.told._replace(ago=now - self._told_at),
            wants=max(1, self._wants),
        )
        self._lease, self._news = self._share(now, report)
        now = time.monotonic()
        self._report, self._urgent = Report(), False
        self._wanted, self._wants = report.wants, self._waiting + len(self._began)
        self._reported_at = self._looked_at = now
        self._hold(self._lease.held)
        self._next = max(self._next, now + self._lease.after) if self._lease.after else self._next

    def _share(self, now: float, report: Report) -> tuple[Lease, int]:
        if self._common is not None and self._is_common(now):
            try:
                return self._common.share(self._name, report, self._terms, LASTS)
            except SyncError as error:
                self._go_alone(now, error)
        return self._alone.share(now, self._name, report, self._terms, 0.0)[0], 0

    def _is_common(self, now: float) -> bool:
        return self._common is not None and now >= self._alone_until

    def _go_alone(self, now: float, error: SyncError) -> None:
        """Without the ledger each hook keeps the limits for itself, as far as it can see them."""
        log.warning("limits are kept by this process alone for %.0f s: %s", ALONE, error)
        self._alone_until = now + ALONE

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(seconds)
