"""`python -m sandbox`: starts everything in the foreground and stays until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import signal
import sqlite3
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from sandbox import seeding, server, sftp, state, switches
from sandbox.certificates import certificates
from sandbox.world import Config, World

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM)


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox; return 0 after a clean stop and 2, with one sentence, when it cannot start."""
    options = _parser().parse_args(arguments)
    systems = server.load_systems()
    if options.switches:
        print(switches.table(), end="")
        return 0
    signal.signal(signal.SIGTERM, _stop)
    try:
        _run(options, systems)
    except KeyboardInterrupt:
        _say("sandbox stopped")
    except (state.StateRefused, server.PortTaken, seeding.SeedRefused, switches.SwitchRefused) as error:
        return _refuse(str(error))
    except sqlite3.OperationalError as error:
        return _refuse(f"state directory {options.state} cannot hold the data: {error}")
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        return _refuse(f"{error.filename or options.state} cannot be written: {error.strerror}")
    return 0


def _run(options: argparse.Namespace, systems: dict[str, ModuleType]) -> None:
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.enter_context(state.hold(options.state))
        seeded = state.clear(options.state, options.keep)
        sockets = server.bind(options.port_base, options.host)
        world, tls, keys = (
            _world(options),
            certificates(options.state, options.host),
            sftp.keys(options.state),
        )
        server.fill_urls(world, sockets)
        apps = {name: module.app(world) for name, module in systems.items()}
        _say(f"state directory {options.state}, {'kept' if seeded else 'fresh'}")
        seeds = (world, systems, options.data, options.people, options.seed)
        world.reseed = lambda: seeding.seed(*seeds, say=lambda line: None)
        if not seeded:
            seeding.seed(*seeds, say=_say)
            state.mark_seeded(options.state)

        def ready() -> None:
            port = sockets["sftp"].getsockname()[1]
            values = state.env(world, tls, keys, port)
            stack.callback(state.write_env(options.state, values).unlink, missing_ok=True)
            _say_addresses(options.state / "env", values)
            _say(f"sandbox ready after {time.monotonic() - begun:.1f} s")

        _event_loop(server.serve(world, apps, sockets, tls, keys, ready))
        signal.signal(signal.SIGTERM, _stop)  # the loop has put the default back
        for module in systems.values():
            getattr(module, "close", lambda world: None)(world)
    _say("sandbox stopped")


def _event_loop(coroutine: Any) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(coroutine)
    else:
        uvloop.run(coroutine)


def _world(options: argparse.Namespace) -> World:
    secrets = state.client_secrets(options.state)
    config = Config(secrets=secrets, limits=not options.no_limits, host=options.host)
    return World(options.state, switches=switches.Switches(switches.parse(options.set)), config=config)


def _say_addresses(env: Path, values: dict[str, Any]) -> None:
    for name in ("DATAVERSE_URL", "ENTRA_AUTHORITY", "CAMPAIGN_URL", "IMS_URL", "SANDBOX_URL"):
        _say(f"{name:<16} {values[name]}")
    _say(f"{'SFTP':<16} {values['SFTP_USER']}@{values['SFTP_HOST']}:{values['SFTP_PORT']}")
    _say(f"{'environment':<16} {env}")


def _say(line: str) -> None:
    print(line, flush=True)


def _refuse(sentence: str) -> int:
    print(f"sandbox: {sentence}", file=sys.stderr, flush=True)
    return 2


def _stop(number: int, frame: Any) -> None:
    # while starting up; the event loop takes signals over once it runs
    raise KeyboardInterrupt


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m sandbox", description="Dynamics and Campaign, simulated on this machine."
    )
    parser.add_argument("--people", type=int, metavar="N", help="generated contacts (200; 0 with --data)")
    parser.add_argument("--seed", type=int, default=7, help="the generator's seed (7)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="tables from *.csv and *.csv.gz")
    parser.add_argument(
        "--state", type=_absolute, default=Path(".sandbox").absolute(), metavar="DIR", help="state (.sandbox)"
    )
    parser.add_argument("--keep", action="store_true", help="go on with the data of the last run")
    parser.add_argument(
        "--port-base", type=int, metavar="P", help="ports P, P+1, …; otherwise the system chooses"
    )
    parser.add_argument(
        "--host",
        default=server.LOOPBACK,
        help="the name of this machine for clients on others (localhost: no others)",
    )
    parser.add_argument("--set", action="append", default=[], metavar="SWITCH=VALUE", help="set a switch")
    parser.add_argument(
        "--no-limits", action="store_true", help="without Dataverse's service protection limits"
    )
    parser.add_argument("--switches", action="store_true", help="print the table of switches and stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
