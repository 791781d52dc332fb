"""Rows at rest that are encrypted: nobody reads, changes or swaps them without a key, and keys can be changed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.rows import sealing
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import read_bytes, read_document, read_parquet, write_bytes, write_document
from cryptography.fernet import Fernet

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
RUN = "manual__2026-11-20T06:30:00+00:00"
SECRET = "Planted Person"


@pytest.fixture
def encrypt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets the keys, the first of which encrypts; none: the setting without the connection."""

    def setting(*keys: str, on: str = "True") -> None:
        monkeypatch.setenv("AIRFLOW__CAMPAIGN_SYNC__ENCRYPT_BATCHES", on)
        monkeypatch.delenv("AIRFLOW_CONN_CAMPAIGN_SYNC_BATCH_KEYS", raising=False)
        if keys:
            given = json.dumps({"conn_type": "generic", "password": ", ".join(keys)})
            monkeypatch.setenv("AIRFLOW_CONN_CAMPAIGN_SYNC_BATCH_KEYS", given)
        sealing._keys.cache_clear()

    yield setting
    sealing._keys.cache_clear()


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    return Batch.of(f"file://{tmp_path}/storage", "contacts_to_profiles", RUN, 1)


def rows() -> pd.DataFrame:
    names = pa.table({"name": pa.array([SECRET])}).to_pandas(types_mapper=pd.ArrowDtype)
    return names.set_axis(pd.Index(["a"], name="contactid", dtype=object))


def test_encrypted_rows_come_back_and_cannot_be_read_on_the_disk(
    batch: Batch, encrypt: Callable[..., None], tmp_path: Path
) -> None:
    encrypt(NEW)
    written = batch.write("extract", rows(), rows(), {})
    write_bytes(f"{batch.folder}/00001_01.csv.gz", SECRET.encode())
    assert written.read()["name"].tolist() == written.removed()["name"].tolist() == [SECRET]
    assert read_bytes(f"{batch.folder}/00001_01.csv.gz") == SECRET.encode()
    files = [path for path in (tmp_path / "storage").rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        content = path.read_bytes()
        assert content.startswith(sealing.MARK)
        assert SECRET.encode() not in content
        assert b"PAR1" not in content
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700


def test_documents_which_hold_keys_only_stay_readable_without_a_key(
    batch: Batch, encrypt: Callable[..., None]
) -> None:
    encrypt()
    write_document(batch.folder, "report.json", {"rejected": 1})
    assert read_document(batch.folder, "report.json") == {"rejected": 1}


def test_what_was_written_before_or_with_an_older_key_is_read_and_new_files_have_the_first_key(
    batch: Batch, encrypt: Callable[..., None]
) -> None:
    encrypt(on="false")
    plain = batch.write("extract", rows(), rows(), {})
    encrypt(OLD)
    assert plain.read()["name"].tolist() == [SECRET]
    old = batch.write("filter", rows(), rows(), {})
    encrypt(NEW, OLD)
    assert old.read("filter")["name"].tolist() == [SECRET]
    new = batch.write("map", rows(), rows(), {})
    encrypt(NEW)
    assert new.read("map")["name"].tolist() == [SECRET]
    with pytest.raises(RefusedError, match="a key that is not among ours"):
        old.read("filter")
    encrypt(NEW, on="false")  # switched off again: what is there is still read
    assert new.read("map")["name"].tolist() == [SECRET]


def test_a_file_that_was_changed_cut_or_swapped_is_refused(
    batch: Batch, encrypt: Callable[..., None]
) -> None:
    encrypt(NEW)
    written = batch.write("extract", rows(), rows().iloc[:0], {})
    path = Path(written._uri("extract").removeprefix("file://"))
    whole = path.read_bytes()
    other = Path(written._uri("extract", "removed").removeprefix("file://")).read_bytes()
    changed = whole[:-1] + bytes([whole[-1] ^ 1])
    for content in (changed, whole[:-1], whole[:20], whole[: len(sealing.MARK) + sealing.NAMED], other):
        path.write_bytes(content)
        with pytest.raises(RefusedError, match="was changed or cut"):
            read_parquet(written._uri("extract"))
    path.write_bytes(whole)
    assert written.read()["name"].tolist() == [SECRET]


@pytest.mark.parametrize("keys", [(), ("",), ("not base64!",), ("c2hvcnQ=",), (NEW, "c2hvcnQ=")])
def test_without_a_good_key_nothing_is_written(
    batch: Batch, encrypt: Callable[..., None], keys: tuple[str, ...], tmp_path: Path
) -> None:
    encrypt(*keys)
    with pytest.raises(RefusedError, match="no key of 32 bytes") as caught:
        batch.write("extract", rows(), rows(), {})
    assert "generate_key" in caught.value.remedy
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
