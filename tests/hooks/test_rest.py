"""Sending: what is repeated, what is not, how long it waits, what it says, what it never says."""

from __future__ import annotations

import logging
import threading

import pytest
import requests
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.pace import Pace, Patience
from campaign_sync.hooks.parallel import map_bounded
from campaign_sync.hooks.remedies import CAMPAIGN, DATAVERSE
from campaign_sync.hooks.rest import Rest
from campaign_sync.hooks.sessions import Bearer, Token, bare
from campaign_sync.hooks.shares import Rate, Terms

from tests.hooks.conftest import FakeTime
from tests.hooks.scripted_server import Asked, Reply, ScriptedServer

SECRET = "eyJhbGciOi.planted-token"


class Tokens:
    """Hands out a new token each time, and counts."""

    def __init__(self) -> None:
        self.fresh: list[bool] = []

    def __call__(self, fresh: bool) -> Token:
        self.fresh.append(fresh)
        return Token(f"{SECRET}-{len(self.fresh)}", 3600)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def rest(server: ScriptedServer, tokens: Tokens, clock: FakeTime) -> Rest:
    bearer = Bearer(tokens, server.url)
    return Rest(DATAVERSE, server.url, lambda: bare(requests.Session(), True, bearer), bearer=bearer)


def test_a_throttled_request_waits_exactly_as_long_as_it_is_told(
    rest: Rest, server: ScriptedServer, clock: FakeTime
) -> None:
    server.answers(Reply(429, headers={"Retry-After": "42"}), Reply(body=b'{"a": 1}'))
    assert rest.json(f"{server.url}/x") == {"a": 1}
    assert clock.slept == [42]


def test_a_pause_holds_the_requests_of_all_threads(
    rest: Rest, server: ScriptedServer, clock: FakeTime
) -> None:
    rest.pace.pause(7)
    rest.json(f"{server.url}/x")
    assert clock.slept == [7]


def test_a_pause_longer_than_the_budget_is_a_transient_error_that_says_when_to_come_back(
    rest: Rest, server: ScriptedServer, clock: FakeTime
) -> None:
    server.answers(Reply(429, headers={"Retry-After": "901"}))
    with pytest.raises(TransientError) as caught:
        rest.json(f"{server.url}/x")
    assert caught.value.retry_after == 901
    assert clock.slept == []


def test_a_pause_of_minutes_is_waited_for_because_airflow_would_come_too_early(
    rest: Rest, server: ScriptedServer, clock: FakeTime
) -> None:
    server.answers(Reply(429, headers={"Retry-After": "300"}), Reply(body=b'{"a": 1}'))
    assert rest.json(f"{server.url}/x") == {"a": 1}
    assert clock.slept == [300]


def test_throttling_without_end_is_given_up_within_the_budget(
    rest: Rest, server: ScriptedServer, clock: FakeTime
) -> None:
    rest.pace = Pace(Terms(calls_per_second=10))
    server.answers(Reply(429, headers={"Retry-After": "10"}))
    with pytest.raises(TransientError, match="too many requests"):
        rest.json(f"{server.url}/x")
    assert 800 < clock.now - 1000 <= rest.patience.budget
    assert len(server.asked) > 80


def test_waiting_for_the_others_pause_counts_as_well(
    rest: Rest, server: ScriptedServer, clock: FakeTime
) -> None:
    rest.pace.pause(800)
    server.answers(Reply(429, headers={"Retry-After": "200"}))
    with pytest.raises(TransientError):
        rest.json(f"{server.url}/x")
    assert (clock.slept, len(server.asked)) == ([800], 1)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_busy_service_is_asked_again_with_growing_pauses_and_then_given_up(
    rest: Rest, server: ScriptedServer, clock: FakeTime, status: int
) -> None:
    server.answers(Reply(status))
    with pytest.raises(TransientError) as caught:
        rest.json(f"{server.url}/x?$filter=secret")
    assert len(server.asked) == 5
    assert clock.slept == [1, 2, 4, 8]
    assert (caught.value.status, caught.value.path) == (status, "/x?$filter")


def test_a_lost_answer_and_a_cut_one_are_asked_for_again(rest: Rest, server: ScriptedServer) -> None:
    server.answers(Reply(do="reset"), Reply(body=b'{"a": 12345678}', do="cut"), Reply(body=b'{"a": 1}'))
    assert rest.json(f"{server.url}/x") == {"a": 1}


def test_a_body_that_is_not_whole_json_is_asked_for_again(rest: Rest, server: ScriptedServer) -> None:
    server.answers(Reply(body=b'{"value": [{"a": 1}'), Reply(body=b'{"a": 1}'))
    assert rest.json(f"{server.url}/x") == {"a": 1}


def test_a_web_page_instead_of_data_is_refused_in_the_end(rest: Rest, server: ScriptedServer) -> None:
    server.answers(Reply(body=b"<html>maintenance</html>", headers={"Content-Type": "text/html"}))
    with pytest.raises(RefusedError, match="web page"):
        rest.json(f"{server.url}/x")


@pytest.mark.parametrize("reply", [Reply(503), Reply(504), Reply(do="reset")])
def test_a_request_that_must_not_run_twice_comes_back_unanswered(
    rest: Rest, server: ScriptedServer, reply: Reply
) -> None:
    server.answers(reply)
    answer = rest.exchange("POST", f"{server.url}/x", body=b"{}", repeat=False)
    assert answer.status == (0 if reply.do == "reset" else reply.status)
    assert len(server.asked) == 1


def test_a_throttled_request_never_ran_and_is_repeated_even_if_it_must_not_run_twice(
    rest: Rest, server: ScriptedServer
) -> None:
    server.answers(Reply(429), Reply(201))
    assert rest.exchange("POST", f"{server.url}/x", body=b"{}", repeat=False).status == 201


def test_a_service_that_cannot_be_reached_is_a_transient_error(rest: Rest, clock: FakeTime) -> None:
    rest.base = "http://127.0.0.1:1"
    with pytest.raises(TransientError, match="no connection to the service"):
        rest.exchange("POST", f"{rest.base}/x", body=b"{}", repeat=False)
    assert clock.slept == [1, 2, 4, 8]


def test_a_refused_token_is_renewed_once_and_the_request_replayed_once(
    rest: Rest, server: ScriptedServer, tokens: Tokens
) -> None:
    server.answers(Reply(401), Reply(body=b'{"a": 1}'))
    assert rest.json(f"{server.url}/x") == {"a": 1}
    assert tokens.fresh == [False, True]
    assert [each.headers["Authorization"][-1] for each in server.asked] == ["1", "2"]


def test_a_second_401_is_final(rest: Rest, server: ScriptedServer) -> None:
    server.answers(Reply(401))
    with pytest.raises(RefusedError) as caught:
        rest.json(f"{server.url}/x")
    assert len(server.asked) == 2
    assert caught.value.status == 401


def test_a_403_renews_nothing(rest: Rest, server: ScriptedServer, tokens: Tokens) -> None:
    body = b'{"error":{"code":"0x80072560","message":"The user is not a member of the organization."}}'
    server.answers(Reply(403, body, {"x-ms-service-request-id": "req-1"}))
    with pytest.raises(RefusedError) as caught:
        rest.json(f"{server.url}/x")
    assert len(server.asked) == 1
    assert tokens.fresh == [False]
    assert (caught.value.code, caught.value.request_id) == ("0x80072560", "req-1")
    assert "Application users" in caught.value.remedy


@pytest.mark.parametrize("code", ["0x80044150", "0x80044151", "0x80040255", "0x80072324", "0x80044339"])
def test_a_500_of_the_database_passes(rest: Rest, server: ScriptedServer, code: str) -> None:
    body = f'{{"error":{{"code":"{code}","message":"sql"}}}}'.encode()
    server.answers(Reply(500, body), Reply(body=b'{"a": 1}'))
    assert rest.json(f"{server.url}/x") == {"a": 1}


UNEXPECTED = b'{"error":{"code":"0x80040216","message":"An unexpected error occurred."}}'


@pytest.mark.parametrize("reply", [Reply(500, UNEXPECTED), Reply(500), Reply(520, b"<html>")])
def test_a_500_that_says_nothing_passes_when_it_answers_a_read(
    rest: Rest, server: ScriptedServer, reply: Reply
) -> None:
    server.answers(reply, reply, Reply(body=b'{"a": 1}'))
    assert rest.json(f"{server.url}/x") == {"a": 1}
    server.answers(reply)
    with pytest.raises(TransientError) as caught:
        rest.json(f"{server.url}/x")
    assert (caught.value.status, len(server.asked)) == (reply.status, 5)


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("POST", Reply(500, UNEXPECTED)),
        ("GET", Reply(501)),
        ("GET", Reply(500, b'{"error":{"code":"0x80044352","message":"expired"}}')),
        ("GET", Reply(500, b'{"error":{"code":"0x80040251","message":"no active transaction"}}')),
    ],
)
def test_a_500_of_a_write_or_with_a_known_cause_does_not_pass(
    rest: Rest, server: ScriptedServer, method: str, reply: Reply
) -> None:
    server.answers(reply)
    with pytest.raises(RefusedError):
        rest.ask(method, f"{server.url}/x")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/x",
        "http://127.0.0.1:2/x",
        "http://127.0.0.1@evil.example/x",
        "//evil.example/x",
        "ftp://127.0.0.1/x",
        "http://[/x",
    ],
)
def test_a_token_never_leaves_for_another_host(rest: Rest, tokens: Tokens, link: str) -> None:
    with pytest.raises(RefusedError, match="another host"):
        rest.json(link)
    assert tokens.fresh == []


def test_a_redirect_is_not_followed(rest: Rest, server: ScriptedServer) -> None:
    server.answers(Reply(302, headers={"Location": f"{server.url}/elsewhere"}), Reply())
    with pytest.raises(RefusedError, match="redirects"):
        rest.json(f"{server.url}/x")
    assert len(server.asked) == 1


def test_an_endless_answer_is_cut_off(
    rest: Rest, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaign_sync.hooks.wire.LARGEST", 1000)
    server.answers(Reply(body=b" " * 2000))
    with pytest.raises(RefusedError, match="smaller pages"):
        rest.json(f"{server.url}/x")


def test_cookies_are_not_sent_back(rest: Rest, server: ScriptedServer) -> None:
    server.answers(Reply(headers={"Set-Cookie": "ARRAffinity=abc; path=/"}), Reply())
    rest.json(f"{server.url}/x")
    rest.json(f"{server.url}/x")
    assert "Cookie" not in server.asked[1].headers


def test_neither_logs_nor_errors_tell_values_or_tokens(
    rest: Rest, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "campaign_sync")
    values = "'Planted Person', 'planted', '+47-planted' or planted@person.example"
    message = f"Cannot read {values} with Bearer {SECRET}"
    server.answers(Reply(503), Reply(400, f'{{"error":{{"code":"0x1","message":"{message}"}}}}'.encode()))
    with pytest.raises(RefusedError) as caught:
        rest.ask("POST", f"{server.url}/x?$filter=name eq 'Planted'", body={"name": "Planted"})
    told = f"{caught.value!r} {caught.value} {caplog.text}"
    assert "lanted" not in told
    assert SECRET not in told
    assert "Dataverse POST /x?$filter: 503" in caplog.text


def spacing(pace: Pace, clock: FakeTime) -> float:
    """Seconds between two calls."""
    pace.wait()
    before = clock.now
    pace.wait()
    return clock.now - before


def throttled(pace: Pace, times: int) -> None:
    for _ in range(times):
        pace.wait()
        pace.pause(5)


def test_two_throttled_answers_in_a_row_halve_the_rate(clock: FakeTime) -> None:
    pace = Pace(Terms(calls_per_second=10))
    throttled(pace, 2)
    assert spacing(pace, clock) == pytest.approx(0.2)


def test_a_good_answer_between_two_throttled_ones_leaves_the_rate(clock: FakeTime) -> None:
    pace = Pace(Terms(calls_per_second=10))
    throttled(pace, 1)
    pace.wait()
    pace.answered()
    throttled(pace, 1)
    assert spacing(pace, clock) == pytest.approx(0.1)


def test_threads_that_are_throttled_together_halve_the_rate_once(clock: FakeTime) -> None:
    pace = Pace(Terms(calls_per_second=10))
    for _ in range(2):
        pace.wait()
        for _ in range(4):
            pace.pause(5)
        pace.answered()  # to a call from before the pause
    assert spacing(pace, clock) == pytest.approx(0.2)


@pytest.mark.parametrize(("calls_per_second", "seconds"), [(10, 2.0), (0.2, 5.0), (0, 0.0)])
def test_the_rate_has_a_floor(clock: FakeTime, calls_per_second: float, seconds: float) -> None:
    pace = Pace(Terms(calls_per_second))
    throttled(pace, 80)
    assert spacing(pace, clock) == pytest.approx(seconds)


def test_a_halved_rate_recovers_with_time_and_not_beyond_what_was_asked_for(clock: FakeTime) -> None:
    pace = Pace(Terms(calls_per_second=10))
    throttled(pace, 4)
    assert spacing(pace, clock) == pytest.approx(0.4)
    seen = []
    for _ in range(4):
        clock.now += Rate.RECOVERY
        seen.append(spacing(pace, clock))
    assert seen == [pytest.approx(each) for each in (0.2, 0.1, 0.1, 0.1)]


def test_calls_are_spaced_over_the_second(clock: FakeTime) -> None:
    pace = Pace(Terms(calls_per_second=10))
    for _ in range(11):
        pace.wait()
    assert sum(clock.slept) == pytest.approx(1.0)


def test_no_limit_means_no_waiting(clock: FakeTime) -> None:
    pace = Pace(Terms(calls_per_second=0))
    for _ in range(11):
        pace.wait()
    assert clock.slept == []


def test_patience_grows_to_a_minute() -> None:
    assert 45 <= Patience().delay(12) <= 75


OOPS = b'{"code":500,"message":"Oops. Something went wrong. Check your URI and try again."}'


@pytest.fixture
def campaign(server: ScriptedServer, clock: FakeTime) -> Rest:
    return Rest(CAMPAIGN, server.url, lambda: bare(requests.Session(), True))


def test_a_wrong_organisation_is_believed_at_the_second_oops(campaign: Rest, server: ScriptedServer) -> None:
    server.answers(Reply(500, OOPS))
    with pytest.raises(RefusedError, match="organisation in the connection's host"):
        campaign.json(f"{server.url}/x")
    assert len(server.asked) == 2
    server.answers(Reply(500, OOPS), Reply(body=b'{"a": 1}'))
    assert campaign.json(f"{server.url}/x") == {"a": 1}


def test_an_oops_that_stays_transient_gives_the_same_hint(campaign: Rest, server: ScriptedServer) -> None:
    server.answers(Reply(502, OOPS))
    with pytest.raises(TransientError, match="organisation in the connection's host"):
        campaign.json(f"{server.url}/x")


def test_a_pause_beyond_the_budget_makes_all_threads_give_up_unsent(
    rest: Rest, server: ScriptedServer, clock: FakeTime
) -> None:
    server.answers(Reply(503, headers={"Retry-After": "901"}))
    with pytest.raises(TransientError):
        rest.exchange("POST", f"{server.url}/x", body=b"{}", repeat=False)
    with pytest.raises(TransientError) as caught:
        rest.json(f"{server.url}/x")
    assert (caught.value.retry_after, clock.slept, len(server.asked)) == (901, [], 1)


def test_a_pause_that_comes_while_a_request_waits_for_its_turn_holds_it_too(clock: FakeTime) -> None:
    pace = Pace(Terms(calls_per_second=0.2))
    pace.wait()
    sleep = clock.sleep

    def told_meanwhile(seconds: float) -> None:
        if not clock.slept:
            pace.pause(30)
        sleep(seconds)

    clock.sleep = told_meanwhile  # type: ignore[method-assign]
    pace.wait()
    assert clock.now == 1030


def test_no_thread_sends_a_request_before_the_pause_is_over(
    rest: Rest, server: ScriptedServer, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four requests are under way; one is refused, and when that was read, the others are answered."""
    under_way, told = threading.Barrier(4), threading.Event()
    arrived: list[float] = []

    def take(asked: Asked) -> Reply:
        arrived.append(clock.now)
        clock.now += 1
        if len(arrived) > 4:
            return Reply()
        first = under_way.wait(30) == 0
        if not first:
            told.wait(30)
        return Reply(429, headers={"Retry-After": "60"}) if first else Reply()

    pause = rest.pace.pause
    monkeypatch.setattr(rest.pace, "pause", lambda seconds: (pause(seconds), told.set()))
    monkeypatch.setattr(server, "take", take)
    list(map_bounded(lambda n: rest.ask("GET", f"{server.url}/{n}"), range(20), 4))
    assert len(arrived) == 21
    assert max(arrived[:4]) < 1010
    assert min(arrived[4:]) >= 1060
