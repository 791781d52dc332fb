"""`retry`: have rejected rows tried again, as the page's *Try again* does."""

from __future__ import annotations

import argparse
import getpass

from campaign_sync.commands.files import file_of
from campaign_sync.errors import SyncError
from campaign_sync.mapping.kinds import kind_of

NEXT = {
    "started": "The run {run} was started.",
    "waits": "A run waits to start already, and will do it.",
    "paused": "The flow is paused: `airflow dags unpause {flow}`, and its next run will do it.",
    "unknown": "No run was started, as this Airflow has no such DAG that can run: its next run will do it.",
}


def run_retry(options: argparse.Namespace) -> int:
    """Mark rows, and start a run; 1 if there is nothing that a run could try again."""
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType
    from sqlalchemy.exc import SQLAlchemyError

    from campaign_sync.again import Which, try_again
    from campaign_sync.flow import dag_id_of
    from campaign_sync.ledger.database import Database
    from campaign_sync.ledger.searching import plain_key
    from campaign_sync.page.airflow_acts import TRY_AGAIN, note, start_run
    from campaign_sync.settings import ledger_url

    file = file_of(options.mapping)
    flow, user = dag_id_of(file), getpass.getuser()
    which = Which(plain_key(options.key), options.rule)
    if not (options.all or which.key or which.rule):
        raise SyncError("no row is named", flow, "Give a --key, a --rule, or --all")
    try:
        with create_session() as session:
            note(session, TRY_AGAIN, flow, user, **which.named())
            found = try_again(Database(ledger_url()), flow, kind_of(file), which)
            options.say(f"{flow}: {found.told}.")
            if not found.rows:
                return 1
            started = start_run(session, flow, user, DagRunTriggeredByType.CLI)
    except SQLAlchemyError as error:  # the ledger's are translated
        problem = f"cannot be used from here ({type(error).__name__})"
        remedy = "Run this where Airflow's scheduler or API server runs, with the same settings"
        raise SyncError(problem, "Airflow's database", remedy) from error
    options.say(NEXT[started.state].format(flow=flow, run=started.run_id))
    return 0
