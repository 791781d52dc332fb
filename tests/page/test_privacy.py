"""P6: the page tells keys, rules and counts, never a value of a person."""

from __future__ import annotations

from typing import Any

import pytest

from local.environment import connections
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
