# ruff: noqa: E402  (the path comes first)
"""How many rows per second filter, map, replace and hash do on one core: python bench/transform.py [--rows 50000].

The shipped mapping, one batch after the other in one process: contacts as extract leaves them become fields with
replaced values, and each row's fingerprint, as load compares it. The goal is 500,000 rows/s.
"""

from __future__ import annotations

import argparse
import sys

from measuring import ROOT, ROUNDS, Row, cost_of, in_turn, say

sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import pandas as pd  # noqa: TID253
import pyarrow as pa  # noqa: TID253
from campaign_sync.mapping.file import load_mapping
from campaign_sync.rows.examples import frame_of
from campaign_sync.rows.fitting import check_types
from campaign_sync.rows.transform import filter_rows, map_rows, replace_values
from campaign_sync.run.row_hashes import row_hashes

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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=50_000)
    options.add_argument("--batches", type=int, default=10, help="of each round")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    asked = options.parse_args()
    pa.set_cpu_count(1)
    mapping = load_mapping(ROOT / "include/mappings/contacts_to_profiles.yaml")
    check_types(mapping, CONTACT, PROFILE)
    read = [CONTACT.column(name).wire for name in mapping.columns()]  # extract asks for no others
    frame = batch(asked.rows)[[*read, "@version"]]

    def work() -> int:
        for _ in range(asked.batches):
            passed, dropped = filter_rows(frame, mapping, CONTACT)
            mapped, refused = map_rows(passed, mapping, CONTACT, PROFILE)
            written, missed = replace_values(mapped, mapping, PROFILE)
            hashes = row_hashes(written, mapping.map)
            assert len(hashes) + len(dropped) + len(refused) + len(missed) == asked.rows
        return asked.rows * asked.batches

    cost = in_turn({"transform": lambda: cost_of(work)}, asked.rounds)["transform"]
    share = f"{1e6 / cost.cpu_per_million:,.0f} rows/s and core"
    what = f"filter, map, replace, hash: {asked.rows:,} rows a batch"
    say(Row(what, share, "≥ 500,000 rows/s", cost.cpu_per_million, cost.megabytes))


if __name__ == "__main__":
    main()
