"""The few calls of Airflow's REST API that the demo makes: switch a DAG on, start a run, wait, read its result."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.environment import LocalError

FINAL = {"success", "failed"}


class AirflowApi:
    """Airflow's public REST API under one login."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.root = f"http://127.0.0.1:{port}"
        answer = self._call("POST", "/auth/token", {"username": user, "password": password}, token=None)
        self.token = str(answer["access_token"])

    def get(self, path: str) -> Any:
        """GET below /api/v2."""
        return self._call("GET", f"/api/v2{path}", None, self.token)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST below /api/v2."""
        return self._call("POST", f"/api/v2{path}", body, self.token)

    def unpause(self, dag_id: str) -> None:
        """Switch a DAG on."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False}, self.token)

    def switch_all(self, *, on: bool) -> None:
        """Switch all DAGs on or off, in one request.

        On SQLite, a request that goes into Airflow's audit log (this one, a start) and a task that begins can each hold
        what the other waits for, for seconds: start several runs while their DAGs are off.
        """
        self._call("PATCH", "/api/v2/dags?dag_id_pattern=%25&limit=100", {"is_paused": not on}, self.token)

    def wait_for_dag(self, dag_id: str, seconds: float = 120) -> None:
        """Return when the DAG processor has found the DAG."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.get(f"/dags/{dag_id}")
            except urllib.error.HTTPError as problem:
                if problem.code != 404:
                    raise
                time.sleep(0.5)
            else:
                return
        errors = [error["stack_trace"] for error in self.get("/importErrors")["import_errors"]]
        detail = errors[0][-800:] if errors else "no import error is reported"
        raise LocalError(f"Airflow did not find the DAG {dag_id} within {seconds:.0f} s; {detail}")

    def start(self, dag_id: str, **conf: Any) -> str:
        """Start a run and return its id."""
        run = self.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
        return str(run["dag_run_id"])

    def wait(self, dag_id: str, run_id: str, seconds: float, progress: Callable[[str], None]) -> str:
        """Return the final state of a run; `progress` hears what is going on every few seconds."""
        path = f"/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id, safe='')}"
        started = said = time.monotonic()
        while True:
            state = str(self.get(path)["state"])
            if state in FINAL:
                return state
            now = time.monotonic()
            if now - started > seconds:
                raise LocalError(f"The run {run_id} of {dag_id} did not end within {seconds:.0f} s.")
            if now - said > 5:
                said = now
                progress(f"{now - started:4.0f} s  {self._counts(path)}")
            time.sleep(0.3)

    def wait_for_question(self, dag_id: str, run_id: str, seconds: float) -> None:
        """Return when a run asks a person."""
        path = (
            f"/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id, safe='')}/taskInstances?state=awaiting_input"
        )
        deadline = time.monotonic() + seconds
        while not self.get(path)["task_instances"]:
            if time.monotonic() > deadline:
                raise LocalError(f"The run {run_id} of {dag_id} did not ask within {seconds:.0f} s.")
            time.sleep(0.3)

    def active_runs(self, dag_id: str) -> list[str]:
        """Ids of the runs that have not ended."""
        runs = self.get(f"/dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
        return [run["dag_run_id"] for run in runs if run["state"] not in FINAL]

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """All runs, oldest first."""
        found = self.get(f"/dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
        return sorted(found, key=lambda run: run["run_after"] or _never())

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        run = urllib.parse.quote(run_id, safe="")
        path = (
            f"/dags/{dag_id}/dagRuns/{run}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=false"
        )
        value = self.get(path)["value"]
        return json.loads(value) if isinstance(value, str) else value

    def failures(self, dag_id: str, run_id: str) -> list[str]:
        """Names of the tasks of a run that failed."""
        run = urllib.parse.quote(run_id, safe="")
        instances = self.get(f"/dags/{dag_id}/dagRuns/{run}/taskInstances?limit=1000")["task_instances"]
        return [f"{each['task_id']}[{each['map_index']}]" for each in instances if each["state"] == "failed"]

    def _counts(self, run_path: str) -> str:
        instances = self.get(f"{run_path}/taskInstances?limit=1000")["task_instances"]
        states: dict[str, int] = {}
        for each in instances:
            states[each["state"] or "waiting"] = states.get(each["state"] or "waiting", 0) + 1
        return (
            ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            or "waiting for the scheduler"
        )

    def _call(self, method: str, path: str, body: dict[str, Any] | None, token: str | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.root + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def _never() -> str:
    return datetime.max.replace(tzinfo=UTC).isoformat()
