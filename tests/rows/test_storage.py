"""A run's files in an object store that several machines share: S3's own ways, through Airflow's connection."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import (
    documents,
    find_document,
    folder_of,
    read_bytes,
    read_document,
    remove,
    sweep,
    sweep_older,
    sweep_rows,
    write_bytes,
    write_document,
)

from tests.object_store import ObjectStore, start_object_store

BUCKET = "batches"
DAY = 86_400


@pytest.fixture(scope="module")
def object_store() -> Iterator[ObjectStore]:
    with start_object_store() as store:
        store.make(BUCKET)
        yield store


@pytest.fixture
def root(object_store, monkeypatch, request):
    """Below which this test writes; the connection stands in the URI, and nothing else here knows the store."""
    from airflow.sdk.io import store

    monkeypatch.setenv("AIRFLOW_CONN_THE_STORE", object_store.connection)
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    return f"s3://the_store@{BUCKET}/{abs(hash(request.node.name))}"


def elsewhere(object_store, uri, content: bytes | None) -> None:
    """Another machine writes, or removes, a file."""
    key = uri.partition("@")[2].partition("/")[2]
    if content is None:
        object_store.client.delete_object(Bucket=BUCKET, Key=key)
    else:
        object_store.client.put_object(Bucket=BUCKET, Key=key, Body=content)


def test_a_batch_comes_back_as_it_was_written(root):
    rows = pd.DataFrame({"email": ["a@b.example", None]}, index=["a", "b"]).convert_dtypes(
        dtype_backend="pyarrow"
    )
    nothing = rows.iloc[:0]
    batch = Batch.of(root, "contacts", "manual__2026-11-20T06:30:00+00:00", 1).write(
        "extract", rows, nothing, {}
    )
    again = Batch.from_dict(json.loads(json.dumps(batch.as_dict())))
    assert again.read().to_dict("index") == rows.to_dict("index")


def test_what_another_machine_does_is_seen_at_once(root, object_store):
    folder = folder_of(root, "contacts", "run")
    write_document(folder, "00001.parts.json", {"n": 1})
    assert documents(folder, ".parts.json") == ["00001.parts.json"]
    assert find_document(folder, "00002.parts.json") == {}
    elsewhere(object_store, f"{folder}/00002.parts.json", b'{"n": 2, "longer": true}')
    assert documents(folder, ".parts.json") == ["00001.parts.json", "00002.parts.json"]
    assert find_document(folder, "00002.parts.json") == {"n": 2, "longer": True}
    elsewhere(object_store, f"{folder}/00001.parts.json", b'{"n": 3, "much longer than before": true}')
    assert read_document(folder, "00001.parts.json")["n"] == 3
    elsewhere(object_store, f"{folder}/00001.parts.json", None)
    assert documents(folder, ".parts.json") == ["00002.parts.json"]
    assert find_document(folder, "00001.parts.json") == {}


def test_sweeping_takes_one_run_and_not_its_namesakes(root):
    for run in ("run-1", "run-10"):
        write_document(folder_of(root, "contacts", run), "report.json", {"run": run})
    sweep(folder_of(root, "contacts", "run-1"))
    sweep(folder_of(root, "contacts", "run-1"))  # one that is gone is fine
    assert documents(folder_of(root, "contacts", "run-1"), ".json") == []
    assert documents(folder_of(root, "contacts", "run-10"), ".json") == ["report.json"]


def test_rows_go_and_what_people_read_stays(root):
    folder = folder_of(root, "contacts", "run")
    for name in ("00001.map.parquet", "00001.csv.gz", "00001.checks.html", "report.json"):
        write_bytes(f"{folder}/{name}", b"{}")
    remove(folder, "never-there.json")
    sweep_rows(folder)
    sweep_rows(folder)
    assert documents(folder, "") == ["00001.checks.html", "report.json"]


def test_a_run_is_swept_when_it_is_old_by_the_stores_own_clock(root, monkeypatch):
    folder = folder_of(root, "contacts", "run")
    write_document(folder, "report.json", {})
    sweep_older(root, "contacts", days=7)
    assert documents(folder, "") == ["report.json"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 8 * DAY)
    sweep_older(root, "contacts", days=9)
    assert documents(folder, "") == ["report.json"]
    sweep_older(root, "contacts", days=7)
    assert documents(folder, "") == []
    sweep_older(root, "a flow that never ran", days=7)


def test_a_file_that_is_gone_is_named_with_what_to_do(root):
    with pytest.raises(RefusedError, match=r"00001\.map\.parquet: is missing\. Clear the extract task"):
        read_bytes(f"{folder_of(root, 'contacts', 'run')}/00001.map.parquet")


def test_a_bucket_that_is_not_there_is_an_error_that_says_what_to_correct(root):
    with pytest.raises(
        RefusedError, match=r"no such bucket or container\. Correct `\[campaign_sync\] storage`"
    ):
        write_bytes("s3://the_store@never-made/run/report.json", b"{}")


def test_a_store_of_no_provider_is_an_error_that_says_what_to_install():
    with pytest.raises(
        RefusedError, match=r"No filesystem registered for scheme .*requirements-cluster\.txt"
    ):
        write_bytes("gs://bucket/run/report.json", b"{}")


def test_a_refusal_is_an_error_that_says_whose_rights_are_missing(root, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AIRFLOW_CONN_THE_STORE", ObjectStore(address).connection)
        for attempt in (lambda: read_bytes(f"{root}/a.json"), lambda: write_bytes(f"{root}/a.json", b"{}")):
            with pytest.raises(
                RefusedError, match=r"access is denied\. Let Airflow's user, or the connection"
            ):
                attempt()
        server.shutdown()


class Refusing(BaseHTTPRequestHandler):
    """An S3 that knows the key and grants it nothing."""

    protocol_version = "HTTP/1.1"  # clients ask before they send a body

    def do_GET(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
