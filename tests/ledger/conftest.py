"""Both databases that a ledger may be in; a module's tests share a Postgres schema of their own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a Postgres schema of the module's own."""
    import psycopg2

    try:
        connection = psycopg2.connect(POSTGRES, connect_timeout=3)
    except psycopg2.OperationalError as error:
        pytest.skip(f"no Postgres: {' '.join(str(error).split())}")
    schema = f"ledger_{uuid.uuid4().hex[:8]}"
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"CREATE SCHEMA {schema}")
    yield f"{POSTGRES}?options=-csearch_path%3D{schema}"
    cursor.execute(f"DROP SCHEMA {schema} CASCADE")
    connection.close()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new SQLite file, or the module's Postgres schema, which may hold what tests before have left."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/ledger.db"
    found: str = request.getfixturevalue("postgres")
    return found
