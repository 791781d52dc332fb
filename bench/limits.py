"""How much of what Dataverse's limits allow is used by flows that share it, and how often they are refused.

    .venv/bin/python bench/limits.py [--flows 4] [--seconds 80] [--window 20] [--only writes|reads|halved] [--servers 1]
        [--ledger postgresql://…]

Starts a sandbox with the service protection limits on, requests and execution time as much smaller than the real ones
as the window is (20 s: 400 requests, 80 s of execution; 52 at once as they are), so that the rates are the real ones
and several windows fit into a run; batches are a fifth of their size, and each takes 0.75 s besides its work. Each
flow is a process with a hook of its own that writes or reads faster than allowed; a tenth of the limits is left to
people, as by default. Prints what the sandbox counted: for each whole window what was used of what was not left to
people of the limit that binds, the share of 429s, and the requests that came before a Retry-After was over. What was
under way when the 429 was told is none of these. And what each flow got. `halved`: requests and execution time are
halved in the middle. The whole test: `--only halved --flows 4 --window 300 --seconds 1800`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "plugins"))

from campaign_sync.events.file import load_events  # noqa: E402
from campaign_sync.events.tables import activity_tables  # noqa: E402
from campaign_sync.hooks import budget, dataverse_activities  # noqa: E402
from campaign_sync.hooks.dataverse import LEAVE_SHARE, DataverseHook  # noqa: E402
from campaign_sync.hooks.dataverse_activities import Activity  # noqa: E402
from campaign_sync.hooks.parallel import map_bounded  # noqa: E402

from local.environment import connections  # noqa: E402
from tests.sandbox_process import Sandbox, start_sandbox  # noqa: E402

SIDE_BY_SIDE = 12  # more than the four that fill the execution time of one server
EVENTS = ROOT / "include" / "mappings" / "email_events_to_activities.yaml"


class Sample(NamedTuple):
    """The sandbox's counters at a moment."""

    at: float
    counters: dict[str, int]

    def __getitem__(self, name: Any) -> Any:
        return self.counters.get(f"dataverse.{name}", 0)


class Limits(NamedTuple):
    """The limits of a window."""

    window: int
    requests: int
    execution_ms: int

    @classmethod
    def of(cls, window: int) -> Limits:
        return cls(window, 20 * window, 4000 * window)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=80)
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--only", choices=["writes", "reads", "halved"])
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--ledger", default="")
    parser.add_argument("--flow", help=argparse.SUPPRESS)  # this process is one
    options = parser.parse_args()
    budget.WINDOW, dataverse_activities.AT_ONCE = float(options.window), 20
    if options.flow:
        flow(options.flow, options.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        with start_sandbox(Path(folder) / "sandbox", people=200) as sandbox:
            os.environ |= connections(sandbox.env)
            os.environ["AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER"] = (
                options.ledger or f"sqlite:///{folder}/ledger.db"
            )
            hook = DataverseHook()
            for missing in hook.missing_from(activity_tables(load_events(str(EVENTS)))):
                hook.make(missing)
            sandbox.control("POST", "/sandbox/clock", {"advance": 10})  # new columns are unknown for seconds
            for name in ("writes", "reads", "halved"):
                if options.only in (None, name):
                    run(name, sandbox, options)
                    time.sleep(2 * options.window if options.only is None else 0)  # then all is as at first


def run(name: str, sandbox: Sandbox, options: Any) -> None:
    """One run from an empty window, with processes of its own."""
    limits, seconds = Limits.of(options.window), options.seconds
    limit(sandbox, limits, 1, options.servers, request_seconds=0.0 if name == "reads" else 0.75)
    sandbox.control("POST", "/sandbox/counters/reset")
    halving = threading.Timer(seconds / 2, limit, (sandbox, limits, 0.5, options.servers))
    arguments = ["--flow", name, "--seconds", str(seconds), "--window", str(options.window)]
    flows = [
        subprocess.Popen([sys.executable, __file__, *arguments], stdin=PIPE, stdout=PIPE, text=True)
        for _ in range(options.flows)
    ]
    for each in flows:
        each.stdout.readline()  # it is ready
    with sampled(sandbox) as samples:
        if name == "halved":
            halving.start()
        for each in flows:
            each.stdin.write("go\n")
            each.stdin.flush()
        done = [int(each.communicate()[0]) for each in flows]
    halving.cancel()
    report(name, samples, done, limits, options)


def flow(name: str, seconds: int) -> None:
    """What one flow does; prints how many rows."""
    hook = DataverseHook()
    contacts = [
        str(key)
        for page in hook.everything(hook.table("contact", []), [], 200)
        for key in page.rows.column(0)
    ]
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + seconds
    print(reads(contacts, until) if name == "reads" else writes(contacts, until))


def limit(sandbox: Sandbox, limits: Limits, share: float, servers: int, **switches: float) -> None:
    """All limits, as much smaller than the real ones as the window."""
    facets = {
        "limit_requests": int(limits.requests * share),
        "limit_execution_ms": int(limits.execution_ms * share),
    }
    others = {"limit_window_seconds": limits.window, "dop_hint": SIDE_BY_SIDE, "servers": servers}
    wanted = {f"dataverse.{key}": value for key, value in (facets | others | switches).items()}
    sandbox.control("PUT", "/sandbox/switches", wanted)
    if share == 1:
        sandbox.control("PUT", "/sandbox/dataverse/limits", {"reset": True})


def writes(contacts: list[str], until: float) -> int:
    """Creates and completes activities; what the limit of execution time binds."""

    def activities() -> Iterator[Activity]:
        while time.monotonic() < until:
            for contact in contacts:
                key = str(uuid4())
                body = {"activityid": key, "subject": "Sent", "acs_campaignname": "C7"}
                regarding = {"regardingobjectid_contact_acs_emailsend@odata.bind": f"/contacts({contact})"}
                completed = {"statecode": 1, "statuscode": 2}
                yield Activity(key, "acs_emailsends", body | regarding, completed)

    return sum(
        each.result == "created" for some in DataverseHook().write_activities(activities()) for each in some
    )


def reads(contacts: list[str], until: float) -> int:
    """Reads rows one by one, as many threads at once; what the number of requests binds."""
    hook = DataverseHook()
    table = hook.table("contact", ["emailaddress1"])

    def keys() -> Iterator[str]:
        while time.monotonic() < until:
            yield from contacts[:SIDE_BY_SIDE]

    def read(key: str) -> int:
        return sum(len(page.rows) for page in hook.by_keys(table, ["emailaddress1"], [key]))

    return sum(map_bounded(read, keys(), SIDE_BY_SIDE))


@contextmanager
def sampled(sandbox: Sandbox) -> Iterator[list[Sample]]:
    """The sandbox's counters, four times a second."""
    samples: list[Sample] = []
    over = threading.Event()

    def look() -> None:
        began = time.monotonic()
        while True:
            samples.append(Sample(time.monotonic() - began, sandbox.control("GET", "/sandbox/counters")))
            if over.wait(0.25):
                break

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def report(name: str, samples: list[Sample], done: list[int], limits: Limits, options: Any) -> None:
    """What was used of the limit that binds, window by window, and what was refused."""
    what, most = ("requests", limits.requests) if name == "reads" else ("charged_ms", limits.execution_ms)
    shares, window = [], limits.window
    for number in range(options.seconds // window):
        begin, end = (at(samples, (number + each) * window) for each in (0, 1))
        halved = name == "halved" and number * window >= options.seconds / 2
        ceiling = most * options.servers * (0.5 if halved else 1) * (1 - LEAVE_SHARE)
        used = end[what] - begin[what]
        if what == "requests":
            used -= refused(end) - refused(begin)
        shares.append(used / ceiling)
    total = samples[-1]
    print(f"{name}: {what} of each window: {', '.join(f'{share:.1%}' for share in shares)}")
    print(
        f"  {sum(shares) / len(shares):.1%} of the free ceiling; 429s {refused(total)} of {total['requests']} requests "
        f"({refused(total) / total['requests']:.2%}) {by_facet(total)}; "
        f"before Retry-After was over: {total['before_retry_after']}"
    )
    print(f"  rows of each flow: {', '.join(f'{each:,}' for each in done)}", flush=True)


def at(samples: list[Sample], moment: float) -> Sample:
    """The sample next to a moment."""
    return min(samples, key=lambda each: abs(each.at - moment))


def refused(sample: Sample) -> int:
    return sum(by_facet(sample).values())


def by_facet(sample: Sample) -> dict[str, int]:
    start = "dataverse.refused."
    return {name.removeprefix(start): n for name, n in sample.counters.items() if name.startswith(start)}


if __name__ == "__main__":
    main()
