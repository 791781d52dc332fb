"""The alarm when files stop coming (campaign.md §8.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from campaign_sync.run.expected import Expected, overdue

FIRST_RUN = datetime(2026, 4, 1, 8, tzinfo=UTC)
LATEST = datetime(2026, 4, 12, 4, tzinfo=UTC)
DAILY = Expected("opt-outs", "d365_loads/exports/optout_*.csv", timedelta(hours=26), LATEST, FIRST_RUN)


@pytest.mark.parametrize(
    ("newest", "now", "late"),
    [
        (LATEST, LATEST + timedelta(hours=26), False), (LATEST, LATEST + timedelta(hours=26, seconds=1), True),
        (None, FIRST_RUN + timedelta(hours=26), False), (None, FIRST_RUN + timedelta(hours=27), True),
    ],
)  # fmt: skip
def test_it_rings_when_the_time_is_over_and_counts_from_the_first_run(
    newest: datetime | None, now: datetime, late: bool
) -> None:
    assert (overdue(DAILY._replace(newest=newest), "flow, run", now) is not None) is late


def test_it_names_the_files_since_when_and_where_to_look() -> None:
    problem = overdue(DAILY, "flow, run", LATEST + timedelta(days=2))
    assert str(problem).startswith(
        "flow, run: no file of opt-outs (d365_loads/exports/optout_*.csv) for more than 26 hours: the last one was "
        "taken at 2026-04-12 04:00 UTC. Look in Campaign whether the workflow that exports them is started"
    )
    never = overdue(DAILY._replace(newest=None), "flow, run", LATEST)
    assert "none has come since 2026-04-01 08:00 UTC" in str(never)
