"""How long the ledger takes beside many known rows: python bench/ledger.py [--known 15000000].

Makes a ledger of that many rows in a temporary folder (and in a Postgres schema of its own, where one
answers), then measures known + begin + settle of 5,000 changed rows, and of a million rows of which 15,000
changed.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

import pandas as pd  # noqa: TID253
import pyarrow as pa  # noqa: TID253
from campaign_sync.ledger.ledger import Ledger

FLOW = "contacts_to_profiles"
RUN = "scheduled__2026-11-20T06:30:00+00:00"
SCHEMA = "campaign_sync_bench"
NOBODY = pd.DataFrame({"version": [], "step": [], "rule": [], "reason": []})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--known", type=int, default=1_000_000)
    options.add_argument("--changed", type=int, default=5_000)
    options.add_argument("--read", type=int, default=1_000_000)
    options.add_argument("--batch", type=int, default=25_000)
    options.add_argument(
        "--postgres", default="postgresql://postgres@127.0.0.1:5432/test", help="empty: skip"
    )
    asked = options.parse_args()
    asked.read = min(asked.read, asked.known)
    print(f"{'':34}{'known':>10}{'begin':>10}{'settle':>10}{'together':>10}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", f"sqlite:///{folder}/ledger.db", asked)
    with postgres_schema(asked.postgres) as url:
        if url:
            measure("Postgres", url, asked, settled=lambda: analyze(asked.postgres))
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def measure(
    name: str, url: str, asked: argparse.Namespace, settled: Callable[[], None] = lambda: None
) -> None:
    ledger = Ledger(url)
    started = time.perf_counter()
    for start in range(0, asked.known, 250_000):
        numbers = range(start, min(start + 250_000, asked.known))
        ledger.settle(FLOW, outcomes(numbers, 1, "created"), NOBODY, RUN, "a" * 12)
    print(f"{name}: {asked.known:,} known, made in {time.perf_counter() - started:.0f} s")

    settled()

    step = max(asked.known // asked.changed, 1)
    changed = range(0, asked.known, step)[: asked.changed]
    report(f"  {len(changed):,} changed", [one_batch(ledger, changed, len(changed), version=2)])

    share = 15_000 / 1_000_000
    batches = [range(at, min(at + asked.batch, asked.read)) for at in range(0, asked.read, asked.batch)]
    times = [one_batch(ledger, batch, int(len(batch) * share), version=3) for batch in batches]
    report(f"  {asked.read:,} read, {share:.1%} changed", times)


def one_batch(ledger: Ledger, numbers: range, changed: int, version: int) -> tuple[float, float, float]:
    """Seconds for known, begin and settle of one batch whose first rows changed."""
    written = outcomes(numbers[:changed], version, "updated")
    settled = pd.concat([written, outcomes(numbers[changed:], 1, "unchanged")])
    return (
        timed(lambda: check(len(ledger.known(FLOW, settled.index)) == len(numbers))),
        timed(lambda: ledger.begin(FLOW, written.index, RUN)),
        timed(lambda: ledger.settle(FLOW, settled, NOBODY, RUN, "a" * 12)),
    )


def outcomes(numbers: range, version: int, result: str) -> pd.DataFrame:
    digests = [hashlib.md5(b"%d %d" % (version, number)).digest() for number in numbers]
    columns = {
        "contactid": pa.array([key(number) for number in numbers], pa.string()),
        "version": pa.array([version] * len(numbers), pa.int64()),
        "sent_hash": pa.array(digests, pa.binary()),
        "result": pa.array([result] * len(numbers), pa.string()),
    }
    return pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype).set_index("contactid")


def key(number: int) -> str:
    digits = hashlib.md5(b"%d" % number).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def check(true: bool) -> None:
    if not true:
        raise SystemExit("the ledger lost rows")


def report(name: str, times: list[tuple[float, float, float]]) -> None:
    sums = [sum(column) for column in zip(*times, strict=True)]
    print(f"{name:34}" + "".join(f"{seconds:>9.2f}s" for seconds in [*sums, sum(sums)]), flush=True)


@contextmanager
def postgres_schema(url: str) -> Iterator[str | None]:
    import psycopg2

    if not url:
        yield None
        return
    try:
        connection = psycopg2.connect(url, connect_timeout=3)
    except psycopg2.OperationalError as error:
        print(f"Postgres: skipped, {' '.join(str(error).split())}")
        yield None
        return
    with closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
            try:
                yield f"{url}?options=-csearch_path%3D{SCHEMA}"
            finally:
                cursor.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def analyze(url: str) -> None:
    """What autovacuum does within a minute of so many inserts."""
    import psycopg2

    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {SCHEMA}.records")


if __name__ == "__main__":
    main()
