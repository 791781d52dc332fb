"""The demonstration: a real Airflow brings the sandbox's rows to Campaign; both sides are compared row by row.

Contacts, stores and three levels of custom tables, five flows that wait for each other. It talks to Airflow through its
REST API and to the sandbox through its controls, and shares no code with the package: what Campaign should hold is
computed anew in `local/expected.py` and `local/expected_company.py`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from local.airflow_api import AirflowApi
from local.changes import a_busy_day, parents_arrive
from local.environment import ROOT, LocalError, login
from local.expected import differing
from local.expected_company import KINDS, campaign
from local.sandbox_api import SandboxApi
from local.stack import Stack, require_free_port

MAPPINGS = ROOT / "include" / "mappings"
FATES = ("extracted", "dropped", "parked", "rejected", "created", "updated", "deleted", "unchanged")


class Flow(NamedTuple):
    """A mapping file that the demonstration runs."""

    name: str
    table: str
    resource: str
    parent: str | None = None  # flow


#: Children first: nobody who starts flows needs to know which one waits for which.
FLOWS = (
    Flow("lines_to_lines", "new_purchaseorderline", "cusPurchaseOrderLine", "orders_to_orders"),
    Flow("orders_to_orders", "new_purchaseorder", "cusPurchaseOrder", "vendors_to_vendors"),
    Flow("vendors_to_vendors", "new_vendor", "cusVendor"),
    Flow("accounts_to_stores", "account", "cusStore", "contacts_to_profiles"),
    Flow("contacts_to_profiles", "contact", "profile"),
)


def demo(folder: Path, port: int, seed: tuple[str, ...], result_file: Path) -> int:
    """Run the demonstration in `folder`; write its result; return 0 only if everything agrees."""
    _remove(folder / "airflow")
    mappings = _mappings(folder)
    stack = Stack(
        folder,
        folder / "sandbox",
        say=_say,
        more={"AIRFLOW__CAMPAIGN_SYNC__MAPPINGS": str(mappings)},
    )
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
    print(_told(result))
    print(f"Details: {result_file}")
    return 0 if result["agree"] else 1


def _play(stack: Stack, port: int, seed: tuple[str, ...]) -> dict[str, Any]:
    _say("Starting the sandbox: Dynamics 365, Entra ID, Adobe Campaign, Adobe IMS …")
    sandbox = SandboxApi(stack.start_sandbox(*seed))
    flows = [flow for flow in FLOWS if sandbox.has(flow.table)]
    for absent in set(FLOWS) - set(flows):
        (stack.folder / "mappings" / f"{absent.name}.yaml").unlink()
    _say("Starting Airflow: API server, scheduler, DAG processor, triggerer …")
    stack.start_airflow(port)
    airflow = AirflowApi(port, *login(stack.home))
    for flow in flows:
        airflow.wait_for_dag(flow.name)

    steps: list[dict[str, Any]] = []

    def step(what: str, change: Callable[[SandboxApi], str]) -> None:
        _say(f"{what.capitalize()}: {change(sandbox)} …")
        steps.append(_run(airflow, sandbox, flows, what, steps))

    step("first load", lambda s: ", ".join(f"{len(s.rows(f.table)):,} {f.name.split('_')[0]}" for f in flows))
    step("a busy day", a_busy_day)
    step("parents arrive", parents_arrive)
    step("no changes", lambda _: "nothing changed")

    _say("Comparing Campaign with Dynamics, row by row …")
    compared = [_compare(sandbox, flow, flows) for flow in reversed(flows)]
    problems = [problem for each in steps for problem in each["problems"]]
    problems += [
        f"{len(each['different'])} rows of {each['flow']} differ: {', '.join(each['different'][:5])}"
        for each in compared
        if each["different"]
    ]
    # One call per record written; the first record of a flow's life is read back once, to prove its key.
    for each, proofs in zip(steps, (len(flows), 0, 0, 0), strict=True):
        written = sum(each["tally"][fate] for fate in ("created", "updated", "deleted"))
        if each["engine_calls"] != written + proofs:
            problems.append(
                f"step “{each['what']}” wrote {written} records with {each['engine_calls']} engine calls"
            )
    return {"agree": not problems, "problems": problems, "steps": steps, "compared": compared}


def _run(
    airflow: AirflowApi, sandbox: SandboxApi, flows: list[Flow], what: str, told: list[dict[str, Any]]
) -> dict[str, Any]:
    """Run all flows through the scheduler, and again those whose rows may go on now, until nothing is left to do."""
    began = time.monotonic()
    runs: list[dict[str, Any]] = []
    before = {run["run_id"] for each in told for run in each["runs"]}
    starting = flows
    while starting:
        for flow in starting:
            airflow.start(flow.name)
        airflow.switch_all(on=True)
        for flow in flows:
            while active := airflow.active_runs(flow.name):
                airflow.wait(flow.name, active[0], seconds=1800, progress=_telling(flow.name))
        airflow.switch_all(on=False)
        known = before | {run["run_id"] for run in runs}
        news = [
            _what_came(airflow, flow, run)
            for flow in flows
            for run in airflow.runs(flow.name)
            if run["dag_run_id"] not in known
        ]
        runs += news
        wrote = {
            run["flow"]
            for run in news
            if any(run["tally"][fate] for fate in ("created", "updated", "deleted"))
        }
        waiting = {
            run["flow"] for each in (*told, {"runs": runs}) for run in each["runs"] if run["tally"]["parked"]
        }
        starting = [flow for flow in flows if _may_go_on(flow, wrote, waiting)]
    tally = {fate: sum(run["tally"][fate] for run in runs) for fate in FATES}
    calls = sandbox.engine_calls() - sum(each["engine_calls"] for each in told)
    counts = [f"{count:,} {fate}" for fate, count in tally.items() if count] or ["no rows"]
    _say(f"  {', '.join(counts)}; {calls:,} engine calls, {len(runs)} runs")
    return {
        "what": what,
        "runs": runs,
        "problems": [run["problem"] for run in runs if run["problem"]],
        "tally": tally,
        "engine_calls": calls,
        "seconds": round(time.monotonic() - began, 1),
    }


def _telling(flow: str) -> Callable[[str], None]:
    return lambda said: _say(f"  {flow}: {said.strip()}")


def _may_go_on(flow: Flow, wrote: set[str], waiting: set[str]) -> bool:
    """Whether rows of a flow may go on now: its parent wrote, or deletions wait and its children wrote."""
    children = {each.name for each in FLOWS if each.parent == flow.name}
    return flow.parent in wrote or (flow.name in waiting and bool(children & wrote))


def _what_came(airflow: AirflowApi, flow: Flow, run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"flow": flow.name, "run_id": run["dag_run_id"], "problem": ""}
    if run["state"] != "success":
        failed = airflow.failures(flow.name, run["dag_run_id"]) or [run["dag_run_id"]]
        problem = f"a run of {flow.name} ended as {run['state']} (failed: {', '.join(failed)})"
        return found | {"problem": problem, "tally": dict.fromkeys(FATES, 0)}
    tally = airflow.result(flow.name, run["dag_run_id"], "reconcile")["tally"]
    if sum(tally[fate] for fate in FATES[1:]) != tally["extracted"]:
        found["problem"] = f"the counts of a run of {flow.name} do not add up"
    return found | {"tally": {fate: tally[fate] for fate in FATES}}


def _compare(sandbox: SandboxApi, flow: Flow, flows: list[Flow]) -> dict[str, Any]:
    tables: dict[str, list[dict[str, Any]]] = {kind.table: [] for kind in KINDS.values()}
    tables |= {each.table: sandbox.rows(each.table) for each in flows}
    level, records = campaign(tables)[flow.resource], sandbox.records(flow.resource)
    different = differing(level.records, records, KINDS[flow.resource].key)
    different |= {record[KINDS[flow.resource].key] for record in records if record["@hidden"]}
    return {
        "flow": flow.name,
        "rows": len(tables[flow.table]),
        "records": len(records),
        "waiting": len(level.parked),
        "different": sorted(different)[:100],
    }


def _told(result: dict[str, Any]) -> str:
    steps = [["step", *FATES, "engine calls", "seconds"]]
    for each in result["steps"]:
        counts = [f"{each['tally'][fate]:,}" for fate in FATES]
        steps.append([each["what"], *counts, f"{each['engine_calls']:,}", f"{each['seconds']:.1f}"])
    flows = [["flow", "in Dynamics", "in Campaign", "waiting for a parent", "different"]]
    for each in result["compared"]:
        counts = [f"{each[name]:,}" for name in ("rows", "records", "waiting")]
        flows.append([each["flow"], *counts, f"{len(each['different']):,}"])
    rows, records = (sum(each[name] for each in result["compared"]) for name in ("rows", "records"))
    verdict = (
        f"{rows:,} rows compared with {records:,} records: all agree."
        if result["agree"]
        else "NOT in step: " + "; ".join(result["problems"])
    )
    return f"\n{_table(steps)}\n\n{_table(flows)}\n\n{verdict}"


def _table(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _mappings(folder: Path) -> Path:
    """A folder with the shipped mappings and the examples, as after copying these; runs are started here only."""
    mappings = folder / "mappings"
    _remove(mappings)
    mappings.mkdir(parents=True)
    for flow in FLOWS:
        file = next(MAPPINGS.rglob(f"{flow.name}.yaml"))
        (mappings / file.name).write_text(file.read_text() + "schedule: ~\n")
    return mappings


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise LocalError(f"{folder} could not be removed: check its rights.")


def _say(text: str) -> None:
    print(text, flush=True)
