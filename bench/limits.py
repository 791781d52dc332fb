"""How much of what Dataverse's limits allow the hook uses, and how often it is refused.

    .venv/bin/python bench/limits.py [--seconds 80] [--only writes|reads|halved] [--servers 1]

Starts a sandbox with the service protection limits on, all of them and their window a fifteenth of the real ones
(20 s, 400 requests, 80 s of execution; 52 at once as they are), so that the rates are the real ones and several
windows fit into a run; batches are a fifth of their size, and each takes 0.75 s besides its work. Writes and reads
through the hook, faster than allowed, and prints what the sandbox counted: for each whole window what was used of the
limit that binds, the share of 429s, and the requests that came before a Retry-After was over. What was under way when
the 429 was told is none of these. `halved`: requests and execution time are halved in the middle.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "plugins"))

from campaign_sync.events.file import load_events  # noqa: E402
from campaign_sync.events.tables import activity_tables  # noqa: E402
from campaign_sync.hooks import budget, dataverse_activities  # noqa: E402
from campaign_sync.hooks.dataverse import DataverseHook  # noqa: E402
from campaign_sync.hooks.dataverse_activities import Activity  # noqa: E402
from campaign_sync.hooks.parallel import map_bounded  # noqa: E402

from local.environment import connections  # noqa: E402
from tests.sandbox_process import Sandbox, start_sandbox  # noqa: E402

SCALE = 15
WINDOW = 300 // SCALE
REQUESTS, EXECUTION_MS = 6000 // SCALE, 1_200_000 // SCALE
SIDE_BY_SIDE = 12  # more than the four that fill the execution time of one server
EVENTS = ROOT / "include" / "mappings" / "email_events_to_activities.yaml"


class Sample(NamedTuple):
    """The sandbox's counters at a moment."""

    at: float
    counters: dict[str, int]

    def __getitem__(self, name: Any) -> Any:
        return self.counters.get(f"dataverse.{name}", 0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=80)
    parser.add_argument("--only", choices=["writes", "reads", "halved"])
    parser.add_argument("--servers", type=int, default=1)
    options = parser.parse_args()
    budget.WINDOW, dataverse_activities.AT_ONCE = float(WINDOW), 20
    with tempfile.TemporaryDirectory() as folder:
        with start_sandbox(Path(folder) / "sandbox", people=200) as sandbox:
            os.environ |= connections(sandbox.env)
            hook = DataverseHook()
            for missing in hook.missing_from(activity_tables(load_events(str(EVENTS)))):
                hook.make(missing)
            sandbox.control("POST", "/sandbox/clock", {"advance": 10})  # new columns are unknown for seconds
            for name in ("writes", "reads", "halved"):
                if options.only in (None, name):
                    run(name, sandbox, options.seconds, options.servers)


def run(name: str, sandbox: Sandbox, seconds: int, servers: int) -> None:
    """One run from an empty window, with a hook of its own."""
    limit(sandbox, 1, servers, request_seconds=0.0 if name == "reads" else 0.75)
    sandbox.control("POST", "/sandbox/counters/reset")
    rows = sandbox.control("GET", "/sandbox/dataverse/rows?table=contact&limit=200")["rows"]
    contacts = [str(row["contactid"]) for row in rows]
    until = time.monotonic() + seconds
    halving = threading.Timer(seconds / 2, limit, (sandbox, 0.5, servers))
    if name == "halved":
        halving.start()
    with sampled(sandbox) as samples:
        done = reads(contacts, until) if name == "reads" else writes(contacts, until)
    halving.cancel()
    report(name, samples, done, seconds, servers)


def limit(sandbox: Sandbox, share: float, servers: int, **switches: float) -> None:
    """All limits, a fifteenth or less of the real ones."""
    limits = {"limit_requests": int(REQUESTS * share), "limit_execution_ms": int(EXECUTION_MS * share)}
    others = {"limit_window_seconds": WINDOW, "dop_hint": SIDE_BY_SIDE, "servers": servers}
    wanted = {f"dataverse.{key}": value for key, value in (limits | others | switches).items()}
    sandbox.control("PUT", "/sandbox/switches", wanted)
    if share == 1:
        sandbox.control("PUT", "/sandbox/dataverse/limits", {"reset": True})


def writes(contacts: list[str], until: float) -> str:
    """Creates and completes activities; what the limit of execution time binds."""

    def activities() -> Iterator[Activity]:
        while time.monotonic() < until:
            for contact in contacts:
                key = str(uuid4())
                body = {"activityid": key, "subject": "Sent", "acs_campaignname": "C7"}
                regarding = {"regardingobjectid_contact_acs_emailsend@odata.bind": f"/contacts({contact})"}
                completed = {"statecode": 1, "statuscode": 2}
                yield Activity(key, "acs_emailsends", body | regarding, completed)

    began = time.monotonic()
    count = sum(
        each.result == "created" for some in DataverseHook().write_activities(activities()) for each in some
    )
    return f"{count:,} activities, {count / (time.monotonic() - began):.0f} per second"


def reads(contacts: list[str], until: float) -> str:
    """Reads rows one by one, as many threads at once; what the number of requests binds."""
    hook = DataverseHook()
    table = hook.table("contact", ["emailaddress1"])

    def keys() -> Iterator[str]:
        while time.monotonic() < until:
            yield from contacts[:SIDE_BY_SIDE]

    def read(key: str) -> int:
        return sum(len(page.rows) for page in hook.by_keys(table, ["emailaddress1"], [key]))

    return f"{sum(map_bounded(read, keys(), SIDE_BY_SIDE)):,} rows read one by one"


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


def report(name: str, samples: list[Sample], done: str, seconds: int, servers: int) -> None:
    """What was used of the limit that binds, window by window, and what was refused."""
    what, most = ("requests", REQUESTS) if name == "reads" else ("charged_ms", EXECUTION_MS)
    shares, allowed = [], 0.0
    for number in range(seconds // WINDOW):
        begin, end = (at(samples, (number + each) * WINDOW) for each in (0, 1))
        halved = name == "halved" and number * WINDOW >= seconds / 2
        ceiling = most * servers * (0.5 if halved else 1)
        used = end[what] - begin[what]
        if what == "requests":
            used -= refused(end) - refused(begin)
        shares.append(used / ceiling)
        allowed += ceiling
    total = samples[-1]
    used = sum(share for share in shares) / len(shares)
    print(f"{name}: {done}; {what} of each window: {', '.join(f'{share:.1%}' for share in shares)}")
    print(
        f"  throughput {used:.1%} of the ceiling; 429s {refused(total)} of {total['requests']} requests "
        f"({refused(total) / total['requests']:.2%}) {by_facet(total)}; "
        f"before Retry-After was over: {total['before_retry_after']}",
        flush=True,
    )


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
