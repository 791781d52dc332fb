"""The room "Preview": an edited mapping against live rows, by the code of the command ``preview``.

It shows people's data to a person with the right to edit the flow's DAG, who asked for it: that is noted in Airflow's
audit log before anything is read, and the answer is kept nowhere. The text of the mapping may not read more than the
flow's own file does. Not for reading and judging (``preview_process.py``, in a process that can be ended).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from campaign_sync.errors import MappingError
from campaign_sync.ledger.searching import plain_key
from campaign_sync.page.airflow_acts import note
from campaign_sync.page.flow import FlowName
from campaign_sync.page.mapping_view import ProblemView, problem_views
from campaign_sync.page.preview_process import SECONDS, parsed
from campaign_sync.page.same_origin import from_our_page
from campaign_sync.page.sources import mapping_file

#: Characters of a mapping, and rows of a preview.
LONGEST, MOST = 100 * 1024, 20

#: Processes at once: each takes some 300 MB.
AT_ONCE = 2

TOO_LONG = {
    "problem": f"This took more than {SECONDS} seconds, and was ended",
    "remedy": "Ask for fewer rows; if it stays so, look for a pattern of the mapping that takes for ever",
}
BUSY = {"problem": "Other previews are under way", "remedy": "Try again in a moment"}

_running = BoundedSemaphore(AT_ONCE)

#: The id of a row, or of an event (click:7): what else somebody pastes may be about a person, and keys are noted.
KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z]+:[0-9a-z_-]{1,64}", re.IGNORECASE)
NO_KEY = {
    "problem": "Not understood: keys",
    "remedy": "Give ids of rows, such as 0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01, or of events, such as click:7",
}


class MappingText(BaseModel):
    """A mapping file as it is."""

    file: str
    text: str


class PreviewAsked(BaseModel):
    """A mapping, and which rows."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=LONGEST, description="The mapping, as in its file.")
    keys: list[str] = Field(default=[], max_length=MOST, description="These rows; none: the first ones.")
    limit: int = Field(default=5, ge=1, le=MOST, description="How many rows, if none are named.")


class CellAnswer(BaseModel):
    """One field."""

    target: str
    source: str
    was: str
    becomes: str | None = Field(description="Null: nothing is written.")


class RowAnswer(BaseModel):
    """A row, and what a run would do with it."""

    key: str
    fate: str = Field(description="create, update, delete, unchanged, dropped, parked, rejected")
    rule: str
    reason: str
    file: str = Field(default="", description="Of an event: its export file.")
    cells: list[CellAnswer]


class PreviewAnswer(BaseModel):
    """What a run would do, or what is wrong with the mapping."""

    rows: list[RowAnswer] = []
    notes: list[str] = []
    problems: list[ProblemView] = []


#: One right for the text, whose examples may be of people, and for rows: to edit the DAG.
router = APIRouter(
    prefix="/flows/{dag_id}", tags=["preview"], dependencies=[Depends(requires_access_dag("PUT"))]
)


@router.get("/mapping")
def mapping(dag_id: FlowName) -> MappingText:
    """The mapping file of a flow as it is, to begin with. Needs the right to edit its DAG."""
    path = _file(dag_id)
    return MappingText(file=path.name, text=path.read_bytes().decode("utf-8-sig", "replace"))


@router.post("/preview", dependencies=[Depends(from_our_page)])
def preview(dag_id: FlowName, asked: PreviewAsked, session: SessionDep, user: GetUserDep) -> PreviewAnswer:
    """What a run with this mapping would do with a few rows as they are now, field by field. Nothing is written.

    Needs the right to edit the DAG. That it was asked for is noted in Airflow's audit log; nobody keeps the answer.
    """
    path = _file(dag_id)
    keys = [plain_key(key) for key in asked.keys]
    if not all(map(KEY.fullmatch, keys)):
        raise HTTPException(422, NO_KEY)
    try:
        parsed(asked.text.encode(), path)
    except MappingError as error:
        return PreviewAnswer(problems=problem_views(error))
    which = {"keys": ", ".join(keys)} if keys else {"limit": str(asked.limit)}
    note(session, "preview", dag_id, user.get_name(), **which)
    found = _run({"path": str(path), "text": asked.text, "keys": keys, "limit": asked.limit})
    if told := found.get("refused"):
        raise HTTPException(502, told)
    return PreviewAnswer.model_validate(found)


def _file(flow: str) -> Path:
    path = mapping_file(flow)
    if path is None:
        raise HTTPException(404, "There is no flow of this name, or its mapping file is not on this machine")
    return path


def _run(asked: dict[str, Any]) -> dict[str, Any]:
    """What the process answers. It is ended when it takes too long, as nothing else ends a hopeless pattern."""
    if not _running.acquire(blocking=False):
        raise HTTPException(503, BUSY)
    try:
        plugins = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, (plugins, os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "campaign_sync.page.preview_process"],
            input=json.dumps(asked),
            env=os.environ | {"PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # whatever is said there may be about a person
            text=True,
            timeout=SECONDS + 5,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout.rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        raise HTTPException(504, TOO_LONG) from None
    except subprocess.CalledProcessError as error:
        if error.returncode < 0:
            raise HTTPException(504, TOO_LONG) from None
        raise RuntimeError(f"the preview's process ended with {error.returncode}") from None
    finally:
        _running.release()
    if broken := answer.get("broken"):
        raise RuntimeError(f"the preview's process failed: {broken}")
    return answer
