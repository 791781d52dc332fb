"""C5 on more records than a page has: every awkward person, several slices, a list above Campaign's threshold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.flows.test_comparing import COMPARE, Marketer, found, report
from tests.sandbox_process import Sandbox, start_sandbox

PEOPLE = 1_200


@pytest.fixture(scope="module")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox of this module alone, with more people than the others."""
    with start_sandbox(
        tmp_path_factory.mktemp("many_people"), people=PEOPLE, args=["--no-limits"]
    ) as running:
        yield running


def test_twelve_hundred_people_agree_after_their_first_load_and_one_that_does_not_is_found(
    airflow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.compare import slices

    monkeypatch.setattr(slices, "SLICE_ROWS", 200)
    systems.switch(campaign__big_table_threshold=500)
    airflow.begin()
    count = len(systems.profiles())
    assert count > 1_100
    systems.forget()
    clean = airflow.run(COMPARE)
    assert found(clean) == {}
    told = report(clean)
    assert told["others"]["agrees"] == count
    assert told["slices"] == 6
    assert told["keys"] == PEOPLE
    assert systems.engine_calls() == 3 + 1, "three pages and a count"
    marketer, keys = Marketer(systems), sorted(systems.profiles())
    marketer.delete(keys[600])
    marketer.edit(keys[900], lastName="Otherwise")
    systems.delete(keys[1_000])
    again = airflow.run(COMPARE)
    assert found(again) == {
        "missing": [keys[600]],
        "edited in Campaign": [keys[900]],
        "extra": [keys[1_000]],
    }
