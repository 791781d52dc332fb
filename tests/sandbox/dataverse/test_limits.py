"""Service protection limits and injectable faults of the database."""

from __future__ import annotations

import pytest
import requests

from sandbox.dataverse.errors import Refusal
from sandbox.dataverse.org import APPLICATION_USER, organisation
from tests.sandbox.dataverse.conftest import Api, guid, refused
from tests.sandbox_process import Sandbox

BURST = "x-ms-ratelimit-burst-remaining-xrm-requests"
TIME = "x-ms-ratelimit-time-remaining-xrm-requests"


@pytest.mark.rule("dataverse.md 12.2/18")
def test_the_documented_numbers_are_the_defaults(api: Api) -> None:
    limits = api.control("limits")
    assert limits == {
        "on": True,
        "requests": 6000,
        "execution_ms": 1_200_000,
        "concurrent": 52,
        "window_seconds": 300,
    }
    headers = api.get("WhoAmI").headers
    assert headers[BURST] == "5999"
    assert 1190 < float(headers[TIME]) <= 1200
    assert headers["x-ms-dop-hint"] == "4"


@pytest.mark.rule("dataverse.md 12.2/18")
def test_too_many_requests_wait_for_the_window(api: Api) -> None:
    api.control("limits", requests=3)
    for _ in range(3):
        assert api.get("WhoAmI").status_code == 200
    answer = api.get("WhoAmI")
    refused(
        answer,
        429,
        "0x80072322",
        "Number of requests exceeded the limit of 3 over time window of 300 seconds.",
    )
    assert 295 <= int(answer.headers["retry-after"]) <= 300
    assert answer.headers[BURST] == "0"
    api.world.clock.advance(301)
    assert api.get("WhoAmI").status_code == 200


@pytest.mark.rule("dataverse.md 12.2/18")
def test_pushing_on_lengthens_the_wait(api: Api) -> None:
    api.control("limits", requests=1)
    api.get("WhoAmI")
    waits = [int(api.get("WhoAmI").headers["retry-after"]) for _ in range(5)]
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]


@pytest.mark.rule("dataverse.md 12.2/18")
def test_what_comes_before_the_wait_is_over_is_counted_unless_it_was_under_way(api: Api) -> None:
    api.control("limits", requests=1)
    limits, user, told = organisation(api.world).limits, APPLICATION_USER, api.world.clock.timestamp()

    def early() -> int:
        return api.world.counters.get("dataverse.before_retry_after")

    def come(arrived: float) -> None:
        with pytest.raises(Refusal):
            limits.enter(user, 0, arrived)

    limits.leave(limits.enter(user, 0, told), 1)
    come(told)
    assert early() == 0  # the first to be told
    api.world.clock.advance(2)
    come(told - 1)
    come(told + 0.1)
    assert early() == 0  # under way, or on the wire, when the other was told
    come(told + 2)
    assert early() == 1
    api.world.clock.advance(310)
    assert api.get("WhoAmI").status_code == 200
    assert early() == 1


@pytest.mark.rule("dataverse.md 12.2/18")
def test_a_batch_is_one_request_and_is_charged_for_its_time(api: Api) -> None:
    api.switch("execution_ms_added", 1000)
    part = "--b\r\nContent-Type: application/http\r\n\r\nGET /api/data/v9.2/WhoAmI HTTP/1.1\r\n\r\n\r\n"
    answer = api.post("$batch", part * 50 + "--b--\r\n", Content_Type="multipart/mixed; boundary=b")
    assert answer.text.count("HTTP/1.1 200") == 50
    assert answer.headers[BURST] == "5999"
    assert 1190 < float(answer.headers[TIME]) <= 1199  # once a request, not once a part


@pytest.mark.rule("dataverse.md 12.2/18")
def test_execution_time_is_limited(api: Api) -> None:
    api.switch("execution_ms_added", 700_000)
    assert [api.get("WhoAmI").status_code for _ in range(3)] == [200, 200, 429]
    answer = api.get("WhoAmI")
    refused(
        answer, 429, "0x80072321", "exceeded limit of 1,200,000 milliseconds over time window of 300 seconds"
    )
    assert answer.headers["retry-after"]
    assert float(answer.headers[TIME]) == 0


@pytest.mark.rule("dataverse.md 12.2/18")
def test_requests_at_once_are_limited(api: Api) -> None:
    api.control("limits", concurrent=4)
    api.switch("request_seconds", 0.2)
    answers = api.together(*["WhoAmI"] * 10)
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [429] * 6
    worst = next(answer for answer in answers if answer.status_code == 429)
    refused(worst, 429, "0x80072326", "Number of concurrent requests exceeded the limit of 4.")
    assert int(worst.headers["retry-after"]) >= 1


@pytest.mark.rule("dataverse.md 12.2/18")
def test_each_user_has_a_limit_of_its_own(api: Api) -> None:
    api.mutate(
        "systemuser", create=[{"fullname": "Other", "applicationid": api.world.config.dataverse_stranger_id}]
    )
    api.control("limits", requests=1)
    assert [api.get("WhoAmI").status_code for _ in range(2)] == [200, 429]
    api.token = api.new_token(api.world.config.dataverse_stranger_id)
    assert api.get("WhoAmI").status_code == 200


@pytest.mark.rule("dataverse.md 12.2/18")
def test_each_server_counts_for_itself_and_the_cookie_chooses_one(api: Api) -> None:
    api.switch("servers", 3)
    api.control("limits", requests=2)
    first = api.get("WhoAmI")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("ARRAffinity=")
    assert [api.get("WhoAmI", Cookie=cookie).status_code for _ in range(2)] == [200, 429]
    assert [api.get("WhoAmI").status_code for _ in range(5)].count(200) >= 4


@pytest.mark.rule("dataverse.md 12.2/18")
def test_the_limits_can_be_switched_off(api: Api) -> None:
    api.control("limits", requests=1, on=False)
    assert [api.get("WhoAmI").status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.rule("dataverse.md 12.2/18")
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("GenericSqlError", 500, "0x80044150"),
        ("SqlTimeout", 500, "0x80044151"),
        ("TransactionRolledBack", 500, "0x80040255"),
        ("WorkerLimit", 503, "0x80072324"),
        ("ResourceLock", 503, "0x80044339"),
    ],
)
def test_errors_of_the_database_can_be_injected(api: Api, name: str, status: int, code: str) -> None:
    api.switch("sql_error", name)
    refused(api.patch(f"contacts({guid(1)})", {"lastname": "x"}), status, code)
    assert api.get(f"contacts({guid(1)})").json()["lastname"] == "Brandt"


def say(sandbox: Sandbox, method: str, path: str, token: str, body: object = None) -> requests.Response:
    url = f"{sandbox.env['DATAVERSE_URL']}/api/data/v9.2/{path}"
    return sandbox.http.request(
        method, url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )


@pytest.mark.sandbox
@pytest.mark.rule("dataverse.md 12.2/18")
@pytest.mark.parametrize(("deed", "found"), [("reset_before", 404), ("reset_after", 200)])
def test_connections_can_be_reset_before_and_after_the_commit(
    fresh_sandbox: Sandbox, deed: str, found: int
) -> None:
    token = fresh_sandbox.dataverse_token()
    fresh_sandbox.control("POST", "/sandbox/faults", {"system": "dataverse", "method": "POST", "do": deed})
    with pytest.raises(requests.ConnectionError):
        say(fresh_sandbox, "POST", "contacts", token, {"contactid": guid(70), "lastname": "Lost answer"})
    assert say(fresh_sandbox, "GET", f"contacts({guid(70)})", token).status_code == found


@pytest.mark.sandbox
@pytest.mark.rule("dataverse.md 12.2/18")
@pytest.mark.parametrize("status", [502, 503, 504])
def test_gateway_errors_can_be_injected(fresh_sandbox: Sandbox, status: int) -> None:
    token = fresh_sandbox.dataverse_token()
    fresh_sandbox.control(
        "POST", "/sandbox/faults", {"system": "dataverse", "do": "status", "status": status}
    )
    assert say(fresh_sandbox, "GET", "WhoAmI", token).status_code == status
    assert say(fresh_sandbox, "GET", "WhoAmI", token).status_code == 200
