"""P6: the page tells keys, rules and counts, never a value of a person."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.environment import connections
from tests.events.exports import OPEN, SEND, lines
from tests.flows.conftest import no_waiting  # noqa: F401 - a fixture
from tests.flows.mailing import Mailing
from tests.flows.mailing import walk as walk_events
from tests.flows.on_foot import walk
from tests.flows.systems import Systems
from tests.flows.test_privacy import MARKER, plant
from tests.page.conftest import FLOW


@pytest.fixture
def run_with_planted_people(
    mappings: Any, systems: Systems, monkeypatch: pytest.MonkeyPatch, own_authority: None
) -> dict[str, str]:
    """A run over people whose every value is a marker; their ids by what is the matter with them."""
    for name, value in connections(systems.sandbox.env).items():
        monkeypatch.setenv(name, value)
    people = plant(systems)
    walk(mappings / f"{FLOW}.yaml", "planted")
    return people


def test_no_answer_has_a_value_of_a_person(browser: Any, run_with_planted_people: dict[str, str]) -> None:
    people = run_with_planted_people
    answers = [
        browser("api/flows", "admin"),
        browser(f"api/flows/{FLOW}", "admin"),
        browser(f"api/flows/{FLOW}/runs", "admin"),
        browser(f"api/flows/{FLOW}/report", "admin", run="planted"),
        browser(f"api/flows/{FLOW}/docs", "admin", run="planted", batch=1),
        browser("api/rows", "admin", what="rejected", limit=200),
        browser("api/rows", "admin", what="parked"),
        browser("api/rules", "admin", flow=FLOW),
        *(browser(f"api/contacts/{key}", "admin") for key in people.values()),
    ]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    rows = {row["source_key"]: row for row in answers[5].json()["rows"]}
    assert {people[what] for what in ("too long", "no address", "no country")} <= rows.keys()
    assert rows[people["too long"]]["rule"] == "firstName"
    assert "a plausible address" in answers[4].text
    fates = {what: answer.json()["fate"] for what, answer in zip(people, answers[8:], strict=True)}
    assert (fates["good"], fates["too long"], fates["dropped"]) == ("arrived", "rejected", "unknown")
    assert not [answer.url for answer in answers if MARKER.lower() in answer.text.lower()]


def test_a_runs_report_types_and_pass_rates_are_shown(
    browser: Any, run_with_planted_people: dict[str, str]
) -> None:
    flow = browser(f"api/flows/{FLOW}").json()
    fields = {each["target"]: each for each in flow["mapping"]["fields"]}
    assert (fields["email"]["source_type"], fields["email"]["target_type"]) == (
        "String (100)",
        "string (128)",
    )
    rate = next(each for each in flow["checks"] if each["name"] == "a plausible address")
    assert 0 < rate["unexpected"] < rate["rows"]
    report = browser(f"api/flows/{FLOW}/report", run="planted").json()
    assert report["docs"] == [1]
    rules = {each["rule"]: each for each in report["rejected"]}
    assert run_with_planted_people["too long"] in rules["firstName"]["keys"]
    docs = browser(f"api/flows/{FLOW}/docs", run="planted", batch=1)
    assert docs.headers["Content-Security-Policy"].startswith("sandbox;")
    assert browser(f"api/flows/{FLOW}/docs", run="planted", batch=2).status_code == 404


def test_the_events_of_a_contact_tell_keys_times_and_the_delivery(
    browser: Any,
    systems: Systems,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_authority: None,
    no_waiting: None,  # noqa: F811
) -> None:
    for name, value in connections(systems.sandbox.env).items():
        monkeypatch.setenv(name, value)
    mailing = Mailing(SimpleNamespace(mappings=tmp_path), systems)
    mailing.drop_checks()
    with mailing.mapping.open("a") as file:
        file.write("\ntasks:\n  click: {subject: 'Follow up {url}', due: 9999d}\n")
    ada, url = mailing.contacts[0], f"https://alder.example/?name={MARKER}"
    click = OPEN | {"externalId": ada, "urlType": "1", "url": url, "trackingLogId": "8"}
    mailing.put("broadlog_20260412_000000.csv", lines(SEND | {"externalId": ada, "deliveryLabel": MARKER}))
    mailing.put("tracking_20260412_000000.csv", lines(OPEN | {"externalId": ada, "url": MARKER}, click))
    assert walk_events(mailing, "mailed")["tally"]["created"] == 3
    answers = [
        browser(f"api/contacts/{key}", role) for key in (ada, "click:8") for role in ("admin", "viewer")
    ]
    assert MARKER.lower() not in "".join(answer.text for answer in answers).lower()
    told = answers[0].json()["arrived"]
    assert [(each["event"], each["delivery"], each["followed_up"]) for each in told["latest"]] == [
        ("click:8", "DM412", True), ("open:7", "DM412", False), ("send:1", "DM412", False),
    ]  # fmt: skip
    assert {each["run_id"] for each in told["latest"]} == {"mailed"}
    (task,) = systems.control("GET", "/sandbox/dataverse/rows?table=task&limit=5000")["rows"]
    assert task["activityid"] == told["latest"][0]["task_id"]
    assert MARKER in task["subject"]
    assert browser(f"api/contacts/{ada}", None).status_code == 401
    assert browser(f"api/contacts/{ada}", "nobody").status_code in (403, 404)
