"""Files at rest that were damaged: a file is read as it was written, or refused; it is never another.

Some hundred damages by day, ten thousand at night.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import read_document, write_document

from tests.sizes import NIGHTLY

DAMAGES = 10_000 if NIGHTLY else 300
ROWS = 200


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    return Batch.of(f"file://{tmp_path}/storage", "contacts_to_profiles", "run", 1)


def rows(chance: random.Random) -> pd.DataFrame:
    columns = {
        "@version": pa.array(range(2**53, 2**53 + ROWS), pa.int64()),
        "name": pa.array([chr(chance.randrange(32, 0xD7FF)) * chance.randrange(20) for _ in range(ROWS)]),
        "worth": pa.array([chance.choice((None, chance.random())) for _ in range(ROWS)], pa.float64()),
    }
    frame = pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)
    return frame.set_axis(pd.Index([f"{each:08d}" for each in range(ROWS)], name="contactid", dtype=object))


def damaged(content: bytes, chance: random.Random, below: int) -> bytes:
    """The content cut, or with a bit turned over, a byte doubled or some bytes gone, below a place."""
    at = chance.randrange(below)
    return chance.choice(
        (
            content[:at],
            content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :],
            content[:at] + content[at : at + 1] + content[at:],
            content[:at] + content[at + chance.randrange(1, 9) :],
            content[:at] + bytes(8) + content[at + 8 :],
        )
    )


def test_a_damaged_batch_is_refused_or_is_what_was_written(batch: Batch) -> None:
    chance = random.Random(8)
    whole = rows(chance)
    written = batch.write("map", whole, whole.iloc[:0], {})
    whole = written.read()
    path = Path(written._uri("map").removeprefix("file://"))
    content = path.read_bytes()
    pages = len(content) - int.from_bytes(content[-8:-4], "little") - 8  # what stands before Parquet's footer
    refused = 0
    for number in range(DAMAGES):
        path.write_bytes(damaged(content, chance, pages))
        try:
            found = written.read()
        except RefusedError:
            refused += 1
            continue
        pd.testing.assert_frame_equal(found, whole, obj=f"damage {number}")
    assert refused > DAMAGES / 2


def test_a_damaged_document_is_refused_or_still_one(batch: Batch) -> None:
    """What it says is not protected, as people may read and mend documents; but nothing else comes of it."""
    chance = random.Random(9)
    document: dict[str, Any] = {
        "tally": {"extracted": 3},
        "notes": ["é", "\u202e"],
        "since": None,
        "deep": [[[[]]]],
    }
    write_document(batch.folder, "report.json", document)
    path = Path(batch.folder.removeprefix("file://")) / "report.json"
    content = path.read_bytes()
    for _ in range(DAMAGES):
        path.write_bytes(damaged(content, chance, len(content)))
        try:
            found = read_document(batch.folder, "report.json")
        except RefusedError:
            continue
        assert isinstance(found, dict)
        json.dumps(found)


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\xff", b'{"a":', b"1" * 5_000, b"null"])
def test_what_is_no_document_is_refused(batch: Batch, content: bytes) -> None:
    write_document(batch.folder, "report.json", {})
    Path(batch.folder.removeprefix("file://"), "report.json").write_bytes(content)
    with pytest.raises(RefusedError, match="JSON document"):
        read_document(batch.folder, "report.json")
