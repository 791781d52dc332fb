"""The commands behind `make up`, `make down`, `make demo` and `.local/env.sh`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from local.environment import (
    ROOT,
    LocalError,
    airflow_settings,
    connections,
    exports,
    login,
    read_env_file,
)
from local.stack import Stack, locked, migrate, require_free_port, require_space

LOCAL = ROOT / ".local"
SANDBOX = ROOT / ".sandbox"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; trouble with this machine is one sentence and exit code 2."""
    options = parser().parse_args(arguments)
    # A polite end is an end like Ctrl-C: what was started is stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(options.run(options) or 0)
    except KeyboardInterrupt:
        print("\nInterrupted; what was started here has been stopped.", file=sys.stderr)
        return 130
    except LocalError as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 2
    except OSError as problem:
        print(
            f"\n{problem.strerror or problem}: {problem.filename or ''}. Nothing was left running.",
            file=sys.stderr,
        )
        return 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="start the sandbox and Airflow, and leave them running")
    up.add_argument("--port", type=int, default=8080)
    up.add_argument("--people", type=int, default=200)
    up.add_argument("--data", default="")
    up.set_defaults(run=run_up)

    commands.add_parser("down", help="stop what `up` started").set_defaults(run=run_down)

    demo = commands.add_parser("demo", help="run the flow through a real Airflow and compare both systems")
    demo.add_argument("--port", type=int, default=8080)
    demo.add_argument("--people", type=int, default=1000)
    demo.add_argument("--data", default="")
    demo.set_defaults(run=run_demo)

    prepare = commands.add_parser("prepare", help="make Airflow's database and .local/env.sh")
    prepare.set_defaults(run=run_prepare)

    told = commands.add_parser(
        "connections", help="print the connections to a sandbox, as `airflow connections import` reads them"
    )
    told.add_argument("--sandbox", type=Path, default=SANDBOX)
    told.set_defaults(run=run_connections)

    env = commands.add_parser("env", help="print the environment as shell lines")
    env.set_defaults(run=run_env)
    return top


def run_up(options: argparse.Namespace) -> None:
    """Start, say where everything is, and return."""
    stack = Stack(LOCAL, SANDBOX)
    with locked(LOCAL):
        if running := stack.running():
            raise LocalError(f"Already up: {', '.join(running)}. `make down` stops it.")
        require_space(LOCAL)
        require_free_port(options.port)
        run_prepare(options)
        try:
            print("Starting the sandbox …")
            stack.start_sandbox(*seed(options))
            print("Starting Airflow …")
            stack.start_airflow(options.port)
        except BaseException:
            stack.stop()
            raise
    print(whereabouts(stack, options.port))


def whereabouts(stack: Stack, port: int) -> str:
    """What whoever started everything needs to know to look around."""
    user, password = login(stack.home)
    sandbox = read_env_file(stack.sandbox_state / "env")
    airflow = f"http://localhost:{port}"
    return f"""
Airflow   {airflow}   user {user}   password {password}
The page  {airflow}/plugin/campaign-sync (in Airflow: Browse → Campaign sync): what flows do, and why a row was rejected
Sandbox   Dynamics {sandbox["DATAVERSE_URL"]} · Campaign {sandbox["CAMPAIGN_URL"]}
          its controls {sandbox["SANDBOX_URL"]}/sandbox/   (CA: {sandbox["CA_FILE"]})
Shell     . .local/env.sh
Logs      {stack.folder / "logs"}

New DAGs start paused: switch them on in the UI, contacts_to_profiles first. email_events_to_activities needs its
tables, which `python -m campaign_sync setup dynamics --apply` makes in that shell. `make down` stops everything."""


def run_down(options: argparse.Namespace) -> None:
    """Stop what `up` started."""
    del options
    stopped = Stack(LOCAL, SANDBOX).stop()
    print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def run_demo(options: argparse.Namespace) -> int:
    """Run the demonstration; 0 only if both systems agree."""
    from local.demo import demo

    folder = LOCAL / "demo"
    with locked(folder):
        require_space(LOCAL)
        return demo(folder, options.port, seed(options), LOCAL / "demo.json")


def run_prepare(options: argparse.Namespace) -> None:
    """Make Airflow's home and database, and the file that a shell can source."""
    del options
    home = LOCAL / "airflow"
    require_space(LOCAL)
    (LOCAL / "env.sh").write_text(
        "# Sets up this shell for Airflow beside a running sandbox: . .local/env.sh\n"
        f'eval "$(PYTHONPATH={ROOT} {sys.executable} -m local env)"\n'
    )
    if not (home / "airflow.db").exists():
        variables = dict(os.environ) | airflow_settings(home)
        migrate(home, variables, LOCAL / "logs")


def run_env(options: argparse.Namespace) -> None:
    """Print the environment as shell lines; without a sandbox, all but the connections."""
    del options
    home = LOCAL / "airflow"
    variables = airflow_settings(home)
    env_file = SANDBOX / "env"
    if env_file.exists():
        sandbox = read_env_file(env_file)
        variables |= sandbox | connections(sandbox)
    else:
        print(f"echo 'No sandbox is running ({env_file} is missing): start one with make sandbox' >&2")
    print(exports(variables))


def run_connections(options: argparse.Namespace) -> None:
    """Print the connections to a sandbox as JSON."""
    known = connections(read_env_file(options.sandbox / "env"))
    named = {name.removeprefix("AIRFLOW_CONN_").lower(): json.loads(each) for name, each in known.items()}
    print(json.dumps(named, indent=1))


def seed(options: argparse.Namespace) -> tuple[str, ...]:
    """What the sandbox is filled with."""
    if not options.data:
        return ("--people", str(options.people))
    folder = Path(options.data).resolve()
    if not folder.is_dir():
        raise LocalError(
            f"{folder} is not a folder. DATA names a folder with CSV files (docs: sandbox/README.md)."
        )
    return ("--data", str(folder))


if __name__ == "__main__":
    sys.exit(main())
