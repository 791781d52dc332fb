"""What a person does about rows: have them tried again, see the row in Dynamics as it is now.

Not for starting, pausing and unpausing: the page asks Airflow's own REST API, which checks rights and keeps its log.
"""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.utils.types import DagRunTriggeredByType
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from campaign_sync.again import Which, try_again
from campaign_sync.errors import MappingError
from campaign_sync.ledger.searching import plain_key
from campaign_sync.mapping.kinds import Kind
from campaign_sync.page.acting import ACTING
from campaign_sync.page.airflow_acts import SOURCE_ROW, TRY_AGAIN, Started, Starting, note, start_run
from campaign_sync.page.airflow_state import Direction, Flow, flows_of
from campaign_sync.page.flow import FlowName
from campaign_sync.page.sources import ledger, mapping_file
from campaign_sync.run.source_row import source_row

#: As in `rows.Text`.
Word = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[^\x00-\x1f]*$")]

KINDS: dict[Direction, Kind] = {"to_campaign": "rows", "to_dynamics": "events", "both": "opt_outs"}

NEXT = {
    "started": "A run was started.",
    "waits": "A run waits to start already, and will do it.",
    "paused": "The flow is paused: unpause it, and its next run will do it.",
    "unknown": "No run could be started: mend the mapping, and its next run will do it.",
}


class Asked(BaseModel):
    """What an action is about."""

    model_config = ConfigDict(extra="forbid")


class AgainAsked(Asked):
    """Which rejected rows: of a key, of a rule, or all."""

    key: Word | None = None
    rule: Word | None = None
    all: bool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if [self.key is not None, self.rule is not None, self.all].count(True) != 1:
            raise ValueError
        if self.key is not None and not plain_key(self.key):
            raise ValueError  # braces alone: no key is not all keys
        return self

    def which(self) -> Which:
        """The same for the ledger."""
        return Which(plain_key(self.key or ""), self.rule or "")


class AgainAnswer(BaseModel):
    """What becomes of rows that are to be tried again."""

    rows: int = Field(description="Rows that the flow's next runs look at.")
    others: int = Field(description="Rows that no run can look at by itself.")
    told: str = Field(description="What happens, and what is left to do.")
    run: Starting | None = Field(description="Whether a run was started; null: there is nothing to do.")
    run_id: str | None


class SourceAsked(Asked):
    """Which row."""

    key: UUID


class Cell(BaseModel):
    """A column of the row."""

    column: str
    value: str | None = Field(description="As text; null: it is empty.")


class SourceAnswer(BaseModel):
    """A row of Dynamics as it is now: the columns that its flow reads."""

    key: str
    cells: list[Cell] | None = Field(description="Null: Dynamics does not show such a row.")


router = APIRouter(prefix="/flows/{dag_id}", tags=["actions"], dependencies=ACTING)


@router.post("/again")
def again(dag_id: FlowName, asked: AgainAsked, session: SessionDep, user: GetUserDep) -> AgainAnswer:
    """Have rejected rows tried again, and start a run for that. Noted in Airflow's audit log.

    Rows are read anew then and judged as the mapping is then; asking twice comes to the same. Of events only those that
    wait for their contact can be tried: the answer says what to do about the others.
    """
    flow, which, name = _flow(session, dag_id), asked.which(), user.get_name()
    note(session, TRY_AGAIN, dag_id, name, **which.named())
    found = try_again(ledger(), dag_id, KINDS[flow.direction], which)
    if not found.rows:
        return AgainAnswer(**found._asdict(), run=None, run_id=None)
    # A broken mapping's stand-in has nothing to run.
    by = DagRunTriggeredByType.UI
    started = Started("unknown") if flow.broken else start_run(session, dag_id, name, by)
    told = f"{found.told}. {NEXT[started.state]}"
    return AgainAnswer(
        rows=found.rows, others=found.others, told=told, run=started.state, run_id=started.run_id
    )


@router.post("/source")
def source(dag_id: FlowName, asked: SourceAsked, session: SessionDep, user: GetUserDep) -> SourceAnswer:
    """The row of a key as Dynamics has it now, values and all. That it was asked for is noted in Airflow's audit log.

    Nobody keeps the answer (`Cache-Control: no-store`), and it is written to no log.
    """
    flow, key = _flow(session, dag_id), str(asked.key)
    kind = KINDS[flow.direction]
    if kind == "events":
        raise HTTPException(409, "An event's row is in Campaign's export file, not in Dynamics")
    path = mapping_file(dag_id)
    if path is None:
        raise HTTPException(409, "The mapping file is not on the API server, so what to read is not known")
    note(session, SOURCE_ROW, dag_id, user.get_name(), key=key)
    try:
        found = source_row(path, kind, key)
    except MappingError:
        raise HTTPException(409, "The mapping cannot be used: its flow says why") from None
    return SourceAnswer(key=key, cells=None if found is None else _cells(found))


def _cells(row: dict[str, Any]) -> list[Cell]:
    return [Cell(column=name, value=None if value is None else str(value)) for name, value in row.items()]


def _flow(session: SessionDep, dag_id: str) -> Flow:
    found = flows_of(session, {dag_id})
    if not found:
        raise HTTPException(404, "There is no flow of this name")
    return found[0]
