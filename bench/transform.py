# ruff: noqa: E402  (the path comes first)
"""How many rows per second filter, map and replace do with the shipped mapping, one batch after the other.

    python bench/transform.py [rows per batch] [batches]

The goal is 500,000 rows/s on one core.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "plugins"))

import pandas as pd  # noqa: TID253
from campaign_sync.mapping.file import load_mapping
from campaign_sync.rows.examples import frame_of
from campaign_sync.rows.fitting import check_types
from campaign_sync.rows.transform import filter_rows, map_rows, replace_values

from tests.mappings.systems import CONTACT, PROFILE

CITIES = ("Bergen", "Łódź", "القاهرة", "São Paulo", "Wien")


def batch(size: int) -> pd.DataFrame:
    """Contacts as extract would store them; a few of them with a fault."""
    rows = [
        {
            "contactid": f"{number:08d}-0000-4000-8000-000000000000",
            "emailaddress1": f"Person.{number}@Alder.Example " if number % 50 else None,
            "firstname": f"Name{number % 977}" if number % 1000 != 7 else "W" * 40,
            "lastname": f"Łastname {number % 4099}",
            "birthdate": f"19{number % 90 + 10}-0{number % 9 + 1}-1{number % 9}",
            "gendercode": number % 3 or None,
            "telephone1": f"+47 555 {number:06d}",
            "address1_line1": f"{number % 300} Quay St\nBack door",
            "address1_city": CITIES[number % 5],
            "address1_country": "Norway",
            "createdon": f"2026-02-03T04:{number % 60:02d}:06Z",
        }
        for number in range(size)
    ]
    return frame_of(rows, CONTACT)


def main(size: int = 50_000, batches: int = 10) -> None:
    """Prints the rows per second of each batch and of all."""
    mapping = load_mapping(ROOT / "include/mappings/contacts_to_profiles.yaml")
    check_types(mapping, CONTACT, PROFILE)
    frame = batch(size)
    seconds = []
    for number in range(1, batches + 1):
        start = time.perf_counter()
        passed, dropped = filter_rows(frame, mapping, CONTACT)
        mapped, refused = map_rows(passed, mapping, CONTACT, PROFILE)
        written, missed = replace_values(mapped, mapping, PROFILE)
        seconds.append(time.perf_counter() - start)
        counts = f"{len(written)} kept, {len(dropped)} dropped, {len(refused) + len(missed)} rejected"
        print(f"batch {number}: {size} rows, {counts}, {size / seconds[-1]:,.0f} rows/s")
    print(f"median: {size / sorted(seconds)[len(seconds) // 2]:,.0f} rows/s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
