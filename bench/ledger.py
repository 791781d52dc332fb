"""How long the ledger takes beside many known rows: python bench/ledger.py [--known 15000000].

Makes a ledger of that many rows, in a temporary folder and, where a Postgres answers, in a schema of its own. Then
measures what one task does with each batch, comparing, beginning and settling: of a batch of changed rows from all over
the ledger, and of a million rows, in batches as a run has them, of which 15,000 changed.

Printed is the fastest of several times, in seconds, and beside it the processor time of this process and of the
database's (only of a Postgres on this machine). With --keep, the ledgers stay and are found again.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

import pandas as pd  # noqa: TID253
import psycopg2.extensions
import pyarrow as pa  # noqa: TID253
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.run.extract import BATCH_ROWS
from sqlalchemy import event
from sqlalchemy.pool import Pool

FLOW = "contacts_to_profiles"
RUN, SHA = "scheduled__2026-11-20T06:30:00+00:00", "a" * 12
SCHEMA = "campaign_sync_bench"
NOBODY = pd.DataFrame({"version": [], "step": [], "rule": [], "reason": []})
COLUMNS = "flow, source_key, version, sent_hash, present, doubt, run_id, mapping_sha, updated_at"
FILLED = bytes(range(20))  # ten fields that hold something
SETTLED_AT = "2026-11-20 06:31:00.000000"


class Spent(NamedTuple):
    """Seconds."""

    wall: float
    ours: float  # processor time of this process
    theirs: float  # and of the database's


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--known", type=int, default=1_000_000)
    options.add_argument("--changed", type=int, default=5_000)
    options.add_argument("--read", type=int, default=1_000_000)
    options.add_argument("--batch", type=int, default=BATCH_ROWS)
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--keep", type=Path, help="a folder: the ledgers stay for another time")
    options.add_argument("--sqlite", action=argparse.BooleanOptionalAction, default=True)
    options.add_argument(
        "--postgres", default="postgresql://postgres@127.0.0.1:5432/test", help="empty: skip"
    )
    asked = options.parse_args()
    asked.read = min(asked.read, asked.known)
    print(f"{'':38}{'fastest':>9}{'ours':>9}{'theirs':>9}{'median':>9}", flush=True)
    with tempfile.TemporaryDirectory() as passing:
        if asked.sqlite:
            file = (asked.keep or Path(passing)) / "ledger.db"
            url = f"sqlite:///{file}"
            if not file.exists():
                Ledger(url).counts(FLOW)
                fill_sqlite(file, asked.known)
            with closing(sqlite3.connect(file)) as database:
                newer = dict(database.execute("SELECT source_key, version FROM records WHERE version > 1"))
            measure("SQLite", url, newer, asked)
    with postgres_schema(asked.postgres, keep=bool(asked.keep)) as url:
        if url:
            if Ledger(url).is_empty(FLOW):
                with closing(psycopg2.connect(url)) as connection:
                    connection.autocommit = True
                    fill_postgres(connection, asked.known)
            with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT source_key, version FROM records WHERE version > 1")
                newer = dict(cursor.fetchall())
            measure("Postgres", url, newer, asked)
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def measure(name: str, url: str, newer: dict[str, int], asked: argparse.Namespace) -> None:
    spent([(range(1), 1)], url, newer)  # imports
    step = max(asked.known // asked.changed, 1)
    changed = range(0, asked.known, step)[: asked.changed]
    report(
        f"{name}, {len(changed):,} changed of {asked.known:,}",
        [spent([(changed, len(changed))], url, newer) for _ in range(asked.times)],
    )
    parts = [range(at, min(at + asked.batch, asked.read)) for at in range(0, asked.read, asked.batch)]
    batches = [(part, len(part) * 15 // 1_000) for part in parts]
    report(
        f"{name}, {asked.read:,} read, {sum(count for _, count in batches):,} changed",
        [spent(batches, url, newer) for _ in range(asked.times)],
    )


def spent(batches: Iterable[tuple[range, int]], url: str, newer: dict[str, int]) -> Spent:
    """What comparing, beginning and settling batches takes, the first rows of each having changed."""
    wall = ours = 0.0
    ledger = Ledger(url)
    with backend_time() as theirs, ledger.held():
        for numbers, count in batches:
            changed = [key(number) for number in numbers[:count]]
            newer |= {each: newer.get(each, 1) + 1 for each in changed}
            rows = readings(numbers, newer)
            written = rows.loc[changed].assign(result="updated")
            started, used = time.perf_counter(), time.process_time()
            settled, known = ledger.compared(FLOW, rows)
            begun = ledger.begin(FLOW, changed, RUN, [newer[each] for each in changed]).keys
            ledger.settle(FLOW, written, NOBODY, RUN, SHA)
            wall, ours = wall + time.perf_counter() - started, ours + time.process_time() - used
            if (len(settled), len(known), len(begun)) != (len(rows) - count, count, count):
                raise SystemExit("the ledger lost rows")
    return Spent(wall, ours, sum(theirs))


@contextmanager
def backend_time() -> Iterator[list[float]]:
    """The processor time of the Postgres process whose connection is held meanwhile, if it runs here."""
    seconds: list[float] = []

    def closes(connection: Any, _: Any) -> None:
        if isinstance(connection, psycopg2.extensions.connection):
            with suppress(OSError):  # it runs elsewhere
                nanoseconds = Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]
                seconds.append(int(nanoseconds) / 1e9)

    event.listen(Pool, "close", closes)
    try:
        yield seconds
    finally:
        event.remove(Pool, "close", closes)


def readings(numbers: range, newer: dict[str, int]) -> pd.DataFrame:
    keys = [key(number) for number in numbers]
    versions = [newer.get(each, 1) for each in keys]
    digests = [digest(number, version) for number, version in zip(numbers, versions, strict=True)]
    columns = {
        "contactid": pa.array(keys, pa.string()),
        "version": pa.array(versions, pa.int64()),
        "sent_hash": pa.array(digests, pa.binary()),
    }
    return pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype).set_index("contactid")


def digest(number: int, version: int) -> bytes:
    return hashlib.md5(b"%d %d" % (version, number)).digest() + FILLED


def key(number: int) -> str:
    digits = hashlib.md5(b"%d" % number).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def report(name: str, times: list[Spent]) -> None:
    fastest, median = min(times), sorted(times)[len(times) // 2]
    columns = (*fastest, median.wall)
    print(f"{name:38}" + "".join(f"{seconds:>8.2f}s" for seconds in columns), flush=True)


def fill_sqlite(file: Path, known: int) -> None:
    """In parts, each in the order of keys: pages are then as full as after inserts in any order."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        for part in range(3):
            rows = (
                (FLOW, each, 1, digest(number, 1), True, 0, RUN, SHA, SETTLED_AT)
                for each, number in sorted((key(number), number) for number in range(part, known, 3))
            )
            database.execute("BEGIN")
            database.executemany(f"INSERT INTO records ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", rows)
            database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill_postgres(connection: Any, known: int) -> None:
    """In the order in which rows were once read; the key's index afterwards, as full as after inserts in any order."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE records DROP CONSTRAINT records_pkey")
        for start in itertools.count(0, 1_000_000):
            if start >= known:
                break
            cursor.execute(
                f"INSERT INTO records ({COLUMNS}) SELECT %(flow)s, md5(number::text)::uuid::text, 1, "
                "decode(md5('1 ' || number), 'hex') || %(filled)s, true, 0, %(run)s, %(sha)s, %(at)s "
                "FROM generate_series(%(start)s, %(end)s) number",
                {
                    "flow": FLOW, "filled": FILLED, "run": RUN, "sha": SHA, "at": f"{SETTLED_AT}+00",
                    "start": start, "end": min(start + 1_000_000, known) - 1,
                },
            )  # fmt: skip
        cursor.execute("ALTER TABLE records ADD PRIMARY KEY (flow, source_key) WITH (fillfactor = 70)")
        cursor.execute("VACUUM ANALYZE records")  # as autovacuum would, some minutes after so many inserts


@contextmanager
def postgres_schema(server: str, *, keep: bool = False) -> Iterator[str | None]:
    """The URL of a schema of our own, empty unless it was kept; None where there is no server."""
    if not server:
        yield None
        return
    url = f"{server}?options=-csearch_path%3D{SCHEMA}"
    try:
        connection = psycopg2.connect(url, connect_timeout=3)
    except psycopg2.OperationalError as error:
        print(f"Postgres: skipped, {' '.join(str(error).split())}")
        yield None
        return
    with closing(connection), connection.cursor() as cursor:
        connection.autocommit = True
        if not keep:
            cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        try:
            yield url
        finally:
            if not keep:
                cursor.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


if __name__ == "__main__":
    main()
