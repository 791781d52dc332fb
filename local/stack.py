"""Starts and stops the sandbox and Airflow's four processes, and remembers their process ids.

Only processes that were started here are ever ended, by id.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from local.environment import ROOT, LocalError, airflow_settings, connections, read_env_file

PARTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer"],
}


class Part(NamedTuple):
    """One process of Airflow: how it is started, and where."""

    command: list[str]
    env: dict[str, str]
    cwd: Path = ROOT


MINIMUM_FREE_BYTES = 1_500_000_000


class Stack:
    """One sandbox and one Airflow below one folder."""

    def __init__(
        self,
        folder: Path,
        sandbox_state: Path,
        say: Callable[[str], None] = print,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """:param more: environment variables of Airflow that differ from the usual ones."""
        self.folder = folder
        self.home = folder / "airflow"
        self.sandbox_state = sandbox_state
        self.say = say
        self.more = dict(more or {})
        self.pids_file = folder / "pids.json"
        self._children: list[subprocess.Popen[bytes]] = []

    # --- start ---------------------------------------------------------------------------------------------

    def start_sandbox(self, *arguments: str) -> dict[str, str]:
        """Start the sandbox and return what it wrote into its env file."""
        env_file = self.sandbox_state / "env"
        env_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "sandbox", "--state", str(self.sandbox_state), *arguments]
        process = self._spawn("sandbox", command, os.environ | {"PYTHONPATH": str(ROOT)})
        self._wait("the sandbox", process, env_file.exists, seconds=600)
        return read_env_file(env_file)

    def start_airflow(self, port: int) -> None:
        """Migrate the database, start Airflow's processes, and return when all of them are healthy."""
        require_free_port(port)
        migrate(self.home, self.variables(port), self.folder / "logs")
        processes = {name: self._spawn(name, *part) for name, part in self.parts(port).items()}

        def healthy() -> bool:
            for part, process in processes.items():
                self._require_alive(part, process)
            return all(state == "healthy" for state in health(port).values())

        self._wait("Airflow", processes["api-server"], healthy, seconds=180)

    def parts(self, port: int) -> dict[str, Part]:
        """Airflow's processes by name."""
        variables = self.variables(port)
        return {name: Part(["airflow", *arguments], variables) for name, arguments in PARTS.items()}

    def variables(self, port: int) -> dict[str, str]:
        """The whole environment of an Airflow process, connections to this stack's sandbox included."""
        sandbox = read_env_file(self.sandbox_state / "env")
        logs = {
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "PYTHONDONTWRITE"))}
        return inherited | airflow_settings(self.home, port) | connections(sandbox) | logs | self.more

    # --- stop ----------------------------------------------------------------------------------------------

    def stop(self) -> list[str]:
        """End every process that this stack started and that still runs; return their names."""
        stopped = []
        running = {name: pid for name, pid in self.pids().items() if is_ours(pid, name)}
        for name, pid in reversed(list(running.items())):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
            stopped.append(name)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and any(is_ours(pid, name) for name, pid in running.items()):
            time.sleep(0.1)
        for name, pid in running.items():
            # The leader may be gone while a child of its group hangs on: the group is ours, all of it ends.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            del name
        while self._children:
            self._children.pop().wait()
        self.pids_file.unlink(missing_ok=True)
        return stopped

    def pids(self) -> dict[str, int]:
        """Names and process ids of what was started last."""
        if not self.pids_file.exists():
            return {}
        recorded: dict[str, int] = json.loads(self.pids_file.read_text())
        return recorded

    def running(self) -> dict[str, int]:
        """Those of them that still run."""
        return {name: pid for name, pid in self.pids().items() if is_ours(pid, name)}

    # --- helpers -------------------------------------------------------------------------------------------

    def _spawn(
        self, name: str, command: list[str], env: dict[str, str], cwd: Path = ROOT
    ) -> subprocess.Popen[bytes]:
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        executable = shutil.which(command[0], path=env.get("PATH"))
        if executable is None:
            raise LocalError(f"`{command[0]}` is not installed here. Run `make venv` first.")
        with open(logs / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [executable, *command[1:]],
                cwd=cwd,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._children.append(process)
        self.pids_file.write_text(json.dumps(self.pids() | {name: process.pid}))
        return process

    def _wait(
        self, what: str, process: subprocess.Popen[bytes], ready: Callable[[], bool], seconds: float
    ) -> None:
        started = time.monotonic()
        said = started
        while not ready():
            self._require_alive(what, process)
            now = time.monotonic()
            if now - started > seconds:
                raise LocalError(f"{what} was not ready after {seconds:.0f} s. See {self.folder / 'logs'}.")
            if now - said > 10:
                self.say(f"  … waiting for {what} ({now - started:.0f} s)")
                said = now
            time.sleep(0.2)

    def _require_alive(self, what: str, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            return
        log = sorted((self.folder / "logs").glob("*.log"), key=lambda p: p.stat().st_mtime)[-1]
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise LocalError(
            f"{what} ended by itself (exit code {process.returncode}). The end of {log}:\n{tail}"
        )


def migrate(home: Path, variables: dict[str, str], logs: Path) -> None:
    """Bring Airflow's database below `home` to the installed version."""
    logs.mkdir(parents=True, exist_ok=True)
    with open(logs / "migrate.log", "ab") as log:
        done = subprocess.run(
            ["airflow", "db", "migrate"], check=False, env=variables, cwd=ROOT, stdout=log, stderr=log
        )
    if done.returncode:
        raise LocalError(f"Airflow's database below {home} could not be made. See {logs / 'migrate.log'}.")


def health(port: int) -> dict[str, str]:
    """The state of each Airflow process as the API server sees it; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as answer:
            parts = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return {"api-server": "unreachable"}
    return {name: (part or {}).get("status") or "unknown" for name, part in parts.items()}


def is_ours(pid: int, name: str) -> bool:
    """Whether the process id still belongs to what we started (ids are used again by the system)."""
    words = ("sandbox",) if name == "sandbox" else ("airflow", "celery")  # a worker calls itself celeryd
    try:
        title = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return _alive_without_proc(pid)
    # For a moment after its start a process has no title yet; one that has ended has none any more.
    return any(word in title for word in words) if title else state not in "ZX"


def _alive_without_proc(pid: int) -> bool:
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def require_free_port(port: int) -> None:
    """Raise if something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise LocalError(
                f"Port {port} is in use by another program. Stop that program, or choose another port: "
                f"`make up PORT={port + 1}`."
            ) from problem


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_space(folder: Path) -> None:
    """Raise if the disk below `folder` is nearly full."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < MINIMUM_FREE_BYTES:
        raise LocalError(
            f"Only {free / 1e9:.1f} GB are free on the disk of {folder}; "
            f"{MINIMUM_FREE_BYTES / 1e9:.1f} GB are needed. Free some space and start again."
        )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[IO[str]]:
    """Keep a second `make up` or `make demo` from starting in the same folder."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise LocalError(
                f"Another `make up` or `make demo` is at work in {folder}. Wait for it to end."
            ) from problem
        yield lock
