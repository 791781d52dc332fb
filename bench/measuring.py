"""How the benchmarks measure, and the table that they write: the standard library only, as peers run without ours.

A contender is measured in a process of its own, with its imports done; contenders take turns, so that whatever else the
machine does meets all of them alike, and the medians of some rounds count.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
MEGABYTE = 1e6
#: Where `say` writes its rows as well, for `make bench` to put together.
COLLECT = "BENCH_ROWS"
HEAD = ("what", "figure", "goal", "CPU s per million", "peak memory", "ratio to peer")


class Cost(NamedTuple):
    """What some work took."""

    rows: int
    seconds: float
    cpu: float
    """Seconds of processor, of the processes below included."""
    megabytes: float
    """The most resident memory that the process ever had, its libraries included."""

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def cpu_per_million(self) -> float:
        return self.cpu / self.rows * 1e6


class Row(NamedTuple):
    """One line of the table; what was not measured is empty."""

    what: str
    figure: str
    goal: str = ""
    cpu_per_million: float | None = None
    megabytes: float | None = None
    ratio: str = ""

    @classmethod
    def of(cls, what: str, cost: Cost, goal: str = "", ratio: str = "") -> Row:
        """A line that says rows per second."""
        figure = f"{cost.rows_per_second:,.0f} rows/s"
        return cls(what, figure, goal, cost.cpu_per_million, cost.megabytes, ratio)

    @property
    def cells(self) -> tuple[str, ...]:
        cpu = "" if self.cpu_per_million is None else f"{self.cpu_per_million:,.1f}"
        memory = "" if self.megabytes is None else f"{self.megabytes:,.0f} MB"
        return self.what, self.figure, self.goal, cpu, memory, self.ratio


def cost_of(work: Callable[[], int]) -> Cost:
    """Do some work in this process; it returns how many rows it did."""
    began, spent = time.perf_counter(), _cpu()
    rows = work()
    return Cost(rows, time.perf_counter() - began, _cpu() - spent, peak_megabytes())


def peak_megabytes() -> float:
    """The most memory this process had; getrusage would count its parent's, too."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) * 1024 / MEGABYTE


def cpu_of(pid: int) -> float:
    """Seconds of processor that another process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hand_over(cost: Cost) -> None:
    """In a contender's process: give the cost to the one who started it, who reads the last line."""
    print(json.dumps(cost), flush=True)


def contend(command: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a contender that ends with :func:`hand_over`; what it says otherwise is shown when it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def in_turn(contenders: Mapping[str, Callable[[], Cost]], rounds: int = ROUNDS) -> dict[str, Cost]:
    """The medians of each contender's rounds, after one round that does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            cost = run()
            progress(f"{name}, {f'round {number}' if number else 'not counted'}: {cost.seconds:.2f} s")
            if number:
                costs[name].append(cost)
    return {name: median(found) for name, found in costs.items()}


def median(costs: Sequence[Cost]) -> Cost:
    """Each figure's own median."""
    return Cost(
        costs[0].rows,
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.megabytes for cost in costs),
    )


def progress(text: str) -> None:
    """Tell a person who waits; not part of the table."""
    print(f"  {text}", file=sys.stderr, flush=True)


def say(*rows: Row) -> None:
    """Print lines of the table, and hand them to `make bench` if that is who asked."""
    print(table(rows), flush=True)
    if os.environ.get(COLLECT):
        with Path(os.environ[COLLECT]).open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def table(rows: Sequence[Row]) -> str:
    """Lines as a Markdown table that reads well as it is."""
    cells = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(HEAD))]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def machine() -> str:
    """Processor, cores, memory, Python, and how busy the machine is."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load {load}"
    )


def _cpu() -> float:
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
