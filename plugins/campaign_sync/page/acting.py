"""Who may act on a flow, and from where: rights as Airflow's auth manager sees them, requests of our own page only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import AuthManagerDep, GetUserDep, requires_access_dag
from fastapi import Depends
from pydantic import BaseModel, Field

from campaign_sync.page.airflow_state import teams_of
from campaign_sync.page.same_origin import from_our_page


class May(BaseModel):
    """What the person may do with a flow."""

    start: bool = Field(default=False, description="Start runs, and have rows tried again.")
    pause: bool = Field(
        default=False, description="Edit its DAG: pause and unpause it, and preview a mapping of it."
    )


class Rights:
    """What the person who asks may do."""

    def __init__(self, manager: Any, user: Any, session: Any) -> None:
        self._manager, self._user, self._session = manager, user, session

    def of(self, flows: Iterable[str]) -> dict[str, May]:
        """What they may do with each of these flows: just what Airflow's own endpoints will ask then."""
        ids = [*flows]
        teams = teams_of(self._session, ids)

        def may(flow: str, **asked: Any) -> bool:
            details = DagDetails(id=flow, team_name=teams.get(flow))
            return bool(self._manager.is_authorized_dag(details=details, user=self._user, **asked))

        return {
            flow: May(
                start=may(flow, method="POST", access_entity=DagAccessEntity.RUN),
                pause=may(flow, method="PUT"),
            )
            for flow in ids
        }


def _rights(manager: AuthManagerDep, user: GetUserDep, session: SessionDep) -> Rights:
    return Rights(manager, user, session)


RightsDep = Annotated[Rights, Depends(_rights)]


#: For every endpoint of ours that does something: asked from our own page, by a person who may start the flow's runs.
#: That right, because it is what acting comes to: a person who may start a run may have all rows sent again, so trying
#: some again, or seeing what such a run would read, gives nobody more; and who may only read the DAG can do neither.
ACTING = [Depends(from_our_page), Depends(requires_access_dag("POST", DagAccessEntity.RUN))]
