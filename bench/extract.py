"""How fast pages become Parquet: python bench/extract.py [--people 200000].

Starts a sandbox with that many contacts and reads its change feed through the hook into one zstd Parquet
file, a row group per page; then reads the same pages once more from memory, which leaves the hook's own work.
The sandbox runs on the same machine, so the first figure has its page making in it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

import pyarrow as pa  # noqa: TID253
import pyarrow.parquet as pq  # noqa: TID253
from campaign_sync.hooks import dataverse as dataverse_module
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.hooks.pages import Page, read_page

from tests.sandbox_process import start_sandbox

# 25 columns of several types, as a real mapping with filters has
COLUMNS = (
    *("firstname", "lastname", "fullname", "salutation", "jobtitle", "emailaddress1", "telephone1"),
    *("mobilephone", "birthdate", "gendercode", "statecode", "statuscode", "donotemail", "donotbulkemail"),
    *("donotphone", "donotfax", "donotpostalmail", "address1_line1", "address1_city", "address1_country"),
    *("address1_postalcode", "parentcustomerid", "ownerid", "createdon", "modifiedon"),
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=200_000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with start_sandbox(Path(folder) / "sandbox", people=asked.people, args=["--no-limits"]) as sandbox:
            os.environ["AIRFLOW_CONN_DATAVERSE_DEFAULT"] = connection(sandbox.env)
            bodies: list[bytes] = []
            hook = DataverseHook()
            table = hook.table("contact", COLUMNS)
            measure("sandbox to Parquet", hook.changes(table, COLUMNS), folder)
            dataverse_module.read_page = recording(bodies)  # type: ignore[attr-defined]
            for page in hook.changes(table, COLUMNS):
                del page
        columns = list(table.columns.values())
        measure("pages to Parquet", (read_page(body, columns, table.key) for body in bodies), folder)
        started = time.perf_counter()
        count = sum(len(read_page(body, columns, table.key).rows) for body in bodies)
        print(f"{'pages to Arrow':20}{count / (time.perf_counter() - started):12,.0f} rows/s")
        print(f"{sum(map(len, bodies)) / len(bodies) / 1e6:.1f} MB per page of JSON")


def measure(name: str, pages: Iterable[Page], folder: str) -> None:
    target, rows, started = Path(folder) / "rows.parquet", 0, time.perf_counter()
    writer: pq.ParquetWriter | None = None
    for page in pages:
        writer = writer or pq.ParquetWriter(target, page.rows.schema, compression="zstd")
        writer.write_table(pa.Table.from_batches([page.rows]))
        rows += page.rows.num_rows
    assert writer is not None
    writer.close()
    took, memory = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{name:20}{rows / took:12,.0f} rows/s  {rows:,} rows in {took:.1f} s, most memory {memory} MB",
        flush=True,
    )


def recording(bodies: list[bytes]) -> partial[Page]:
    def read(body: bytes, **arguments: object) -> Page:
        bodies.append(body)
        return read_page(body, **arguments)  # type: ignore[arg-type]

    return partial(read)


def connection(env: dict[str, str]) -> str:
    extra = {"tenant_id": env["TENANT_ID"], "authority": env["ENTRA_AUTHORITY"], "verify": env["CA_FILE"]}
    login, password = env["DATAVERSE_CLIENT_ID"], env["DATAVERSE_CLIENT_SECRET"]
    host = env["DATAVERSE_URL"]
    return json.dumps(
        {"conn_type": "dataverse", "host": host, "login": login, "password": password, "extra": extra}
    )


if __name__ == "__main__":
    main()
