"""$batch."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from tests.sandbox.dataverse.conftest import ACCOUNT, API, Api, guid, refused

CRLF = "\r\n"


def part(method: str, url: str, body: Any = None, content_id: int | None = None, **headers: str) -> str:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    lines += [f"Content-ID: {content_id}"] if content_id else []
    lines += ["", f"{method} {url} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines += ["Content-Type: application/json; type=entry"] if body is not None else []
    return CRLF.join([*lines, "", json.dumps(body) if body is not None else "", ""])


def multipart(boundary: str, *parts: str) -> str:
    return "".join(f"--{boundary}{CRLF}{one}" for one in parts) + f"--{boundary}--{CRLF}"


def changes(*parts: str) -> str:
    head = f'Content-Type: multipart/mixed; boundary="changeset_a"{CRLF}{CRLF}'
    return head + multipart("changeset_a", *parts) + CRLF


def batch(api: Api, *parts: str, **headers: str) -> httpx.Response:
    kind = {"Content-Type": 'multipart/mixed; boundary="batch_7f"'}
    return api.send("POST", "$batch", multipart("batch_7f", *parts), **{**kind, **headers})


def statuses(answer: httpx.Response) -> list[int]:
    return [int(status) for status in re.findall(r"HTTP/1\.1 (\d{3}) ", answer.text)]


@pytest.mark.rule("dataverse.md 12.2/17")
def test_requests_are_answered_in_order(api: Api) -> None:
    answer = batch(
        api,
        part("POST", "/api/data/v9.2/accounts", {"name": "Batch"}),
        part("GET", f"{API}/accounts?$select=name&$filter=name%20eq%20'Batch'"),
        part("GET", f"contacts({guid(1)})?$select=firstname"),
        part("DELETE", f"/api/data/v9.2/contacts({guid(2)})", None, **{"If-Match": "*"}),
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert statuses(answer) == [204, 200, 200, 204]
    assert '"name":"Batch"' in answer.text
    assert "\n" not in answer.text.replace(CRLF, "")
    assert re.search(rf"Location: {re.escape(API)}/accounts\(", answer.text)


@pytest.mark.rule("dataverse.md 12.2/17")
def test_boundaries_are_fresh(api: Api) -> None:
    kinds = {batch(api, part("GET", "contacts?$top=1")).headers["content-type"] for _ in range(3)}
    assert len(kinds) == 3


@pytest.mark.rule("dataverse.md 12.2/17")
@pytest.mark.parametrize(
    "damage", [lambda t: t.replace(CRLF, "\n"), lambda t: t[:-2], lambda t: t.replace(CRLF, "\n", 1)]
)
def test_line_ends_are_strict(api: Api, damage: Any) -> None:
    text = damage(multipart("batch_7f", part("GET", "contacts?$top=1")))
    answer = api.send("POST", "$batch", text, Content_Type="multipart/mixed; boundary=batch_7f")
    refused(answer, 400, "0x80048d19", "Stream was not readable.")


@pytest.mark.rule("dataverse.md 12.2/17")
def test_1000_requests_are_the_most(api: Api) -> None:
    assert batch(api, *[part("GET", "WhoAmI")] * 1000).status_code == 200
    refused(batch(api, *[part("GET", "WhoAmI")] * 1001), 400, "0x80060888", "1000")
    inside = changes(*[part("POST", "accounts", {}, n) for n in range(1, 1001)])
    refused(batch(api, inside, part("GET", "WhoAmI")), 400, "0x80060888", "1000")


@pytest.mark.rule("dataverse.md 12.2/17")
def test_without_continue_on_error_the_first_failure_ends_it(api: Api) -> None:
    parts = [
        part("POST", "accounts", {"name": "Kept"}),
        part("POST", "accounts", {"nosuch": 1}),
        part("GET", "WhoAmI"),
    ]
    answer = batch(api, *parts)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("multipart/mixed")
    assert statuses(answer) == [204, 400]
    assert "REQ_ID: " in answer.text
    assert '"code": "0x80048d19"' in answer.text
    assert "Kept" in api.column("accounts?$select=name", "name")


@pytest.mark.rule("dataverse.md 12.2/17")
def test_whether_earlier_successes_stay_is_a_switch(api: Api) -> None:
    api.switch("batch_keeps_earlier", False)
    answer = batch(api, part("POST", "accounts", {"name": "Lost"}), part("POST", "accounts", {"nosuch": 1}))
    assert statuses(answer) == [204, 400]
    assert "Lost" not in api.column("accounts?$select=name", "name")


@pytest.mark.rule("dataverse.md 12.2/17")
def test_with_continue_on_error_the_outer_status_is_200(api: Api) -> None:
    parts = [
        part("POST", "accounts", {"nosuch": 1}),
        part("GET", "WhoAmI"),
        part("GET", f"contacts({guid(99)})"),
    ]
    answer = batch(api, *parts, Prefer="odata.continue-on-error")
    assert answer.status_code == 200
    assert statuses(answer) == [400, 200, 404]


@pytest.mark.rule("dataverse.md 12.2/17")
def test_a_change_set_is_atomic_and_fails_with_one_item(api: Api) -> None:
    inside = changes(
        part("POST", "accounts", {"name": "Lost"}, 1),
        part("POST", "accounts", {"nosuch": 1}, 2),
        part("POST", "accounts", {"name": "Never"}, 3),
    )
    answer = batch(api, inside, part("GET", "WhoAmI"), Prefer="odata.continue-on-error")
    assert statuses(answer) == [400, 200]
    assert "changesetresponse" not in answer.text
    assert not {"Lost", "Never"} & set(api.column("accounts?$select=name", "name"))


@pytest.mark.rule("dataverse.md 12.2/17")
def test_a_change_set_answers_nested_with_content_ids(api: Api) -> None:
    inside = changes(
        part("POST", "accounts", {"name": "One"}, 1),
        part("PATCH", f"contacts({guid(1)})", {"lastname": "Two"}, 2),
    )
    answer = batch(api, inside)
    assert re.search(r"Content-Type: multipart/mixed; boundary=changesetresponse_", answer.text)
    assert re.findall(r"Content-ID: (\d)", answer.text) == ["1", "2"]
    assert statuses(answer) == [204, 204]


@pytest.mark.rule("dataverse.md 12.2/17")
def test_references_work_in_the_same_change_set(api: Api) -> None:
    answer = batch(
        api,
        changes(
            part("POST", "contacts", {"lastname": "Ref"}, 1),
            part("POST", "tasks", {"subject": "Call", "regardingobjectid_contact_task@odata.bind": "$1"}, 2),
            part("PATCH", "$1", {"jobtitle": "Referred"}, 3),
            part("PUT", "$1/parentcustomerid_account/$ref", {"@odata.id": f"accounts({ACCOUNT})"}, 4),
        ),
    )
    assert statuses(answer) == [204, 204, 204, 204]
    contact = api.value("contacts?$filter=lastname eq 'Ref'")[0]
    assert (contact["jobtitle"], contact["_parentcustomerid_value"]) == ("Referred", ACCOUNT)
    assert api.value("tasks?$filter=subject eq 'Call'")[0]["_regardingobjectid_value"] == contact["contactid"]


@pytest.mark.rule("dataverse.md 12.2/17")
@pytest.mark.parametrize("where", ["url", "body", "other set"])
def test_undeclared_references_are_400(api: Api, where: str) -> None:
    task = part("POST", "tasks", {"subject": "x", "regardingobjectid_contact_task@odata.bind": "$1"}, 2)
    parts = {
        "url": [changes(part("PATCH", "$1", {"lastname": "x"}, 2))],
        "body": [changes(task)],
        "other set": [changes(part("POST", "contacts", {"lastname": "x"}, 1)), task],
    }[where]
    answer = batch(api, *parts)
    assert statuses(answer)[-1] == 400
    assert "Content-ID Reference: '$1' does not exist in the batch context." in answer.text


@pytest.mark.rule("dataverse.md 12.2/17")
def test_malformed_requests_are_plain_json(api: Api) -> None:
    inside = changes(part("GET", "WhoAmI", None, 1))
    refused(batch(api, inside), 400, "0x80060888", "GET")
    refused(
        api.send("POST", "$batch", "x", Content_Type="application/json"), 400, "0x80060888", "multipart/mixed"
    )
    refused(api.get("$batch"), 405, "0x80040315")
    assert statuses(batch(api, part("POST", "$batch", {}))) == [400]


@pytest.mark.rule("dataverse.md 12.2/17")
def test_parts_have_headers_of_their_own(api: Api) -> None:
    answer = batch(
        api,
        part("POST", "accounts?$select=name", {"name": "Shown"}, None, Prefer="return=representation"),
        part("PATCH", f"contacts({guid(99)})", {"lastname": "x"}, None, **{"If-Match": "*"}),
    )
    assert statuses(answer) == [201, 404]
    assert "odata.streaming=true" in answer.text


@pytest.mark.rule("dataverse.md 12.2/4")
def test_addresses_in_a_batch_may_be_twice_as_long(api: Api) -> None:
    terms = " or ".join(f"contactid eq {guid(number)}" for number in range(600))
    query = f"contacts?$select=firstname&$filter={terms}"
    assert 28_000 < len(query) < 32_000
    assert statuses(batch(api, part("GET", query))) == [200]
    assert statuses(batch(api, part("GET", f"WhoAmI?tag={'x' * 65_000}"))) == [200]
    assert statuses(batch(api, part("GET", f"WhoAmI?tag={'x' * 66_000}"))) == [414]


@pytest.mark.rule("dataverse.md 12.2/18")
def test_a_batch_is_one_request_for_the_burst_limit(api: Api) -> None:
    left = "x-ms-ratelimit-burst-remaining-xrm-requests"
    before = int(api.get("WhoAmI").headers[left])
    assert int(batch(api, *[part("GET", "WhoAmI")] * 50).headers[left]) == before - 1
