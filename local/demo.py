"""The demonstration: a real Airflow brings the sandbox's contacts to Campaign; both sides are compared row by row.

It talks to Airflow through its REST API and to the sandbox through its controls, and shares no code with the
package: what Campaign should hold is computed anew in `local/expected.py`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from local.airflow_api import AirflowApi
from local.environment import LocalError, login
from local.expected import differences
from local.sandbox_api import SandboxApi
from local.stack import Stack, require_free_port

FLOW = "contacts_to_profiles"
FATES = ("extracted", "dropped", "parked", "rejected", "created", "updated", "deleted", "unchanged")


def demo(folder: Path, port: int, seed: tuple[str, ...], result_file: Path) -> int:
    """Run the demonstration in `folder`; write its result; return 0 only if everything agrees."""
    _remove(folder / "airflow")
    stack = Stack(folder, folder / "sandbox", say=_say)
    stack.stop()
    require_free_port(port)
    began = time.monotonic()
    try:
        result = _play(stack, port, seed)
    finally:
        _say("Stopping everything …")
        stack.stop()
    result["seconds"] = round(time.monotonic() - began, 1)
    result_file.write_text(json.dumps(result, indent=2) + "\n")
    print(_table(result))
    print(f"Details: {result_file}")
    return 0 if result["agree"] else 1


def _play(stack: Stack, port: int, seed: tuple[str, ...]) -> dict[str, Any]:
    _say("Starting the sandbox: Dynamics 365, Entra ID, Adobe Campaign, Adobe IMS …")
    sandbox = SandboxApi(stack.start_sandbox(*seed))
    _say("Starting Airflow: API server, scheduler, DAG processor, triggerer …")
    stack.start_airflow(port)
    airflow = AirflowApi(port, *login(stack.home))
    airflow.wait_for_dag(FLOW)
    airflow.unpause(FLOW)

    runs: list[dict[str, Any]] = []
    contacts = sandbox.count("contact")
    _say(f"First run: {contacts:,} contacts …")
    runs.append(_run(airflow, sandbox, "first load", runs))

    changed = _change(sandbox)
    _say(
        f"Second run, after {changed['total']} changes in Dynamics ({changed['unmapped']} only in unmapped columns) …"
    )
    runs.append(_run(airflow, sandbox, "changes", runs))

    _say("Third run: nothing changed …")
    runs.append(_run(airflow, sandbox, "no changes", runs))

    _say("Comparing Campaign with Dynamics, row by row …")
    different = differences(sandbox.rows("contact"), sandbox.profiles())
    problems = [f"{len(different)} rows differ: {', '.join(sorted(different)[:5])}"] if different else []
    for run in runs:
        if run["state"] != "success":
            problems.append(
                f"run “{run['what']}” ended as {run['state']} (failed: {', '.join(run['failed'])})"
            )
        elif sum(run["tally"][fate] for fate in FATES[1:]) != run["tally"]["extracted"]:
            problems.append(f"the counts of run “{run['what']}” do not add up")
    for run, proof in zip(runs, (1, 0, 0), strict=True):
        # One call per record written; the first record of a flow's life is read back once, to prove its key.
        written = sum(run["tally"][fate] for fate in ("created", "updated", "deleted"))
        if run["engine_calls"] != written + proof:
            problems.append(
                f"run “{run['what']}” wrote {written} records with {run['engine_calls']} engine calls"
            )
    return {
        "agree": not problems,
        "problems": problems,
        "contacts": sandbox.count("contact"),
        "profiles": len(sandbox.profiles()),
        "compared": sandbox.count("contact"),
        "different": sorted(different)[:100],
        "runs": runs,
    }


def _run(airflow: AirflowApi, sandbox: SandboxApi, what: str, told: list[dict[str, Any]]) -> dict[str, Any]:
    """One run through the scheduler; a run that the schedule starts at the same time counts with it."""
    began = time.monotonic()
    airflow.start(FLOW)
    while active := airflow.active_runs(FLOW):
        airflow.wait(FLOW, active[0], seconds=1800, progress=lambda said: _say(f"  {said}"))
    seconds = time.monotonic() - began
    before = {run_id for each in told for run_id in each["run_ids"]}
    new = [run for run in airflow.runs(FLOW) if run["dag_run_id"] not in before]
    tally = dict.fromkeys(FATES, 0)
    failed = []
    for run in new:
        if run["state"] == "success":
            report = airflow.result(FLOW, run["dag_run_id"], "reconcile")
            tally = {fate: tally[fate] + report["tally"][fate] for fate in FATES}
        else:
            failed += airflow.failures(FLOW, run["dag_run_id"]) or [run["dag_run_id"]]
    calls = sandbox.engine_calls() - sum(each["engine_calls"] for each in told)
    counts = [f"{count:,} {fate}" for fate, count in tally.items() if count] or ["no rows"]
    _say(f"  {', '.join(counts)}; {calls:,} engine calls")
    return {
        "what": what,
        "run_ids": [run["dag_run_id"] for run in new],
        "state": "failed" if failed else "success",
        "failed": failed,
        "tally": tally,
        "engine_calls": calls,
        "seconds": round(seconds, 1),
    }


def _change(sandbox: SandboxApi) -> dict[str, int]:
    """Change contacts as people would: a new address, a job title nobody mapped, a new contact, a deleted one."""
    rows = [row for row in sandbox.rows("contact") if row.get("emailaddress1")]
    moved, promoted = rows[::20][:200], rows[1::10][:300]
    promoted = [row for row in promoted if row not in moved]
    update = [
        {"id": row["contactid"], "address1_city": f"Møllehavn {index}"} for index, row in enumerate(moved)
    ]
    update += [{"id": row["contactid"], "jobtitle": "Head of surprises"} for row in promoted]
    create = [
        {
            "contactid": f"0de70000-0000-4000-8000-{index:012d}",
            "firstname": "Nora",
            "lastname": f"Newcomer {index}",
            "emailaddress1": f"  Nora.{index}@Newcomers.example ",
        }
        for index in range(5)
    ]
    delete = [row["contactid"] for row in rows[2::97][:3]]
    sandbox.mutate("contact", create=create, update=update, delete=delete)
    return {"total": len(update) + len(create) + len(delete), "unmapped": len(promoted)}


def _table(result: dict[str, Any]) -> str:
    columns = ["run", *FATES, "engine calls", "seconds"]
    lines = [columns]
    for run in result["runs"]:
        counts = [f"{run['tally'][fate]:,}" for fate in FATES]
        lines.append([run["what"], *counts, f"{run['engine_calls']:,}", f"{run['seconds']:.1f}"])
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    text = "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    verdict = (
        f"{result['compared']:,} contacts compared with {result['profiles']:,} profiles: all agree."
        if result["agree"]
        else "NOT in step: " + "; ".join(result["problems"])
    )
    return f"\n{text}\n\n{verdict}"


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise LocalError(f"{folder} could not be removed: check its rights.")


def _say(text: str) -> None:
    print(text, flush=True)
