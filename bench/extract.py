"""How fast contacts become Parquet files, ours against others: python bench/extract.py [--people 200000] [--ours].

A sandbox in its own process serves 25 columns over TLS; each contender reads all contacts in pages of 5,000 rows and
leaves Parquet files: Microsoft's client, dlt's REST source, dlt with Arrow tables, requests with pandas (peers.py, in
the environment .venv-bench), and ours as the task `extract` does it: change feed, typed batches of 15,000 rows.
The first round lets the sandbox make its pages, and does not count.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from functools import partial
from itertools import count
from pathlib import Path

from measuring import ROOT, ROUNDS, Cost, Row, contend, cost_of, cpu_of, hand_over, in_turn, say

sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from local.environment import connections, read_env_file  # noqa: E402
from tests.sandbox_process import start_sandbox  # noqa: E402

PEERS = ROOT / ".venv-bench" / "bin" / "python"
# 25 columns of several types, as a real mapping with filters has
COLUMNS = (
    *("firstname", "lastname", "fullname", "salutation", "jobtitle", "emailaddress1", "telephone1"),
    *("mobilephone", "birthdate", "gendercode", "statecode", "statuscode", "donotemail", "donotbulkemail"),
    *("donotphone", "donotfax", "donotpostalmail", "address1_line1", "address1_city", "address1_country"),
    *("address1_postalcode", "_parentcustomerid_value", "_ownerid_value", "createdon", "modifiedon"),
)
NAMES = {
    "ours": "extract: contacts to Parquet",
    "microsoft": "… Microsoft's client, pandas",
    "dlt-arrow": "… dlt, Arrow tables",
    "dlt": "… dlt, REST source",
    "requests": "… requests and pandas",
}
GOALS = {"microsoft": "3.0", "dlt-arrow": "2.5"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--ours", action="store_true", help="without peers")
    options.add_argument("--contender", metavar="FOLDER", help="read into a folder; env says from where")
    asked = options.parse_args()
    if asked.contender:
        hand_over(cost_of(ours(Path(asked.contender))))
        return
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        with start_sandbox(where / "sandbox", people=asked.people, args=["--no-limits"]) as sandbox:
            number = count()
            env = sandbox.env | {
                "REQUESTS_CA_BUNDLE": sandbox.env["CA_FILE"],
                "SANDBOX_ENV": str(where / "sandbox/env"),
            }
            env |= {"HOME": folder, "RUNTIME__DLTHUB_TELEMETRY": "false"}

            served: list[float] = []

            def run(name: str) -> Cost:
                target, spent = where / f"{name}{next(number)}", cpu_of(sandbox.process.pid)
                peers = [PEERS, Path(__file__).with_name("peers.py"), name, target, *COLUMNS]
                mine = [sys.executable, __file__, "--contender", target]
                cost = contend(mine if name == "ours" else peers, env)
                if name == "ours":
                    served.append((cpu_of(sandbox.process.pid) - spent) / cost.rows * 1e6)
                return cost

            names = ["ours"] if asked.ours else list(NAMES)
            costs = in_turn({name: partial(run, name) for name in names}, asked.rounds)
    say(*rows(costs), Row("… the sandbox meanwhile", "", "", statistics.median(served)))


def rows(costs: dict[str, Cost]) -> list[Row]:
    """Ours, then each peer with how many times as fast ours was, on the clock and by processor time."""
    mine = costs["ours"]
    found = [Row.of(NAMES["ours"], mine, "≥ 130,000 rows/s, ≤ 250 MB")]
    for name in [name for name in NAMES if name in costs and name != "ours"]:
        other = costs[name]
        clock, processor = other.seconds / mine.seconds, other.cpu / mine.cpu
        goal = f"ours ≥ {GOALS[name]} ×" if name in GOALS else ""
        found.append(Row.of(NAMES[name], other, goal, f"ours {clock:.1f} × (CPU {processor:.1f} ×)"))
    return found


def ours(folder: Path):  # type: ignore[no-untyped-def]
    """The work of the task `extract`, without its ledger."""
    import pandas as pd
    import pyarrow.json  # noqa: F401

    os.environ |= connections(read_env_file(Path(os.environ["SANDBOX_ENV"])))
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.rows.batch import Batch
    from campaign_sync.run.extract import in_pieces

    first = Batch.of(str(folder), "contacts_to_profiles", "bench", 1)
    first.write(
        "extract", pd.DataFrame(), pd.DataFrame(), {}
    )  # as in a task, what is imported at first use is there
    hook = DataverseHook()
    table = hook.table("contact", COLUMNS)

    def work() -> int:
        rows = 0
        for piece in in_pieces(hook.changes(table, COLUMNS)):
            frame, removed = piece.frames(table.key)
            rows += first.write("extract", frame, removed, {}).rows
        return rows

    return work


if __name__ == "__main__":
    main()
