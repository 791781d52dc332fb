"""The flows of the demonstration, run through the scheduler round after round until none has anything left to do.

Not for what changes before they run, nor for judging what came of it (`demo`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from local.airflow_api import AirflowApi
from local.sandbox_api import SandboxApi
from local.telling import FATES, OTHERS


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


def run_all(
    airflow: AirflowApi,
    sandbox: SandboxApi,
    flows: list[Flow],
    what: str,
    told: list[dict[str, Any]],
    others: list[Sequence[str]],
) -> dict[str, Any]:
    """Run all flows through the scheduler, and again those whose rows may go on now, until nothing is left to do.

    No run may be started while another runs, so the flows of the way back run once, beside a round of these.

    :param others: which of them beside the first round, and which beside the second.
    """
    began, calls_before = time.monotonic(), sandbox.engine_calls()
    runs: list[dict[str, Any]] = []
    came: list[dict[str, Any]] = []
    before = {run["run_id"] for each in told for run in each["runs"]}
    starting, others = flows, [*others]
    while starting or any(others):
        started = {name: airflow.start(name) for name in (others.pop(0) if others else ())}
        for flow in starting:
            airflow.start(flow.name)
        airflow.switch_all(on=True)
        for flow in flows:
            while active := airflow.active_runs(flow.name):
                airflow.wait(flow.name, active[0], seconds=1800, progress=_telling(flow.name))
        came += [_other_that_came(airflow, name, run_id) for name, run_id in started.items()]
        airflow.switch_all(on=False)
        known = before | {run["run_id"] for run in runs}
        news = [
            _what_came(airflow, flow.name, run)
            for flow in flows
            for run in airflow.runs(flow.name)
            if run["dag_run_id"] not in known
        ]
        runs += news
        wrote = {
            run["flow"]
            for run in news
            # Unchanged: a task that was killed after it had written finds its own work when it is repeated.
            if any(run["tally"][fate] for fate in ("created", "updated", "deleted", "unchanged"))
        }
        waiting = {
            run["flow"] for each in (*told, {"runs": runs}) for run in each["runs"] if run["tally"]["parked"]
        }
        starting = [flow for flow in flows if _may_go_on(flow, wrote, waiting)]
    tally = {fate: sum(run["tally"][fate] for run in runs) for fate in FATES}
    calls = sandbox.engine_calls() - calls_before
    counts = [f"{count:,} {fate}" for fate, count in tally.items() if count] or ["no rows"]
    say(f"  {', '.join(counts)}; {calls:,} engine calls, {len(runs)} runs")
    for each in came:
        counts = [f"{count:,} {fate}" for fate, count in each["tally"].items() if count]
        lines = [f"  {OTHERS[each['flow']]}: {', '.join(counts) or 'nothing to do'}", *each["notes"]]
        say("\n    ".join(lines))
    return {
        "what": what,
        "runs": runs,
        "others": came,
        "problems": [run["problem"] for run in (*runs, *came) if run["problem"]],
        "tally": tally,
        "engine_calls": calls,
        "seconds": round(time.monotonic() - began, 1),
    }


def _telling(flow: str) -> Callable[[str], None]:
    return lambda said: say(f"  {flow}: {said.strip()}")


def _may_go_on(flow: Flow, wrote: set[str], waiting: set[str]) -> bool:
    """Whether rows of a flow may go on now: its parent wrote, or deletions wait and its children wrote."""
    children = {each.name for each in FLOWS if each.parent == flow.name}
    return flow.parent in wrote or (flow.name in waiting and bool(children & wrote))


def _other_that_came(airflow: AirflowApi, flow: str, run_id: str) -> dict[str, Any]:
    """Wait for a run of events or opt-outs; what it did."""
    airflow.wait(flow, run_id, seconds=1800, progress=_telling(flow))
    (run,) = (each for each in airflow.runs(flow) if each["dag_run_id"] == run_id)
    return _what_came(airflow, flow, run)


def _what_came(airflow: AirflowApi, flow: str, run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"flow": flow, "run_id": run["dag_run_id"], "problem": "", "notes": []}
    if run["state"] != "success":
        failed = airflow.failures(flow, run["dag_run_id"]) or [run["dag_run_id"]]
        problem = f"a run of {flow} ended as {run['state']} (failed: {', '.join(failed)})"
        return found | {"problem": problem, "tally": dict.fromkeys(FATES, 0)}
    report = airflow.result(flow, run["dag_run_id"], "reconcile")
    tally = report["tally"]
    if sum(tally[fate] for fate in FATES[1:]) != tally["extracted"]:
        found["problem"] = f"the counts of a run of {flow} do not add up"
    found |= {"tally": {fate: tally[fate] for fate in FATES}, "notes": report["notes"]}
    return found | {"told": report.get("told", {})}


def say(text: str) -> None:
    """Tell whoever watches."""
    print(text, flush=True)
