"""The bounded pool: look-ahead, and what happens when something goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from campaign_sync.hooks.parallel import map_bounded


def test_every_result_comes_once() -> None:
    assert sorted(map_bounded(lambda n: n * n, range(100), 4)) == [n * n for n in range(100)]


def test_no_more_than_the_window_is_read_ahead() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    results = map_bounded(lambda n: n, items(), 2)
    next(results)
    assert len(read) <= 2 * 2 + 1
    results.close()  # type: ignore[attr-defined]


def test_work_runs_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=10)
    assert len(list(map_bounded(lambda _: meeting.wait(), range(3), 3))) == 3


def test_after_an_error_nothing_new_begins_and_what_was_done_is_told_first() -> None:
    begun: list[int] = []
    both = threading.Barrier(2, timeout=10)

    def work(number: int) -> int:
        begun.append(number)
        if number < 2:
            both.wait()
        if number == 0:
            raise LookupError("no")
        return number

    told: list[int] = []
    with pytest.raises(LookupError):
        told.extend(map_bounded(work, range(1000), 2))
    assert 1 in told
    assert len(begun) < 10
    assert sorted(told) == sorted(set(begun) - {0})


def test_trouble_of_the_items_is_raised_after_the_results() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no")

    results = map_bounded(lambda n: n, items(), 2)
    assert next(results) == 1
    with pytest.raises(LookupError):
        next(results)
