"""I15: a place in the change feed expires at twenty moments (TEST_SIZE=nightly; else six), with
changes around: all converge, no call is wasted.

Its own sandbox of a thousand contacts (else of three hundred), so that a share of calls means something.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.expected import expected
from tests.flows.on_foot import OnFoot
from tests.flows.people import People, between_pages
from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems
from tests.sandbox_process import start_sandbox
from tests.sizes import NIGHTLY

PEOPLE, PAGE, MOMENTS = (1_000, 50, 20) if NIGHTLY else (300, 20, 6)
SEED = 15
WHENS = ("before", "while followed", "when read", "between batches", "before its end", "after")
RUNS = 6  # after which a moment must have become quiet

EXPIRED = {
    "error": {"code": "0x80044352", "message": "Version stamp associated with the client has expired."}
}


@pytest.fixture(scope="module")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with start_sandbox(tmp_path_factory.mktemp("expiry"), people=PEOPLE) as running:
        yield running


@pytest.fixture
def page_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pages, and a batch for each."""
    from campaign_sync.hooks import dataverse
    from campaign_sync.run import extract

    monkeypatch.setattr(extract.in_pieces, "__defaults__", (PAGE,))
    monkeypatch.setattr(dataverse, "_page_size", lambda rows: f"odata.maxpagesize={PAGE}")


class Watch:
    """Counts, run by run, the calls to Campaign and the profiles that really became different."""

    def __init__(self, systems: Systems) -> None:
        self.systems, self.calls, self.needed, self.compared = systems, 0, 0, 0
        self._fields = sorted(next(filter(None, map(expected, systems.contacts().values()))))
        self._held = self._profiles()
        systems.forget()

    def count(self, report: dict[str, Any]) -> None:
        """After a run."""
        found = self._profiles()
        self.needed += sum(found.get(key) != self._held.get(key) for key in found.keys() | self._held.keys())
        self.calls += sum(self.systems.campaign_writes().values())
        if any("rows were compared with the ledger" in note for note in report["notes"]):
            self.compared += len(self.systems.contacts())
        self._held = found
        self.systems.forget()

    def _profiles(self) -> dict[str, list[Any]]:
        return {
            key: [_part(row, field) for field in self._fields] for key, row in self.systems.profiles().items()
        }


def expire(systems: Systems) -> None:
    """Make Dataverse refuse every delta link given out so far."""
    systems.control("POST", "/sandbox/dataverse/delta_tokens/expire", {})


def expire_while_followed(systems: Systems) -> None:
    """The same, after the first page."""
    refusal = {"method": "GET", "path": "contacts", "do": "status", "status": 400, "body": EXPIRED}
    systems.fault(system="dataverse", after=1, times=1, **refusal)


@pytest.mark.usefixtures("page_size")
def test_a_place_that_expires_at_any_moment_converges_every_time_and_wastes_hardly_a_call(
    airflow: RealAirflow, systems: Systems
) -> None:
    from campaign_sync.errors import TransientError

    systems.delete_rejected()
    airflow.drop_checks()
    people, chance = People(systems, SEED), random.Random(SEED)
    airflow.begin()
    watch = Watch(systems)
    converged, runs, given_up = 0, 0, 0
    moments = [*WHENS, *chance.choices(WHENS, k=MOMENTS - len(WHENS))]
    chance.shuffle(moments)

    def perhaps(happen: Callable[[], Any], share: float) -> Callable[[], None]:
        return lambda: happen() if chance.random() < share else None

    for moment, when in enumerate(moments):
        people.work(10)
        people.name_too_long(3)
        if when == "before":
            expire(systems)
        if when == "while followed":
            expire_while_followed(systems)
        first = True  # people are at work in the first run that reads to the end, and rest then
        for attempt in range(RUNS):
            run = OnFoot(airflow.mapping, f"{moment}.{attempt}")
            with pytest.MonkeyPatch.context() as patch:
                if first:
                    between_pages(patch, perhaps(people.work, 0.2))
                try:
                    run.read()
                except TransientError:
                    assert when == "while followed"
                    systems.heal()
                    given_up += 1
                    continue
            runs += 1
            if when == "when read" and first:
                expire(systems)
            run.guard()
            run.load(between=perhaps(people.work, 0.2 if first else 0))
            if when == "between batches" and first:
                expire(systems)
            if when == "before its end" and first:
                people.work()
                expire(systems)
            report = run.reconcile()
            watch.count(report)
            if when == "after" and first:
                expire(systems)
                people.work()
            elif not report["tally"]["extracted"]:
                break
            first = False
        assert not systems.differences(), f"moment {moment} ({when})"
        assert airflow.place()[0] == "placed"
        converged += 1

    needless = watch.calls - watch.needed
    print(
        f"{converged} of {MOMENTS} converged in {runs} runs, {given_up} more were given up for the next; {moments}"
    )
    print(
        f"{watch.calls:,} calls for {watch.needed:,} profiles that became different: {needless} needless, "
        f"{100 * needless / watch.compared:.3f} % of {watch.compared:,} rows compared; "
        f"{len(airflow.ledger().rejected(FLOW))} rejected"
    )
    assert given_up == moments.count("while followed") > 0
    assert converged == MOMENTS
    assert needless <= 0.001 * watch.compared


def _part(profile: dict[str, Any], field: str) -> Any:
    value: Any = profile
    for part in field.split("."):
        value = (value or {}).get(part)
    return value
