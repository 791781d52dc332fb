"""How long an opt-out takes from Dynamics to Campaign while a replay of all contacts keeps Airflow and Campaign busy.

    .venv/bin/python bench/opt_outs.py [--people 1000000] [--opt-outs 500] [--rounds 50] [--rest 5] [--calm 5]

A real Airflow with the settings of `make up` and the shipped mappings; everybody has a profile that says what the
contact says. First a few rounds of opt-outs while nothing else happens; then a replay of contacts_to_profiles, which
writes every profile, and the opt-outs in small groups. Every half second the sandbox is asked who has got their no. A
replay that ends before the last no has come is started again, and counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from local.airflow_api import AirflowApi  # noqa: E402
from local.environment import login  # noqa: E402
from local.sandbox_api import SandboxApi  # noqa: E402
from local.stack import Stack, free_port  # noqa: E402

ROWS, CONSENT = "contacts_to_profiles", "opt_outs"
COLUMN, ATTRIBUTE = "donotbulkemail", "blackListEmail"
PAIRS = {
    ATTRIBUTE: COLUMN,
    "blackListPhone": "donotphone",
    "blackListPostalMail": "donotpostalmail",
    "blackListFax": "donotfax",
}
PAGE = 5_000
PATIENCE = 1_200  # seconds that the nos of one measurement may take


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--opt-outs", type=int, default=500, help="behind the replay, in all")
    parser.add_argument("--rounds", type=int, default=50, help="groups that they come in")
    parser.add_argument("--rest", type=float, default=5, help="seconds between two groups")
    parser.add_argument("--calm", type=int, default=5, help="groups of the same size without a replay")
    parser.add_argument("--settle", type=float, default=20, help="seconds of replay before the first group")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = ROOT / ".local" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    stack = Stack(folder, folder / "sandbox")
    port = free_port()
    try:
        sandbox = SandboxApi(stack.start_sandbox("--people", str(options.people)))
        began = time.monotonic()
        made = profiles_of_everybody(sandbox)
        print(f"{made:,} contacts and their profiles, made in {time.monotonic() - began:.0f} s", flush=True)
        stack.start_airflow(port)
        airflow = AirflowApi(port, *login(stack.home))
        airflow.wait_for_dag(CONSENT)
        airflow.wait_for_dag(ROWS)
        first_run(airflow)
        size = options.opt_outs // options.rounds
        people = People(sandbox, made, size * (options.rounds + options.calm))
        people.object(airflow, options.calm, size, options.rest, Replay(airflow, on=False))
        replay = Replay(airflow, on=True)
        replay.keep()
        time.sleep(options.settle)
        people.object(airflow, options.rounds, size, options.rest, replay)
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def profiles_of_everybody(sandbox: SandboxApi) -> int:
    """A profile for every contact, which says of its opt-outs what the contact says."""
    made, after = 0, ""
    while True:
        rows = sandbox.control("GET", f"/sandbox/dataverse/rows?table=contact&limit={PAGE}{after}")["rows"]
        if not rows:
            return made
        profiles = [
            {
                "externalId": row["contactid"],
                "email": row["emailaddress1"] or f"{row['contactid']}@alder.example",
                **{attribute: True for attribute, column in PAIRS.items() if row[column]},
            }
            for row in rows
        ]
        sandbox.control("POST", "/sandbox/campaign/seed", {"resource": "profile", "rows": profiles})
        made += len(rows)
        after = f"&after={rows[-1]['contactid']}"


def first_run(airflow: AirflowApi) -> None:
    """From switching the flow of opt-outs on until it has heard everybody."""
    began = time.monotonic()
    airflow.unpause(CONSENT)
    while not airflow.runs(CONSENT) or airflow.active_runs(CONSENT):
        time.sleep(1)
    run = airflow.runs(CONSENT)[0]
    print(
        f"first run of {CONSENT}: {run['state']} {time.monotonic() - began:.0f} s after unpausing", flush=True
    )
    time.sleep(30)  # Airflow starts a watcher some seconds after its flow was switched on


class Replay:
    """A replay that goes on for as long as it is wanted."""

    def __init__(self, airflow: AirflowApi, *, on: bool) -> None:
        self.airflow, self.on = airflow, on
        self.started = 0

    def keep(self) -> None:
        """Start it, unless it is at work or not wanted."""
        if self.on and not (self.started and self.airflow.active_runs(ROWS)):
            if not self.started:
                self.airflow.unpause(ROWS)
            self.airflow.start(ROWS, replay=True)
            self.started += 1

    def said(self) -> str:
        """What it has been doing, for people."""
        if not self.on:
            return "without a replay"
        return f"behind a replay that writes ({self.started} in all)"


class People:
    """Profiles in the middle of the table, side by side, who do not object to e-mails yet."""

    def __init__(self, sandbox: SandboxApi, made: int, wanted: int) -> None:
        self.sandbox = sandbox
        self.after, self.limit = made // 3, min(2 * wanted, 10_000)
        self.willing = [key for key, no in self.said().items() if not no][:wanted]
        if len(self.willing) < wanted:
            raise SystemExit(f"only {len(self.willing)} of {wanted} people are there: give more --people")

    def said(self) -> dict[str, bool]:
        """Who of these profiles says no to e-mails."""
        path = f"/sandbox/campaign/rows?resource=profile&after={self.after}&limit={self.limit}"
        return {
            each["externalId"]: bool(each[ATTRIBUTE]) for each in self.sandbox.control("GET", path)["rows"]
        }

    def object(self, airflow: AirflowApi, rounds: int, size: int, rest: float, replay: Replay) -> None:
        """Opt people out in groups, wait for all, and print how long each took."""
        calls, runs, load = self.sandbox.engine_calls(), len(airflow.runs(CONSENT)), os.getloadavg()[0]
        began = time.monotonic()
        since: dict[str, float] = {}
        seconds: list[float] = []
        given = 0
        while given < rounds or since:
            if given < rounds and time.monotonic() - began >= given * rest:
                group, self.willing = self.willing[:size], self.willing[size:]
                self.sandbox.mutate("contact", update=[{"id": key, COLUMN: True} for key in group])
                since |= dict.fromkeys(group, time.monotonic())
                given += 1
            said, now = self.said(), time.monotonic()
            there = [key for key in since if said[key]]
            seconds += [now - since.pop(key) for key in there]
            if now - began > rounds * rest + PATIENCE:
                raise SystemExit(f"{len(since)} opt-outs did not arrive {replay.said()}")
            replay.keep()
            time.sleep(0.5)
        took = time.monotonic() - began
        calls, runs = self.sandbox.engine_calls() - calls, len(airflow.runs(CONSENT)) - runs
        print(f"{told(seconds)} {replay.said()}")
        print(
            f"  {runs} runs and {calls:,} engine calls in {took:.0f} s ({calls / took:.0f} a second); load of the "
            f"machine {load:.1f} before, {os.getloadavg()[0]:.1f} after",
            flush=True,
        )


def told(seconds: list[float]) -> str:
    """Median, p95 and most of some times."""
    ordered: list[Any] = sorted(seconds)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    median, most = statistics.median(ordered), ordered[-1]
    return f"{len(ordered)} opt-outs: median {median:.1f} s, p95 {p95:.1f} s, most {most:.1f} s"


if __name__ == "__main__":
    main()
