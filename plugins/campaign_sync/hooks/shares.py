"""Who may call how often: shares out what a system allows among all workers that call it with one credential.

A worker is a hook in a process. It says what it used and wants, and gets a lease: so many calls, so far apart, so many
at once, for a moment. A lease that is not renewed expires with what it held. Pure: the state is kept elsewhere (in the
ledger's database by ledger/rates.py, else in the process by pace.py). Not for waiting (pace.py).
"""

from __future__ import annotations

import json
from math import inf
from typing import Any, NamedTuple

from campaign_sync.hooks.budget import FEW_SIDE_BY_SIDE, LIMIT_SIDE_BY_SIDE, Budget, Grant, Told, Use

PLENTY = 1_000_000  # of what is not limited
NOTHING_SAID = Told()
SET_BACK = 5.0  # seconds by which a clock was set back, if it goes back so far


class Terms(NamedTuple):
    """What a connection says: how much of what the system allows is ours."""

    calls_per_second: float = 0.0
    """Of all workers together; 0: no limit."""
    side_by_side: int = 0
    """Calls at once, of all workers together; 0: no limit, or Dataverse's recommendation."""
    service_protection: bool = False
    """Whether answers say what is left (dataverse.md §7)."""
    leave_share: float = 0.0
    """The share of the service protection limits that is left for people and other programs."""


class Report(NamedTuple):
    """What a worker did since its last report, and wants."""

    use: Use = Use()
    running: int = 0
    running_for: float = 0.0
    """Seconds for which what runs has been running, added up."""
    unused: int = 0
    """Calls of the last lease that have not begun."""
    wants: int = 1
    """Calls at once."""
    waited: bool = False
    """Whether it could have begun more."""
    told: Told = Told()
    pause: float = 0.0
    """Seconds for which the system said to wait, less those that have passed."""
    answered: bool = False
    """Whether a call was answered that was not throttled."""


class Lease(NamedTuple):
    """What a worker may do until it reports again."""

    requests: int = 0
    after: float = 0.0
    """Seconds before the first."""
    apart: float = 0.0
    """Seconds between two calls, at least."""
    at_once: int = 1
    held: float = 0.0
    """Seconds for which nobody may call."""
    again: float = 0.0
    """Seconds after which to ask again, where no call may begin."""
    side_by_side: int = FEW_SIDE_BY_SIDE
    """Calls at once that the system recommends."""
    enough: Told = Told()
    """What an answer says is left, when it is nothing new; less has to be reported at once."""


class Worker(NamedTuple):
    """What is known of a worker."""

    expires: float
    reported: float
    unused: int
    running: int
    running_for: float
    took: float
    """Seconds that a call takes, of late; 0: not known."""
    cost: float
    """Seconds of execution that it is charged."""
    step: float
    at_once: int
    wants: int
    waited: bool

    def pending(self, now: float) -> Use:
        """What it has begun or may begin, as far as it will be charged: half of what such a call takes, at least."""
        age = self.running_for + self.running * (now - self.reported)
        seconds = max(age, self.running * self.cost / 2) + self.unused * self.cost / 2
        return Use(self.running + self.unused, seconds)


class Shares:
    """What all workers of a credential share. Times are seconds of a clock that they share."""

    def __init__(self, kept: str | None = None) -> None:
        """:param kept: what `keep` returned"""
        found: dict[str, Any] = json.loads(kept) if kept else {}
        self.rate = Rate(**found.get("rate", {}))
        self.budget = Budget(found.get("budget"))
        self.workers = {name: Worker(*each) for name, each in found.get("workers", {}).items()}
        self.at = float(found.get("at", -inf))

    def keep(self) -> str:
        """Everything, for the next."""
        return json.dumps(
            {
                "at": self.at,
                "rate": vars(self.rate),
                "budget": self.budget.keep(),
                "workers": {
                    name: [round(x, 3) if isinstance(x, float) else x for x in each]
                    for name, each in self.workers.items()
                },
            }
        )

    def share(self, now: float, name: str, report: Report, terms: Terms, lasts: float) -> tuple[Lease, bool]:
        """Takes a worker's report and gives it a lease; says whether the others should ask anew at once.

        :param lasts: seconds after which the worker will report again
        """
        if now < self.at - SET_BACK:
            self.at, self.rate, self.budget, self.workers = now, Rate(), Budget(), {}
        elif self.budget.is_old(now):
            self.budget = Budget()
        self.at = now = max(now, self.at)
        for each in [each for each, worker in self.workers.items() if worker.expires <= now]:
            self._give_back(self.workers.pop(each), terms)
        before = self.workers.pop(name, None)
        if before:
            self._give_back(before._replace(unused=report.unused), terms)
        news = self._hear(now, report, terms)
        took = _took(before.took if before else 0.0, report.use)
        cost = self.budget.cost(took)
        grant = self._grant(now, report, cost, terms, lasts, first=before is None)
        lease = self._lease(now, report, grant, terms)
        self.workers[name] = Worker(
            # as long as a call takes, and as much again: it reports only between calls
            expires=now + 2 * (max(lasts, 1.0) + took),
            reported=now,
            unused=lease.requests,
            running=report.running,
            running_for=report.running_for,
            took=took,
            cost=cost,
            step=grant.step,
            at_once=lease.at_once,
            wants=report.wants,
            waited=report.waited,
        )
        return lease, news

    def _hear(self, now: float, report: Report, terms: Terms) -> bool:
        news = self.rate.throttled(now, report.pause, terms.calls_per_second) if report.pause > 0 else False
        if report.answered:
            self.rate.answered(now)
        if not terms.service_protection:
            return news
        others = self.workers.values()
        unseen = Use(
            sum(each.unused for each in others),
            sum((each.unused + each.running) * each.cost for each in others),
        )
        return self.budget.told(now, report.use, report.told, unseen) or news

    def _grant(
        self, now: float, report: Report, cost: float, terms: Terms, lasts: float, *, first: bool
    ) -> Grant:
        if now < self.rate.resume_at:
            return Grant(0, self.rate.resume_at - now)
        others = self.workers.values()
        competing = 1 + sum(each.waited for each in others)
        if not terms.service_protection:
            return self.rate.grant(now, terms.calls_per_second, competing, lasts, first=first)
        mine = Use(report.running, max(report.running_for, report.running * cost / 2))
        pending = [mine, *(each.pending(now) for each in others)]
        together = Use(sum(each.requests for each in pending), sum(each.seconds for each in pending))
        return self.budget.grant(now, cost, together, competing, lasts, terms.leave_share)

    def _lease(self, now: float, report: Report, grant: Grant, terms: Terms) -> Lease:
        competing = 1 + sum(each.waited for each in self.workers.values())
        return Lease(
            grant.requests,
            grant.after,
            grant.step * competing,
            self._at_once(report.wants, terms),
            held=max(0.0, self.rate.resume_at - now),
            again=grant.again,
            side_by_side=self.budget.side_by_side,
            enough=self.budget.enough if terms.service_protection else NOTHING_SAID,
        )

    def _give_back(self, worker: Worker, terms: Terms) -> None:
        of = self.budget if terms.service_protection else self.rate
        of.give_back(worker.unused, worker.step)

    def _at_once(self, wants: int, terms: Terms) -> int:
        """How many of the calls that may run at once are this worker's: an equal part, or what others do not want."""
        all_together = terms.side_by_side or PLENTY
        if terms.service_protection:
            all_together = min(self.budget.side_by_side, int(LIMIT_SIDE_BY_SIDE * (1 - terms.leave_share)))
        others = self.workers.values()
        free = all_together - sum(each.at_once for each in others)
        lacking = any(each.wants > each.at_once for each in others)
        most = min(free, all_together // (1 + len(others))) if lacking else free
        return max(1, min(wants, most))  # one for each: who is many goes through a pool


class Rate:
    """Calls per second of all workers, and until when all are held because the system said so."""

    SLOWEST = 0.5  # calls per second: a rate halved for ever would take days to find out that all is well
    RECOVERY = 60.0  # seconds without throttling until a halved rate is doubled again

    def __init__(
        self,
        slower: float = 1.0,
        faster_at: float = -inf,
        resume_at: float = -inf,
        in_a_row: int = 0,
        next_at: float = -inf,
    ) -> None:
        self.slower = slower  # by which factor
        self.faster_at = faster_at
        self.resume_at = resume_at
        self.in_a_row = in_a_row  # throttled answers
        self.next_at = next_at  # when the next call may begin

    def throttled(self, now: float, seconds: float, fastest: float) -> bool:
        """Holds everybody: a 429 is about the user or the server, not about one call (dataverse.md §7).

        Two pauses in a row halve the rate (campaign.md §10). Those who are told in the same pause were throttled
        together: that counts once. Says whether the pause is news.
        """
        if now >= self.resume_at:
            self.in_a_row += 1
            if self.in_a_row == 2:
                self.in_a_row = 0
                if fastest:
                    self.slower = min(self.slower * 2, max(1.0, fastest / self.SLOWEST))
        news = now + seconds > self.resume_at
        self.resume_at = max(self.resume_at, now + seconds)
        self.faster_at = self.resume_at + self.RECOVERY
        return news

    def answered(self, now: float) -> None:
        """Ends a row of throttled answers, unless the answer is to a call from before the pause."""
        if now >= self.resume_at:
            self.in_a_row = 0

    def grant(self, now: float, fastest: float, workers: int, ahead: float, *, first: bool) -> Grant:
        """What one of so many workers may begin now, for `ahead` seconds.

        :param first: whether it has called nothing of late: then it waits for its turn, as many may come at once
        """
        if not fastest:
            return Grant(PLENTY)
        if self.slower > 1 and now >= self.faster_at:
            self.slower, self.faster_at = max(1.0, self.slower / 2), now + self.RECOVERY
        step = self.slower / fastest
        began = max(now, self.next_at)
        if began > now + ahead:
            return Grant(0, began - now - ahead, step)
        fitting = 0.0 if first else min(ahead / step / workers, (now + ahead - began) / step)
        number = max(1, int(fitting))
        self.next_at = began + number * step
        return Grant(number, 0.0, step, began - now if first else 0.0)

    def give_back(self, calls: int, step: float) -> None:
        """Takes back what was granted and not used."""
        self.next_at -= calls * step


def _took(before: float, use: Use) -> float:
    """Seconds that a call takes, of late."""
    if not use.requests:
        return before
    late = use.seconds / use.requests
    return (before + late) / 2 if before else late
