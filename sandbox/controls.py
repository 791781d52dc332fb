"""The controls below /sandbox/: clock, switches, faults, counters, journal, reset, and the systems'.

JSON over TLS, no authentication, loopback only. Faults never apply here.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from sandbox import sftp
from sandbox.faults import Fault
from sandbox.switches import switch
from sandbox.wire import not_imitated
from sandbox.world import World


def app(world: World) -> Starlette:
    """Return the controls of a world and of every system in it."""
    from sandbox.server import load_systems  # which imports this module

    routes = [*_routes(world)]
    for name, module in load_systems().items():
        if hasattr(module, "controls") and name != "controls":
            routes.append(Mount(f"/sandbox/{name}", routes=module.controls(world)))

    async def listing(request: Request) -> Response:
        """This list."""
        return JSONResponse({"controls": [*_described(routes)], "urls": vars(world.urls)})

    async def other(request: Request) -> Response:
        return not_imitated(f"control {request.method} {request.url.path}")

    routes.insert(0, Route("/sandbox/", listing, methods=["GET"]))
    routes.append(Route("/{path:path}", other, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]))
    return Starlette(routes=routes, exception_handlers={ValueError: _bad_request})


def _routes(world: World) -> list[Any]:
    async def clock(request: Request) -> Response:
        """The clock; POST {"advance": seconds} | {"set": "2026-02-03T04:05:06Z"} | {"reset": true}."""
        if request.method == "POST":
            _move(world, await _object(request))
        return JSONResponse({"now": world.clock.now().isoformat(), "offset": world.clock.offset})

    async def switches(request: Request) -> Response:
        """Every switch; PUT {"name": value, …} sets several."""
        if request.method == "PUT":
            for name, value in (await _object(request)).items():
                world.switches.set(name, value)
        return JSONResponse({name: _shown(world, name) for name in world.switches})

    async def one_switch(request: Request) -> Response:
        """One switch; PUT {"value": …} sets it."""
        name = request.path_params["name"]
        if request.method == "PUT":
            world.switches.set(name, (await _object(request)).get("value"))
        return JSONResponse(_shown(world, name))

    async def faults(request: Request) -> Response:
        """Scripted faults; POST adds one (see sandbox/README.md), DELETE removes all or ?id=."""
        if request.method == "POST":
            return JSONResponse(_script(world, await _object(request)).to_json(), 201)
        if request.method == "DELETE":
            fault_id = request.query_params.get("id")
            return JSONResponse({"removed": world.faults.clear(int(fault_id) if fault_id else None)})
        return JSONResponse([fault.to_json() for fault in world.faults])

    async def counters(request: Request) -> Response:
        """All counters by name."""
        return JSONResponse(world.counters.snapshot())

    async def reset_counters(request: Request) -> Response:
        """Sets all counters to zero and empties the journal."""
        world.counters.reset()
        return JSONResponse({})

    async def journal(request: Request) -> Response:
        """The last 10,000 requests, oldest first; ?system=campaign, ?after=<number>."""
        after = int(request.query_params.get("after", "0"))
        return JSONResponse(world.counters.entries(request.query_params.get("system"), after))

    async def reset(request: Request) -> Response:
        """Everything back to the start: data as seeded, clock, switches, faults, counters."""
        await asyncio.to_thread(reset_world, world)
        return JSONResponse({})

    return [
        Route("/sandbox/clock", clock, methods=["GET", "POST"]),
        Route("/sandbox/switches", switches, methods=["GET", "PUT"]),
        Route("/sandbox/switches/{name}", one_switch, methods=["GET", "PUT"]),
        Route("/sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route("/sandbox/counters", counters, methods=["GET"]),
        Route("/sandbox/counters/reset", reset_counters, methods=["POST"]),
        Route("/sandbox/journal", journal, methods=["GET"]),
        Route("/sandbox/reset", reset, methods=["POST"]),
    ]


def reset_world(world: World) -> None:
    """Put a world back to its start; tokens stay valid, as a client has no reason to ask again."""
    from sandbox.server import load_systems  # which imports this module

    world.faults.clear()
    world.switches.reset()
    world.clock.reset()
    for module in (*load_systems().values(), sftp):
        getattr(module, "reset", lambda world: None)(world)
    world.reseed()
    world.counters.reset()


def _move(world: World, wanted: dict[str, Any]) -> None:
    match wanted:
        case {"advance": int() | float() as seconds}:
            world.clock.advance(seconds)
        case {"set": str() as moment}:
            world.clock.set(datetime.fromisoformat(moment))
        case {"reset": True}:
            world.clock.reset()
        case _:
            raise ValueError('the clock takes {"advance": seconds}, {"set": "<ISO time>"} or {"reset": true}')


def _script(world: World, wanted: dict[str, Any]) -> Fault:
    from sandbox.server import SYSTEMS  # which imports this module

    systems = [*(name for name in SYSTEMS if name != "controls"), "sftp"]
    if wanted.get("system", systems[0]) not in systems:
        raise ValueError(f"no system is called {wanted['system']}: choose one of {', '.join(systems)}")
    return world.faults.add(**wanted)


def _shown(world: World, name: str) -> dict[str, Any]:
    known = switch(name)
    return {
        "value": world.switches[name],
        "default": known.default,
        "choices": list(known.choices) if known.choices is not None else None,
        "meaning": known.meaning,
        "source": known.source,
    }


def _described(routes: list[Any], prefix: str = "") -> Any:
    for route in routes:
        if isinstance(route, Mount):
            yield from _described(list(route.routes), prefix + route.path)
        elif route.path != "/{path:path}":
            meaning = (route.endpoint.__doc__ or "").strip().partition("\n")[0]
            yield {
                "path": prefix + route.path,
                "methods": sorted((route.methods or set()) - {"HEAD"}),
                "does": meaning,
            }


async def _object(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(await request.body() or b"{}")
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(content, dict):
        raise ValueError("the body is not a JSON object")
    return content


async def _bad_request(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)
