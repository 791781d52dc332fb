"""I3 on random graphs of flows: whatever arrives in whatever order, Campaign ends as Dynamics is, and hides nothing
on the way.

The expectation is computed here from Dynamics' rows, without the package.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.flows.levels import LEVELS, Levels, level_tables
from tests.flows.real_airflow import RealAirflow
from tests.sandbox_process import Sandbox, start_sandbox
from tests.sizes import NIGHTLY

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("no_waiting")]

GRAPHS, AT_ONCE = 100 if NIGHTLY else 20, 10
FIRST_ROWS, STEPS = 10, 20

#: What happened to the rows of all graphs.
ALL_DONE = Counter[str]()

#: What happens how often.
WEIGHTS = {"add": 5, "rename": 4, "relink": 8, "delete": 4, "again": 3, "run": 4}


@pytest.fixture(scope="module")
def levels_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with tables that name each other."""
    folder = tmp_path_factory.mktemp("graphs")
    with start_sandbox(folder / "state", data=level_tables(folder)) as running:
        yield running


@pytest.fixture
def airflow(
    airflow_home: Path,
    levels_sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> RealAirflow:
    """Connections to that sandbox; all runs share hooks, schemas and ledger: only links are of interest here."""
    from campaign_sync.hooks import campaign, dataverse
    from campaign_sync.run import guard, run

    airflow = RealAirflow(airflow_home, tmp_path, monkeypatch, levels_sandbox.env, capfd)
    airflow.mapping.unlink()
    monkeypatch.setattr(dataverse, "DataverseHook", cache(dataverse.DataverseHook))
    monkeypatch.setattr(campaign, "CampaignHook", cache(campaign.CampaignHook))
    ledger = cache(run.Ledger)
    for module in (run, guard):
        monkeypatch.setattr(module, "Ledger", ledger)
    read, known = run.read_schemas, {}

    def read_once(mapping: Any, *hooks: Any) -> Any:
        if mapping.sha not in known:
            known[mapping.sha] = read(mapping, *hooks)
        return known[mapping.sha]

    monkeypatch.setattr(run, "read_schemas", read_once)
    return airflow


class Story:
    """One graph, the rows that come and go, and what Campaign must come to."""

    def __init__(self, levels: Levels, chance: random.Random) -> None:
        self.levels, self.chance = levels, chance
        self.done: Counter[str] = Counter()
        deepest = chance.randint(2, LEVELS)
        self.links = {
            level: {
                parent: chance.choice(["1", "0..1"])
                for parent in chance.sample(
                    range(1, level), min(level - 1, chance.choice([0, 1, 1, 2]) if level > 2 else 1)
                )
            }
            for level in range(1, deepest + 1)
        }
        self.rows: dict[int, dict[str, dict[str, Any]]] = {level: {} for level in self.links}
        self.gone: list[tuple[int, str]] = []
        levels.declare(self.links)
        if chance.random() < 0.8:  # else the first loads come later, and their order is anybody's
            for _ in range(FIRST_ROWS):
                self._add()
            for level in self.links:
                self.run(level)

    def step(self) -> None:
        """Something happens: a row comes, changes, goes, comes again, or a flow runs."""
        (what,) = self.chance.choices(list(WEIGHTS), WEIGHTS.values())
        getattr(self, f"_{what}")()
        self.done[what] += 1

    def run(self, level: int) -> bool:
        """Run one flow: nothing may be hidden afterwards; whether there was anything to do, or to wait for."""
        report = self.levels.run(level)
        tally = report["tally"]
        self.done.update({fate: count for fate, count in tally.items() if fate != "extracted"})
        self.done["runs"] += 1
        if tally["created"] or tally["updated"] or tally["deleted"]:
            assert not self.levels.hidden(), f"hidden after a run of level {level}"
        return bool(tally["extracted"] or report["notes"])

    def end(self) -> None:
        """Run all flows in any order until none finds anything; Campaign is then as Dynamics is."""
        for _ in range(4 * len(self.links)):
            order = self.chance.sample(list(self.links), len(self.links))
            found = [self.run(level) for level in order]
            if not any(found):
                break
        else:
            raise AssertionError("the flows never come to rest")
        for level in self.links:
            records = {
                key: {name: value for name, value in row.items() if name in self._fields(level)}
                for key, row in self.levels.records(level).items()
            }
            assert records == self.expected(level), f"level {level}"

    def expected(self, level: int) -> dict[str, dict[str, Any]]:
        """What Campaign must hold, from Dynamics' own rows."""
        found = {
            key: {"sourceId": key, "name": row["new_name"]}
            | {f"l{parent}Id": row[f"_new_l{parent}id_value"] or "" for parent in self.links[level]}
            for key, row in self.levels.rows(level).items()
        }
        assert found.keys() == self.rows[level].keys()
        return found

    def _fields(self, level: int) -> set[str]:
        return {"sourceId", "name", *(f"l{parent}Id" for parent in self.links[level])}

    def _any(self) -> tuple[int, str] | None:
        found = [(level, key) for level, rows in self.rows.items() for key in rows]
        return self.chance.choice(found) if found else None

    def _parents(self, level: int) -> dict[str, str | None] | None:
        """Rows to name; None if there are none and there must be."""
        named: dict[str, str | None] = {}
        for parent, cardinality in self.links[level].items():
            there = list(self.rows[parent])
            if not there and cardinality == "1":
                return None
            nobody = not there or (cardinality != "1" and self.chance.random() < 0.2)
            named[f"l{parent}"] = None if nobody else self.chance.choice(there)
        return named

    def _add(self) -> None:
        level = self.chance.choice(list(self.links))
        named = self._parents(level)
        if named is not None:
            key = self.levels.add(level, f"n{self.chance.random()}", **named)
            self.rows[level][key] = dict(named)

    def _again(self) -> None:
        self.chance.shuffle(self.gone)
        if self.gone:
            level, key = self.gone.pop()
            named = self._parents(level)
            if named is not None:
                self.levels.put(level, key, f"again{self.chance.random()}", **named)
                self.rows[level][key] = dict(named)

    def _rename(self) -> None:
        if found := self._any():
            self.levels.change(*found, f"r{self.chance.random()}")

    def _relink(self) -> None:
        if found := self._any():
            level, key = found
            named = self._parents(level)
            if named:
                self.levels.change(level, key, **named)
                self.rows[level][key] = dict(named)

    def _delete(self) -> None:
        if found := self._any():
            doomed = self._with_dependents(*found)
            self.chance.shuffle(doomed)  # Dynamics does not care who goes first
            for level, key in doomed:
                self.levels.delete(level, key)
                del self.rows[level][key]
                self.gone.append((level, key))
                for child, rows in self.rows.items():
                    for named in rows.values():
                        if child in self.links and named.get(f"l{level}") == key:
                            named[f"l{level}"] = None  # Dynamics empties lookups of what is deleted

    def _with_dependents(self, level: int, key: str) -> list[tuple[int, str]]:
        """A row, and those that Campaign would hide without it."""
        found = [(level, key)]
        for at, gone in found:
            for child, links in self.links.items():
                if links.get(at) == "1":
                    found += [
                        (child, each)
                        for each, named in self.rows[child].items()
                        if named[f"l{at}"] == gone and (child, each) not in found
                    ]
        return found

    def _run(self) -> None:
        self.run(self.chance.choice(list(self.links)))


@pytest.mark.parametrize("first", range(0, GRAPHS, AT_ONCE))
def test_campaign_becomes_as_dynamics_is_on_any_graph_in_any_order(
    airflow: RealAirflow,
    levels_sandbox: Sandbox,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    first: int,
) -> None:
    begun, busy, done = time.monotonic(), time.process_time(), Counter[str]()
    for seed in range(first, first + AT_ONCE):
        # Every tenth graph on Postgres: the rules are the same, and its start is not cheap.
        on_postgres = seed == first and first % (2 * AT_ONCE) == 0
        ledger = request.getfixturevalue("postgres") if on_postgres else f"sqlite:///{tmp_path}/{seed}.db"
        airflow.use_ledger(ledger)
        for file in airflow.mappings.glob("*.yaml"):
            file.unlink()
        story = Story(Levels(levels_sandbox, airflow.mappings), random.Random(seed))
        try:
            for _ in range(STEPS):
                story.step()
            story.end()
        except AssertionError as error:
            raise AssertionError(f"graph {seed}, {story.links}: {error}") from error
        done += story.done
    seconds, own = time.monotonic() - begun, time.process_time() - busy
    print(f"graphs {first}-{first + AT_ONCE - 1}: {seconds:.1f} s, {own:.1f} s of this process, {dict(done)}")
    ALL_DONE.update(done)
    if first == GRAPHS - AT_ONCE:
        assert ALL_DONE["parked"], "no row had to wait: the test tests nothing"
