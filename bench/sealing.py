"""CPU seconds per gigabyte that encrypting rows at rest costs, beside writing the same rows as Parquet."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

sys.path.insert(0, "plugins")

import numpy as np
import pyarrow as pa  # noqa: TID253
from campaign_sync.rows.sealing import opened, sealed
from campaign_sync.rows.storage import parquet_bytes
from cryptography.fernet import Fernet

ROWS = 100_000
URI = "file:///storage/contacts_to_profiles/run/00001.map.parquet"


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of the best of three, and what came of it."""
    best, found = float("inf"), None
    for _ in range(3):
        began = time.process_time()
        found = work()
        best = min(best, time.process_time() - began)
    return best, found


def main() -> None:
    key = json.dumps({"conn_type": "generic", "password": Fernet.generate_key().decode()})
    os.environ["AIRFLOW_CONN_CAMPAIGN_SYNC_BATCH_KEYS"] = key
    os.environ["AIRFLOW__CAMPAIGN_SYNC__ENCRYPT_BATCHES"] = "true"
    chance = np.random.default_rng(1)
    texts = [chance.integers(0, 10**12, ROWS).astype(str) for _ in range(8)]
    columns = {f"c{number}": pa.array(each) for number, each in enumerate(texts)}
    took, content = seconds(lambda: parquet_bytes(pa.table(columns)))
    gigabytes = len(content) / 1e9
    sealed(URI, b"")  # reads settings and key once, as a task does
    there, secret = seconds(lambda: sealed(URI, content))
    back, same = seconds(lambda: opened(URI, secret))
    assert same == content
    print(f"{len(content) / 1e6:.0f} MB of Parquet, CPU seconds per GB at rest:")
    for what, each in (("write as Parquet", took), ("encrypt", there), ("decrypt", back)):
        print(f"  {what:<18}{each / gigabytes:6.2f}")
    print(f"  {len(secret) - len(content)} bytes more per file")


if __name__ == "__main__":
    main()
