"""The room "Preview": an edited mapping against live rows, for those who may edit the flow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from local.environment import ROOT, connections
from tests.flows.systems import Systems
from tests.flows.test_privacy import MARKER, plant
from tests.page.conftest import ANOTHER, BROKEN, FLOW

ADDRESS = f"api/flows/{FLOW}/preview"
TEXT = (ROOT / "include" / "mappings" / f"{FLOW}.yaml").read_text()
KEY = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"
EVENTS = "email_events_to_activities"
ENV = os.environ | {"PYTHONPATH": str(ROOT / "plugins")}


def edited(before: str, after: str, text: str = TEXT) -> str:
    """The mapping with a change."""
    assert before in text
    return text.replace(before, after, 1)


@pytest.fixture
def connected(
    mappings: Any, systems: Systems, monkeypatch: pytest.MonkeyPatch, own_authority: None
) -> Systems:
    """Both systems, reached through Airflow's connections."""
    for name, value in connections(systems.sandbox.env).items():
        monkeypatch.setenv(name, value)
    return systems


def told_of(answer: Any) -> tuple[int, str, str]:
    (problem,) = answer.json()["problems"]
    return problem["line"], problem["key"], problem["problem"]


def test_rows_are_shown_field_by_field_and_that_is_noted_without_values(
    act: Any, audited: Any, connected: Systems, tmp_path: Any
) -> None:
    people = plant(connected)
    before = connected.profiles()
    shouting = edited("using: [trim, lower]", "using: [trim, upper]")
    keys = [people["good"].upper(), people["no address"], people["dropped"]]
    answer = act(ADDRESS, "user", text=shouting, keys=keys)
    assert answer.status_code == 200, answer.text
    rows = {row["key"]: row for row in answer.json()["rows"]}
    good, bad, dropped = (rows[people[what]] for what in ("good", "no address", "dropped"))
    cells = {cell["target"]: cell for cell in good["cells"]}
    address = f"a@{MARKER}.example"
    assert cells["email"] == {
        "target": "email", "source": "emailaddress1", "was": repr(address), "becomes": repr(address.upper()),
    }  # fmt: skip
    assert good["fate"] == "create"
    assert (bad["fate"], bad["rule"]) == ("rejected", "a plausible address")
    assert (dropped["fate"], dropped["rule"]) == ("dropped", "has an e-mail")
    assert answer.headers["Cache-Control"] == "no-store"
    assert connected.profiles() == before
    ((event, dag, user, what),) = audited()
    assert (event, dag, user) == ("campaign_sync.preview", FLOW, "user")
    assert json.loads(what) == {"keys": ", ".join([people["good"], *keys[1:]])}
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()
    ]


def test_without_keys_the_first_rows_are_shown(act: Any, audited: Any, connected: Systems) -> None:
    answer = act(ADDRESS, "admin", text=TEXT, limit=2)
    assert len(answer.json()["rows"]) == 2
    assert json.loads(audited()[0][3]) == {"limit": "2"}


def test_a_column_that_is_not_there_is_told_with_its_line(act: Any, connected: Systems, audited: Any) -> None:
    text = edited("from: emailaddress1,", "from: emailaddress9,")
    answer = act(ADDRESS, "user", text=text)
    line, key, problem = told_of(answer)
    assert (key, "emailaddress9" in problem) == ("map.email.from", True)
    assert "emailaddress9" in text.splitlines()[line - 1]


def test_a_system_that_cannot_be_asked_is_told_without_its_address(
    act: Any, mappings: Any, audited: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from campaign_sync.page import preview_process

    monkeypatch.delenv("AIRFLOW_CONN_DATAVERSE_DEFAULT", raising=False)
    answer = act(ADDRESS, "user", text=TEXT)
    assert answer.status_code == 502
    assert "does not exist" in answer.json()["problem"]
    assert preview_process.SECONDS < 120


@pytest.mark.parametrize(
    "text, line, key, problem",
    [
        ("extract: {tabel: contact}\n", 1, "extract.tabel", "unknown key"),
        (edited("table: contact", "table: systemuser"), None, "extract.table", "this flow reads contact"),
        ("direction: to_dynamics\nextract: {}\n", 1, "", "a mapping of another kind"),
        ("pairs: {}\n", 1, "", "a mapping of another kind"),
        (
            edited("{from: firstname, using: [trim]}", "{from: parentcustomerid, link: ../../secrets}"),
            None, "map.firstName.link", "there is no mapping file ../../secrets.yaml",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) > 60 else str(value),
)  # fmt: skip
def test_a_mapping_with_a_mistake_is_told_with_line_and_remedy_before_anything_is_read(
    act: Any, mappings: Any, audited: Any, text: str, line: int | None, key: str, problem: str
) -> None:
    answer = act(ADDRESS, "user", text=text)
    assert answer.status_code == 200
    found = next(each for each in answer.json()["problems"] if each["key"] == key)
    assert problem in found["problem"]
    assert found["remedy"]
    assert line in (None, found["line"])
    assert audited() == [], "nothing was looked at"


def test_events_are_read_from_the_flows_own_files_only(act: Any, mappings: Any, audited: Any) -> None:
    text = (ROOT / "include" / "mappings" / f"{EVENTS}.yaml").read_text()
    other = edited("\nextract:", "\nextract:\n  folder: somewhere/else", text)
    answer = act(f"api/flows/{EVENTS}/preview", "user", text=other)
    assert "extract.folder" in {each["key"] for each in answer.json()["problems"]}, answer.text
    assert audited() == []


def test_the_flow_of_a_broken_file_reads_nothing(act: Any, mappings: Any, audited: Any) -> None:
    answer = act(f"api/flows/{BROKEN}/preview", "user", text="pairs: {}")
    assert answer.json()["problems"]
    answer = act(f"api/flows/{BROKEN}/preview", "user", text=TEXT)
    assert "no table that is known" in told_of(answer)[2]


@pytest.mark.parametrize("name", [ANOTHER, "nobody_knows_this", "reconcile_contacts_to_profiles"])
def test_what_is_no_flow_has_no_preview(act: Any, mappings: Any, audited: Any, name: str) -> None:
    assert act(f"api/flows/{name}/preview", "admin", text=TEXT).status_code == 404
    assert audited() == []


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 21}, {"limit": 0}, {"keys": [KEY] * 21}, {"keys": ["a\x00"]}, {"keys": ["ada@alder.example"]},
        {"text": "a" * 102_401}, {"path": "/etc/passwd"},
    ],
    ids=lambda asked: next(iter(asked)),
)  # fmt: skip
def test_more_than_is_allowed_is_not_understood(act: Any, mappings: Any, audited: Any, asked: Any) -> None:
    answer = act(ADDRESS, "user", **({"text": TEXT} | asked))
    assert answer.status_code == 422
    assert audited() == []


def test_what_never_ends_is_ended(
    act: Any, mappings: Any, audited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.page import preview

    monkeypatch.setattr(preview, "SECONDS", -5)  # with those that it is given more: none at all
    answer = act(ADDRESS, "user", text=TEXT)
    assert (answer.status_code, "was ended" in answer.json()["problem"]) == (504, True)


def test_a_preview_ends_itself_if_nobody_is_left_who_could() -> None:
    code = "from campaign_sync.page import preview_process as p; p.SECONDS = 1; p.main()"
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdin=subprocess.PIPE, env=ENV
    ) as waits:
        assert waits.wait(120) == -signal.SIGALRM, "it was never asked anything"


def test_no_more_than_a_few_run_at_once(
    act: Any, mappings: Any, audited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.page import preview

    monkeypatch.setattr(preview, "_running", threading.BoundedSemaphore(1))
    with preview._running:
        answer = act(ADDRESS, "user", text=TEXT)
    assert (answer.status_code, "again" in answer.json()["remedy"]) == (503, True)


def test_the_mapping_to_begin_with_is_the_flows_file(browser: Any, mappings: Any) -> None:
    assert browser(f"api/flows/{FLOW}/mapping", "user").json() == {"file": f"{FLOW}.yaml", "text": TEXT}
