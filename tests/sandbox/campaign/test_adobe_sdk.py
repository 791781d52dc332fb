"""Adobe's own SDK, unmodified, does its documented work against the sandbox.

The SDK knows one host, mc.adobe.io. A preloaded script makes connections to it end at the sandbox, whose
certificate covers that name: verification stays on.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.sandbox.campaign.conftest import Api
from tests.sandbox.campaign.test_metadata import TICKET, TO_PROFILE

HERE = Path(__file__).parent / "adobe_sdk"
CACHE = Path(__file__).parents[3] / ".local" / "npm" / "adobe_sdk"
MANIFESTS = ("package.json", "package-lock.json")
NEEDED = shutil.which("node") and shutil.which("npm")


@pytest.fixture(scope="module")
def modules() -> Path:
    """The SDK as locked, installed once outside the tracked files."""
    if not NEEDED:
        pytest.skip("node and npm are not installed: Adobe's SDK cannot run")
    manifests = "".join((HERE / name).read_text() for name in MANIFESTS)
    done = CACHE / "installed"
    if not done.is_file() or done.read_text() != manifests:
        CACHE.mkdir(parents=True, exist_ok=True)
        for name in MANIFESTS:
            shutil.copy(HERE / name, CACHE / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        ran = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=280)
        assert ran.returncode == 0, f"npm ci failed:\n{ran.stderr}"
        done.write_text(manifests)
    return CACHE / "node_modules"


@pytest.fixture
def seen(modules: Path, api: Api) -> dict[str, Any]:
    """What the SDK's calls came back with, by step."""
    people = [{"externalId": f"seeded-{n}", "email": f"seeded-{n}@x.example"} for n in range(3)]
    api.seed("profile", people)
    api.declare("cusTicket", **TICKET, links={"cusContactlink": TO_PROFILE})
    api.declare("cusSite", fields={"code": {}})
    api.switch("command_seconds", 0)
    env = {
        **{name: value for name, value in os.environ.items() if "PROXY" not in name.upper()},
        "NODE_PATH": str(modules),
        "NODE_EXTRA_CA_CERTS": api.sandbox.env["CA_FILE"],
        "CAMPAIGN_PORT": str(urlsplit(api.url).port),
        "LOG_LEVEL": "error",
        "TENANT": "alderleaf",
        "API_KEY": api.sandbox.env["CAMPAIGN_CLIENT_ID"],
        "ACCESS_TOKEN": api.headers["Authorization"].removeprefix("Bearer "),
    }
    command = ["node", "--require", str(HERE / "redirect.js"), str(HERE / "work.js")]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


@pytest.mark.rule("spec S2")
def test_adobes_sdk_does_its_documented_work(seen: dict[str, Any], api: Api) -> None:
    _profiles(seen)
    _services_and_units(seen)
    _metadata(seen)
    _custom_resources(seen)
    _workflows(seen)
    _refusals(seen)
    assert {row["externalId"] for row in api.rows()} == {"", "seeded-0", "seeded-1", "seeded-2"}


def _profiles(seen: dict[str, Any]) -> None:
    steps = ("createProfile", "getProfile", "updateProfile", "getProfileAgain", "getAllProfiles", "history")
    assert [seen[step].get("status") for step in steps] == [201, 200, 200, 200, 200, 200], seen
    assert seen["getProfile"]["body"]["lastName"] == "In Der Maur"
    assert seen["getProfileAgain"]["body"]["firstName"] == "Mirela"
    # descending, and the blank before "desc" encoded twice by the SDK
    assert [p["email"] for p in seen["getAllProfiles"]["body"]["content"]] == [
        "seeded-2@x.example",
        "seeded-1@x.example",
    ]
    assert seen["getAllProfiles"]["body"]["next"]["href"].startswith(
        "https://mc.adobe.io/alderleaf/campaign/"
    )
    assert [p["firstName"] for p in seen["byText"]["body"]["content"]] == ["Mirela"]
    assert [p["externalId"] for p in seen["customFilter"]["body"]["content"]] == ["seeded-1"]
    assert len(seen["nextPage"]["body"]["content"]) == 4


def _services_and_units(seen: dict[str, Any]) -> None:
    assert seen["createService"]["status"] == 201
    assert [s["name"] for s in seen["getAllServices"]["body"]["content"]] == ["spa_news"]
    assert seen["getService"]["body"]["label"] == "Spa news"
    assert seen["subscribe"].get("status") == 201, seen["subscribe"]
    assert seen["updateProfileOrgUnit"]["status"] == 200
    assert seen["getProfileWithOrgUnit"]["body"]["orgUnit"]["title"] == "All"
    assert seen["updateOrgUnit"]["status"] == 200


def _metadata(seen: dict[str, Any]) -> None:
    for resource in ("profile", "service", "history"):
        assert seen[f"metadata_{resource}"]["body"]["name"] == resource
    assert "cusNote" not in seen["metadata_profile"]["body"]["content"]
    assert seen["getMetadataForResourceExt"]["status"] == 200
    assert set(seen["getCustomResources"]["body"]) >= {"profile", "service", "cusTicket"}


def _custom_resources(seen: dict[str, Any]) -> None:
    steps = (
        "createCustomResource",
        "updateCustomResource",
        "deleteCustomResource",
        "getAllBasicCustomResources",
    )
    assert [seen[step].get("status") for step in steps] == [201, 200, 200, 200], seen
    assert [t["subject"] for t in seen["getAllProfileAndServicesExt"]["body"]["content"]] == ["Found bag"]
    assert seen["unknownResource"]["error"] == "ERROR_CREATE_CUSTOM_RESOURCE"
    assert "404" in seen["unknownResource"]["message"]


def _workflows(seen: dict[str, Any]) -> None:
    assert seen["startWorkflow"]["status"] == 200
    assert seen["getWorkflow"]["body"]["state"] == "started"
    assert seen["trigger"]["body"] == {}
    # the SDK wraps the plain text of the cool-down and takes it for success
    assert seen["triggerAgain"]["body"]["payload"].startswith("This signal")


def _refusals(seen: dict[str, Any]) -> None:
    words = {
        "badToken": "401013",
        "badKey": "403003",
        "badTenant": "Oops. Something went wrong.",
        "badBody": "'@gibberish' is not a valid constant",
        "badValue": "The value 'femal' is not valid for the 'nms:recipient:gender' enumeration",
        "transactional": "does not imitate",
    }
    for step, text in words.items():
        assert text in seen[step]["message"], seen[step]
