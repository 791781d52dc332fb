"""Postgres and Redis for the cluster: those that listen here, else some of its own.

What is used of a service that others use too is made anew and removed: two databases, and an empty database number.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import redis

from local.environment import LocalError
from local.stack import free_port

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Databases(NamedTuple):
    """Two databases of this test's own, as SQLAlchemy's URLs."""

    airflow: str
    ledger: str


@contextmanager
def databases() -> Iterator[Databases]:
    """Two new Postgres databases, dropped at the end."""
    with _postgres() as url:
        server, _, options = url.partition("?")
        server = server.rpartition("/")[0]
        names = [f"campaign_sync_{what}_{uuid.uuid4().hex[:8]}" for what in ("airflow", "ledger")]
        connection = psycopg2.connect(url)
        connection.autocommit = True
        try:
            for name in names:
                connection.cursor().execute(f"CREATE DATABASE {name}")
            made = (f"{server}/{name}{options and '?'}{options}" for name in names)
            yield Databases(*(each.replace("postgresql://", "postgresql+psycopg2://") for each in made))
        finally:
            for name in names:
                connection.cursor().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.close()


@contextmanager
def broker() -> Iterator[str]:
    """The URL of a Redis database that nobody else uses, emptied at the end."""
    with _redis() as url:
        for number in range(15, -1, -1):
            with redis.from_url(f"{url}/{number}") as mine:
                # The first who writes it has it; two tests that begin together do not take the same one.
                if mine.dbsize() == 0 and mine.set("campaign_sync_cluster", os.getpid(), nx=True):
                    try:
                        yield f"{url}/{number}"
                    finally:
                        mine.flushdb()
                    return
        raise LocalError(f"All databases of {url} are in use. Name another Redis in TEST_REDIS_URL.")


@contextmanager
def _postgres() -> Iterator[str]:
    if _answers(lambda: _connect(POSTGRES), psycopg2.OperationalError):
        yield POSTGRES
        return
    programs = _found("postgresql", lambda: max(Path("/usr/lib/postgresql").glob("*/bin"), default=None))
    # Postgres refuses to run as root; the package has made a user for it.
    as_user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as data:
        if as_user:
            shutil.chown(data, "postgres", "postgres")
        initdb = [str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "trust"]
        subprocess.run(initdb, check=True, cwd="/", **as_user, **QUIET)
        port = free_port()
        options = ["-p", str(port), "-h", "127.0.0.1", "-c", "unix_socket_directories="]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        command = [str(programs / "postgres"), "-D", data, *options]
        with _running(command, lambda: _connect(url), psycopg2.OperationalError, as_user):
            yield url


@contextmanager
def _redis() -> Iterator[str]:
    if _answers(lambda: _ping(REDIS), redis.ConnectionError):
        yield REDIS
        return
    program = _found("redis-server", lambda: shutil.which("redis-server"))
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    url = f"redis://127.0.0.1:{port}"
    with _running(command, lambda: _ping(url), redis.ConnectionError, {}):
        yield url


def _connect(url: str) -> None:
    psycopg2.connect(url, connect_timeout=3).close()


def _ping(url: str) -> None:
    with redis.from_url(url) as client:
        client.ping()


def _found(package: str, find: Callable[[], Any]) -> Any:
    """A program that is here, or that apt can install."""
    if found := find():
        return found
    if shutil.which("apt-get") and os.geteuid() == 0:
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
        subprocess.run([*apt, "update"], check=False, env=env, **QUIET)
        subprocess.run(
            [*apt, "install", "--no-install-recommends", "-y", package], check=False, env=env, **QUIET
        )
        if found := find():
            return found
    raise LocalError(
        f"Nothing answers where {package} usually listens, and it is not installed. On Debian: "
        f"`apt-get install {package}`; "
        "or name a server in TEST_POSTGRES_URL and TEST_REDIS_URL."
    )


def _answers(ask: Callable[[], None], refusal: type[Exception]) -> bool:
    try:
        ask()
    except refusal:
        return False
    return True


@contextmanager
def _running(
    command: list[str], ask: Callable[[], None], refusal: type[Exception], as_user: Mapping[str, Any]
) -> Iterator[None]:
    process = subprocess.Popen(command, cwd="/", **as_user, **QUIET)
    try:
        deadline = time.monotonic() + 60
        while not _answers(ask, refusal):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LocalError(f"{command[-1]} did not start: {' '.join(command)}")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # Postgres would wait for its clients at a SIGTERM
        process.wait(30)
