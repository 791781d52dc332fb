"""O1, O2, O5: what a run of opt-outs reads, so that nobody's no is missed: who passes the filter, both sides in full,
contacts that are not shown, export files that cannot be fetched, are many or large.
"""

from __future__ import annotations

from typing import Any

import pytest
from campaign_sync.hooks.dataverse import DataverseHook

from tests.flows.objecting import EMAIL, PHONE, Objecting
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

BOTH = (True, True)
LOAD = "load: {resource"
FILTER = f"filter: {{all: [{{name: ours, column: department, equals: Sales}}]}}\n{LOAD}"


@pytest.fixture
def objecting(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Objecting:
    return Objecting(airflow, systems)


def begun(objecting: Objecting) -> Objecting:
    """After a first run in which nobody objected."""
    assert objecting.walk("begin")["balanced"]
    objecting.later()
    return objecting


def test_a_contact_that_begins_to_pass_while_a_run_reads_is_not_missed(
    objecting: Objecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    objecting.edit(LOAD, FILTER)
    one, *_ = begun(objecting).people
    objecting.campaign(one, **{PHONE: False})  # a row for the file, which says nothing new
    objecting.export()
    by_keys = DataverseHook.by_keys
    asked: list[str] = []

    def changing(hook: Any, table: Any, columns: Any, keys: Any) -> Any:
        yield from by_keys(hook, table, columns, keys)
        if not asked:
            asked.append(one)
            objecting.systems.change({"id": one, "department": "Sales", EMAIL: True})

    monkeypatch.setattr(DataverseHook, "by_keys", changing)
    assert objecting.walk("not yet")["told"] == {}
    assert asked == [one]
    assert objecting.walk("passes")["told"] == {"campaign opt-outs": 1}
    assert objecting.noes() == {one: BOTH}
