"""The demonstration: a real Airflow brings the sandbox's rows to Campaign, and what Campaign's mails did to Dynamics;
what people object to goes both ways; both sides are compared row by row.

Contacts, stores and three levels of custom tables are five flows that wait for each other; e-mail events come back;
opt-outs are the seventh flow.
It talks to Airflow through its REST API and to the sandbox through its controls, and shares no code with the package:
what each side should hold is computed anew in `local/expected*.py`, and compared in `local/verdict.py`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.airflow_api import AirflowApi
from local.changes import a_busy_day, parents_arrive
from local.consents import FLOW as OPT_OUTS
from local.consents import Consents
from local.environment import ROOT, LocalError, login
from local.mailing import FLOW as EVENTS
from local.mailing import Mailing
from local.rounds import FLOWS, run_all, say
from local.sandbox_api import SandboxApi
from local.stack import Stack, require_free_port
from local.telling import told
from local.verdict import verdict, wrong_calls

MAPPINGS = ROOT / "include" / "mappings"


def demo(folder: Path, port: int, seed: tuple[str, ...], result_file: Path) -> int:
    """Run the demonstration in `folder`; write its result; return 0 only if everything agrees."""
    remove(folder / "airflow")
    mappings = shipped_mappings(folder)
    stack = Stack(
        folder,
        folder / "sandbox",
        say=say,
        more={"AIRFLOW__CAMPAIGN_SYNC__MAPPINGS": str(mappings)},
    )
    stack.stop()
    require_free_port(port)
    began = time.monotonic()
    try:
        result = _play(stack, port, seed)
    finally:
        say("Stopping everything …")
        stack.stop()
    result["seconds"] = round(time.monotonic() - began, 1)
    result_file.write_text(json.dumps(result, indent=2) + "\n")
    print(told(result))
    print(f"Details: {result_file}")
    return 0 if result["agree"] else 1


def _play(stack: Stack, port: int, seed: tuple[str, ...]) -> dict[str, Any]:
    say("Starting the sandbox: Dynamics 365, Entra ID, Adobe Campaign, Adobe IMS …")
    sandbox = SandboxApi(stack.start_sandbox(*seed))
    flows = [flow for flow in FLOWS if sandbox.has(flow.table)]
    for absent in set(FLOWS) - set(flows):
        (stack.folder / "mappings" / f"{absent.name}.yaml").unlink()
    say("Starting Airflow: API server, scheduler, DAG processor, triggerer …")
    stack.start_airflow(port)
    airflow = AirflowApi(port, *login(stack.home))
    for name in (*(flow.name for flow in flows), EVENTS, OPT_OUTS):
        airflow.wait_for_dag(name)

    steps: list[dict[str, Any]] = []

    def step(
        what: str, *changes: str, beside: Sequence[str] = (EVENTS,), after: Sequence[str] = (OPT_OUTS,)
    ) -> None:
        say(f"{what.capitalize()}: {'; '.join(changes)} …")
        steps.append(run_all(airflow, sandbox, flows, what, steps, [beside, after]))

    tables = (f"{len(sandbox.rows(flow.table)):,} {flow.name.split('_')[0]}" for flow in flows)
    step("first load", ", ".join(tables), beside=(), after=())
    say("Preparing Dynamics for e-mail events: python -m campaign_sync setup dynamics --apply")
    set_up(stack.variables(port))
    mailing, consents = Mailing(sandbox), Consents(sandbox)
    step("a busy day", a_busy_day(sandbox), mailing.first_day(), consents.first_day())
    profiles = len(sandbox.records("profile"))
    step("parents arrive", parents_arrive(sandbox), mailing.later(), consents.later())
    step("no changes", f"nothing changed; {consents.export()}", beside=(EVENTS, OPT_OUTS), after=())

    say(
        "Comparing Campaign with Dynamics, row by row, timelines with logs, event by event, consent pair by pair …"
    )
    result = verdict(sandbox, flows, steps, mailing, consents)
    result["problems"] += wrong_calls(steps, proofs=len(flows), profiles=profiles)
    return result | {"agree": not result["problems"]}


def set_up(variables: dict[str, str]) -> None:
    """Have the activity tables made, as a user would."""
    command = [sys.executable, "-m", "campaign_sync", "setup", "dynamics", "--apply"]
    done = subprocess.run(command, check=False, env=variables, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise LocalError(f"The activity tables could not be made: {done.stderr[-800:]}")
    for line in done.stdout.splitlines():
        if line.endswith("made"):
            say(f"  {line}")


def shipped_mappings(folder: Path) -> Path:
    """A folder with the shipped mappings and the examples, as after copying these; runs are started here only."""
    mappings = folder / "mappings"
    remove(mappings)
    mappings.mkdir(parents=True)
    for flow in FLOWS:
        file = next(MAPPINGS.rglob(f"{flow.name}.yaml"))
        (mappings / file.name).write_text(file.read_text() + "schedule: ~\n")
    events = (MAPPINGS / f"{EVENTS}.yaml").read_text() + "schedule: ~\n"
    tasks_on = re.sub(r"^# (tasks:|  \w+: )", r"\1", events, flags=re.MULTILINE)
    # The mailing is a week old, and everybody in the sandbox has the same owner.
    tasks_on = tasks_on.replace("due: 3d", "due: 14d, per_owner_and_day: 1000")
    (mappings / f"{EVENTS}.yaml").write_text(tasks_on)
    opt_outs = (MAPPINGS / f"{OPT_OUTS}.yaml").read_text() + "schedule: ~\n"
    # Nobody is here to be asked: one person opts in, and the first run tells all who say no and have no profile yet.
    opt_outs = opt_outs.replace("opt_ins: 0", "opt_ins: 1").replace("500 or 5%", "1000000")
    (mappings / f"{OPT_OUTS}.yaml").write_text(opt_outs)
    return mappings


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise LocalError(f"{folder} could not be removed: check its rights.")
