"""N3: a run may be killed before and after every step that leaves a trace: nothing is lost, and nothing is doubled.

By day some of the moments, spread over all of a run; TEST_SIZE=nightly all. TEST_MOMENT=number replays one.
"""

from __future__ import annotations

import os

from tests.faults.effects import killed_at
from tests.faults.scenes import Scene
from tests.flows.on_foot import Returned
from tests.sizes import NIGHTLY

#: How far apart the moments are: a prime, so that requests, commits and files, before and after, all have their turn.
APART = 1 if NIGHTLY else 47


def moments() -> range:
    """The moments to die at; a run has fewer, and says so by living on."""
    if "TEST_MOMENT" in os.environ:
        return range(int(os.environ["TEST_MOMENT"]), int(os.environ["TEST_MOMENT"]) + 1)
    return range(0, 100_000, APART)


def test_a_run_that_is_killed_at_any_moment_is_made_good_by_the_next(scene: Scene) -> None:
    for moment in moments():
        if moment:
            scene.again()
        killed = killed_at(moment, lambda: scene.walk("the-run", Returned))
        if killed and moment % 2:
            scene.walk("the-run", Returned)  # Airflow tries the task again
        scene.walk("next")
        assert not scene.wrong(), f"killed at moment {moment}"
        scene.systems.forget()
        scene.walk("one more")
        assert not scene.writes(), f"killed at moment {moment}"
        if not killed:
            print(f"{scene.name}: {moment} moments, every {APART}. of them tried")
            return
