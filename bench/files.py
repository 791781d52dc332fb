"""How fast rows become files in Campaign's SFTP area: python bench/files.py [--rows 300000].

Makes contacts as a mapping leaves them, 15,000 rows a batch, and measures on one core: rows to CSV, CSV to gzip, both
together, and the upload into a sandbox's SFTP area on the same machine, which shares the processor with it.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

import pandas as pd  # noqa: TID253
import pyarrow as pa  # noqa: TID253
from campaign_sync.hooks.campaign_files import IMPORTS, CampaignFilesHook
from campaign_sync.mapping.file import load_mapping
from campaign_sync.rows import import_file
from campaign_sync.rows.import_file import file_bytes, file_columns
from campaign_sync.schema import Field, ResourceSchema

from local.environment import connections
from tests.sandbox_process import start_sandbox

MAPPING = Path(__file__).parents[1] / "include" / "mappings" / "contacts_to_profiles.yaml"
KINDS = {"birthDate": "date", "cusFirstSeen": "datetime", "gender": "enumeration"}
BATCH = 15_000
NAMES = ("Ada", "Møller", "in der Maur", "Wong", "Ødegård", "")
QUOTED = {"lastName", "location.address1"}  # columns that need quotes now and then


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=300_000)
    asked = options.parse_args()
    mapping = load_mapping(MAPPING)
    resource = ResourceSchema(
        "profile", "", {name: Field(name, KINDS.get(name, "string")) for name in mapping.map}
    )
    columns, luck = file_columns(mapping, resource), random.Random(1)
    batches = [frame(list(mapping.map), luck) for _ in range(max(1, asked.rows // BATCH))]

    def whole(batch: pd.DataFrame) -> bytes:
        return file_bytes(batch, [], columns, resource, mapping.key_field)

    whole(batches[0])  # what is imported at first use
    both, files = timed(lambda: [whole(batch) for batch in batches])
    megabytes = sum(len(gzip.decompress(each)) for each in files) / 1e6
    level, import_file.LEVEL = import_file.LEVEL, 0
    plain, stored = timed(lambda: [whole(batch) for batch in batches])
    import_file.LEVEL = level
    texts = [gzip.decompress(each) for each in stored]
    packed, _ = timed(lambda: [gzip.compress(each, level, mtime=0) for each in texts])
    say("rows to CSV", megabytes, plain)
    say(f"CSV to gzip, level {level}", megabytes, packed)
    say("rows to gzip", megabytes, both)
    with tempfile.TemporaryDirectory() as folder, start_sandbox(Path(folder), people=10) as sandbox:
        os.environ |= connections(sandbox.env)
        with CampaignFilesHook().session() as hook:
            sent, _ = timed(
                lambda: [hook.upload(IMPORTS, f"{n:05d}.csv.gz", each) for n, each in enumerate(files)],
                time.perf_counter,
            )
    say("upload, wall clock", megabytes, sent)
    size = sum(map(len, files)) / 1e6
    print(f"{len(batches) * BATCH:,} rows, {megabytes:.0f} MB of CSV, {size:.0f} MB compressed")


def frame(fields: list[str], luck: random.Random) -> pd.DataFrame:
    """A batch as a mapping leaves it."""

    def cell(name: str) -> str:
        if name == "externalId":
            return str(uuid.UUID(int=luck.getrandbits(128)))
        if name == "birthDate":
            return f"19{luck.randint(30, 99)}-0{luck.randint(1, 9)}-1{luck.randint(0, 9)}"
        if name == "cusFirstSeen":
            return f"2026-04-1{luck.randint(0, 9)} 03:1{luck.randint(0, 9)}:58.000Z"
        if name == "gender":
            return luck.choice(("unknown", "male", "female"))
        mark = luck.choice((";", '"', "", "", "")) if name in QUOTED else ""
        return f"{luck.choice(NAMES)}{mark}{luck.randint(0, 9999)}"

    arrays = {name: pa.array([cell(name) for _ in range(BATCH)], pa.string()) for name in fields}
    return pa.table(arrays).to_pandas(types_mapper=pd.ArrowDtype)


def timed(work, clock=time.process_time):  # type: ignore[no-untyped-def]
    """Seconds and result: of the processor where nothing but it is waited for, so that a busy machine counts alike."""
    started = clock()
    result = work()
    return clock() - started, result


def say(what: str, megabytes: float, seconds: float) -> None:
    print(f"{what:24}{megabytes / seconds:8,.0f} MB of CSV per second", flush=True)


if __name__ == "__main__":
    main()
