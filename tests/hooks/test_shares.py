"""What each of several workers may do of what all together may (dataverse.md §7, campaign.md §10)."""

from __future__ import annotations

import pytest
from campaign_sync.hooks.budget import WINDOW, Told, Use
from campaign_sync.hooks.shares import Lease, Report, Shares, Terms

DATAVERSE = Terms(service_protection=True, leave_share=0.1)
CAMPAIGN = Terms(calls_per_second=10, side_by_side=4)


class Workers:
    """Workers that report every second, each of them as busy as its lease lets it be."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.shares = Shares()
        self.leases: dict[str, Lease] = {}
        self.now = 1000.0

    def reports(self, name: str, report: Report) -> tuple[Lease, bool]:
        self.shares = Shares(self.shares.keep())  # as it lies in a database
        self.leases[name], news = self.shares.share(self.now, name, report, self.terms, 1.0)
        return self.leases[name], news

    def goes_on(self, name: str, seconds: float = 1.0, wants: int = 4) -> int:
        """So many seconds later: what it was allowed is done, and it wants more."""
        lease = self.leases.get(name, Lease())
        done = min(lease.requests, int(seconds / lease.apart + 1e-6)) if lease.apart else lease.requests
        unused = lease.requests - done
        self.reports(name, Report(Use(done, 0.1 * done), unused=unused, wants=wants, waited=True))
        return done

    def work(self, names: str, seconds: int) -> list[int]:
        """What each does in so many seconds, reporting when its lease is over or used up."""
        done = dict.fromkeys(names, 0)
        due = dict.fromkeys(names, (self.now, self.now))  # when it reports, and when it did
        end = self.now + seconds
        while due[first := min(due, key=lambda name: due[name])][0] < end:
            self.now = max(self.now, due[first][0])
            done[first] += self.goes_on(first, self.now - due[first][1])
            lease = self.leases[first]
            lasts = min(1.0, max(0.1, lease.again if not lease.requests else lease.requests * lease.apart))
            due[first] = (self.now + lasts, self.now)
        return list(done.values())


def test_calls_per_second_are_those_of_all_workers_together() -> None:
    workers = Workers(CAMPAIGN)
    done = workers.work("abcd", 30)
    assert 270 <= sum(done) <= 310
    assert min(done) >= 0.8 * max(done)


def test_many_that_come_at_once_begin_one_after_the_other() -> None:
    workers = Workers(CAMPAIGN)
    leases = [workers.reports(f"task {n}", Report())[0] for n in range(10)]
    assert [lease.requests for lease in leases] == [1] * 10
    assert [lease.after for lease in leases] == pytest.approx([n / 10 for n in range(10)])
    workers.reports("another", Report())
    assert workers.reports("one more", Report())[0].requests == 0


def test_one_alone_has_everything() -> None:
    workers = Workers(CAMPAIGN)
    for _ in range(3):
        workers.goes_on("a", wants=9)
        workers.now += 1
    lease = workers.leases["a"]
    assert (lease.requests, lease.apart, lease.at_once) == (10, pytest.approx(0.1), 4)


def test_calls_at_once_are_shared_and_one_is_everybodys() -> None:
    workers = Workers(CAMPAIGN)
    assert workers.reports("a", Report(wants=4))[0].at_once == 4
    assert workers.reports("b", Report(wants=4))[0].at_once == 1
    assert workers.reports("a", Report(wants=4))[0].at_once == 2
    assert workers.reports("b", Report(wants=4))[0].at_once == 2
    assert [workers.reports(name, Report(wants=4))[0].at_once for name in "cdef"] == [1] * 4


def test_who_wants_little_leaves_the_rest_to_others() -> None:
    workers = Workers(CAMPAIGN)
    workers.reports("a", Report(wants=1))
    assert workers.reports("b", Report(wants=4))[0].at_once == 3


def test_what_a_worker_held_that_was_killed_is_free_seconds_later() -> None:
    workers = Workers(CAMPAIGN)
    workers.reports("killed", Report(wants=4))
    workers.goes_on("a")
    assert workers.leases["a"].at_once == 1
    workers.now += 5
    workers.goes_on("a")
    workers.now += 1
    workers.goes_on("a")
    assert (workers.leases["a"].at_once, workers.leases["a"].apart) == (4, pytest.approx(0.1))


def test_all_are_held_when_one_is_told_to_wait() -> None:
    workers = Workers(CAMPAIGN)
    workers.reports("a", Report())
    assert workers.reports("b", Report(pause=30))[1]
    workers.now += 10
    lease, news = workers.reports("a", Report())
    assert (lease.requests, lease.held, news) == (0, 20, False)
    assert not workers.reports("a", Report(pause=5))[1]  # it goes on for longer anyway
    workers.now += 20
    assert workers.reports("a", Report())[0].requests


def test_a_clock_that_was_set_back_holds_nobody() -> None:
    workers = Workers(CAMPAIGN)
    workers.reports("a", Report(pause=30))
    workers.now -= 3600
    assert workers.reports("a", Report())[0].requests


def told(requests: float, seconds: float = 1200, **more: bool) -> Told:
    return Told(requests, seconds, 12, **more)


def test_who_comes_later_knows_what_is_left() -> None:
    workers = Workers(DATAVERSE)
    for left in (6000, 5000, 4000, 3000, 2000, 1000, 610):
        workers.now += 1
        workers.reports("a", Report(Use(1, 0.1), told=told(left), waited=True))
    workers.now += 10
    assert workers.reports("b", Report())[0].requests <= 5
    workers.reports("a", Report(Use(1, 0.1), told=told(590), waited=True))
    assert workers.reports("c", Report())[0].requests == 0


def test_a_share_is_left_for_people() -> None:
    workers = Workers(DATAVERSE)
    left = 6000
    for _ in range(280):
        workers.now += 0.5
        left -= workers.goes_on("a", seconds=0.5)
        workers.reports("a", Report(told=told(left), unused=workers.leases["a"].requests, waited=True))
    assert 580 <= left <= 640  # a request now and then tells how it is


def test_a_limit_that_was_lowered_is_news_for_all() -> None:
    workers = Workers(DATAVERSE)
    for left in (6000, 5900, 5800):
        workers.now += 1
        workers.reports("a", Report(Use(100, 10), told=told(left), waited=True))
    enough = workers.leases["a"].enough
    assert 2800 < enough.requests < 5800
    assert workers.reports("a", Report(Use(1, 0.1), told=told(2800), waited=True))[1]


def test_what_others_used_and_have_not_reported_is_no_news_and_is_counted_once() -> None:
    workers = Workers(DATAVERSE)
    workers.reports("a", Report(Use(1, 0), told=told(6000)))
    granted = workers.reports("b", Report(wants=4))[0].requests
    assert granted >= 50
    _, news = workers.reports("a", Report(Use(1, 0), told=told(5949)))  # one is mine, fifty are its
    assert not news
    workers.reports("b", Report(Use(50, 5), unused=granted - 50))
    assert workers.shares.budget.keep()["requests"][0] == pytest.approx(5949, abs=2)


def test_more_at_once_than_the_limit_are_never_let() -> None:
    workers = Workers(DATAVERSE)
    at_once = Told(6000, 1200, 200)
    workers.reports("a", Report(Use(1, 0.1), told=at_once))
    assert [workers.reports(name, Report(wants=16))[0].at_once for name in "bcd"] == [16, 16, 13]


def test_after_a_window_in_which_nobody_called_all_is_learnt_anew() -> None:
    workers = Workers(DATAVERSE)
    workers.reports("a", Report(Use(1, 0.1), told=told(6000)))
    workers.now += WINDOW + 1
    assert workers.reports("a", Report())[0].side_by_side == 4
