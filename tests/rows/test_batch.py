"""Rows at rest between two tasks."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import (
    folder_of,
    read_document,
    sweep,
    sweep_older,
    sweep_rows,
    write_document,
    write_text,
)

RUN = "manual__2026-11-20T06:30:00+00:00"
NOTHING = pd.DataFrame()


def arrow(columns, index=(), name="contactid"):
    table = pa.table({name: columns} if not isinstance(columns, dict) else columns)
    return table.to_pandas(types_mapper=pd.ArrowDtype).set_axis(
        pd.Index(list(index), name=name, dtype=object)
    )


@pytest.fixture
def rows():
    columns = {
        "@version": pa.array([7, 8, 2**53 + 1], pa.int64()),
        "contactid": pa.array(["a", "b", "c"]),
        "points": pa.array([1, None, 2**53 + 1], pa.int64()),
        "email": pa.array(["", None, "zoë@x.example"]),
        "active": pa.array([True, None, False]),
        "nothing": pa.nulls(3),
        "seen": pa.array([0, None, 1_700_000_000_000_000], pa.timestamp("us", "UTC")),
        "worth": pa.array([None, 1.5, -0.0], pa.float64()),
    }
    return arrow(columns, ["a", "b", "c"])


@pytest.fixture
def removed():
    return arrow(
        {
            "@version": pa.array([9, None], pa.int64()),
            "fate": pa.array(["dropped", "deleted"]),
            "rule": pa.array(["active", "deleted in Dynamics"]),
            "reason": pa.array(["active: statecode is 1", None]),
        },
        ["d", "e"],
    )


@pytest.fixture
def batch(tmp_path):
    return Batch.of(
        f"file://{tmp_path}/storage", "contacts_to_profiles", RUN, 1, "changes since the last run"
    )


def test_rows_come_back_with_their_index_their_types_and_their_gaps(batch, rows, removed):
    found = batch.write("extract", rows, removed, {}).read()
    assert list(found.index) == ["a", "b", "c"]
    assert found.index.name == "contactid"
    assert list(found.columns) == list(rows.columns)  # one of them bears the name of the index
    for name in rows.columns:
        assert found[name].dtype == rows[name].dtype
        assert pa.array(found[name]).to_pylist() == pa.array(rows[name]).to_pylist()


def test_a_frame_without_rows_keeps_its_columns_and_types(batch, rows, removed):
    batch = batch.write("extract", rows.iloc[:0], removed.iloc[:0], {})
    assert len(batch.read()) == 0
    assert dict(batch.read().dtypes) == dict(rows.dtypes)
    assert list(batch.removed().columns) == [*removed.columns, "step"]


def test_removed_rows_of_all_steps_come_back_with_the_step_that_removed_them(batch, rows, removed):
    batch = batch.write("extract", rows, removed.iloc[1:], {}).write("filter", rows, removed.iloc[:1], {})
    batch = batch.write("map", rows, removed.iloc[:0], {})
    assert batch.removed()["step"].to_dict() == {"e": "extract", "d": "filter"}
    assert list(batch.removed("filter").index) == ["d"]
    assert batch.removed().loc["d", "reason"] == "active: statecode is 1"


def test_a_repeated_step_replaces_its_own_files_and_forgets_the_later_ones(batch, rows, removed):
    first = batch.write("extract", rows, removed, {}).write("filter", rows, removed, {})
    again = first.write("map", rows, removed, {}).write("filter", rows.iloc[:1], removed.iloc[:0], {})
    assert again.steps == ("extract", "filter")
    assert list(again.read().index) == ["a"]
    assert len(again.read("extract")) == 3


def test_a_batch_is_a_small_plain_dict_for_xcom(batch, rows, removed):
    batch = batch.write("extract", rows, removed, {"extracted": 5})
    plain = json.dumps(batch.as_dict())
    assert len(plain) < 600
    assert Batch.from_dict(json.loads(plain)) == batch
    assert (batch.rows, batch.step, batch.tally) == (3, "extract", {"extracted": 5})


def test_files_are_for_the_owner_only_and_lie_where_a_person_looks_for_them(batch, rows, removed, tmp_path):
    batch.write("extract", rows, removed, {})
    folder = tmp_path / "storage" / "contacts_to_profiles"
    (run,) = folder.iterdir()
    assert run.name.startswith("manual__2026-11-20T06_30_00_00_00-")
    assert sorted(each.name for each in run.iterdir()) == [
        "00001.extract.parquet",
        "00001.extract.removed.parquet",
    ]
    assert {stat.S_IMODE(each.stat().st_mode) for each in run.iterdir()} == {0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in (run, folder, tmp_path / "storage")} == {0o700}


def test_two_run_ids_never_share_a_folder():
    folders = {folder_of("/s", "f", each) for each in ("a:b", "a+b", "a_b", "a/b", "..", ".", "x" * 300)}
    assert len(folders) == 7
    assert all(Path(each).parent == Path("/s/f") for each in folders)
    assert folder_of("s3://bucket/x/", "f", "r") == "s3://bucket/x/f/r"


def test_a_failed_write_leaves_the_older_file_whole(batch, rows, removed):
    written = batch.write("extract", rows, removed, {})
    with pytest.raises(pa.ArrowInvalid):
        batch.write("extract", rows.assign(mixed=[1, "x", object()]), removed, {})
    assert len(written.read()) == 3


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", None])
def test_a_missing_or_broken_file_is_named_with_what_to_do(batch, rows, removed, content):
    batch = batch.write("extract", rows, removed, {})
    file = Path(batch.folder.removeprefix("file://")) / "00001.extract.parquet"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RefusedError, match=r"00001\.extract\.parquet: .* Clear the extract task of this run"):
        batch.read()


def test_a_truncated_file_is_named_with_what_to_do(batch, rows, removed):
    batch = batch.write("extract", rows, removed, {})
    file = Path(batch.folder.removeprefix("file://")) / "00001.extract.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RefusedError, match="is not a whole Parquet file"):
        batch.read()


def test_another_programs_file_is_not_mistaken_for_ours(batch, rows, removed):
    batch = batch.write("extract", rows, removed, {})
    pd.DataFrame({"x": [1, 2, 3]}).to_parquet(f"{batch.folder.removeprefix('file://')}/00001.extract.parquet")
    with pytest.raises(RefusedError, match="is not a file of this program"):
        batch.read()


def test_a_file_with_another_number_of_rows_is_not_read(batch, rows, removed):
    earlier = batch.write("extract", rows, removed, {})
    batch.write("extract", rows.iloc[:2], removed, {})
    with pytest.raises(RefusedError, match="holds 2 rows where 3 were written"):
        earlier.read()


def test_documents_of_a_run_come_back_and_are_swept_with_its_batches(batch, rows, removed):
    folder = batch.folder
    batch.write("extract", rows, removed, {})
    write_document(folder, "read.json", {"delta_link": "https://x.example/?$deltatoken=5", "who": "Zoë"})
    assert read_document(folder, "read.json") == {
        "delta_link": "https://x.example/?$deltatoken=5",
        "who": "Zoë",
    }
    sweep(folder)
    sweep(folder)
    assert not Path(batch.folder.removeprefix("file://")).exists()
    with pytest.raises(RefusedError, match=r"read\.json: is missing"):
        read_document(folder, "read.json")


def test_sweeping_the_rows_leaves_what_people_read(batch, rows, removed):
    written = batch.write("extract", rows, removed, {})
    write_document(batch.folder, "report.json", {"created": 1})
    write_text(batch.folder, "00001.checks.html", "<p>Zoë</p>")
    sweep_rows(batch.folder)
    left = {each.name: each for each in Path(batch.folder.removeprefix("file://")).iterdir()}
    assert set(left) == {"report.json", "00001.checks.html"}
    assert left["00001.checks.html"].read_text() == "<p>Zoë</p>"
    with pytest.raises(RefusedError, match="is missing"):
        written.read()


def test_only_folders_untouched_for_days_are_swept(tmp_path):
    root = f"file://{tmp_path}"
    for run in ("old", "young"):
        write_document(folder_of(root, "contacts", run), "report.json", {})
    os.utime(tmp_path / "contacts" / "old" / "report.json", (0, 0))
    sweep_older(root, "contacts", days=7)
    sweep_older(root, "a flow that never ran", days=7)
    assert [each.name for each in (tmp_path / "contacts").iterdir() if each.is_dir()] == ["young"]


def test_folders_are_swept_once_a_day(tmp_path):
    root = f"file://{tmp_path}"
    write_document(folder_of(root, "contacts", "first"), "report.json", {})
    sweep_older(root, "contacts", days=7)
    os.utime(tmp_path / "contacts" / "first" / "report.json", (0, 0))
    sweep_older(root, "contacts", days=7)
    assert (tmp_path / "contacts" / "first").exists()
    os.utime(tmp_path / "contacts" / ".swept", (0, 0))
    sweep_older(root, "contacts", days=7)
    assert not (tmp_path / "contacts" / "first").exists()


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_broken_document_is_named_with_what_to_do(batch, content):
    folder = batch.folder
    write_document(folder, "read.json", {})
    Path(f"{batch.folder.removeprefix('file://')}/read.json").write_text(content)
    with pytest.raises(RefusedError, match=r"read\.json: .* Clear the extract task of this run"):
        read_document(folder, "read.json")


def test_an_object_store_holds_batches_as_well(rows, removed, object_store):
    batch = Batch.of(f"{object_store}/storage", "contacts_to_profiles", RUN, 2)
    batch = batch.write("extract", rows, removed, {})
    assert list(batch.read().index) == ["a", "b", "c"]
    assert len(batch.removed()) == 2
    sweep(batch.folder)
    with pytest.raises(RefusedError, match="is missing"):
        batch.read()


@pytest.fixture
def object_store(tmp_path):
    """A store without folders, renames or modes, registered with Airflow for one test."""
    from airflow.sdk.io import store
    from fsspec.implementations.memory import MemoryFileSystem

    attached = store.attach("memory", fs=MemoryFileSystem())
    yield f"memory://{tmp_path.name}"
    attached.fs.store.clear()
