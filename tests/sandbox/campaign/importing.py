"""What tests of import workflows do over and over: declare, upload, signal, wait for the end, read back."""

from __future__ import annotations

import gzip
from typing import Any

from tests.sandbox.campaign.conftest import EXT, Api
from tests.sandbox.sftp_session import download, names, upload

CONTROL = "/sandbox/campaign/imports"
FOLDER = "/d365_loads/imports"
PEOPLE: dict[str, Any] = {  # a careful integrator's; each test changes what it is about
    "id": "WKF90", "state": "started", "resource": "profile", "key": "externalId",
    "columns": ["externalId", "firstName", "email", "gender", "birthDate", "cusChildren", "blackListEmail"],
}  # fmt: skip
HEADER = "op;externalId;firstName;email;gender;birthDate;cusChildren;blackListEmail"
HARSH: dict[str, Any] = {  # nothing said that need not be
    "id": "WKF91", "state": "started", "resource": "profile", "key": "externalId",
    "load_file": {"columns": [{"name": "externalId"}, {"name": "firstName"}]},
    "fields": {"externalId": "externalId", "firstName": "firstName"},
}  # fmt: skip


def declare(api: Api, declared: dict[str, Any] | None = None, **changes: Any) -> None:
    api.sandbox.control("POST", CONTROL, {**(declared or PEOPLE), **changes})


def put(api: Api, name: str, *lines: str, header: str = HEADER, encoding: str = "utf-8") -> None:
    """Upload a file of a header and lines; compressed if its name says so."""
    content = "".join(f"{line}\n" for line in (header, *lines)).encode(encoding)
    upload(api.sandbox, f"{FOLDER}/{name}", gzip.compress(content) if name.endswith(".gz") else content)


def signal(api: Api, workflow: str = "WKF90", in_file: str = "*.csv.gz", **parameters: Any) -> Any:
    """Send a workflow its signal as a client does."""
    activities = api.get(f"/workflow/execution/{workflow}").json()["activities"]["activity"]
    body = {"source": "tests", "parameters": {"inFile": in_file, **parameters}}
    return api.call("POST", activities["signal1"]["trigger"]["href"], body)


def run(api: Api, workflow: str = "WKF90", in_file: str = "*.csv.gz") -> dict[str, Any]:
    """Let a workflow import what matches and return the run."""
    api.switch("import_seconds", 0)
    assert signal(api, workflow, in_file).status_code == 200
    return last(api, wait=60)


def last(api: Api, wait: float = 0) -> dict[str, Any]:
    """Return the last run, after its end or the time given."""
    return dict(api.sandbox.control("GET", f"{CONTROL}?wait={wait}")["runs"][-1])


def state(api: Api, workflow: str = "WKF90") -> str:
    return str(api.get(f"/workflow/execution/{workflow}").json()["state"])


def result(api: Api, name: str) -> dict[str, str]:
    """Return the counts that a workflow left for a file."""
    lines = download(api.sandbox, f"/d365_loads/done/{name}.result.csv").decode().splitlines()
    return dict(zip(lines[0].split(";"), lines[1].split(";"), strict=True))


def rejects(api: Api, name: str) -> list[str]:
    """Return the lines of the rejects of a file, header included; none without such a file."""
    found = [n for n in names(api.sandbox, "/d365_loads/rejects") if n.startswith(f"{name}_rejects_")]
    return download(api.sandbox, f"/d365_loads/rejects/{found[0]}").decode().splitlines() if found else []


def profiles(api: Api) -> dict[str, dict[str, Any]]:
    return {row["externalId"]: row for row in api.rows(limit=10_000)}


def get(api: Api, key: str) -> dict[str, Any]:
    return dict(api.get(f"{EXT}/profile/{key}").json())
