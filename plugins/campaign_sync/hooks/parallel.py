"""Runs a function over items in a bounded pool of threads, reading no more items than it can work on.

Not for retries and pauses (pace.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_bounded(function: Callable[[Item], Result], items: Iterable[Item], parallel: int) -> Iterator[Result]:
    """Yields the results as they complete; at most `2 * parallel` items are read ahead.

    After the first error nothing new begins; what is under way finishes and is yielded, then the error is
    raised: the caller can record every effect it caused.
    """
    feed = iter(items)
    waiting: list[Future[Result]] = []
    trouble: Exception | None = None
    with ThreadPoolExecutor(parallel, thread_name_prefix="campaign_sync") as pool:
        try:
            while True:
                if trouble is None:
                    try:
                        for item in islice(feed, 2 * parallel - len(waiting)):
                            waiting.append(pool.submit(function, item))
                    except Exception as error:  # noqa: BLE001 - raised below, after what is under way
                        trouble = error
                if not waiting:
                    break
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    waiting.remove(future)
                    try:
                        result = future.result()
                    except Exception as error:  # noqa: BLE001 - the same
                        trouble = trouble or error
                        waiting = [each for each in waiting if not each.cancel()]
                    else:
                        yield result
        finally:
            for future in waiting:
                future.cancel()
    if trouble is not None:
        raise trouble
