"""Scripted faults at the wire: what a client sees, and whether the work was done."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox


def script(sandbox: Sandbox, **fault: Any) -> dict[str, Any]:
    answer: dict[str, Any] = sandbox.control("POST", "/sandbox/faults", {"system": "ims", **fault})
    return answer


def ask(sandbox: Sandbox) -> requests.Response:
    return sandbox.http.post(f"{sandbox.env['IMS_URL']}/ims/token/v3", data=grant(sandbox), timeout=10)


def grant(sandbox: Sandbox) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": sandbox.env["CAMPAIGN_CLIENT_ID"],
        "client_secret": sandbox.env["CAMPAIGN_CLIENT_SECRET"],
        "scope": sandbox.env["CAMPAIGN_SCOPES"],
    }


def issued(sandbox: Sandbox) -> int:
    return int(sandbox.control("GET", "/sandbox/counters").get("ims.tokens", 0))


@pytest.mark.rule("campaign.md 13.2/B21", "campaign.md 13.3/U2", "dataverse.md 12.2/18")
def test_a_status_comes_with_its_headers_and_body_and_without_the_work(fresh_sandbox: Sandbox) -> None:
    script(
        fresh_sandbox, do="status", status=429, headers={"Retry-After": "7"}, body={"error_code": "429050"}
    )
    answer = ask(fresh_sandbox)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json() == {"error_code": "429050"}
    assert issued(fresh_sandbox) == 0
    assert ask(fresh_sandbox).status_code == 200


def test_after_and_times_choose_the_requests_that_go_wrong(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, do="status", status=503, method="POST", path="/token/", after=2, times=2)
    profile = f"{fresh_sandbox.env['IMS_URL']}/ims/profile/v1"
    statuses = []
    for _ in range(6):
        assert fresh_sandbox.http.get(profile, timeout=10).status_code == 401
        statuses.append(ask(fresh_sandbox).status_code)
    assert statuses == [200, 200, 503, 503, 200, 200]
    [fault] = fresh_sandbox.control("GET", "/sandbox/faults")
    assert (fault["matched"], fault["done"]) == (6, 2)


def test_requests_at_the_same_time_are_counted_exactly(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, do="status", status=503, after=10, times=7)
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(answer.status_code for answer in pool.map(lambda _: ask(fresh_sandbox), range(40)))
    assert statuses == {200: 33, 503: 7}


def test_times_null_lasts_until_the_fault_is_removed(fresh_sandbox: Sandbox) -> None:
    fault = script(fresh_sandbox, do="status", status=500, times=None)
    assert {ask(fresh_sandbox).status_code for _ in range(5)} == {500}
    assert fresh_sandbox.control("DELETE", f"/sandbox/faults?id={fault['id']}") == {"removed": 1}
    assert ask(fresh_sandbox).status_code == 200


@pytest.mark.rule("campaign.md 13.2/B21", "dataverse.md 12.2/18")
def test_a_reset_before_loses_the_request(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, do="reset_before")
    with pytest.raises(requests.ConnectionError):
        ask(fresh_sandbox)
    assert issued(fresh_sandbox) == 0


@pytest.mark.rule("campaign.md 13.2/B21", "dataverse.md 12.2/18")
def test_a_reset_after_loses_the_answer_only(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, do="reset_after")
    with pytest.raises(requests.ConnectionError):
        ask(fresh_sandbox)
    assert issued(fresh_sandbox) == 1
    [entry] = fresh_sandbox.control("GET", "/sandbox/journal?system=ims")
    assert (entry["status"], entry["lost_status"], entry["fault"]) == (None, 200, "reset_after")


@pytest.mark.rule("campaign.md 13.2/B21")
def test_a_cut_body_ends_in_the_middle(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, do="cut_body")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        ask(fresh_sandbox)


@pytest.mark.rule("campaign.md 13.2/B21")
def test_a_slow_body_arrives_whole(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, do="slow_body", seconds=0.2)
    begun = time.monotonic()
    assert "access_token" in ask(fresh_sandbox).json()
    assert time.monotonic() - begun > 0.15


def test_a_delay_comes_before_the_answer(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, do="delay", seconds=0.2)
    begun = time.monotonic()
    assert ask(fresh_sandbox).status_code == 200
    assert time.monotonic() - begun >= 0.2


@pytest.mark.rule("campaign.md 13.2/B21")
def test_a_page_of_html_stands_in_for_json(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, do="html")
    answer = ask(fresh_sandbox)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")


@pytest.mark.rule("campaign.md 13.2/B21")
def test_tokens_can_be_revoked_in_the_middle_of_a_run(fresh_sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {fresh_sandbox.campaign_token()}"}
    profile = f"{fresh_sandbox.env['IMS_URL']}/ims/profile/v1"
    script(fresh_sandbox, do="revoke_tokens", path="/profile/", after=1)
    statuses = [fresh_sandbox.http.get(profile, headers=headers, timeout=10).status_code for _ in range(3)]
    assert statuses == [200, 401, 401]
    headers = {"Authorization": f"Bearer {fresh_sandbox.campaign_token()}"}
    assert fresh_sandbox.http.get(profile, headers=headers, timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"do": "html", "system": "campagne"}, "choose one of dataverse, entra, campaign, ims"),
        ({"do": "explode"}, "choose one of status, html"),
        ({"do": "status", "path": "("}, "not a regular expression"),
        ({"do": "status", "often": 3}, "a fault has these settings"),
        ({}, "a fault has these settings"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    sandbox: Sandbox, fault: dict[str, Any], sentence: str
) -> None:
    answer = sandbox.http.post(f"{sandbox.env['SANDBOX_URL']}/sandbox/faults", json=fault, timeout=10)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_faults_never_reach_the_controls(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.control("POST", "/sandbox/faults", {"do": "status", "status": 500, "times": None})
    assert ask(fresh_sandbox).status_code == 500
    assert len(fresh_sandbox.control("GET", "/sandbox/faults")) == 1
