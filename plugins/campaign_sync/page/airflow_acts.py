"""What we have Airflow do: note in its audit log who does what, and start a run.

Beside ``airflow_state.py`` the only module that touches Airflow's own tables; for the API server and the command line,
never for tasks. Starting, pausing and unpausing by hand go through Airflow's own REST API, which notes them itself.
"""

from __future__ import annotations

import json
from typing import Literal, NamedTuple

from airflow.api.common.trigger_dag import trigger_dag
from airflow.exceptions import DagRunAlreadyExists
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select
from sqlalchemy.orm import Session

#: How our events begin in the audit log.
EVENTS = "campaign_sync."

TRY_AGAIN, SOURCE_ROW = "try_again", "source_row"

#: started: a run of ours is queued. waits: there was one already. paused: none starts while the DAG is paused.
#: unknown: this Airflow has no such DAG, or it cannot run.
Starting = Literal["started", "waits", "paused", "unknown"]


class Started(NamedTuple):
    """Whether a run was started, and which one will do the work."""

    state: Starting
    run_id: str | None = None


def note(session: Session, event: str, flow: str, user: str, **what: str) -> None:
    """Write into Airflow's audit log who does what with a flow: keys and rules, never values.

    At once, and before it is done, so that it stays whatever becomes of it.
    """
    event = f"{EVENTS}{event}"
    session.add(Log(event, dag_id=flow, owner=user, owner_display_name=user, extra=json.dumps(what)))
    session.commit()


def start_run(session: Session, flow: str, user: str, by: DagRunTriggeredByType) -> Started:
    """Start a run of a flow, unless a plain one waits to be started: that one reads what this one would."""
    dag = session.scalar(select(DagModel).where(DagModel.dag_id == flow, DagModel.is_stale.is_(False)))
    if dag is None or dag.has_import_errors:
        return Started("unknown")
    if dag.is_paused:
        return Started("paused")
    # A backfill's run reads its own days only, and a form may ask for a dry run, or for other rows.
    queued = select(DagRun.run_id, DagRun.conf).where(
        DagRun.dag_id == flow, DagRun.state == DagRunState.QUEUED, DagRun.run_type != DagRunType.BACKFILL_JOB
    )
    for run_id, conf in session.execute(queued):
        if not conf:
            return Started("waits", run_id)
    try:
        run = trigger_dag(flow, triggered_by=by, triggering_user_name=user, session=session)
    except DagRunAlreadyExists:
        return Started("waits")  # somebody was faster by less than a moment
    return Started("started", run.run_id if run else None)
