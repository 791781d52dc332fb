"""The demonstration's result as text: steps, both sides of each flow, the verdict."""

from __future__ import annotations

from typing import Any

from local.consents import FLOW as OPT_OUTS
from local.mailing import FLOW as EVENTS

#: The flows that do not write records, as they are called here.
OTHERS = {EVENTS: "e-mail events", OPT_OUTS: "opt-outs"}
FATES = ("extracted", "dropped", "parked", "rejected", "created", "updated", "deleted", "unchanged")


def told(result: dict[str, Any]) -> str:
    steps = [["step", *FATES, "engine calls", "seconds"]]
    for each in result["steps"]:
        counts = [f"{each['tally'][fate]:,}" for fate in FATES]
        steps.append([each["what"], *counts, f"{each['engine_calls']:,}", f"{each['seconds']:.1f}"])
        for other in each["others"]:
            counts = [f"{other['tally'][fate]:,}" for fate in FATES]
            calls = f"{each['consent_calls']:,} of them" if other["flow"] == OPT_OUTS else ""
            steps.append([f"  {OTHERS[other['flow']]}", *counts, calls, ""])
    flows = [["flow", "in Dynamics", "in Campaign", "waiting for a parent", "different"]]
    for each in result["compared"]:
        counts = [f"{each[name]:,}" for name in ("rows", "records", "waiting")]
        flows.append([each["flow"], *counts, f"{len(each['different']):,}"])
    kinds = [["e-mail event", "in Campaign's logs", "in Dynamics", "follow-up tasks", "different"]]
    for each in result["events"]["kinds"]:
        counts = [f"{each[name]:,}" for name in ("expected", "found", "tasks")]
        kinds.append([each["kind"], *counts, f"{len(each['different']):,}"])
    timeline = "\n  ".join(
        [f"Timeline of contact {result['events']['contact']}", *result["events"]["timeline"]]
    )
    consent = _consent(result["opt_outs"])
    activities = sum(each["found"] for each in result["events"]["kinds"])
    rows, records = (sum(each[name] for each in result["compared"]) for name in ("rows", "records"))
    verdict = (
        f"{rows:,} rows compared with {records:,} records, {activities:,} activities with Campaign's logs, "
        f"{result['opt_outs']['profiles']:,} people's consent on both sides: all agree."
        if result["agree"]
        else "NOT in step: " + "; ".join(result["problems"])
    )
    return "\n" + "\n\n".join([_table(steps), _table(flows), _table(kinds), timeline, consent, verdict])


def _consent(said: dict[str, Any]) -> str:
    """Whose consent to look at, and how both sides compare."""
    stories = [f"  {story['contact']}  {story['what']}" for story in said["stories"]]
    compared = (
        f"{said['contacts']:,} contacts, {said['profiles']:,} of them with a profile; {said['noes']:,} noes hold; "
        f"{said['born']:,} profiles were born with theirs; {len(said['different']):,} different"
    )
    return "\n".join([f"Consent: {compared}", *stories])


def _table(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
