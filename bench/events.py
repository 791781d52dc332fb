"""How fast export files become activities, and how much memory that takes: python bench/events.py [--events 200000].

First each part by itself, processor time of one core; then a whole run against a sandbox on the same machine, which
shares the processor with it, task by task in a process of its own each, with the most memory that it had.
"""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

from campaign_sync.events import activities
from campaign_sync.events.file import EventMapping, load_events
from campaign_sync.events.judging import DELIVERY, TRACKING
from campaign_sync.events.log_file import LogFile
from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.dataverse_activities import AT_ONCE, Activity, _change_set
from campaign_sync.hooks.dataverse_batch import decoded, encoded
from campaign_sync.ledger.events import Settled
from campaign_sync.ledger.ledger import Ledger

import tests.airflow_home  # noqa: F401 - before anything imports Airflow
from tests.events.exports import SHIPPED, TIMELINES
from tests.events.many import Mails, mails
from tests.sandbox_process import Sandbox, start_sandbox

FLOW = "email_events_to_activities"
ROWS_OF_FILE = 25_000
PEOPLE = 2_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--parts", action="store_true", help="only the parts, without a sandbox")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        contacts = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(PEOPLE)]
        parts(mails(asked.events, contacts), Path(folder))
    if not asked.parts:
        with tempfile.TemporaryDirectory() as folder:
            with start_sandbox(Path(folder) / "sandbox", people=PEOPLE, args=["--no-limits"]) as sandbox:
                whole(asked.events, sandbox, Path(folder))


def parts(made: Mails, folder: Path) -> None:
    """Every part by itself."""
    mapping = load_events(SHIPPED)
    files = []
    for name, text in made.files(late=False, each=ROWS_OF_FILE):
        (folder / name).write_text(text)
        log = DELIVERY if name.startswith("broadlog") else TRACKING
        files.append(LogFile(folder / name, name, log, mapping.extract))
    now = datetime(2026, 5, 1, tzinfo=UTC)
    list(files[0].frames(now))  # what is imported at first use
    timed("check the files", lambda: [file.check() for file in files], sum)
    frames = timed("read the files", lambda: [f.kept for file in files for f in file.frames(now)], rows)
    frames = timed("filter", lambda: [activities.filter_events(f, mapping, now).kept for f in frames], rows)
    frames = timed("map", lambda: [activities.map_events(f, mapping, TIMELINES).kept for f in frames], rows)
    written = timed("bodies", lambda: [activity for f in frames for activity in bodies(f, mapping)], len)
    pieces = [
        [_change_set(each, "/api/data/v9.2/") for each in written[at : at + AT_ONCE]]
        for at in range(0, len(written), AT_ONCE)
    ]
    timed("encode", lambda: [encoded(piece) for piece in pieces], lambda found: len(found) * AT_ONCE)
    answer = good_answer(len(pieces[0]))
    timed(
        "decode",
        lambda: [decoded(answer, piece) for piece in pieces[:-1]],
        lambda found: len(found) * AT_ONCE,
    )
    ledger, keys = Ledger(f"sqlite:///{folder}/ledger.db"), [list(f.index) for f in frames]
    asked = {"mapping_sha": "a" * 12, "now": now, "waiting": [], "refused": []}
    timed(
        "ledger: settled?",
        lambda: [ledger.events.settled(FLOW, some) for some in keys],
        lambda _: rows(frames),
    )
    told = [[settled(*event) for event in activities.plain_events(f)] for f in frames]
    timed("ledger: settle", lambda: [ledger.events.settle(FLOW, "run", settled=some, **asked) for some in told],
          lambda _: rows(frames))  # fmt: skip


def settled(key: str, event: dict[str, Any]) -> Settled:
    """An event that has become an activity."""
    return Settled(key, event["contact"], event["happened"], event["delivery"], created=True, task=False)


def bodies(frame: Any, mapping: EventMapping) -> list[Activity]:
    """What Dynamics is asked for."""
    return [
        Activity(
            key, TIMELINES[event["kind"]].set_name,
            activities.body_of(event, mapping, TIMELINES[event["kind"]], key), activities.COMPLETED,
        )
        for key, event in activities.plain_events(frame)
    ]  # fmt: skip


def good_answer(number: int) -> Answer:
    """Dataverse's answer to so many activities (dataverse.md §6.2)."""
    item = (
        "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {}\r\n\r\n"
        "HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\nLocation: {}\r\nOData-EntityId: {}\r\n\r\n\r\n"
    )
    address = (
        "https://org.crm4.dynamics.com/api/data/v9.2/acs_emailsends(63fe02e6-6d80-5560-900d-0c789c794f60)"
    )
    body = ""
    for change_set in range(number):
        body += f"--batchresponse_a\r\nContent-Type: multipart/mixed; boundary=changesetresponse_{change_set}\r\n\r\n"
        for content_id in (1, 2):
            body += f"--changesetresponse_{change_set}\r\n" + item.format(content_id, address, address)
        body += f"--changesetresponse_{change_set}--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=batchresponse_a"}
    return Answer("POST", "https://org/$batch", 200, headers, f"{body}--batchresponse_a--\r\n".encode())


def whole(number: int, sandbox: Sandbox, folder: Path) -> None:
    """A run task by task, each in a process of its own, as Airflow has them."""
    from local.environment import connections
    from tests.flows.events_on_foot import EventsOnFoot
    from tests.sandbox.sftp_session import upload

    os.environ |= connections(sandbox.env) | {"AIRFLOW_HOME": str(folder)}
    logging.disable(logging.INFO)
    people = sandbox.control("GET", "/sandbox/dataverse/rows?table=contact&limit=5000")["rows"]
    made = mails(number, [each["contactid"] for each in people])
    make_tables(sandbox)
    for name, text in made.files(late=False, each=ROWS_OF_FILE):
        upload(sandbox, f"/d365_loads/exports/{name}", text.encode())
    foot = EventsOnFoot(SHIPPED, "bench")
    count = sum(not each.late for each in made.events)
    alone("extract", foot, count)
    alone("steps", foot, count)
    alone("load", foot, count)
    report = alone("reconcile", foot, count)
    print(report["tally"])
    spent = Path(f"/proc/{sandbox.process.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")
    print(f"the sandbox: {ticks:.1f} s of processor time")


def make_tables(sandbox: Sandbox) -> None:
    """As `setup dynamics --apply` does."""
    from campaign_sync.events.tables import activity_tables
    from campaign_sync.hooks.dataverse import DataverseHook

    hook = DataverseHook()
    for missing in hook.missing_from(activity_tables(load_events(SHIPPED))):
        hook.make(missing)
    sandbox.control("POST", "/sandbox/clock", {"advance": 60})


def alone(task: str, foot: Any, count: int) -> Any:
    """Do a task in a process of its own; what it returned."""
    there, back = os.pipe()
    child = os.fork()
    if not child:
        try:
            began, used, before = time.perf_counter(), time.process_time(), memory("VmRSS")
            value = getattr(foot, task)()
            seconds, busy = time.perf_counter() - began, time.process_time() - used
            told = (
                f"{task:12}{seconds:8.1f} s, {busy:6.1f} s of processor, {count / seconds:8,.0f} rows/s, "
                f"{memory('VmHWM'):5,} MB at most, {before:,} before"
            )
            with os.fdopen(back, "wb") as pipe:
                pickle.dump((told, value, foot.batches, foot.checked, foot.loaded), pipe)
        finally:
            os._exit(0)
    os.close(back)
    with os.fdopen(there, "rb") as pipe:
        told, value, foot.batches, foot.checked, foot.loaded = pickle.load(pipe)
    os.waitpid(child, 0)
    print(told, flush=True)
    return value


def memory(what: str) -> int:
    """Megabytes of this process, now or at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) // 1024


def timed(what: str, work: Callable[[], Any], size: Callable[[Any], int]) -> Any:
    """Do it and say how many a second."""
    began = time.process_time()
    found = work()
    seconds = time.process_time() - began
    count = 0 if size is sum else size(found)
    print(f"{what:24}{seconds:8.2f} s {count / seconds:12,.0f} events/s", flush=True)
    return found


def rows(frames: list[Any]) -> int:
    return sum(map(len, frames))


if __name__ == "__main__":
    main()
