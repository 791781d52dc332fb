"""How long a change in Dynamics takes to Campaign, and what it costs when nothing changes.

    .venv/bin/python bench/latency.py [--rounds 20] [--idle 120] [--flows 10]

A real Airflow with the settings of `make up` and the shipped mapping. Some runs of one small batch are started by hand,
and timed from the trigger until they are green. Each round changes ten contacts at any moment and
asks the sandbox, every 0.2 s, which have arrived in Campaign. Then nothing changes for a while: requests, runs, tasks
and the triggerer's processor time are counted. At last many watchers look for a minute in this process, with Airflow
gone: the processor time of looking alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import statistics
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from measuring import ROOT, Row, say

sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from local.airflow_api import AirflowApi  # noqa: E402
from local.environment import connections, login  # noqa: E402
from local.sandbox_api import SandboxApi  # noqa: E402
from local.stack import Stack, free_port  # noqa: E402

FLOW = "contacts_to_profiles"
CHANGES = 10
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--idle", type=int, default=120, help="seconds")
    parser.add_argument("--flows", type=int, default=10)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = ROOT / ".local" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    stack = Stack(folder, folder / "sandbox")
    port = options.port or free_port()
    try:
        sandbox = SandboxApi(stack.start_sandbox("--people", "200"))
        stack.start_airflow(port)
        airflow = AirflowApi(port, *login(stack.home))
        airflow.wait_for_dag(FLOW)
        first_load(airflow, sandbox)
        small_runs(airflow)
        changes(airflow, sandbox, options.rounds)
        idle(stack, airflow, sandbox, options.idle)
        for part in ("triggerer", "scheduler", "dag-processor", "api-server"):
            os.killpg(stack.pids()[part], signal.SIGTERM)
        looking(folder, sandbox, options.flows)
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def first_load(airflow: AirflowApi, sandbox: SandboxApi) -> None:
    """From switching the flow on until Campaign has everybody."""
    began = time.monotonic()
    airflow.unpause(FLOW)
    while not sandbox.records("profile") or airflow.active_runs(FLOW):
        time.sleep(0.5)
    print(
        f"first load of {len(sandbox.records('profile')):,} by itself {time.monotonic() - began:.1f} s after unpausing"
    )
    time.sleep(30)  # Airflow starts a watcher some seconds after its flow was switched on


def small_runs(airflow: AirflowApi, runs: int = 5) -> None:
    """A replay of ten rows, which goes through every task: from the trigger to green, and where the time goes."""
    whole, working = [], []
    for _ in range(runs):
        began = time.time()
        run_id = airflow.start(FLOW, replay=True, limit=10)
        state = airflow.wait(FLOW, run_id, seconds=300, progress=lambda _: None)
        assert state == "success", f"{run_id}: {state}"
        run = next(each for each in airflow.runs(FLOW) if each["dag_run_id"] == run_id)
        whole.append(moment(run["end_date"]) - began)
        tasks = airflow.get(f"/dags/{FLOW}/dagRuns/{quote(run_id)}/taskInstances?limit=100")["task_instances"]
        working.append(sum(each["duration"] or 0.0 for each in tasks))
    figure = (
        f"{statistics.median(whole):.1f} s, {statistics.median(working):.1f} s of it in {len(tasks)} tasks"
    )
    say(Row("a run of one small batch, trigger to green", figure, "≤ 5 s"))


def moment(text: str) -> float:
    """A time of Airflow's API in seconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def changes(airflow: AirflowApi, sandbox: SandboxApi, rounds: int) -> None:
    """Times from a change to its arrival, over all changes of all rounds."""
    people = sorted(each["externalId"] for each in sandbox.records("profile"))
    seconds: list[float] = []
    for number in range(rounds):
        chosen = random.sample(people, CHANGES)
        city = f"Round {number}"
        sandbox.mutate("contact", update=[{"id": key, "address1_city": city} for key in chosen])
        began = time.monotonic()
        waiting = set(chosen)
        while waiting and time.monotonic() - began < 300:
            time.sleep(0.2)
            there = {
                each["externalId"] for each in sandbox.records("profile") if each["location"]["city"] == city
            }
            seconds += [time.monotonic() - began] * len(waiting & there)
            waiting -= there
        if waiting:
            raise SystemExit(f"round {number}: {len(waiting)} changes did not arrive within 5 minutes")
        while airflow.active_runs(FLOW):
            time.sleep(0.5)
        time.sleep(random.uniform(0, 15))  # at any moment between two looks
    seconds.sort()
    p95 = seconds[int(0.95 * (len(seconds) - 1))]
    figure = f"p95 {p95:.1f} s, median {statistics.median(seconds):.1f} s"
    say(Row(f"{CHANGES} changed contacts to Campaign, {rounds} rounds", figure, "p95 ≤ 20 s"))
    kinds = Counter(each["run_type"] for each in airflow.runs(FLOW))
    print(f"runs so far: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}", flush=True)


def idle(stack: Stack, airflow: AirflowApi, sandbox: SandboxApi, seconds: int) -> None:
    """What happens while nothing changes."""
    time.sleep(15)
    before, runs, spent = len(sandbox.journal()), len(airflow.runs(FLOW)), cpu(stack.pids()["triggerer"])
    tasks = task_instances(airflow)
    time.sleep(seconds)
    asked = Counter(f"{each['system']} {each['method']}" for each in sandbox.journal()[before:])
    took = cpu(stack.pids()["triggerer"]) - spent
    new = task_instances(airflow) - tasks
    print(
        f"idle for {seconds} s, one flow: {dict(asked)}, {60 * sum(asked.values()) / seconds:.1f} per minute"
    )
    print(f"triggerer, Airflow's own share included: {100 * took / seconds:.2f} % of a core", flush=True)
    figure = f"{new} tasks, {len(airflow.runs(FLOW)) - runs} runs in {seconds} s"
    say(Row("nothing to do", figure, "no task"))


def looking(folder: Path, sandbox: SandboxApi, flows: int, seconds: int = 60) -> None:
    """The processor time of many watchers, each of a flow of its own."""
    os.environ |= connections(sandbox.env) | {"AIRFLOW_HOME": str(folder / "alone")}
    from campaign_sync.ledger.ledger import Ledger, Move
    from campaign_sync.settings import ledger_url
    from campaign_sync.watching import FeedTrigger

    link = delta_link()
    ledger = Ledger(ledger_url())
    triggers = []
    for number in range(flows):
        flow = f"flow_{number}"
        ledger.open_place(flow, "run")
        ledger.end_run(flow, "run", "success", {}, Move(None, link))
        triggers.append(
            FeedTrigger(flow=flow, mapping_sha="sha", columns=["emailaddress1"], parents=(), seconds=10)
        )
    before = len(sandbox.journal())

    async def watch() -> float:
        tasks = [asyncio.ensure_future(first_event(each)) for each in triggers]
        await asyncio.sleep(15)  # imports, tokens, connections
        began = time.process_time()
        await asyncio.sleep(seconds)
        took = time.process_time() - began
        assert not any(task.done() for task in tasks), "a watcher found work or ended"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return took

    async def first_event(trigger: Any) -> Any:
        return await anext(trigger.run())

    took = asyncio.run(watch())
    asked = len(sandbox.journal()) - before
    each = f"{1000 * took / (flows * seconds / 10):.1f} ms a look, {asked} requests, SQLite ledger"
    figure = f"{100 * took / seconds:.2f} % of a core ({each})"
    say(Row(f"looking for {flows} flows every 10 s", figure, "≤ 0.5 %"))


def delta_link() -> str:
    """A place in the change feed of contacts, up to date."""
    from campaign_sync.hooks.dataverse import DataverseHook

    hook = DataverseHook()
    table = hook.table("contact", ["emailaddress1"])
    *_, last = hook.changes(table, ["emailaddress1"])
    assert last.delta_link is not None
    return last.delta_link


def task_instances(airflow: AirflowApi) -> int:
    """How many task instances the flow has had."""
    return int(airflow.get(f"/dags/{FLOW}/dagRuns/~/taskInstances?limit=1")["total_entries"])


def cpu(root: int) -> float:
    """Processor seconds of a process and of those below it that live."""
    parents, spent = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            spent[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICK
    below = {root}
    for _ in range(5):
        below |= {pid for pid, parent in parents.items() if parent in below}
    return sum(spent.get(pid, 0.0) for pid in below)


if __name__ == "__main__":
    main()
