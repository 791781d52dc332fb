"""I13, N3: two runs hold one row in different versions; whoever is killed where, Campaign has the newer one at last."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from tests.flows.on_foot import KILLED, OnFoot, Paused, die_at, walk
from tests.flows.people import contact
from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems


class Point(NamedTuple):
    """A moment of a load, between planning and the end."""

    where: str
    module: str
    owner: str
    name: str
    nth: int = 1
    before: bool = True


POINTS = [
    Point("after it has planned", "ledger.ledger", "Ledger", "begin"),
    Point("before it writes", "ledger.ledger", "Ledger", "begin", before=False),
    Point("half-way through its writes", "hooks.campaign_writes", "Writer", "write", nth=3),
    Point("before it remembers", "ledger.ledger", "Ledger", "settle", nth=2),
]


def grown(systems: Systems, count: int) -> list[str]:
    """The ids of so many new contacts."""
    keys = [str(uuid.uuid4()) for _ in range(count)]
    systems.mutate(create=[contact(key) for key in keys])
    return keys


def backfill(airflow: RealAirflow, interval: tuple[datetime, datetime]) -> OnFoot:
    """A run of a backfill: it sends again all that was modified in its interval."""
    return OnFoot(airflow.mapping, f"backfill {interval[0]}", "backfill", interval)


def paused_at(point: Point, work: Callable[[], Any]) -> Paused:
    """The work, stopped at a point of the package."""
    from importlib import import_module

    owner = getattr(import_module(f"campaign_sync.{point.module}"), point.owner)
    return Paused(work, owner, point.name, point.nth, before=point.before)


def an_hour_passes(airflow: RealAirflow) -> None:
    """Nothing that was begun until now can still be under way."""
    from campaign_sync.ledger import begin

    airflow.monkeypatch.setattr(begin, "UNDER_WAY", timedelta(0))
    airflow.monkeypatch.setattr(begin, "import_timeout", lambda: timedelta(0))


def moved(systems: Systems, keys: list[str], city: str) -> None:
    """Give contacts another city."""
    systems.change(*({"id": key, "address1_city": city} for key in keys))


def require_quiet(airflow: RealAirflow, systems: Systems) -> None:
    """The runs that follow converge by themselves, the last one without anything to do."""
    for run_id in ("next", "and the next"):
        assert walk(airflow.mapping, run_id)["balanced"]
    an_hour_passes(airflow)
    walk(airflow.mapping, "an hour later")
    assert not systems.differences()
    systems.forget()
    assert walk(airflow.mapping, "quiet")["tally"]["extracted"] == 0
    assert systems.engine_calls() == 0
    assert airflow.ledger().counts(FLOW).in_doubt == 0


ENDS = ("goes on", "is killed", "is killed and repeated")
DAY = timedelta(days=1)


def test_a_live_run_that_overtakes_backfills_wins_wherever_they_are_and_however_they_end(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    """One backfill per day, each stopped at another point; then changes, deletions and two live runs; then they end."""
    airflow = airflow_on_each_ledger
    systems.delete_rejected()
    airflow.drop_checks()
    cases = [(point, end) for point in POINTS for end in ENDS]
    rows = {case: grown(systems, 4) for case in cases}
    days = {case: datetime.now(UTC) - (len(cases) - at) * DAY for at, case in enumerate(cases)}
    airflow.begin()
    for case, day in days.items():
        systems.control("POST", "/sandbox/clock", {"set": day.isoformat()})
        moved(systems, rows[case], "Old Town")
    systems.control("POST", "/sandbox/clock", {"reset": True})
    walk(airflow.mapping, "before")
    before = airflow.place()

    slow, loads = {}, {}
    for case, day in days.items():
        run = slow[case] = backfill(airflow, (day - DAY / 2, day + DAY / 2))
        run.read()
        run.guard()
        assert sum(batch["tally"]["extracted"] for batch in run.batches) == len(rows[case])
        loads[case] = paused_at(case[0], run.load)
    assert airflow.place() == before

    for changed, gone, again, _ in rows.values():
        moved(systems, [changed, gone], "New Town")
        systems.delete(gone, again)
    assert walk(airflow.mapping, "live")["balanced"]
    systems.mutate(create=[contact(again) for _, _, again, _ in rows.values()])
    assert walk(airflow.mapping, "live again")["balanced"]
    before = airflow.place()

    for case, load in loads.items():
        if case[1] == "goes on":
            load.go_on()
        else:
            load.kill()
        if case[1] == "is killed and repeated":
            slow[case].load()
    assert airflow.place() == before
    print(
        {
            key: f"{case[0].where}, {case[1]}, row {at}"
            for case, keys in rows.items()
            for at, key in enumerate(keys)
        }
    )
    require_quiet(airflow, systems)


def test_an_older_call_that_reaches_campaign_last_does_not_stay(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    """Two backfills have begun; their calls are held up until the live run has ended, and then undo what it wrote. One
    process lives to hear the answer; the other is killed first, so that nobody ever hears of its call again."""
    airflow = airflow_on_each_ledger
    systems.delete_rejected()
    airflow.drop_checks()
    airflow.begin()
    keys = sorted(systems.profiles())[:2]
    held_up = Point("", "hooks.campaign_writes", "Writer", "write")
    loads = []
    for key, work in zip(keys, (OnFoot.load, load_and_die), strict=True):
        day = datetime.now(UTC) - len(loads) * 2 * DAY
        systems.control("POST", "/sandbox/clock", {"set": day.isoformat()})
        moved(systems, [key], "Old Town")
        run = backfill(airflow, (day - DAY / 2, day + DAY / 2))
        run.read()
        run.guard()
        loads.append(paused_at(held_up, partial(work, run)))
    systems.control("POST", "/sandbox/clock", {"reset": True})
    moved(systems, keys, "New Town")
    assert walk(airflow.mapping, "live")["balanced"]
    assert cities(systems, keys) == ["New Town", "New Town"]
    loads[0].go_on()
    loads[1].go_on(until=KILLED)
    assert cities(systems, keys) == ["Old Town", "Old Town"], "the race was not forced"

    assert walk(airflow.mapping, "next")["balanced"]
    assert cities(systems, keys) == ["New Town", "Old Town"], "of the second, nothing can be known yet"
    require_quiet(airflow, systems)
    assert cities(systems, keys) == ["New Town", "New Town"]


def load_and_die(run: OnFoot) -> None:
    """Write, and be killed before the answers are remembered."""
    from campaign_sync.ledger.ledger import Ledger

    die_at(Ledger, "settle", nth=2, before=True)
    run.load()


def cities(systems: Systems, keys: list[str]) -> list[str]:
    """Where Campaign says that these people live."""
    profiles = systems.profiles()
    return [profiles[key]["location"]["city"] for key in keys]
