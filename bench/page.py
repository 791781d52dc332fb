"""How long the page's API takes beside a large ledger: python bench/page.py [--postgres 10000000].

Fills a ledger of five flows in bulk: as many rows again as a twentieth of its records are rejected, and parked, and a
thousandth is in doubt; each flow has 20,000 runs. Then starts a real Airflow, whose own database has a thousand runs of
each flow, logs in, and asks its API server over HTTP what the page asks, one question after the other, as often as
`--times` says. Prints the median and the 95th percentile in milliseconds, from the request to the last byte, and the
API server's processor time of one.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import shutil
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import requests
from campaign_sync.ledger.database import Database
from sqlalchemy import Connection

from bench.latency import cpu
from bench.ledger import SCHEMA, postgres_schema
from local.airflow_api import AirflowApi
from local.environment import ROOT, login
from local.stack import Stack, free_port

FLOWS = [
    "contacts_to_profiles",
    "accounts_to_stores",
    "vendors_to_vendors",
    "orders_to_orders",
    "lines_to_lines",
]
RULES = [
    "a plausible address",
    "firstName",
    "location.countryCode",
    "refused by Campaign",
    "one that is rare",
]
RUNS = 20_000  #: of each flow, in the ledger
RUNS_IN_AIRFLOW = 1_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LISTS, SEARCHES = 300, 500  #: milliseconds that the page promises (p95)

#: A number's key, rule, flow, run and time; each database in its own words.
SQLITE = {
    "numbers": "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {last}) ",
    "from": "FROM n",
    "key": "(SELECT substr(h,1,8)||'-'||substr(h,9,4)||'-'||substr(h,13,4)||'-'||substr(h,17,4)||'-'||substr(h,21,12) "
    "FROM (SELECT printf('%08x%08x%08x%08x', (i * 2654435761) % 4294967296, i, (i * 40503) % 65536, i * 7) AS h))",
    "time": "strftime('%Y-%m-%d %H:%M:%S', '2026-01-01', '+' || (i / {per_second}) || ' seconds') || '.000000'",
    "hash": "randomblob(16)",
}
POSTGRES = {
    "numbers": "",
    "from": "FROM generate_series({first}, {last} - 1) AS i",
    "key": "md5(i::text)::uuid::text",
    "time": "TIMESTAMPTZ '2026-01-01 00:00:00Z' + (i / {per_second}) * INTERVAL '1 second'",
    "hash": "decode(md5(i::text), 'hex')",
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sqlite", type=int, default=1_000_000, help="rows; 0: skip")
    options.add_argument("--postgres", type=int, default=10_000_000, help="rows; 0: skip")
    options.add_argument("--times", type=int, default=100)
    options.add_argument("--server", default="postgresql://postgres@127.0.0.1:5432/test")
    asked = options.parse_args()
    if asked.sqlite:
        with place() as stack:
            path = stack.home / "campaign_sync" / "ledger.db"
            filled(f"SQLite, {asked.sqlite:,} rows", Database(f"sqlite:///{path}"), asked.sqlite)
            measure(stack, asked.times)
    if asked.postgres:
        with postgres_schema(asked.server) as url, place() as stack:
            if url:
                filled(f"Postgres, {asked.postgres:,} rows", Database(url), asked.postgres)
                stack.more["AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER"] = url
                measure(stack, asked.times)


@contextmanager
def place() -> Iterator[Stack]:
    """Where an Airflow is going to be, with the mappings of the five flows."""
    folder = ROOT / ".local" / "bench_page"
    shutil.rmtree(folder, ignore_errors=True)
    mappings = folder / "mappings"
    mappings.mkdir(parents=True)
    for name in FLOWS:
        shutil.copy(next((ROOT / "include" / "mappings").rglob(f"{name}.yaml")), mappings)
    stack = Stack(folder, folder / "sandbox", more={"AIRFLOW__CAMPAIGN_SYNC__MAPPINGS": str(mappings)})
    try:
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def filled(name: str, database: Database, rows: int) -> None:
    started = time.perf_counter()
    fill(database, rows)
    print(f"{name}, made in {time.perf_counter() - started:.0f} s", flush=True)


def measure(stack: Stack, times: int) -> None:
    """Ask everything, and end badly if something took longer than is promised."""
    stack.start_sandbox("--people", "10")
    port = free_port()
    stack.start_airflow(port)
    airflow = AirflowApi(port, *login(stack.home))
    for flow in FLOWS:
        airflow.wait_for_dag(flow)
        airflow.start(flow)  # its DAG is paused: the run waits
    with_history(stack.home / "airflow.db")
    page = Page(port, airflow.token)
    print(f"  {'':44}{'p50 ms':>8}{'p95 ms':>8}{'at most':>9}{'processor':>11}")
    server = stack.pids()["api-server"]
    slow = []
    taken: dict[int, list[float]] = {LISTS: [], SEARCHES: []}
    for question, limit, asking in questions(page):
        spent = cpu(server)
        each = sorted(timed(asking) for _ in range(times))
        spent = (cpu(server) - spent) / times * 1000
        taken[limit] += each
        slow += [question] * (report(question, each, limit, f"{spent:>11.0f}") > limit)
    report("all lists", sorted(taken[LISTS]), LISTS)
    report("all searches", sorted(taken[SEARCHES]), SEARCHES)
    if slow:
        raise SystemExit(f"slower than promised: {', '.join(slow)}")


def report(question: str, taken: list[float], limit: int, more: str = "") -> float:
    """Print what was measured; the 95th percentile."""
    late = taken[int(len(taken) * 0.95) - 1]
    print(f"  {question:44}{statistics.median(taken):>8.1f}{late:>8.1f}{limit:>9}{more}", flush=True)
    return late


class Page:
    """The page's API as a logged-in browser has it: one connection, kept open."""

    def __init__(self, port: int, token: str) -> None:
        self.root = f"http://127.0.0.1:{port}/campaign-sync/api"
        self.session = requests.Session()
        self.session.cookies.set("_token", token)

    def ask(self, path: str, **asked: Any) -> Any:
        answer = self.session.get(f"{self.root}/{path}", params=asked, timeout=60)
        answer.raise_for_status()
        return answer.json()


def with_history(database: Path) -> None:
    """Have each run that waits, with its tasks, many times over, as a run that has ended."""
    with closing(sqlite3.connect(database, timeout=60)) as airflow, airflow:
        airflow.execute("UPDATE dag_run SET state = 'success', start_date = run_after, end_date = run_after")
        airflow.execute("UPDATE task_instance SET state = 'success'")
        numbers = (
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS_IN_AIRFLOW})"
        )
        past = "strftime('%Y-%m-%d %H:%M:%S', run_after, '-' || i || ' hours') || '.000000'"
        new = {"id": "NULL", "run_id": "run_id || i", "run_after": past, "start_date": past, "end_date": past}
        tasks = {"id": "lower(hex(randomblob(16)))", "run_id": "run_id || i"}
        for table, values in (("dag_run", new), ("task_instance", tasks)):
            names = [row[1] for row in airflow.execute(f"PRAGMA table_info({table})")]
            columns = ", ".join(values.get(name, name) for name in names)
            airflow.execute(f"INSERT INTO {table} {numbers} SELECT {columns} FROM {table}, n")


def questions(page: Page) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """What the page asks, each time about something else."""
    chance = random.Random(1)
    keys = [row["source_key"] for row in page.ask("rows", limit=200)["rows"]]
    runs = [run["run_id"] for run in page.ask(f"flows/{FLOWS[0]}/runs", limit=200)["runs"]]

    def flow() -> str:
        return chance.choice(FLOWS)

    def key(length: int = 36) -> str:
        return chance.choice(keys)[:length]

    def somewhere() -> str:
        """As the API itself names a row after which a page begins."""
        time = BEGAN + timedelta(seconds=chance.random() * 40_000)
        return base64.urlsafe_b64encode(json.dumps([time.isoformat(), key(), FLOWS[2]]).encode()).decode()

    def minute() -> str:
        return (BEGAN + timedelta(minutes=chance.randrange(RUNS))).isoformat()

    yield "flows", LISTS, lambda: page.ask("flows")
    yield "one flow", LISTS, lambda: page.ask(f"flows/{flow()}")
    yield "one flow, again", LISTS, lambda: page.ask(f"flows/{flow()}/summary")
    yield "its runs", LISTS, lambda: page.ask(f"flows/{flow()}/runs")
    yield (
        "its runs, a later page",
        LISTS,
        lambda: page.ask(f"flows/{flow()}/runs", before=minute(), before_run="r"),
    )
    yield "approvals", LISTS, lambda: page.ask("approvals")
    yield "one contact", SEARCHES, lambda: page.ask(f"contacts/{key()}")
    for what in ("rejected", "parked"):

        def rows(what: str = what, **asked: Any) -> Any:
            return page.ask("rows", what=what, **asked)

        def rules(what: str = what) -> Any:
            return page.ask("rules", what=what, flow=flow())

        named = RULES if what == "rejected" else FLOWS
        searches: dict[str, Callable[[], dict[str, str]]] = {
            **{f"key of {length} letters": lambda length=length: {"key": key(length)} for length in (1, 4, 36)},
            "a rule": lambda named=named: {"rule": chance.choice(named)},
            "a run": lambda: {"run": chance.choice(runs)},
            "a run and a rare rule": lambda named=named: {
                "flow": FLOWS[0], "rule": named[-1], "run": "the first load",
            },
            "key of 1 letter and a rare rule": lambda named=named: {"key": key(1), "rule": named[-1]},
            "what nothing is like": lambda: {"key": "zz", "rule": "none", "run": "none"},
        }  # fmt: skip
        yield f"{what}: all flows", LISTS, rows
        yield f"{what}: all flows, a later page", LISTS, lambda rows=rows: rows(after=somewhere())
        yield f"{what}: rules of a flow", LISTS, rules
        for name, asked in searches.items():
            yield f"{what}: {name}", SEARCHES, lambda rows=rows, asked=asked: rows(**asked())


def fill(database: Database, rows: int, at_once: int = 500_000) -> None:
    """A ledger of so many rows."""
    words = POSTGRES if database.postgres else SQLITE
    of = len(FLOWS)
    flow = case("i % 5", FLOWS)
    # Half of what waits came with the first load, in one run; the rest with later ones.
    run = f"CASE WHEN i % 2 = 0 THEN 'the first load' ELSE 'run ' || (i % {RUNS}) END"
    rule = f"CASE WHEN i % 5003 = 0 THEN '{RULES[-1]}' ELSE {case('(i / 5) % 4', RULES[:-1])} END"
    waits = f"CASE WHEN i % 5003 = 0 THEN '{FLOWS[-1]}' ELSE '{FLOWS[0]}' END"
    some = "true" if database.postgres else "1"
    sha = "a" * 12
    waits_for = f"'parent', {waits}, {{key}}, 'it names a record that is not surely in Campaign'"
    tables = {
        "records": (
            rows,
            f"1, {{hash}}, {some}, CASE WHEN i % 1000 = 0 THEN 1 ELSE 0 END, {run}, '{sha}', {{time}}",
        ),
        "rejections": (rows // 20, f"1, 'check', {rule}, 'email: no', '{sha}', {run}, {{time}}, {{time}}, 1"),
        "parked": (rows // 20, f"1, {waits_for}, '{sha}', {run}, {{time}}, {{time}}"),
    }
    with database.read():
        pass  # makes the tables
    for table, (count, columns) in tables.items():
        for first in range(0, count, at_once):
            last = min(first + at_once, count)
            # Rows of a batch are settled together: they have the same time.
            parts = {
                name: text.format(first=first, last=last, per_second=15_000 * of)
                for name, text in words.items()
            }
            values = f"{flow}, {{key}}, {columns}".format(
                key=parts["key"], time=parts["time"], hash=parts["hash"]
            )
            with database.write() as connection:
                if not database.postgres:
                    connection.exec_driver_sql("PRAGMA cache_size = -1000000")
                _run(connection, f"INSERT INTO {table} {parts['numbers']}SELECT {values} {parts['from']}")
    tally = '{"extracted": 3, "updated": 3}'
    with database.write() as connection:
        for number, name in enumerate(FLOWS):
            parts = {word: text.format(first=0, last=RUNS, per_second=1) for word, text in words.items()}
            moment = parts["time"].replace("i / 1", f"i * 60 + {number}")
            _run(
                connection,
                f"INSERT INTO runs (flow, run_id, started, ended, state, tally) {parts['numbers']}SELECT '{name}', "
                f"'run ' || i, {moment}, {moment}, 'success', '{tally}' {parts['from']}",
            )
    if database.postgres:  # what autovacuum does within minutes of so many inserts
        vacuum(database)


def _run(connection: Connection, statement: str) -> None:
    postgres = connection.dialect.name == "postgresql"
    connection.exec_driver_sql(statement.replace("%", "%%") if postgres else statement)


def vacuum(database: Database) -> None:
    with database._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("records", "rejections", "parked", "runs"):
            connection.exec_driver_sql(f"VACUUM ANALYZE {SCHEMA}.{table}")


def case(number: str, values: list[str]) -> str:
    whens = " ".join(f"WHEN {at} THEN '{value}'" for at, value in enumerate(values))
    return f"CASE {number} {whens} END"


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
