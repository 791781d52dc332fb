# ruff: noqa: E402  (the path comes first)
"""What ten checks cost of a run's processor time: python bench/checks.py [--rows 300000].

The shipped mapping with ten Great Expectations checks, batches of 15,000 rows as extract leaves them: filter, map,
replace, check, fingerprints, each batch written and read between the steps as tasks do. What Great Expectations takes
to import is not counted: tasks are forks of a process that has it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from measuring import ROOT, ROUNDS, Cost, Row, cost_of, in_turn, say

sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import campaign_sync.preload  # noqa: F401
from campaign_sync.mapping.file import load_mapping
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.fitting import check_types
from campaign_sync.rows.steps import STEPS, take_step
from campaign_sync.run.row_hashes import row_hashes
from transform import CONTACT, PROFILE, batch

SHIPPED = ROOT / "include" / "mappings" / "contacts_to_profiles.yaml"
BATCH = 15_000
CHECKS = """check:
  - {name: a plausible address, expect: column_values_to_match_regex, column: email, regex: '^[^@\\s]+@[^@\\s]+$'}
  - {name: one profile per address, expect: column_values_to_be_unique, column: email, otherwise: warn}
  - {name: an address is there, expect: column_values_to_not_be_null, column: email}
  - {name: a key is there, expect: column_values_to_not_be_null, column: externalId}
  - {name: keys once, expect: column_values_to_be_unique, column: externalId}
  - {name: key length, expect: column_value_lengths_to_equal, column: externalId, value: 36}
  - {name: a known gender, expect: column_values_to_be_in_set, column: gender, value_set: [male, female, unknown]}
  - {name: name length, expect: column_value_lengths_to_be_between, column: lastName, min_value: 1, max_value: 60}
  - {name: a country code, expect: column_values_to_match_regex, column: location.countryCode, regex: '^[A-Z]{2}$'}
  - {name: no test data, expect: column_values_to_not_match_regex, column: lastName, regex: '(?i)test', otherwise: warn}
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=300_000)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "contacts_to_profiles.yaml"
        path.write_text(
            re.sub(r"^check:\n(  .*\n)+", lambda _: CHECKS, SHIPPED.read_text(), flags=re.MULTILINE)
        )
        mapping = load_mapping(path)
        assert len(mapping.check) == 10
        check_types(mapping, CONTACT, PROFILE)
        read = [CONTACT.column(name).wire for name in mapping.columns()]
        frame = batch(BATCH)[[*read, "@version"]]
        count = max(1, asked.rows // BATCH)

        def run(steps: tuple[str, ...]) -> int:
            for number in range(1, count + 1):
                at_rest = Batch.of(folder, "bench", "run", number).write("extract", frame, frame.iloc[:0], {})
                for step in steps:
                    stepped = take_step(step, at_rest.read(), mapping, CONTACT, PROFILE)
                    at_rest = at_rest.write(step, *stepped.sifted, {})
                row_hashes(at_rest.read(), mapping.map)
            return count * BATCH

        def steps(*names: str) -> Cost:
            return cost_of(lambda: run(names))

        costs = in_turn(
            {"with checks": lambda: steps(*STEPS), "without": lambda: steps(*STEPS[:-1])}, asked.rounds
        )
    whole, without = costs["with checks"], costs["without"]
    share = f"{100 * (whole.cpu - without.cpu) / whole.cpu:.0f} % of extract's files to fingerprints"
    what = f"ten checks, {whole.rows:,} rows"
    say(Row(what, share, "≤ 25 % of a run", (whole.cpu - without.cpu) / whole.rows * 1e6, whole.megabytes))


if __name__ == "__main__":
    main()
