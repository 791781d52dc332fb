"""Who may read what: nothing without Airflow's login, of a flow only with the right to read its DAG."""

from __future__ import annotations

import json
import re

import pytest

from local.environment import ROOT
from tests.page.conftest import ANOTHER, BROKEN, FLOW, RUN

STATIC = ROOT / "plugins" / "campaign_sync" / "page" / "static"
FILES = sorted(path.name for path in STATIC.iterdir())

#: Every address below /api, and what it is asked with.
ADDRESSES = {
    "api/flows": {},
    f"api/flows/{FLOW}": {},
    f"api/flows/{BROKEN}": {},
    f"api/flows/{FLOW}/summary": {},
    f"api/flows/{FLOW}/runs": {},
    f"api/flows/{FLOW}/report": {"run": RUN},
    "api/rows": {"what": "parked"},
    "api/rules": {"flow": FLOW},
    "api/contacts/0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01": {},
    "api/approvals": {},
    f"api/approvals/{FLOW}/keys": {"run": RUN, "harm": "deletes"},
    "api/openapi.json": {},
}
#: What needs the right to edit the DAG.
EDITING = {f"api/flows/{FLOW}/mapping": {}}
#: Every address that acts, or shows people's data, and what it is asked with.
ACTIONS = {
    f"api/flows/{FLOW}/again": {"all": True},
    f"api/flows/{FLOW}/source": {"key": "00000001-0000-4000-8000-00000000aa01"},
    f"api/flows/{FLOW}/preview": {"text": "extract: {table: contact}"},
}
#: There is no page to read yet: what counts is that nobody without rights is told so.
MISSING = {f"api/flows/{FLOW}/docs": {"run": RUN, "batch": 1}}


@pytest.mark.parametrize(
    "address", ["", *FILES, "no/such/file", *ADDRESSES, *EDITING, *MISSING, "api/no/such"]
)
def test_nothing_is_told_without_a_login(browser, address):
    answer = browser(address, None, **(ADDRESSES | MISSING).get(address, {}))
    assert answer.status_code == 401
    assert answer.json()["problem"] == "Not authenticated"


@pytest.mark.parametrize("address", ["", *FILES, *ADDRESSES])
@pytest.mark.parametrize("role", ["viewer", "user", "admin"])
def test_who_may_read_dags_may_read_the_page(browser, address, role):
    assert browser(address, role, **ADDRESSES.get(address, {})).status_code == 200


@pytest.mark.parametrize("address", EDITING)
@pytest.mark.parametrize("role, status", [("nobody", 403), ("viewer", 403), ("user", 200), ("admin", 200)])
def test_who_may_not_edit_a_dag_sees_no_file(browser, address, role, status):
    assert browser(address, role).status_code == status


@pytest.mark.parametrize("address", [*ADDRESSES, *MISSING])
def test_who_may_read_no_dag_is_told_of_no_flow(browser, ledger, address):
    answer = browser(address, "nobody", **(ADDRESSES | MISSING)[address])
    if "{" in str(answer.url) or address in ("api/flows", "api/rows"):
        assert answer.json() in ({"flows": []}, {"rows": [], "next": None})
    elif address == "api/openapi.json":
        assert FLOW not in answer.text
    else:
        assert answer.status_code in (403, 404)
        assert FLOW not in answer.text


@pytest.mark.parametrize("name", [ANOTHER, "nobody_knows_this", "reconcile_contacts_to_profiles"])
def test_a_dag_that_is_no_flow_has_no_room(browser, name):
    assert browser(f"api/flows/{name}").status_code == 404
    assert browser("api/rows", flow=name).status_code == 404
    assert browser("api/rules", flow=name).status_code == 404
    assert browser(f"api/flows/{name}/mapping", "admin").status_code == 404


def test_every_endpoint_is_tried_above_and_described(browser):
    described = browser("api/openapi.json").json()["paths"]
    tried = {"get": {**ADDRESSES, **EDITING, **MISSING}, "post": ACTIONS}
    for method, addresses in tried.items():
        paths = {f"/{pattern(address)}" for address in addresses} - {"/api/openapi.json"}
        assert {path for path, methods in described.items() if method in methods} == paths
    for methods in described.values():
        assert len(methods) == 1
        for each in methods.values():
            assert each["summary"]
            assert each["description"]


def pattern(address):
    """An address as the description has it."""
    flow = re.sub(f"/({FLOW}|{BROKEN})", "/{dag_id}", address)
    return re.sub(r"contacts/.+", "contacts/{key}", flow)


@pytest.mark.parametrize("address", ACTIONS)
@pytest.mark.parametrize("role, status", [(None, 401), ("nobody", 403), ("viewer", 403)])
def test_who_may_only_read_can_do_nothing(act, ledger, audited, address, role, status):
    answer = act(address, role, **ACTIONS[address])
    assert answer.status_code == status
    assert answer.json()["remedy"]
    assert audited() == []


@pytest.mark.parametrize("role", ["user", "admin"])
@pytest.mark.parametrize("name", [ANOTHER, "nobody_knows_this", "reconcile_contacts_to_profiles"])
@pytest.mark.parametrize("address", ACTIONS)
def test_nothing_is_done_to_a_dag_that_is_no_flow(act, ledger, audited, address, name, role):
    assert act(address.replace(FLOW, name), role, **ACTIONS[address]).status_code == 404
    assert audited() == []


@pytest.mark.parametrize("address", ACTIONS)
@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://airflow"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"}, 415),
        ({"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Sec-Fetch-Site": "same-origin", "Content-Type": ""}, 415),
    ],
    ids=str,
)
def test_what_no_page_of_ours_sends_is_refused(send, ledger, audited, address, headers, status):
    content = json.dumps(ACTIONS[address]).encode()
    answer = send("POST", address, "admin", {"Content-Type": "application/json"} | headers, content=content)
    assert answer.status_code in {status, 422}  # a body of another type is not even read
    assert answer.status_code != 422 or status == 415
    assert audited() == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://airflow"}, {}], ids=str
)
def test_our_page_and_programs_are_heard(send, ledger, audited, headers):
    assert send("POST", f"api/flows/{FLOW}/again", "user", headers, json={"all": True}).status_code == 200


@pytest.mark.parametrize("role, may", [("viewer", False), ("user", True), ("admin", True)])
def test_a_person_is_told_what_they_may_do(browser, ledger, role, may):
    (flow,) = (each for each in browser("api/flows", role).json()["flows"] if each["flow"] == FLOW)
    assert flow["may"] == {"start": may, "pause": may}
    assert browser(f"api/flows/{FLOW}/summary", role).json()["may"] == flow["may"]


@pytest.mark.parametrize("role", [None, "admin"])
def test_a_body_that_is_too_large_is_not_taken(send, ledger, role):
    address = f"api/flows/{FLOW}/preview"
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
    answer = send("POST", address, role, headers, content=b'{"text": "' + b"a" * 300_000 + b'"}')
    assert answer.status_code == 413


@pytest.mark.parametrize("address", ["", "page.js", "api/flows", "no/such/file", f"api/flows/{FLOW}/report"])
@pytest.mark.parametrize("role", [None, "viewer"])
def test_every_answer_says_what_a_browser_may_do_with_it(browser, address, role):
    headers = browser(address, role).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "no-" in headers["Cache-Control"]


@pytest.mark.parametrize("file", FILES)
def test_the_page_has_no_script_or_style_in_its_text_and_loads_nothing_from_elsewhere(file):
    text = (STATIC / file).read_text()
    assert not re.search(
        r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=\"|innerHTML|insertAdjacentHTML|\beval\(", text
    )
    assert not [each for each in re.findall(r"https?://[^\"' )]+", text) if "www.w3.org/2000/svg" not in each]


@pytest.mark.parametrize(
    "address", ["../campaign_sync_page.py", "..%2f__init__.py", "app.py", "%2e%2e/app.py", "static/page.js"]
)
def test_only_the_pages_own_files_have_an_address(browser, address):
    assert browser(address).status_code == 404
