"""Peak memory of every task process while a real Airflow moves many contacts.

    .venv/bin/python bench/memory.py [--people 1000000] [--load 50000]

Two runs through the scheduler: one of all contacts as a dry run (extract to plan), one that really writes the first
`--load` of them. The figure is VmHWM, the most resident memory a process ever had, shared libraries included.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from local.airflow_api import AirflowApi  # noqa: E402
from local.environment import login  # noqa: E402
from local.sandbox_api import SandboxApi  # noqa: E402
from local.stack import Stack, free_port  # noqa: E402

FLOW = "contacts_to_profiles"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--load", type=int, default=50_000)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = ROOT / ".local" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    stack = Stack(folder, folder / "sandbox", more={"AIRFLOW__CORE__DAGS_FOLDER": str(unscheduled(folder))})
    port = free_port()
    try:
        began = time.monotonic()
        env = stack.start_sandbox("--people", str(options.people), "--no-limits")
        print(f"sandbox with {options.people:,} contacts after {time.monotonic() - began:.0f} s", flush=True)
        stack.start_airflow(port)
        airflow = AirflowApi(port, *login(stack.home))
        airflow.wait_for_dag(FLOW)
        airflow.unpause(FLOW)
        run(stack, airflow, f"{options.people:,} contacts, dry run", dry_run=True)
        run(stack, airflow, f"{options.load:,} contacts, written", limit=options.load)
        print(f"engine calls: {SandboxApi(env).engine_calls():,}")
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def unscheduled(folder: Path) -> Path:
    """A copy of the DAG file and the mapping that runs only when told to."""
    mappings, dags = folder / "include" / "mappings", folder / "dags"
    mappings.mkdir(parents=True)
    dags.mkdir()
    (dags / "ingress.py").write_text((ROOT / "dags" / "ingress.py").read_text())
    mapping = (ROOT / "include" / "mappings" / f"{FLOW}.yaml").read_text()
    (mappings / f"{FLOW}.yaml").write_text(f"schedule: ~\n{mapping}")
    return dags


def run(stack: Stack, airflow: AirflowApi, what: str, **conf: object) -> None:
    """One run, with a watch on the memory of all processes below the scheduler."""
    watch = Watch(stack.pids()["scheduler"])
    began = time.monotonic()
    run_id = airflow.start(FLOW, **conf)
    state = airflow.wait(FLOW, run_id, seconds=7200, progress=lambda said: print(f"  {said}", flush=True))
    watch.stop()
    seconds = time.monotonic() - began
    print(f"{what}: {state} in {seconds:.0f} s; {airflow.result(FLOW, run_id, 'reconcile')['tally']}")
    for name, (peak, count) in sorted(watch.peaks().items(), key=lambda each: -each[1][0]):
        print(f"  {peak / 1024:7.1f} MB at most  {name}  ({count} processes)")


class Watch:
    """Looks at all processes below one, several times a second."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.seen: dict[int, tuple[str, int]] = {}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self.done.set()
        self.thread.join()

    def peaks(self) -> dict[str, tuple[int, int]]:
        """Per kind of process: the highest peak in KiB, and how many there were."""
        found: dict[str, tuple[int, int]] = {}
        for name, peak in self.seen.values():
            highest, count = found.get(name, (0, 0))
            found[name] = (max(highest, peak), count + 1)
        return found

    def _look(self) -> None:
        while not self.done.wait(0.1):
            parents = {}
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        stat = (entry / "stat").read_text()
                    except OSError:
                        continue
                    parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
            for pid in parents:
                if self._below(pid, parents):
                    self._note(pid)

    def _below(self, pid: int, parents: dict[int, int]) -> bool:
        while pid in parents and pid != self.root:
            pid = parents[pid]
        return pid == self.root

    def _note(self, pid: int) -> None:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            title = kind(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
        except OSError:
            return
        peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
        before = self.seen.get(pid, (title, 0))[1]
        if peak:
            self.seen[pid] = (title or "?", max(peak, before))


def kind(title: str) -> str:
    """What a process below the scheduler is."""
    if title.startswith("airflow worker -- LocalExecutor"):
        return "executor's worker (supervises tasks)"
    if title.startswith("airflow worker --"):
        return "task"
    if "forkserver" in title:
        return "forkserver (preload)"
    return title[:40] or "?"


if __name__ == "__main__":
    main()
