# ruff: noqa: E402  (the path comes first)
"""How fast rows become files in Campaign's SFTP area: python bench/files.py [--rows 300000].

Makes contacts as a mapping leaves them, 15,000 rows a batch, once with quotes needed now and then and once in nearly
every text, and measures the processor time of rows to CSV to gzip, and of gzip alone; then the upload into a sandbox's
SFTP area on the same machine, which shares the processor with it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import uuid
from pathlib import Path

from measuring import MEGABYTE, ROOT, ROUNDS, Row, cost_of, in_turn, say

sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import pandas as pd  # noqa: TID253
import pyarrow as pa  # noqa: TID253
from campaign_sync.hooks.campaign_files import IMPORTS, CampaignFilesHook
from campaign_sync.mapping.file import load_mapping
from campaign_sync.rows.import_file import LEVEL, file_bytes, file_columns
from campaign_sync.schema import Field, ResourceSchema
from isal import igzip

from local.environment import connections
from tests.sandbox_process import start_sandbox

MAPPING = ROOT / "include" / "mappings" / "contacts_to_profiles.yaml"
KINDS = {"birthDate": "date", "cusFirstSeen": "datetime", "gender": "enumeration"}
BATCH = 15_000
NAMES = ("Ada", "Møller", "in der Maur", "Wong", "Ødegård", "")
NOW_AND_THEN = {"lastName", "location.address1"}  # columns that need quotes now and then


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=300_000)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    asked = options.parse_args()
    mapping = load_mapping(MAPPING)
    resource = ResourceSchema(
        "profile", "", {name: Field(name, KINDS.get(name, "string")) for name in mapping.map}
    )
    columns = file_columns(mapping, resource)

    def whole(batch: pd.DataFrame) -> bytes:
        return file_bytes(batch, [], columns, resource, mapping.key_field)

    def measured(what: str, quoted: set[str]) -> list[bytes]:
        luck = random.Random(1)
        batches = [frame([*mapping.map], quoted, luck) for _ in range(max(1, asked.rows // BATCH))]
        texts = [igzip.decompress(whole(batch)) for batch in batches]
        contenders = {
            "both": lambda: cost_of(lambda: BATCH * len([whole(batch) for batch in batches])),
            "gzip": lambda: cost_of(lambda: BATCH * len([igzip.compress(each, LEVEL) for each in texts])),
        }
        costs, megabytes = in_turn(contenders, asked.rounds), sum(map(len, texts)) / MEGABYTE
        both, packed = costs["both"], costs["gzip"]
        parts = f"CSV {megabytes / (both.cpu - packed.cpu):,.0f}, gzip {megabytes / packed.cpu:,.0f} MB/s"
        figure = f"{megabytes / both.cpu:,.0f} MB/s of CSV and core ({parts})"
        say(Row(what, figure, "≥ 60 MB/s", both.cpu_per_million, both.megabytes))
        return [whole(batch) for batch in batches]

    files = measured("rows to compressed CSV", NOW_AND_THEN)
    measured("… nearly every text needs quotes", set(mapping.map) - {*KINDS, mapping.key_field})
    with tempfile.TemporaryDirectory() as folder, start_sandbox(Path(folder), people=10) as sandbox:
        os.environ |= connections(sandbox.env)
        with CampaignFilesHook().session() as hook:

            def upload() -> int:
                return len([hook.upload(IMPORTS, f"{n:05d}.csv.gz", each) for n, each in enumerate(files)])

            sent = in_turn({"upload": lambda: cost_of(upload)}, asked.rounds)["upload"]
    size = sum(len(igzip.decompress(each)) for each in files) / MEGABYTE
    figure = f"{size / sent.seconds:,.0f} MB/s of CSV by the clock, {size / sent.cpu:,.0f} a core"
    say(Row("… and over SFTP", figure, "never the slowest"))


def frame(fields: list[str], quoted: set[str], luck: random.Random) -> pd.DataFrame:
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
        marks = (";", '"', "", "", "") if quoted is NOW_AND_THEN else (";", '"', " ")
        mark = luck.choice(marks) if name in quoted else ""
        return f"{luck.choice(NAMES)}{mark}{luck.randint(0, 9999)}"

    arrays = {name: pa.array([cell(name) for _ in range(BATCH)], pa.string()) for name in fields}
    return pa.table(arrays).to_pandas(types_mapper=pd.ArrowDtype)


if __name__ == "__main__":
    main()
