"""What we have Airflow do: note in its audit log who does what.

Beside ``airflow_state.py`` the only module that touches Airflow's own tables; for the API server, never for tasks.
"""

from __future__ import annotations

import json

from airflow.models.log import Log
from sqlalchemy.orm import Session

#: How our events begin in the audit log.
EVENTS = "campaign_sync."


def note(session: Session, event: str, flow: str, user: str, **what: str) -> None:
    """Write into Airflow's audit log who does what with a flow: keys and rules, never values.

    At once, and before it is done, so that it stays whatever becomes of it.
    """
    event = f"{EVENTS}{event}"
    session.add(Log(event, dag_id=flow, owner=user, owner_display_name=user, extra=json.dumps(what)))
    session.commit()
