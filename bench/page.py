"""How long the page's questions take in a large ledger: python bench/page.py [--postgres 10000000].

Fills a ledger of five flows in bulk: as many rows again as a twentieth of its records are rejected, and parked, and a
thousandth is in doubt; each flow has 20,000 runs. Then asks what the page asks, as often as `--times` says, and prints
the median and the 95th percentile in milliseconds, connecting included.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from campaign_sync.ledger.database import Database
from campaign_sync.ledger.one_key import remembered
from campaign_sync.ledger.overview import last_runs, past_runs, standings
from campaign_sync.ledger.searching import After, Wanted, find_rows, rules_of
from sqlalchemy import Connection

from bench.ledger import SCHEMA, postgres_schema

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
RUNS = 20_000
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
    options.add_argument("--times", type=int, default=40)
    options.add_argument("--server", default="postgresql://postgres@127.0.0.1:5432/test")
    asked = options.parse_args()
    if asked.sqlite:
        with tempfile.TemporaryDirectory() as folder:
            measure("SQLite", Database(f"sqlite:///{folder}/ledger.db"), asked.sqlite, asked.times)
    if asked.postgres:
        with postgres_schema(asked.server) as url:
            if url:
                measure("Postgres", Database(url), asked.postgres, asked.times)


def measure(name: str, database: Database, rows: int, times: int) -> None:
    started = time.perf_counter()
    fill(database, rows)
    print(f"{name}: {rows:,} rows, made in {time.perf_counter() - started:.0f} s")
    print(f"  {'':44}{'p50 ms':>8}{'p95 ms':>8}{'at most':>9}")
    slow = []
    for question, limit, ask in questions(database):
        taken = sorted(timed(ask) for _ in range(times))
        middle, late = statistics.median(taken), taken[int(len(taken) * 0.95) - 1]
        print(f"  {question:44}{middle:>8.1f}{late:>8.1f}{limit:>9}", flush=True)
        slow += [question] * (late > limit)
    if slow:
        raise SystemExit(f"slower than promised: {', '.join(slow)}")


def questions(database: Database) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """What the page asks, each time about something else."""
    chance = random.Random(1)
    keys = [row.source_key for row in find_rows(database, "rejected", Wanted(FLOWS), limit=200)]
    runs = [run.run_id for run in past_runs(database, FLOWS[0], limit=200)]

    def somewhere() -> After:
        return After(BEGAN + timedelta(seconds=chance.random() * 40_000), chance.choice(keys), FLOWS[2])

    def key(length: int) -> str:
        return chance.choice(keys)[:length]

    yield "one contact", LISTS, lambda: remembered(database, FLOWS, chance.choice(keys))
    yield "flows", LISTS, lambda: (standings(database, FLOWS), last_runs(database, FLOWS))
    yield "runs of a flow", LISTS, lambda: past_runs(database, chance.choice(FLOWS))
    yield (
        "runs, a later page",
        LISTS,
        lambda: past_runs(database, FLOWS[0], (BEGAN + timedelta(minutes=chance.randrange(RUNS)), "r")),
    )
    for what in ("rejected", "parked"):
        yield f"{what}: all flows", LISTS, lambda what=what: find_rows(database, what, Wanted(FLOWS))
        yield (
            f"{what}: all flows, a later page",
            LISTS,
            lambda what=what: find_rows(database, what, Wanted(FLOWS), somewhere()),
        )
        yield f"{what}: rules of a flow", LISTS, lambda what=what: rules_of(database, what, FLOWS[0])
        for length in (1, 4, 36):
            yield (
                f"{what}: key of {length} letters",
                SEARCHES,
                lambda what=what, length=length: find_rows(database, what, Wanted(FLOWS, key=key(length))),
            )
        rules = RULES if what == "rejected" else FLOWS
        yield (
            f"{what}: a rule",
            SEARCHES,
            lambda what=what, rules=rules: find_rows(
                database, what, Wanted(FLOWS, rule=chance.choice(rules))
            ),
        )
        yield (
            f"{what}: a run",
            SEARCHES,
            lambda what=what: find_rows(database, what, Wanted(FLOWS, run_id=chance.choice(runs))),
        )
        yield (
            f"{what}: a run and a rare rule",
            SEARCHES,
            lambda what=what, rules=rules: find_rows(
                database, what, Wanted(FLOWS[:1], rule=rules[-1], run_id="the first load")
            ),
        )
        yield (
            f"{what}: key of 1 letter and a rare rule",
            SEARCHES,
            lambda what=what, rules=rules: find_rows(
                database, what, Wanted(FLOWS, key=key(1), rule=rules[-1])
            ),
        )
        yield (
            f"{what}: what nothing is like",
            SEARCHES,
            lambda what=what: find_rows(database, what, Wanted(FLOWS, key="zz", rule="none", run_id="none")),
        )


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
