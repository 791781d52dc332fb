"""I13: a backfill of sixty days (TEST_SIZE=nightly; else of sixteen), eight runs at once, backwards, beside live runs:
the end is as without it.
"""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.flows.on_foot import OnFoot, walk
from tests.flows.people import contact
from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems
from tests.sizes import NIGHTLY

DAY = timedelta(days=1)
DAYS, AT_ONCE = 60 if NIGHTLY else 16, 8
LIVE = 0.06 if NIGHTLY else 0.15  # of the steps are followed by a live run
ROWS_A_DAY = 4


def many_days(systems: Systems) -> list[tuple[datetime, datetime]]:
    """Contacts that came in or changed on each of many days; the days."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [(today - (DAYS - at) * DAY, today - (DAYS - at - 1) * DAY) for at in range(DAYS)]
    for start, _ in days:
        systems.control("POST", "/sandbox/clock", {"set": (start + DAY / 2).isoformat()})
        systems.mutate(create=[contact(str(uuid.uuid4())) for _ in range(ROWS_A_DAY)])
    systems.control("POST", "/sandbox/clock", {"reset": True})
    return days


def live_changes(systems: Systems, chance: random.Random, part: int) -> None:
    """People at work: some contacts move, some go, one of those comes back, some are new."""
    keys = sorted(systems.contacts())
    moved, gone = chance.sample(keys, 6), chance.sample(keys, 3)
    systems.change(*({"id": key, "address1_city": f"City {part}"} for key in moved))
    back = contact(gone[0], overriddencreatedon=systems.contacts()[gone[0]]["createdon"])
    systems.delete(*gone)
    systems.mutate(create=[back, contact(str(uuid.UUID(int=chance.getrandbits(128))))])


def test_many_days_backwards_eight_at_once_beside_live_runs_end_as_without_them(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    """Eight runs are under way at any time, each at another step; live runs with changes come between the steps."""
    airflow, seed = airflow_on_each_ledger, 7
    chance = random.Random(seed)
    print(f"seed {seed}")
    systems.delete_rejected()
    airflow.drop_checks()
    days = many_days(systems)
    airflow.begin()
    place = airflow.place()

    waiting = [OnFoot(airflow.mapping, f"backfill {day[0]}", "backfill", day) for day in reversed(days)]
    under_way: list[tuple[OnFoot, list[str]]] = []
    lived, extracted = 0, 0
    while waiting or under_way:
        while waiting and len(under_way) < AT_ONCE:
            under_way.append((waiting.pop(0), ["read", "guard", "load", "reconcile"]))
        run, steps = chance.choice(under_way)
        step = steps.pop(0)
        report = getattr(run, step)()
        if step == "reconcile":
            extracted += report["tally"]["extracted"]
            assert report["balanced"]
            under_way.remove((run, steps))
        if chance.random() < LIVE:
            assert airflow.place() == place, "a backfill moved the place"
            live_changes(systems, chance, lived)
            assert walk(airflow.mapping, f"live {lived}")["balanced"]
            place = airflow.place()
            lived += 1
    assert airflow.place() == place, "a backfill moved the place"
    print(f"{DAYS} runs sent {extracted} rows again, beside {lived} live runs with changes")
    assert lived > 5

    walk(airflow.mapping, "next")
    assert not systems.differences()
    systems.forget()
    assert walk(airflow.mapping, "quiet")["tally"]["extracted"] == 0
    assert systems.engine_calls() == 0
    assert airflow.ledger().counts(FLOW).in_doubt == 0


def test_a_second_backfill_sends_the_same_rows_again_and_nothing_else(
    airflow: RealAirflow, systems: Systems
) -> None:
    """To send again is what a backfill is for: it is how somebody mends what was changed by hand in Campaign."""
    systems.delete_rejected()
    airflow.drop_checks()
    day = many_days(systems)[DAYS // 2]
    airflow.begin()
    place = airflow.place()
    for attempt in range(2):
        systems.forget()
        report = OnFoot(airflow.mapping, f"backfill {attempt}", "backfill", day).walk()
        assert report["tally"]["updated"] == report["tally"]["extracted"] == ROWS_A_DAY
        assert systems.campaign_writes() == {"PATCH": ROWS_A_DAY}
        assert airflow.place() == place
    systems.forget()
    assert walk(airflow.mapping, "next")["tally"]["extracted"] == 0
    assert systems.engine_calls() == 0


def test_a_backfill_brings_nothing_back_that_was_deleted_while_it_ran(
    airflow_on_each_ledger: RealAirflow, systems: Systems
) -> None:
    """The row had changed unseen before it was deleted: the backfill read a later version than any the ledger knew."""
    airflow = airflow_on_each_ledger
    systems.delete_rejected()
    airflow.drop_checks()
    airflow.begin()
    before_plan, after_plan = sorted(systems.profiles())[:2]
    systems.change(*({"id": key, "address1_city": "Old Town"} for key in (before_plan, after_plan)))
    now = datetime.now(UTC)
    run = OnFoot(airflow.mapping, "backfill", "backfill", (now - DAY, now + DAY))
    run.read()
    systems.delete(before_plan)
    walk(airflow.mapping, "live")
    run.guard()

    from campaign_sync.ledger.ledger import Ledger

    known = Ledger.known

    def and_then_a_deletion(self: Ledger, *asked: Any) -> Any:
        airflow.monkeypatch.setattr(Ledger, "known", known)
        found = known(self, *asked)
        systems.delete(after_plan)
        walk(airflow.mapping, "live again")
        return found

    airflow.monkeypatch.setattr(Ledger, "known", and_then_a_deletion)
    systems.forget()
    run.load()
    assert "POST" not in systems.campaign_writes()
    report = run.reconcile()
    assert any("another run had written them meanwhile" in note for note in report["notes"])
    assert not systems.profiles().keys() & {before_plan, after_plan}
    walk(airflow.mapping, "next")
    assert not systems.differences()
    assert walk(airflow.mapping, "quiet")["tally"]["extracted"] == 0


def test_a_live_run_leaves_a_backfill_the_rows_that_it_is_writing(
    airflow: RealAirflow, systems: Systems
) -> None:
    """They are in doubt for as long as they are under way: whoever sent them once more would pay twice."""
    systems.delete_rejected()
    airflow.drop_checks()
    airflow.begin()
    keys = sorted(systems.profiles())[:5]
    ledger = airflow.ledger()
    ledger.start_run(FLOW, "backfill")
    ledger.begin(FLOW, keys, "backfill")
    systems.forget()
    assert walk(airflow.mapping, "live")["tally"]["extracted"] == 0
    assert systems.engine_calls() == 0
    ledger.end_run(FLOW, "backfill", "failed", {})
    assert walk(airflow.mapping, "next")["tally"]["updated"] == len(keys)
