"""An S3 of the tests' own: moto's server in a process of its own, on the loopback, in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.exceptions import BotoCoreError

from local.stack import free_port

REGION = "eu-central-1"
KEYS = {"aws_access_key_id": "tests", "aws_secret_access_key": "of-the-tests"}


class ObjectStore:
    """A running store: its address, a client of its own, an Airflow connection to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = boto3.client("s3", endpoint_url=address, region_name=REGION, **KEYS)

    @property
    def connection(self) -> str:
        """The connection as Airflow reads it from a variable."""
        login, password = KEYS.values()
        extra = {"endpoint_url": self.address, "region_name": REGION}
        return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra})

    def make(self, bucket: str) -> None:
        """Make a bucket."""
        self.client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The names of all objects of a bucket, in order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]


@contextmanager
def start_object_store() -> Iterator[ObjectStore]:
    """Run an object store for as long as the block lasts."""
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, **quiet)
    try:
        store = ObjectStore(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + 60
        while not _answers(store):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the object store did not start: {' '.join(command)}")
            time.sleep(0.1)
        yield store
    finally:
        process.terminate()
        process.wait(10)


def _answers(store: ObjectStore) -> bool:
    try:
        store.client.list_buckets()
    except BotoCoreError:
        return False
    return True
