"""Runs the benchmarks that make one table, and writes it: python bench/table.py [--people 200000] [--rounds 5].

The table goes to the terminal and to .local/bench.md, with the machine it was measured on. Other benchmarks
run by themselves (README.md).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from measuring import COLLECT, ROOT, ROUNDS, Row, machine, progress, table

TARGET = ROOT / ".local" / "bench.md"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--only", nargs="*", metavar="NAME", help="of the benchmarks: extract, transform, …")
    asked = options.parse_args()
    few, rounds = min(asked.people, 300_000), ["--rounds", str(asked.rounds)]
    benchmarks = {
        "extract": ["--people", str(asked.people), *rounds],
        "transform": rounds,
        "files": ["--rows", str(few), *rounds],
        "checks": ["--rows", str(few), *rounds],
        "rest_load": rounds,
        "parsing": rounds,
        "latency": [],
    }
    collected = TARGET.with_suffix(".rows")
    TARGET.parent.mkdir(exist_ok=True)
    collected.write_text("")
    before, failed = machine(), []
    for name, arguments in benchmarks.items():
        if asked.only and name not in asked.only:
            continue
        progress(name)
        command = [sys.executable, str(Path(__file__).with_name(f"{name}.py")), *arguments]
        if subprocess.run(command, env={**os.environ, COLLECT: str(collected)}, check=False).returncode:
            failed.append(name)
    rows = [Row(*json.loads(line)) for line in collected.read_text().splitlines()]
    head = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {before}; at the end {machine().rpartition(', ')[2]}"
    text = f"{head}\n\nMedians of {asked.rounds} rounds in turn.\n\n{table(rows)}\n"
    TARGET.write_text(text)
    collected.unlink()
    print(f"\n{text}\nwritten to {TARGET}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
