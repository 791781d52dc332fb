"""N3: a process that is killed at any moment, with no chance to tidy up, loses nothing and doubles nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.flows.on_foot import walk_until_killed
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.sizes import NIGHTLY


class Death(NamedTuple):
    """Where a process dies: before or after the nth call of a function of the package."""

    where: str
    module: str
    owner: str
    name: str
    nth: int = 1
    before: bool = False


DEATHS = [
    Death("after the place is opened", "ledger.ledger", "Ledger", "open_place"),
    Death("while rows are read", "rows.batch", "Batch", "write"),
    Death("before the first call", "ledger.ledger", "Ledger", "begin"),
    Death("while records are written", "hooks.campaign_writes", "Writer", "write", nth=15, before=True),
    Death(
        "when records are written and not remembered", "ledger.ledger", "Ledger", "settle", nth=3, before=True
    ),
    Death("when records are remembered", "ledger.ledger", "Ledger", "settle", nth=3),
    Death("before the run is ended", "ledger.ledger", "Ledger", "end_run", before=True),
    Death("after the run is ended", "ledger.ledger", "Ledger", "end_run"),
]


def die(airflow: RealAirflow, death: Death) -> None:
    """Let a run's process die."""
    from importlib import import_module

    owner: Any = getattr(import_module(f"campaign_sync.{death.module}"), death.owner)
    walk_until_killed(airflow.mapping, owner, death.name, death.nth, before=death.before)


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.where)
def test_the_run_after_a_killed_first_run_converges(
    airflow: RealAirflow, systems: Systems, death: Death
) -> None:
    die(airflow, death)
    run = airflow.walk()
    assert run.ok, run.errors
    assert not systems.differences()
    assert airflow.place()[0] == "placed"
    systems.forget()
    assert airflow.walk().tally == {}
    assert systems.engine_calls() == 0


#: With the ledger in SQLite, and on Postgres; by day one death is enough there.
ON_EACH_LEDGER = [
    *(("sqlite", death) for death in DEATHS[2:7]),
    *(("postgres", death) for death in (DEATHS[2:7] if NIGHTLY else DEATHS[4:5])),
]


@pytest.mark.parametrize(
    "airflow_on_each_ledger, death",
    ON_EACH_LEDGER,
    indirect=["airflow_on_each_ledger"],
    ids=lambda each: each.where if isinstance(each, Death) else each,
)
def test_a_change_that_is_taken_back_after_a_killed_run_arrives(
    airflow_on_each_ledger: RealAirflow, systems: Systems, death: Death
) -> None:
    """A → B reaches Campaign and is not remembered; B → A looks unchanged to a ledger without doubts."""
    airflow = airflow_on_each_ledger
    airflow.begin()
    keys = sorted(systems.profiles())[:20]
    before = {key: systems.contacts()[key]["address1_city"] for key in keys}
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in keys))
    # Only a flow's first run settles its first record by itself.
    die(airflow, death._replace(nth=2) if death.nth == 3 else death)
    systems.change(*({"id": key, "address1_city": before[key]} for key in keys))
    run = airflow.walk()
    assert run.ok, run.errors
    assert not systems.differences()


def test_a_deletion_that_is_killed_half_way_is_finished(airflow: RealAirflow, systems: Systems) -> None:
    airflow.deletes("apply")
    airflow.begin()
    keys = sorted(systems.profiles())[:5]
    systems.delete(*keys)
    die(airflow, Death("", "ledger.ledger", "Ledger", "settle", nth=2, before=True))
    assert not systems.profiles().keys() & set(keys)
    run = airflow.run()
    assert run.ok, run.errors
    assert run.tally["extracted"] == 5
    assert not systems.profiles().keys() & set(keys)
    assert airflow.walk().tally == {}
