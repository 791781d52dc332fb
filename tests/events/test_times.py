"""Times of export files in their workflow's time zone (campaign.md §8.2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from campaign_sync.events.vocabulary import Extract
from campaign_sync.exports.times import read_times

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def read(zone: str, *cells: str, now: datetime = NOW) -> list[str]:
    """Each moment in UTC, or the beginning of why there is none."""
    happened, refusals = read_times(pa.array(cells), Extract(time_zone=zone), now)
    return [refusals.get(row) or f"{moment:%Y-%m-%d %H:%M:%S}" for row, moment in enumerate(happened)]


@pytest.mark.parametrize(
    ("zone", "told", "moment"),
    [
        ("UTC", "2025-07-01 12:00:00", "2025-07-01 12:00:00"),
        ("Europe/Paris", "2025-07-01 12:00:00", "2025-07-01 10:00:00"),
        ("Europe/Paris", "2025-01-01 12:00:00", "2025-01-01 11:00:00"),
        ("America/New_York", "2025-07-01 22:00:00", "2025-07-02 02:00:00"),
        # clocks were set back: 02:00 to 03:00 came twice, and the first is meant; before and after it is clear
        ("Europe/Paris", "2025-10-26 01:59:59", "2025-10-25 23:59:59"),
        ("Europe/Paris", "2025-10-26 02:30:00", "2025-10-26 00:30:00"),
        ("Europe/Paris", "2025-10-26 03:00:00", "2025-10-26 02:00:00"),
        ("Australia/Lord_Howe", "2025-04-06 01:45:00", "2025-04-05 14:45:00"),  # by half an hour
        # clocks were set forward: before and after the hour that was left out
        ("Europe/Paris", "2025-03-30 01:59:59", "2025-03-30 00:59:59"),
        ("Europe/Paris", "2025-03-30 03:00:00", "2025-03-30 01:00:00"),
    ],
)
def test_a_time_is_read_in_the_time_zone_of_the_files(zone: str, told: str, moment: str) -> None:
    assert read(zone, told) == [moment]


def test_an_hour_that_was_left_out_rejects_the_row_alone() -> None:
    before, within, after = read(
        "Europe/Paris", "2025-03-30 01:30:00", "2025-03-30 02:30:00", "2025-03-30 03:30:00"
    )
    assert (before, after) == ("2025-03-30 00:30:00", "2025-03-30 01:30:00")
    assert within == (
        "there is no such time in Europe/Paris, where clocks were set forward: "
        "set the files' own time zone as extract.time_zone in the mapping"
    )


def test_a_time_is_in_the_future_or_not_by_its_own_time_zone() -> None:
    noon = datetime(2025, 7, 1, 12, tzinfo=UTC)
    assert read("Europe/Paris", "2025-07-01 14:00:00", now=noon) == ["2025-07-01 12:00:00"]
    (refused,) = read("UTC", "2025-07-01 14:00:00", now=noon)
    assert "in the future, if the files are in UTC" in refused
    assert "extract.time_zone" in refused
    (early,) = read("America/New_York", "2025-07-01 14:00:00", now=noon)
    assert "if the files are in America/New_York" in early


def test_nothing_to_read_is_nothing() -> None:
    assert read("Europe/Paris") == []
