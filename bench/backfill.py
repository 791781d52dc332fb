"""A backfill of sixty days through a real Airflow: eight runs at once, backwards, beside live runs with changes (I13).

    .venv/bin/python bench/backfill.py [--days 60] [--at-once 8] [--port 8150] [--postgres postgresql://…]

Starts a sandbox and an Airflow of its own, stops both, and exits 0 only if Campaign ends up as computed from Dynamics
alone, no run of the backfill moved the place in the change feed, and a last run has nothing to do. Airflow and ledger
are in a Postgres database made for it: with SQLite, Airflow makes no backfill while its scheduler is writing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from local.airflow_api import FINAL, AirflowApi  # noqa: E402
from local.environment import login  # noqa: E402
from local.expected import differences  # noqa: E402
from local.sandbox_api import SandboxApi  # noqa: E402
from local.stack import Stack, free_port  # noqa: E402

FLOW = "contacts_to_profiles"
POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
DAY = timedelta(days=1)
ROWS_A_DAY = 10


def main() -> int:
    """Play it; 0 if all is well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--postgres", default=os.environ.get("TEST_POSTGRES_URL", POSTGRES), help="a server to use"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = ROOT / ".local" / "backfill"
    shutil.rmtree(folder, ignore_errors=True)
    with database(options.postgres) as url:
        more = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(daily(folder)),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url.replace("postgresql:", "postgresql+psycopg2:"),
            "AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER": url,
        }
        stack = Stack(folder, folder / "sandbox", more=more)
        try:
            return play(stack, url, options)
        finally:
            stack.stop()


def play(stack: Stack, url: str, options: argparse.Namespace) -> int:
    """Sixty days, a first load, the backfill with people and the schedule beside it, the comparison."""
    sandbox = SandboxApi(stack.start_sandbox("--people", "200", "--no-limits"))
    last = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 2 * DAY
    days = [last - at * DAY for at in range(options.days)]
    for day in days:
        sandbox.clock({"set": (day + DAY / 2).isoformat()})
        sandbox.mutate("contact", create=[contact() for _ in range(ROWS_A_DAY)])
    sandbox.clock({"reset": True})
    port = options.port or free_port()
    stack.start_airflow(port)
    airflow = AirflowApi(port, *login(stack.home))
    airflow.wait_for_dag(FLOW)
    airflow.unpause(FLOW)
    live(airflow)
    print(f"{sandbox.count('contact'):,} contacts are in Campaign", flush=True)

    before, began, chance = place(url), time.monotonic(), random.Random(13)
    wanted = {"from_date": days[-1].isoformat(), "to_date": days[0].isoformat(), "run_backwards": True}
    limits = {"max_active_runs": options.at_once, "reprocess_behavior": "none", "dag_run_conf": {}}
    airflow.post("/backfills", {"dag_id": FLOW, **wanted, **limits})
    most = lived = 0
    while True:
        backfill = airflow.get(f"/dags/{FLOW}/dagRuns?run_type=backfill&limit=100")["dag_runs"]
        at_work = [run for run in backfill if run["state"] == "running"]
        most = max(most, len(at_work))
        if len(backfill) == len(days) and all(run["state"] in FINAL for run in backfill):
            break
        change(sandbox, chance)
        live(airflow)
        lived += 1
    seconds = time.monotonic() - began
    failed = [run["dag_run_id"] for run in backfill if run["state"] != "success"]
    sent = sum(airflow.result(FLOW, run["dag_run_id"], "reconcile")["tally"]["extracted"] for run in backfill)
    link, mover = place(url)
    print(
        f"{len(backfill)} runs, {most} at once at most, {sent:,} rows sent again in "
        f"{seconds:.0f} s; {lived} live runs with changes beside it",
        flush=True,
    )
    live(airflow)
    different = differences(sandbox.rows("contact"), sandbox.records("profile"))
    calls = sandbox.engine_calls()
    live(airflow)
    problems = [
        *(f"{run_id} failed" for run_id in failed),
        *(f"{key} is different" for key in sorted(different)),
        *(
            ["the backfill moved the place"]
            if mover.startswith("backfill") or (not lived and link != before[0])
            else []
        ),
        *(["a run without changes wrote something"] if sandbox.engine_calls() != calls else []),
    ]
    print(
        "\n".join(problems) or f"{len(sandbox.records('profile')):,} profiles are as they should be",
        flush=True,
    )
    return 1 if problems else 0


def daily(folder: Path) -> Path:
    """A copy of the DAG file and the mapping, with a day for a data interval."""
    mappings, dags = folder / "include" / "mappings", folder / "dags"
    mappings.mkdir(parents=True)
    dags.mkdir()
    (dags / "ingress.py").write_text((ROOT / "dags" / "ingress.py").read_text())
    mapping = (ROOT / "include" / "mappings" / f"{FLOW}.yaml").read_text()
    (mappings / f"{FLOW}.yaml").write_text(f'schedule: "@daily"\n{mapping}')
    return dags


def contact() -> dict[str, Any]:
    """A new contact, who passes the filter."""
    key = str(uuid.uuid4())
    return {"contactid": key, "lastname": "Alm", "emailaddress1": f"{key}@alder.example"}


def change(sandbox: SandboxApi, chance: random.Random) -> None:
    """Some contacts move, some go, some are new."""
    keys = [row["contactid"] for row in sandbox.rows("contact") if row["lastname"] == "Alm"]
    some = chance.sample(keys, 25)
    city = f"City {chance.randrange(1000)}"
    sandbox.mutate(
        "contact",
        update=[{"id": key, "address1_city": city} for key in some[:20]],
        delete=some[20:],
        create=[contact() for _ in range(5)],
    )


def live(airflow: AirflowApi) -> None:
    """One run of the flow beside those of the schedule and of the backfill."""
    run_id = airflow.start(FLOW)
    state = airflow.wait(FLOW, run_id, seconds=900, progress=lambda said: print(f"  {said}", flush=True))
    if state != "success":
        raise SystemExit(f"{run_id}: {state}: {airflow.failures(FLOW, run_id)}")


def place(url: str) -> tuple[str, str]:
    """The flow's place in the change feed, and the run that moved it there."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT delta_link, run_id FROM places")
        link, mover = cursor.fetchone() or ("", "")
    return str(link), str(mover)


@contextmanager
def database(server: str) -> Iterator[str]:
    """A database of this script's own; its URL."""
    name = f"backfill_{uuid.uuid4().hex[:8]}"
    connection = psycopg2.connect(server)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
