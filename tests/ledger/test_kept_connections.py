"""A ledger's database whose connections are kept from one operation to the next."""

from __future__ import annotations

import pytest
from campaign_sync.ledger.database import Database


def backend(database):
    with database.read() as connection:
        return connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()


@pytest.mark.parametrize("keep, same", [(0, False), (1, True)])
def test_a_connection_is_kept_where_that_is_wanted(postgres, keep, same):
    database = Database(postgres, keep=keep)
    assert (backend(database) == backend(database)) is same
    database._engine.dispose()


def test_one_that_the_server_has_ended_is_made_anew(postgres):
    database, other = Database(postgres, keep=1), Database(postgres)
    ended = backend(database)
    with other.read() as connection:
        assert connection.exec_driver_sql(f"SELECT pg_terminate_backend({ended}, 5000)").scalar()
    assert backend(database) != ended
    database._engine.dispose()
