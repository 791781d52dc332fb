"""What tests of logs and export workflows do over and over: send, add rows, run an export, read its file."""

from __future__ import annotations

import csv
import gzip
from typing import Any

from tests.sandbox.campaign.conftest import Api
from tests.sandbox.sftp_session import download, names

CONTROL = "/sandbox/campaign/exports"
FOLDER = "/d365_loads/exports"
WORKFLOWS = {"optout": "WKF101", "broadlog": "WKF102", "tracking": "WKF103"}


def clock(api: Api, moment: str) -> None:
    api.sandbox.control("POST", "/sandbox/clock", {"set": moment})


def people(api: Api, count: int) -> list[str]:
    """Seed profiles that can be written to and return their external ids."""
    keys = [f"p{n:06}" for n in range(count)]
    api.seed(
        "profile", [{"externalId": key, "email": f"{key}@alder.example", "mobilePhone": "1"} for key in keys]
    )
    return keys


def mail(api: Api, **asked: Any) -> dict[str, Any]:
    return dict(api.sandbox.control("POST", "/sandbox/campaign/mailings", asked))


def add(api: Api, resource: str, *rows: dict[str, Any]) -> list[int]:
    """Add exact log rows and return their ids."""
    return list(api.sandbox.control("POST", "/sandbox/campaign/logs", {resource: [*rows]})[resource])


def logs(api: Api, resource: str = "broadLogRcp", more: str = "") -> list[dict[str, Any]]:
    """Return the log rows that the database has now."""
    found = api.sandbox.control("GET", f"/sandbox/campaign/logs?resource={resource}&limit=100000{more}")
    return list(found["rows"])


def declare(api: Api, kind: str = "broadlog", **changes: Any) -> None:
    """Start a careful integrator's export without its scheduler, but for the changes."""
    declared = {"id": WORKFLOWS[kind], "kind": kind, "state": "started", "every_minutes": 0, **changes}
    api.sandbox.control("POST", CONTROL, declared)


def runs(api: Api, wait: float = 60) -> list[dict[str, Any]]:
    return list(api.sandbox.control("GET", f"{CONTROL}?wait={wait}")["runs"])


def run(api: Api, kind: str = "broadlog") -> dict[str, Any]:
    """Let an export run now and return the run."""
    asked = {"id": WORKFLOWS[kind], "wait": 60}
    return dict(api.sandbox.control("POST", f"{CONTROL}/run", asked)["runs"][-1])


def content(api: Api, name: str) -> bytes:
    found = download(api.sandbox, f"{FOLDER}/{name}")
    return gzip.decompress(found) if name.endswith(".gz") else found


def table(api: Api, name: str) -> list[dict[str, str]]:
    """Return the rows of a careful integrator's file."""
    lines = content(api, name).decode().split("\n")
    return list(csv.DictReader([f"{line}\n" for line in lines], delimiter=";"))


def exported(api: Api, kind: str = "broadlog") -> list[dict[str, str]]:
    """Let an export run now, a second after the last one, and return the rows of its file."""
    api.advance(1)
    return table(api, run(api, kind)["file"])


def files(api: Api) -> list[str]:
    return names(api.sandbox, FOLDER)
