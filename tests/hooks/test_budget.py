"""What the limits leave: told by headers, counted in a sliding window, for all who call (dataverse.md §7)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from campaign_sync.hooks.budget import SOON, WINDOW, Told, Use
from campaign_sync.hooks.shares import Report, Shares, Terms

REQUESTS = "x-ms-ratelimit-burst-remaining-xrm-requests"
TIME = "x-ms-ratelimit-time-remaining-xrm-requests"


def said(requests: int = 5000, seconds: float = 1200, **more: str) -> dict[str, str]:
    return {REQUESTS: str(requests), TIME: f"{seconds:,.2f}", "x-ms-dop-hint": "8", **more}


class Caller:
    """A worker that has nobody beside it and reports before and after each request."""

    def __init__(self) -> None:
        self.shares = Shares()
        self.began: list[float] = []
        self.unused = 0

    def take(self, now: float) -> float:
        """Begins a request and returns 0, or returns the seconds after which to ask again."""
        lease = self._report(now, Report(wants=len(self.began) + 1))
        if len(self.began) >= lease.at_once:
            return SOON
        if not lease.requests:
            return lease.again
        self.unused -= 1
        self.began.append(now)
        return 0.0

    def told(self, now: float, headers: dict[str, str]) -> None:
        """Ends the oldest request."""
        use = Use(1, now - self.began.pop(0))
        self._report(now, Report(use, told=Told.by(headers)))

    def _report(self, now: float, report: Report):
        running_for = sum(now - each for each in self.began)
        report = report._replace(running=len(self.began), running_for=running_for, unused=self.unused)
        kept = Shares(self.shares.keep())  # as it lies in a database
        lease, _ = kept.share(now, "caller", report, Terms(service_protection=True), 0.0)
        self.shares, self.unused = kept, lease.requests
        return lease


def used(budget: Caller, now: float, seconds: float, headers: dict[str, str]) -> None:
    """One request of this thread, that began when it could."""
    assert budget.take(now) == 0
    budget.told(now + seconds, headers)


def begins_at(budget: Caller, now: float) -> float:
    """When the next request may begin, asked for as long as it has to wait."""
    while (wait := budget.take(now)) > 0:
        now += wait
    return now


@pytest.fixture
def budget() -> Caller:
    return Caller()


def test_without_headers_nothing_waits(budget: Caller) -> None:
    for now in range(20):
        used(budget, now, 1, {})


def test_once_half_is_used_requests_come_as_fast_as_what_they_use_returns(budget: Caller) -> None:
    for left in range(100, 48, -1):
        used(budget, 0, 0, said(requests=left))
    begun, now = [], 0.0
    for left in range(48, 43, -1):
        begun.append(now := begins_at(budget, now))
        budget.told(now, said(requests=left))
    gaps = [after - before for before, after in pairwise(begun)]
    assert all(WINDOW / 150 <= gap <= WINDOW / 100 for gap in gaps[1:])
    assert gaps == sorted(gaps)


def test_when_little_is_left_requests_wait_until_what_was_used_has_left_the_window(budget: Caller) -> None:
    for left in range(100, 48, -1):
        used(budget, 1, 0, said(requests=left))
    used(budget, 10, 0, said(requests=43))
    used(budget, 20, 0, said(requests=34))
    used(budget, 30, 0, said(requests=25))
    used(budget, 40, 0, said(requests=16))
    used(budget, 50, 0, said(requests=7))
    used(budget, 60, 0, said(requests=1))
    # What is left is for others: one request, to see how it is
    assert begins_at(budget, 61) == 60 + WINDOW / 6
    budget.told(111, said(requests=0))
    assert begins_at(budget, 111) == 1 + WINDOW


def test_used_up_execution_time_holds_requests_for_as_long_as_the_window(budget: Caller) -> None:
    used(budget, 0, 50, said(seconds=200))
    used(budget, 50, 100, said(seconds=100))
    used(budget, 150, 100, said(seconds=0))
    assert 350 <= begins_at(budget, 250) <= 351  # what was used until 50 may be used again from 350


def test_what_is_under_way_is_counted_before_its_answer_says_so(budget: Caller) -> None:
    used(budget, 0, 1, said(seconds=100))
    assert [budget.take(1) for _ in range(4)] == [0] * 4
    assert budget.take(20) == 0  # 4 × 19 s under way, 100 left
    budget.told(20, said(seconds=100))
    assert budget.take(30) > 0  # 4 × 29 s


def test_after_a_refusal_one_request_goes_ahead(budget: Caller) -> None:
    used(budget, 0, 10, said(seconds=100))
    used(budget, 10, 95, said(seconds=5))
    used(budget, 110, 0, said(seconds=0, **{"Retry-After": "200"}))
    assert [budget.take(WINDOW + 106) for _ in range(3)] == [0, SOON, SOON]


def test_when_little_was_left_long_ago_one_request_goes_ahead(budget: Caller) -> None:
    now = 0.0
    for left in range(1000, 0, -95):
        now = begins_at(budget, now)
        budget.told(now, said(seconds=left))
    assert [budget.take(now + 62) for _ in range(3)] == [0, SOON, SOON]


def test_what_others_used_is_waited_for_as_well(budget: Caller) -> None:
    used(budget, 0, 1, said(requests=1000))
    for number in range(20):
        used(budget, 10 + number, 0, said(requests=950 - 50 * number))
    assert begins_at(budget, 30) == 1 + WINDOW


def test_no_more_at_once_than_recommended(budget: Caller) -> None:
    used(budget, 0, 1, said(**{"x-ms-dop-hint": "2"}))
    assert [budget.take(1) for _ in range(3)] == [0, 0, SOON]


@pytest.mark.parametrize(("hint", "most"), [("500", 52), ("0", 1), ("many", 4)])
def test_a_strange_recommendation_is_bounded(budget: Caller, hint: str, most: int) -> None:
    used(budget, 0, 1, said(**{"x-ms-dop-hint": hint}))
    assert [budget.take(1) for _ in range(most + 1)] == [0] * most + [SOON]


def test_a_lowered_limit_is_met_by_waiting_for_half_of_what_was_used(budget: Caller) -> None:
    for number in range(100):
        used(budget, number, 1, said(seconds=200 - number))
    used(budget, 100, 1, said(seconds=0))
    begins = begins_at(budget, 101)
    assert WINDOW + 50 <= begins <= WINDOW + 55


def test_a_refusal_says_that_a_limit_was_lowered_though_little_was_left(budget: Caller) -> None:
    now = 0.0
    for left in range(100, 2, -3):
        now = begins_at(budget, now)
        budget.told(now, said(seconds=left))
    now = begins_at(budget, now)
    budget.told(now, said(seconds=0, **{"Retry-After": "1"}))
    assert begins_at(budget, now) >= WINDOW + 25  # not until the first has left the window, but half of them


def test_threads_that_are_told_the_same_at_once_wait_once(budget: Caller) -> None:
    for number in range(100):
        used(budget, number, 1, said(seconds=200 - number))
    for _ in range(4):
        budget.take(100)
    for _ in range(4):
        budget.told(101, said(seconds=0))
    assert WINDOW + 50 <= begins_at(budget, 101) <= WINDOW + 55


def test_what_others_used_up_is_asked_for_now_and_then(budget: Caller) -> None:
    used(budget, 0, 0.1, said(requests=1000))
    used(budget, 1, 0.1, said(requests=0))
    assert 1 + WINDOW / 30 <= begins_at(budget, 1.1) <= 2.2 + WINDOW / 30


def test_more_is_believed_by_and_by(budget: Caller) -> None:
    used(budget, 0, 1, said(requests=1000))
    used(budget, 1, 1, said(requests=3))
    assert budget.take(2) > 0
    for number in range(3):
        used(budget, 20 * number + 20, 1, said(requests=1000))
    assert budget.take(100) == 0


def test_a_request_without_an_answer_is_no_longer_under_way(budget: Caller) -> None:
    used(budget, 0, 1, said(**{"x-ms-dop-hint": "1"}))
    used(budget, 1, 1, {})
    assert budget.take(2) == 0
