"""Which of our tasks wait for a person's answer in Airflow's Required Actions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select
from sqlalchemy.orm import Session


class Question(NamedTuple):
    """What a person is asked."""

    flow: str
    run_id: str
    task_id: str
    subject: str
    since: datetime
    until: datetime | None


def open_questions(session: Session, flows: Collection[str]) -> list[Question]:
    """What nobody has answered yet, the longest waiting first."""
    query = (
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            HITLDetail.subject,
            HITLDetail.created_at,
            TaskInstance.trigger_timeout,
        )
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(
            TaskInstance.dag_id.in_(flows),
            TaskInstance.state == TaskInstanceState.AWAITING_INPUT,
            HITLDetail.responded_at.is_(None),
        )
        .order_by(HITLDetail.created_at, TaskInstance.dag_id, TaskInstance.run_id)
    )
    return [Question(*row) for row in session.execute(query)]
