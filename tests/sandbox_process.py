"""A sandbox in a process of its own, for tests that talk to it over the wire."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parents[1]


class Sandbox:
    """A running sandbox: its addresses, its controls, its end."""

    def __init__(self, directory: Path, arguments: Sequence[str]) -> None:
        self.directory = directory
        self.lines: list[str] = []
        self.env: dict[str, str] = {}
        self._told = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--state", str(directory), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.http = requests.Session()
        self.http.trust_env = False  # REQUESTS_CA_BUNDLE would beat our CA

    def wait(self, seconds: float = 120) -> Sandbox:
        """Wait until everything listens; raise RuntimeError with what the sandbox said if it never does."""
        self._told.wait(seconds)
        env = self.directory / "env"
        if not env.is_file():
            self.stop()
            raise RuntimeError("the sandbox did not start:\n" + "".join(self.lines))
        self.env = dict(line.split("=", 1) for line in env.read_text().splitlines())
        self.http.verify = self.env["CA_FILE"]
        return self

    def control(self, method: str, path: str, json: Any = None) -> Any:
        """Call a control below SANDBOX_URL and return its JSON; raise AssertionError on a refusal."""
        answer = self.http.request(method, self.env["SANDBOX_URL"] + path, json=json, timeout=600)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def dataverse_token(self, client: str = "DATAVERSE") -> str:
        """Return a bearer token for the Web API."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.env[f"{client}_CLIENT_ID"],
            "client_secret": self.env[f"{client}_CLIENT_SECRET"],
            "scope": f"{self.env['DATAVERSE_URL']}/.default",
        }
        address = f"{self.env['ENTRA_AUTHORITY']}/{self.env['TENANT_ID']}/oauth2/v2.0/token"
        return str(self.http.post(address, data=form, timeout=60).json()["access_token"])

    def campaign_token(self) -> str:
        """Return a bearer token for Campaign's API."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.env["CAMPAIGN_CLIENT_ID"],
            "client_secret": self.env["CAMPAIGN_CLIENT_SECRET"],
            "scope": self.env["CAMPAIGN_SCOPES"],
        }
        address = f"{self.env['IMS_URL']}/ims/token/v3"
        return str(self.http.post(address, data=form, timeout=60).json()["access_token"])

    def stop(self) -> int:
        """Stop the sandbox and return its exit code."""
        self.process.terminate()
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._listener.join()
        self.http.close()
        return code

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)
                if line.startswith("sandbox ready"):
                    self._told.set()
        self._told.set()


@contextmanager
def start_sandbox(
    directory: Path, people: int | None = None, data: Path | None = None, args: Sequence[str] = ()
) -> Iterator[Sandbox]:
    """Run a sandbox with its state in `directory` for as long as the block lasts."""
    arguments = [*args]
    if people is not None:
        arguments += ["--people", str(people)]
    if data is not None:
        arguments += ["--data", str(data)]
    sandbox = Sandbox(directory, arguments)
    try:
        yield sandbox.wait()
    finally:
        sandbox.stop()
