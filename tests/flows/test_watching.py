"""I16: a flow starts by itself when there is something to do, and costs one small request per look when not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.flows.on_foot import OnFoot, walk
from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems

SECONDS = 10
CHANGED = "rows changed in Dynamics"
NEW_FIELD = ("  salutation:   salutation\n", "  salutation:   salutation\n  cusNickName:  nickname\n")


class Supervisor:
    """Airflow as a trigger sees it: which runs have not ended, and the state of assets."""

    def __init__(self) -> None:
        self.unfinished: set[str] = set()
        self.state: dict[tuple[str, str], Any] = {}

    def send(self, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time import comms

        kind = type(message).__name__
        if kind == "GetDRCount":
            assert message.dag_id == FLOW
            assert set(message.states) == {"queued", "running"}
            runs = self.unfinished if message.run_ids is None else self.unfinished & set(message.run_ids)
            return comms.DRCount(count=len(runs))
        if kind == "GetConnection":
            return comms.ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND)
        place = (message.name, message.key)
        if kind == "SetAssetStateStoreByName":
            self.state[place] = message.value
            return comms.OKResponse(ok=True)
        assert kind == "GetAssetStateStoreByName"
        if place not in self.state:
            return comms.ErrorResponse(error=ErrorType.ASSET_STORE_NOT_FOUND)
        return comms.AssetStateStoreResult(value=self.state[place])

    async def asend(self, message: Any) -> Any:
        return self.send(message)


class Watch:
    """The watcher of the flow under test, in a triggerer where time passes by its pauses only."""

    def __init__(self, airflow: RealAirflow, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow.sdk.execution_time.context import AssetStateStoreAccessors
        from campaign_sync import watching
        from campaign_sync.flow import sync_dag
        from campaign_sync.mapping.file import load_mapping

        self.airflow = airflow
        self.supervisor = supervisor
        self.now = 1_000_000.0
        self.pauses: list[float] = []
        self.events: list[dict[str, str]] = []
        self.loop = asyncio.new_event_loop()
        self.task: asyncio.Task[None] | None = None
        self.asleep, self.wake = asyncio.Event(), asyncio.Event()
        monkeypatch.setattr(watching, "sleep", self._sleep)
        monkeypatch.setattr(watching, "time", lambda: self.now)
        ((asset, *_),) = [sync_dag(load_mapping(airflow.mapping)).timetable.asset_condition.objects]
        (watcher,) = asset.watchers
        path, given = watcher.trigger.serialize()
        assert path == "campaign_sync.watching.FeedTrigger"
        self.trigger = watching.FeedTrigger(**given)
        self.trigger.asset_state_store = AssetStateStoreAccessors(inlets=[asset])

    def look(self, times: int = 1) -> list[str]:
        """The next looks, until the pause after them; why runs were started."""
        before = len(self.events)
        for _ in range(times):
            self.loop.run_until_complete(self._once())
        return [event["why"] for event in self.events[before:]]

    def look_for(self, minutes: int) -> list[str]:
        """A look in each of the next so many minutes; the looks between them pass unseen."""
        found = []
        for _ in range(minutes):
            found += self.look()
            self.now += max(0.0, 60 - self.pauses[-1])
        return found

    def run(self, run_id: str) -> None:
        """A run of the flow."""
        walk(self.airflow.mapping, run_id)

    def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            self.loop.run_until_complete(asyncio.gather(self.task, return_exceptions=True))
        self.loop.close()

    async def _once(self) -> None:
        self.asleep.clear()
        if self.task is None:
            self.task = asyncio.ensure_future(self._listen())
        self.wake.set()
        waiting = asyncio.ensure_future(self.asleep.wait())
        await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        assert not self.task.done(), self.task.exception()

    async def _listen(self) -> None:
        async for event in self.trigger.run():
            assert event.payload["flow"] == FLOW
            self.events.append(event.payload)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        self.wake.clear()
        self.asleep.set()
        await self.wake.wait()


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """Airflow's end of the triggerer's line."""
    from airflow.sdk.execution_time import task_runner

    fake = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", fake, raising=False)
    return fake


@pytest.fixture
def watches(airflow: RealAirflow, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes watchers of the flow as its mapping is now. Their pauses take no time, so they keep no limits in common."""
    from campaign_sync.hooks.shared import InLedger

    monkeypatch.setattr(InLedger, "of", lambda *credential: None)
    made: list[Watch] = []

    def make() -> Watch:
        made.append(Watch(airflow, supervisor, monkeypatch))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def watch(airflow: RealAirflow, systems: Systems, watches: Any) -> Watch:
    """The watcher of a flow that is in step."""
    airflow.begin()
    made: Watch = watches()
    assert made.look() == []
    systems.forget()
    return made


def requests(systems: Systems) -> list[tuple[str, str, str]]:
    return [(each["system"], each["method"], each["path"]) for each in systems.journal()]


def test_a_look_that_finds_nothing_is_one_small_request_and_starts_nothing(
    airflow_on_each_ledger: RealAirflow, systems: Systems, watches: Any
) -> None:
    airflow_on_each_ledger.begin()
    place = airflow_on_each_ledger.place()
    watch = watches()
    assert watch.look() == []
    systems.forget()
    assert watch.look(6) == []
    made = requests(systems)
    assert len(made) == 6, made
    assert {(system, method) for system, method, _ in made} == {("dataverse", "GET")}
    assert all("/contacts?" in path for _, _, path in made)
    assert watch.pauses[-6:] == [SECONDS] * 6
    assert airflow_on_each_ledger.place() == place


@pytest.mark.parametrize("change", ["changed", "added", "deleted"])
def test_a_change_starts_one_run_which_finds_it(
    airflow_on_each_ledger: RealAirflow, systems: Systems, watches: Any, change: str
) -> None:
    airflow = airflow_on_each_ledger
    airflow.begin()
    watch = watches()
    assert watch.look() == []
    key = next(iter(systems.profiles()))
    if change == "changed":
        systems.change({"id": key, "address1_city": "Møllehavn"})
    elif change == "added":
        systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    else:
        systems.delete(key)
    assert watch.look() == [CHANGED]
    assert watch.look(5) == [], "it was told already"
    walk(airflow.mapping, "asset_triggered__1")
    assert not systems.differences()
    assert watch.look(3) == []
    systems.add(firstname="Next", emailaddress1="next@alder.example")
    assert watch.look(2) == [CHANGED]


def test_a_change_that_comes_while_the_run_reads_starts_the_next_one(watch: Watch, systems: Systems) -> None:
    systems.add(firstname="First", emailaddress1="first@alder.example")
    assert watch.look() == [CHANGED]
    watch.run("asset_triggered__1")
    systems.add(firstname="Second", emailaddress1="second@alder.example")
    assert watch.look(2) == [CHANGED]


def test_a_flow_that_never_ran_starts_by_itself_and_asks_dynamics_nothing(
    systems: Systems, watches: Any
) -> None:
    watch = watches()
    systems.forget()
    assert watch.look(4) == ["nothing has been read from the change feed yet"]
    assert requests(systems) == []
    watch.run("asset_triggered__1")
    assert watch.look(3) == []


def test_while_a_run_lasts_none_is_added(watch: Watch, systems: Systems) -> None:
    watch.airflow.ledger().start_run(FLOW, "manual__1")
    watch.supervisor.unfinished = {"manual__1"}
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    assert watch.look_for(200) == [], "a guard may wait for a person for days"
    watch.supervisor.unfinished = set()  # ended without the ledger's knowledge
    assert watch.look(3) == [CHANGED]


def test_a_run_that_lasts_is_not_forgotten_behind_those_that_ended(watch: Watch, systems: Systems) -> None:
    ledger = watch.airflow.ledger()
    ledger.start_run(FLOW, "manual__1")
    for day in range(10):
        ledger.start_run(FLOW, f"backfill__{day}")
        ledger.end_run(FLOW, f"backfill__{day}", "success", {})
    watch.supervisor.unfinished = {"manual__1"}
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    assert watch.look(3) == []


def test_a_backfill_holds_up_nothing(watch: Watch, systems: Systems) -> None:
    """Its runs go by the names of those that it repeats; most of them wait in the queue."""
    now = datetime.now(UTC)
    OnFoot(watch.airflow.mapping, "scheduled__1", "backfill", (now - timedelta(days=1), now)).read()
    watch.supervisor.unfinished = {"scheduled__1", "backfill__2", "backfill__3"}
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    started = [minute for minute in range(40) if watch.look_for(1)]
    assert started == [0, 5, 15, 35], "the first of them failed"


def test_a_run_that_failed_is_followed_by_others_at_growing_intervals(watch: Watch, systems: Systems) -> None:
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    started = [minute for minute in range(200) if watch.look_for(1)]
    assert started == [0, 5, 15, 35, 75, 135, 195]


def test_a_run_that_began_late_is_not_doubled(watch: Watch, systems: Systems) -> None:
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    assert watch.look_for(4) == [CHANGED]
    watch.airflow.ledger().start_run(FLOW, "asset_triggered__1")
    watch.supervisor.unfinished = {"asset_triggered__1"}
    assert watch.look_for(100) == []


def test_a_mended_mapping_is_tried_at_once(watch: Watch, systems: Systems, watches: Any) -> None:
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    assert watch.look(2) == [CHANGED]
    watch.airflow.mapping.write_text(watch.airflow.mapping.read_text() + "\n# mended\n")
    assert watches().look(3) == [CHANGED]


def test_a_new_triggerer_does_not_tell_again(watch: Watch, systems: Systems, watches: Any) -> None:
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    assert watch.look(2) == [CHANGED]
    assert watches().look(3) == []


def test_a_state_that_somebody_edited_costs_one_run_at_most(
    watch: Watch, systems: Systems, watches: Any
) -> None:
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    assert watch.look(2) == [CHANGED]
    assert watch.supervisor.state
    for rubbish in ("x", {"marks": 3}, [1]):
        watch.supervisor.state = dict.fromkeys(watch.supervisor.state, rubbish)
        assert watches().look(3) == [CHANGED]


def test_an_expired_place_starts_the_run_that_heals_it(watch: Watch, systems: Systems) -> None:
    systems.control("POST", "/sandbox/dataverse/delta_tokens/expire", {})
    assert watch.look(3) == [CHANGED]
    watch.run("asset_triggered__1")
    assert watch.look(3) == []


def test_a_place_that_an_earlier_run_found_expired_starts_a_run(watch: Watch, systems: Systems) -> None:
    watch.airflow.ledger().expire_place(FLOW)
    assert watch.look(3) == ["the place in the change feed has expired"]
    assert requests(systems) == []


def test_columns_that_are_new_in_the_mapping_start_a_run(watch: Watch, watches: Any) -> None:
    watch.airflow.edit(*NEW_FIELD)
    newer = watches()
    assert newer.look(3) == ["the mapping reads columns that it did not read before"]
    newer.run("asset_triggered__1")
    assert newer.look(3) == []


def test_rows_that_a_run_left_open_start_another(
    airflow_on_each_ledger: RealAirflow, systems: Systems, watches: Any
) -> None:
    airflow = airflow_on_each_ledger
    airflow.begin()
    watch = watches()
    assert watch.look() == []
    first, second = sorted(systems.profiles())[:2]
    airflow.ledger().begin(FLOW, [first], "killed")
    assert watch.look(3) == ["earlier runs left rows open"]
    airflow.ledger().begin(FLOW, [second], "killed")
    assert watch.look_for(4) == [], "the oldest stands for all"
    walk(airflow.mapping, "asset_triggered__1")
    assert watch.look(3) == []


def test_rows_that_stay_open_do_not_start_run_after_run(watch: Watch, systems: Systems) -> None:
    """Each run moves the place, so the place alone must not make old work look new."""
    key = sorted(systems.profiles())[0]
    found = []
    for number in range(5):
        watch.airflow.ledger().begin(FLOW, [key], "killed")
        found += watch.look()
        watch.run(f"asset_triggered__{number}")
        watch.airflow.ledger().begin(FLOW, [key], "killed")
        found += watch.look()
    assert found == ["earlier runs left rows open"]


def test_a_mapping_that_judges_otherwise_looks_at_its_rejected_rows_again(
    watch: Watch, systems: Systems, watches: Any
) -> None:
    systems.add(firstname="x" * 31, emailaddress1="long@alder.example")
    assert watch.look() == [CHANGED]
    watch.run("asset_triggered__1")
    assert watch.look(2) == []
    watch.airflow.mapping.write_text(watch.airflow.mapping.read_text() + "\n# mended\n")
    newer = watches()
    assert newer.look(3) == ["earlier runs left rows open"]


@pytest.mark.parametrize("fault", [{"do": "reset_before"}, {"do": "status", "status": 503}, {"do": "html"}])
def test_a_dynamics_that_is_away_is_told_once_and_waited_for(
    watch: Watch, systems: Systems, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    systems.fault(system="dataverse", times=None, **fault)
    with caplog.at_level(logging.INFO):
        assert watch.look(8) == []
        assert watch.pauses[-8:] == [20, 40, 80, 160, 300, 300, 300, 300]
        systems.heal()
        assert watch.look(2) == [CHANGED]
    told = [each.getMessage() for each in caplog.records if each.name == "campaign_sync.watching"]
    assert len(told) == 3, told
    assert FLOW in told[0]
    assert "works again" in told[1]
    assert watch.pauses[-1] == SECONDS


def test_a_dynamics_that_asks_for_patience_gets_it(watch: Watch, systems: Systems) -> None:
    systems.fault(system="dataverse", do="status", status=429, times=1, headers={"Retry-After": "700"})
    assert watch.look(2) == []
    assert watch.pauses[-2:] == [700, SECONDS]


@pytest.mark.parametrize("status", [401, 400])
def test_a_wrong_secret_makes_one_run_red_where_people_look(
    watch: Watch, systems: Systems, watches: Any, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    systems.switch(entra__wrong_secret_status=status)
    watch.airflow.connect("dataverse", password="wrong")
    newer = watches()
    with caplog.at_level(logging.INFO):
        assert newer.look() == ["looking was refused: the client secret is wrong"]
        assert newer.pauses[-1] == 300
        assert newer.look(15) == ["looking was refused: the client secret is wrong"] * 4, "75 minutes"
    told = [each for each in caplog.records if each.name == "campaign_sync.watching"]
    assert len([each for each in told if each.levelname == "WARNING"]) == 1
    watch.airflow.connect("dataverse")
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")
    assert newer.look(2) == [CHANGED]


def test_an_airflow_that_does_not_answer_ends_no_watcher(
    watch: Watch, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    systems.add(firstname="Nora", emailaddress1="nora@alder.example")

    def send(_: Any) -> Any:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(watch.supervisor, "send", send)
        assert watch.look(3) == [CHANGED], "that it was told cannot be stored, but is remembered"
    watch.airflow.ledger().start_run(FLOW, "manual__1")
    assert watch.look(2) == []


def test_the_log_of_the_watcher_holds_no_value(
    watch: Watch, systems: Systems, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        systems.add(firstname="Wilhelmina", emailaddress1="wilhelmina@alder.example")
        systems.fault(system="dataverse", do="cut_body", times=1)
        assert watch.look(3) == [CHANGED]
    told = "\n".join(each.getMessage() for each in caplog.records)
    assert FLOW in told
    assert "ilhelmina" not in told
    assert "ilhelmina" not in str(watch.supervisor.state)
