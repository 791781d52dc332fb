"""campaign.md §10, §13.2: engine calls, the journal, two tenants, faults."""

from __future__ import annotations

import pytest
import requests

from tests.sandbox.campaign.conftest import EXT, Api

PROFILE = f"{EXT}/profile"


@pytest.mark.rule("campaign.md 13.2/B22")
def test_every_record_operation_is_one_engine_call_and_metadata_is_counted_apart(api: Api) -> None:
    api.get(f"{EXT}/")
    api.get(f"{EXT}/resourceType/profile")
    assert (api.counter("engine_calls"), api.counter("metadata_calls")) == (0, 2)
    made = api.profile(externalId="a")
    api.call("PATCH", f"{PROFILE}/a", {"firstName": "Ines"})
    api.get(f"{PROFILE}/a")
    api.get(PROFILE)
    api.call("DELETE", made["href"])
    assert api.counter("engine_calls") == 5
    kinds = ("create", "update", "read", "delete")
    assert [api.counter(f"engine_calls.{kind}") for kind in kinds] == [1, 1, 2, 1]
    assert api.counter("metadata_calls") == 2


@pytest.mark.rule("campaign.md 13.2/B22")
def test_a_refused_write_costs_an_engine_call_and_a_gateway_refusal_none(api: Api) -> None:
    api.call("PATCH", f"{PROFILE}/nobody", {"firstName": "Ines"})
    assert api.counter("engine_calls") == 1
    api.get(PROFILE, headers={"Authorization": "Bearer x"})
    assert api.counter("engine_calls") == 1


@pytest.mark.rule("campaign.md 13.2/B22")
def test_the_journal_tells_method_path_status_tenant_and_engine_calls(api: Api) -> None:
    api.profile(externalId="a")
    api.get(f"{PROFILE}/byEmail?email=secret%40x.example")
    first, second = api.journal()[-2:]
    assert (first["method"], first["status"], first["engine_calls"]) == ("POST", 201, 1)
    assert first["tenant"] == "alderleaf"
    assert first["path"].endswith(PROFILE)
    assert second["path"].endswith(f"{PROFILE}/byEmail?email")
    assert "secret" not in str(second)


@pytest.mark.rule("campaign.md 13.2/B22")
def test_production_and_stage_share_nothing(api: Api) -> None:
    api.profile(externalId="a")
    api.declare(tenant="alderleaf-mkt-stage", ext=True)
    assert api.get(f"{api.stage}{PROFILE}").json()["content"] == []
    assert api.rows(tenant="alderleaf-mkt-stage") == []
    fields = api.get(f"{api.stage}{EXT}/resourceType/profile").json()["content"]
    assert "cusNote" not in fields
    assert api.get(f"{api.stage}{PROFILE}/a").status_code == 404


@pytest.mark.rule("campaign.md 13.2/B21")
def test_an_answer_may_be_lost_after_the_write_took_effect(api: Api) -> None:
    fault = {"system": "campaign", "method": "POST", "path": "/profile", "do": "reset_after"}
    api.sandbox.control("POST", "/sandbox/faults", fault)
    with pytest.raises(requests.ConnectionError):
        api.call("POST", PROFILE, {"externalId": "a"})
    assert [row["externalId"] for row in api.rows()] == ["a"]
    assert "PGS-220000" in api.call("POST", PROFILE, {"externalId": "a"}).text


@pytest.mark.rule("campaign.md 13.2/B21")
@pytest.mark.parametrize(
    "fault, status, kind",
    [
        ({"do": "status", "status": 429, "headers": {"Retry-After": "7"}}, 429, "application/json"),
        ({"do": "status", "status": 429}, 429, "application/json"),
        ({"do": "status", "status": 503}, 503, "application/json"),
        ({"do": "status", "status": 504}, 504, "application/json"),
        ({"do": "html", "status": 502}, 502, "text/html"),
        ({"do": "revoke_tokens"}, 401, "application/json"),
    ],
)
def test_faults_on_demand_reach_the_client_and_not_the_engine(
    api: Api, fault: dict, status: int, kind: str
) -> None:
    api.sandbox.control("POST", "/sandbox/faults", {"system": "campaign", **fault})
    answer = api.call(
        "POST", PROFILE, {"externalId": "a"}, headers=fresh(api) if "revoke" in fault["do"] else {}
    )
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers.get("Retry-After") == fault.get("headers", {}).get("Retry-After")
    assert api.rows() == []
    assert api.counter("engine_calls") == 0


def fresh(api: Api) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.sandbox.campaign_token()}"}
