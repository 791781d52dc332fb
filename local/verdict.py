"""Whether both systems agree after what was played: rows with records, timelines with logs, consent, engine calls.

Not for what each side should hold: that is computed in `expected*.py`.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any

from local.consents import FLOW as OPT_OUTS
from local.consents import Consents
from local.expected import differing
from local.expected_company import KINDS, campaign
from local.expected_events import TABLES, compare, timeline
from local.expected_opt_outs import compare as compare_opt_outs
from local.mailing import Mailing
from local.rounds import Flow
from local.sandbox_api import SandboxApi


def verdict(
    sandbox: SandboxApi, flows: list[Flow], steps: list[dict[str, Any]], mailing: Mailing, consents: Consents
) -> dict[str, Any]:
    """What was compared, and all problems that steps or comparison had, as sentences."""
    compared = [_compare(sandbox, flow, flows) for flow in reversed(flows)]
    seen = _compare_events(sandbox, mailing)
    problems = [problem for each in steps for problem in each["problems"]]
    problems += [
        f"{len(each['different'])} rows of {each['flow']} differ: {', '.join(each['different'][:5])}"
        for each in compared
        if each["different"]
    ]
    problems += [
        f"{len(each['different'])} contacts' timelines differ in {each['kind']}: {', '.join(each['different'][:5])}"
        for each in seen["kinds"]
        if each["different"]
    ]
    said = compare_opt_outs(
        consents.began, consents.words, sandbox.rows("contact"), sandbox.records("profile")
    )
    if said.different:
        keys = ", ".join(said.different[:5])
        problems.append(f"{len(said.different)} contacts' consent is not the same or not right: {keys}")
    return {
        "problems": problems,
        "steps": steps,
        "compared": compared,
        "events": seen,
        "opt_outs": said._asdict() | {"stories": [story._asdict() for story in consents.stories]},
    }


def wrong_calls(steps: list[dict[str, Any]], proofs: int, profiles: int, repeated: int = 0) -> list[str]:
    """What is wrong with the number of engine calls; what consent cost is added to each step.

    One call per record written or told; the first record of a flow's life is read back once, to prove its key; the
    first run of opt-outs lists all profiles, 500 at a time, and asks for their number if one page has not all.

    :param repeated: how many calls the first step may have made once more, as a process was killed in it.
    """
    listed = max(-(-profiles // 500), 1) + (profiles > 500)
    problems = []
    expected = ((proofs, 0, repeated), (0, listed, 0))
    for each, (proved, read, more) in zip(
        steps, (*expected, *repeat((0, 0, 0), len(steps) - 2)), strict=True
    ):
        written = sum(each["tally"][fate] for fate in ("created", "updated", "deleted")) + proved
        consent = sum(_told_campaign(run) for run in each["others"] if run["flow"] == OPT_OUTS) + read
        each["consent_calls"] = each["engine_calls"] - written
        if not 0 <= each["consent_calls"] - consent <= more:
            problems.append(
                f"step “{each['what']}” needed {written} engine calls for records and {consent} for consent, "
                f"and made {each['engine_calls']}"
            )
    return problems


def _told_campaign(run: dict[str, Any]) -> int:
    """How often a run of opt-outs told Campaign something, or tried, where there was no profile yet.

    A call for each contact; Dynamics is told one thing of a contact here, and nobody has to be told on both sides.
    """
    in_dynamics = sum(count for what, count in run["told"].items() if what.startswith("dynamics"))
    return int(run["tally"]["updated"] + run["tally"]["parked"] - in_dynamics)


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


def _compare_events(sandbox: SandboxApi, mailing: Mailing) -> dict[str, Any]:
    tables = {kind: sandbox.rows(table, "activityid") for kind, (table, _) in TABLES.items()}
    tasks = sandbox.rows("task", "activityid")
    kinds = compare(mailing.events.values(), sandbox.rows("contact"), tables, tasks)
    contact, entries = timeline(tables, tasks)
    return {"kinds": [each._asdict() for each in kinds], "contact": contact, "timeline": entries}
