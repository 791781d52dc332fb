"""N3: tasks are executed twice, twice at once, in any order after the run, and after the next run: nothing changes.

TEST_SEED=number replays an order.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from campaign_sync.errors import SyncError

from tests.faults.scenes import Scene
from tests.flows.on_foot import Task, in_a_process


def twice(flow: str, run_id: str) -> Task:
    """Each task twice, one after the other."""

    def task(_: str, work: Callable[[], Any]) -> Any:
        work()
        return work()

    return task


def twice_at_once(flow: str, run_id: str) -> Task:
    """Each task in two processes at once, as when Airflow has given up one that lives."""

    def task(_: str, work: Callable[[], Any]) -> Any:
        other = in_a_process(work)
        try:
            return work()
        finally:
            os.waitpid(other, 0)  # it may fail: it has lost its files, or its rows, to the one that counts

    return task


class Recorded:
    """Each task once, and again when it is asked for."""

    def __init__(self) -> None:
        self.tasks: list[Callable[[], Any]] = []

    def __call__(self, flow: str, run_id: str) -> Task:
        def task(_: str, work: Callable[[], Any]) -> Any:
            self.tasks.append(work)
            return work()

        return task

    def cleared(self, chance: random.Random | None = None) -> None:
        """Execute all again; one may say that what it needs is swept."""
        tasks = chance.sample(self.tasks, len(self.tasks)) if chance else self.tasks
        for work in tasks:
            with suppress(SyncError):
                work()


def made_good(scene: Scene) -> None:
    """The next run leaves nothing wrong, and the one after it nothing to do."""
    scene.walk("next")
    assert not scene.wrong()
    scene.systems.forget()
    scene.walk("one more")
    assert not scene.writes()


def test_every_task_is_executed_twice(scene: Scene) -> None:
    scene.walk("the-run", twice)
    assert not scene.wrong()
    made_good(scene)


def test_every_task_is_executed_twice_at_once(scene: Scene) -> None:
    with suppress(SyncError):
        scene.walk("the-run", twice_at_once)
    made_good(scene)


def test_tasks_are_cleared_in_any_order(scene: Scene) -> None:
    seed = int(os.environ.get("TEST_SEED", "1"))
    print(f"seed {seed}")
    recorded = Recorded()
    scene.walk("the-run", recorded)
    recorded.cleared(random.Random(seed))
    made_good(scene)


def test_a_run_is_cleared_after_the_next_has_ended(scene: Scene) -> None:
    recorded = Recorded()
    scene.walk("the-run", recorded)
    scene.more()
    scene.walk("the next")
    assert not scene.wrong()
    recorded.cleared()
    made_good(scene)
