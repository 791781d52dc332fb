"""/workflow/execution: status, commands, signal triggers (campaign.md §7.1–7.3)."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import JSONResponse, Response

from sandbox.campaign import errors, values
from sandbox.campaign.imports import imports_of
from sandbox.campaign.pkeys import RECORD
from sandbox.campaign.schema import read_field
from sandbox.campaign.tenant import Call, stamp
from sandbox.campaign.validation import read_object
from sandbox.campaign.workflows import COMMANDS, STATES, Workflow

LARGEST_SIGNAL = 64 * 1024
TYPES = {"text": "string", "string": "string", "number": "double", "integer": "int64", "boolean": "boolean",
         "datetime": "datetime"}  # fmt: skip


def answer(call: Call, method: str, segments: list[str], body: bytes) -> Response:
    """Answer a call below /workflow/execution."""
    call.tenant.world.counters.add("campaign.workflow_calls")
    if not segments:
        raise errors.not_imitated("the list of workflows")
    workflow = _find(call, segments[0])
    match method, segments[1:]:
        case "GET", []:
            return JSONResponse(_shown(call, workflow))
        case "POST", ["commands"]:
            return _command(call, workflow, body)
        case "POST", ["activities", "activity", signal, "trigger"]:
            return _trigger(call, workflow, signal, body)
    raise errors.method_not_offered(method)


def _find(call: Call, name: str) -> Workflow:
    now = call.tenant.world.clock.timestamp()
    if name.startswith("@"):
        row = call.tenant.pkeys.open(name, (RECORD,), "workflow")
        if row is None:
            raise errors.malformed_pkey(name, "Workflows", "xtk:workflow")
        found = call.tenant.workflows.number(row, now)
    else:
        found = call.tenant.workflows.get(name, now)
    if found is None:
        raise errors.not_found("Workflow", "workflow", name, in_uri=True)
    return found


def _shown(call: Call, workflow: Workflow) -> dict[str, Any]:
    switches = call.tenant.world.switches
    pkey = call.tenant.pkeys.seal(RECORD, "workflow", workflow.number)
    inside = f"{call.base}/workflow/execution/{pkey}/activities/activity"
    label, number = STATES[workflow.state]
    spelled = {"name": workflow.state, "label": label, "number": number}
    activities = {
        signal: {
            "name": signal,
            switches["campaign.signal_parameters_key"]: {
                name: {"name": name, "type": kind} for name, kind in parameters.items()
            },
            "trigger": {"href": f"{inside}/{_signal_key(call, workflow, signal)}/trigger/"},
        }
        for signal, parameters in workflow.signals.items()
    }
    return {
        "PKey": pkey,
        "name": workflow.name,
        "label": workflow.label,
        switches["campaign.workflow_state_key"]: spelled[switches["campaign.workflow_state_form"]],
        "nextProcessingDate": stamp(call.tenant.world.clock.timestamp())
        if workflow.state == "started"
        else "",
        "activities": {"activity": activities},
    }


def _signal_key(call: Call, workflow: Workflow, signal: str) -> str:
    return call.tenant.pkeys.seal(RECORD, f"workflow/{workflow.name}/{signal}", workflow.number)


def _command(call: Call, workflow: Workflow, body: bytes) -> Response:
    command = read_object(body).get("method")
    if command not in COMMANDS:
        raise errors.anything()
    world = call.tenant.world
    call.tenant.workflows.order(
        workflow, command, world.clock.timestamp(), world.switches["campaign.command_seconds"]
    )
    match world.switches["campaign.command_response"]:  # U5
        case "empty":
            return Response(b"", 200)
        case "no_content":
            return Response(status_code=204)
    return JSONResponse({})


def _trigger(call: Call, workflow: Workflow, pkey: str, body: bytes) -> Response:
    world = call.tenant.world
    signal = next((s for s in workflow.signals if _signal_key(call, workflow, s) == pkey), None)
    if signal is None:
        raise errors.malformed_pkey(pkey, "Workflows", "xtk:workflow")
    given = read_object(body)
    if len(body) > LARGEST_SIGNAL or not given.get("source"):
        raise errors.anything()
    _check_parameters(call, workflow.signals[signal], given.get("parameters") or {})
    if workflow.state != "started" and world.switches["campaign.signal_to_stopped"] == "refuse":
        raise errors.anything()
    text = call.tenant.workflows.trigger(workflow, signal, given, world.clock.timestamp())
    if text is not None:
        # U3: plain text, and a status that may well be 200
        return Response(text, world.switches["campaign.cool_down_status"], media_type="text/plain")
    if call.tenant.name == world.config.org:
        imports_of(call.tenant).signalled(workflow, given.get("parameters") or {})
    return Response(msgspec.json.encode({}), media_type="application/json")


def _check_parameters(call: Call, declared: dict[str, str], given: Any) -> None:
    if not isinstance(given, dict):
        raise errors.cannot_convert(given, "text", "element")
    for name, value in given.items():
        if name not in declared:
            raise errors.undeclared_parameter(name)
        field = read_field(name, {"type": TYPES.get(declared[name], "string"), "length": 0})
        values.read(field, value, "xtk:workflow", call.tenant.world.switches)
