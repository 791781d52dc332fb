"""What a hostile or broken service may answer: it gets no token elsewhere, no memory, no time, no word in our logs."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import requests
from campaign_sync.errors import RefusedError, SyncError, TransientError
from campaign_sync.hooks import campaign_writes, ending, ims, wire
from campaign_sync.hooks.answers import LONGEST_SHOWN, Answer, masked
from campaign_sync.hooks.campaign import CampaignHook
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.hooks.pace import Patience
from campaign_sync.hooks.remedies import DATAVERSE, IMS
from campaign_sync.hooks.rest import Rest
from campaign_sync.hooks.sessions import Bearer, Token, bare, is_within
from campaign_sync.schema import Column, Field, ResourceSchema, TableSchema

from tests.hooks.conftest import FakeTime
from tests.hooks.scripted_server import Reply, ScriptedServer

HOME = "https://mc.adobe.io/acme/campaign"
THINGS = ResourceSchema("cusThing", "customResources/cusThing", {"id": Field("id", "string")})
ROWS = TableSchema(
    "contact", "contacts", "contactid", {"fullname": Column("fullname", "String", property="fullname")}, True
)


@pytest.mark.parametrize(
    ("link", "home"),
    [
        (f"{HOME}/profileAndServicesExt/profile?_lineStart=@a b\\c", True),
        (f"{HOME}?x", True),
        ("https://MC.adobe.io:443/ACME/campaign/x", True),
        ("https://mc.adobe.io/acme/campaigns/x", False),
        ("https://mc.adobe.io/other/campaign/x", False),
        (f"{HOME}/../../other/campaign/x", False),
        (f"{HOME}/%2e%2E/%2e./other", False),
        (f"{HOME}/..%2f..%2fother", False),
        (f"{HOME}/..%5cother", False),
        (f"{HOME}/./x", False),
        ("https://mc.adobe.io\\@evil.example/acme/campaign/x", False),
        ("https://mc.adobe.io%2eevil.example/acme/campaign/x", False),
        ("https://mc.adobe.io.evil.example/acme/campaign/x", False),
        ("https://mc.adobe.io#@evil.example/acme/campaign/x", False),
        ("https://evil.example/?https://mc.adobe.io/acme/campaign/x", False),
        ("https://ｍc.adobe.io/acme/campaign/x", False),
        ("https://mc.ado\tbe.io/acme/campaign/x", False),
        (" https://mc.adobe.io/acme/campaign/x", False),
        (f"{HOME}/x\r\nX-Evil: 1", False),
        ("http://mc.adobe.io/acme/campaign/x", False),
        ("https://mc.adobe.io:8443/acme/campaign/x", False),
        ("/acme/campaign/x", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_a_link_stays_on_the_host_and_below_the_path_of_the_connection(link: str, home: bool) -> None:
    assert is_within(link, HOME) is home


@pytest.fixture
def campaign(server: ScriptedServer, connect: Callable[..., None], clock: FakeTime) -> CampaignHook:
    connect("campaign_default", conn_type="http", host=f"{server.url}/acme", login="id", password="x")
    hook = CampaignHook()
    hook._bearer = Bearer(lambda _: Token("the-token", 3600), server.url)  # type: ignore[misc]
    return hook


@pytest.fixture
def dataverse(server: ScriptedServer, connect: Callable[..., None], clock: FakeTime) -> DataverseHook:
    connect(
        "dataverse_default",
        conn_type="http",
        host=server.url,
        login="id",
        password="x",
        extra={"tenant_id": "t"},
    )
    hook = DataverseHook(patience=Patience(attempts=2))
    hook._bearer = Bearer(lambda _: Token("the-token", 3600), server.url)  # type: ignore[misc]
    return hook


def says(found: Any) -> Reply:
    return Reply(body=json.dumps(found).encode())


#: Where a hostile answer would like to have us: another host, another organisation or API of the same host.
ELSEWHERE = ("{other}/acme/campaign/x", "{server}/evil/campaign/x", "{server}/acme/campaign/../../evil/x")


@pytest.mark.parametrize("link", ELSEWHERE)
def test_links_of_campaign_to_elsewhere_are_not_followed(
    server: ScriptedServer, campaign: CampaignHook, link: str
) -> None:
    href = {"href": link.format(server=server.url, other="http://localhost:1")}
    for answer in ({"content": [{"id": "a"}], "next": href}, {"content": [], "count": href}):
        server.answers(says(answer))
        with pytest.raises(RefusedError, match="another host or path"):
            list(campaign.everything(THINGS, "id", ()))
        assert len(server.asked) == 1
    trigger = {"activities": {"activity": {"signal1": {"trigger": href, "parameters": '"inFile"'}}}}
    server.answers(says({"state": "started", "x": "inFile"} | trigger))
    workflow = campaign.workflows.read("WKF1")._replace(trigger=href["href"])
    with pytest.raises(RefusedError, match="another host or path"):
        campaign.workflows.signal(workflow, "a")
    resource = {"thing": {"name": "thing", "data": f"../..{href['href']}"}}
    server.answers(says(resource), says(resource), says({"content": {}}))
    with pytest.raises(RefusedError, match="another host or path"):
        campaign.resource("thing")
    assert {each.path.split("/")[1] for each in server.asked} == {"acme"}


@pytest.mark.parametrize(
    "link", ["http://localhost:1/api/data/v9.2/x", "{server}/x", "{server}/api/data/v9.2/../x"]
)
def test_links_of_dataverse_to_elsewhere_are_neither_followed_nor_remembered(
    server: ScriptedServer, dataverse: DataverseHook, link: str
) -> None:
    for name in ("@odata.nextLink", "@odata.deltaLink"):
        server.answers(says({"value": [], name: link.format(server=server.url)}))
        with pytest.raises(RefusedError, match="another host or path"):
            list(dataverse.changes(ROWS, ["fullname"]))
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_no_redirect_is_followed_by_a_read_a_write_or_a_login(
    server: ScriptedServer, campaign: CampaignHook, clock: FakeTime, status: int
) -> None:
    server.answers(Reply(status, headers={"Location": f"{server.url}/acme/campaign/elsewhere"}))
    with pytest.raises(SyncError):
        campaign.read(THINGS, "a")
    rest = campaign._rest
    with pytest.raises(SyncError):
        rest.ask("POST", f"{rest.base}/x", body={"secret": 1})
    login = Rest(IMS, server.url, lambda: bare(requests.Session(), True))
    with pytest.raises(SyncError):
        ims.token_source(ims.Credentials("id", "secret", "openid"), login)(False)
    assert "elsewhere" not in str([each.path for each in server.asked])


@pytest.mark.parametrize("key", ["..", ".", "a/../..", "@pkey"])
def test_a_key_never_climbs_out_of_its_collection(
    server: ScriptedServer, campaign: CampaignHook, key: str
) -> None:
    assert campaign_writes.UNSAFE_KEY.search(key)
    server.answers(says({"id": key}))
    try:
        campaign.read(THINGS, key)
    except RefusedError:
        assert not server.asked
    assert all(
        each.path.startswith("/acme/campaign/customResources/cusThing/") and "/.." not in each.path
        for each in server.asked
    )


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "ä", "", " "])
def test_a_token_that_no_header_can_carry_is_refused(value: str) -> None:
    with pytest.raises(RefusedError, match="no token that can be sent"):
        Bearer(lambda _: Token(value, 3600), HOME).value()


# ---- memory ----------------------------------------------------------------------------------------


def deflated(body: bytes) -> bytes:
    return zlib.compress(body)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", deflated),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    ],
    ids=["gzip", "deflate", "twice"],
)
def test_a_bomb_is_not_unpacked(
    server: ScriptedServer,
    campaign: CampaignHook,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
    pack: Callable[[bytes], bytes],
) -> None:
    monkeypatch.setattr(wire, "LARGEST", 1024**2)
    server.answers(Reply(body=pack(b"0" * 30_000_000), headers={"Content-Encoding": encoding}))
    tracemalloc.start()
    with pytest.raises(RefusedError, match="smaller pages"):
        campaign.read(THINGS, "a")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * 1024**2


def test_an_encoding_that_was_not_asked_for_or_is_none_is_no_data(
    server: ScriptedServer, campaign: CampaignHook
) -> None:
    for encoding in ("gzip", "deflate", ", ".join(["gzip"] * 50)):
        server.answers(Reply(body=b"not packed at all", headers={"Content-Encoding": encoding}))
        with pytest.raises(SyncError):
            campaign.resource("profile")
    server.answers(Reply(body=b'{"content": 1}', headers={"Content-Encoding": "br"}))
    with pytest.raises(SyncError):
        campaign.resource("profile")


@pytest.mark.parametrize("deep", [b"[", b'{"value":'])
def test_json_that_nests_for_ever_is_damaged_json(
    server: ScriptedServer, dataverse: DataverseHook, campaign: CampaignHook, deep: bytes
) -> None:
    for status in (200, 400):
        server.answers(Reply(status, body=deep * 200_000))
        for ask in (
            lambda: list(dataverse.everything(ROWS, ["fullname"])),
            lambda: dataverse.has_changes(f"{server.url}/api/data/v9.2/contacts"),
            lambda: dataverse.table("contact"),
            lambda: campaign.read(THINGS, "a"),
            lambda: list(campaign.everything(THINGS, "id", ())),
            lambda: campaign.workflows.read("WKF1"),
        ):
            with pytest.raises(SyncError):
                ask()


# ---- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", ["trickle", "trickle head"])
def test_an_answer_that_trickles_for_ever_ends(
    server: ScriptedServer, campaign: CampaignHook, monkeypatch: pytest.MonkeyPatch, do: str
) -> None:
    monkeypatch.setattr(ending, "LONGEST", 0.3)
    server.answers(Reply(do=do))
    with pytest.raises(TransientError):
        campaign.read(THINGS, "a")
    assert len(server.asked) == campaign._rest.patience.attempts
    monkeypatch.undo()


def test_a_connection_is_used_again_after_an_answer_that_ended(
    server: ScriptedServer, campaign: CampaignHook
) -> None:
    server.answers(says({"id": "a"}))
    for _ in range(3):
        assert campaign.read(THINGS, "a") == {"id": "a"}
    pool = campaign._rest._session().get_adapter(server.url).poolmanager.pools  # type: ignore[attr-defined]
    assert [pool[key].num_connections for key in pool.keys()] == [1]  # noqa: SIM118 - no mapping


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "<" * 200_000, " 'a" * 70_000, "@." * 100_000, '"' * 200_000]
)
@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_a_long_error_is_read_in_no_time(
    server: ScriptedServer, campaign: CampaignHook, text: str, kind: str
) -> None:
    """Searched with patterns, each of these would take minutes: pytest's time limit would tell."""
    for body in (text.encode(), json.dumps({"error": {"message": text, "code": text}}).encode()):
        server.answers(Reply(400, body=body, headers={"Content-Type": kind}))
        with pytest.raises(RefusedError) as caught:
            campaign.resource("profile")
        assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize("given", ["9" * 400, "1e400", "Fri, 31 Dec 9999 23:59:59 -2359", "inf", "nan", "-5"])
def test_a_wait_for_ever_is_none(server: ScriptedServer, campaign: CampaignHook, given: str) -> None:
    server.answers(Reply(503, headers={"Retry-After": given}))
    with pytest.raises(TransientError) as caught:
        campaign.read(THINGS, "a")
    assert (caught.value.retry_after or 0) <= 86_400


@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "²", "9" * 5000, "1,2,3", "1e999"])
def test_limits_that_are_no_numbers_hold_nobody(
    server: ScriptedServer, dataverse: DataverseHook, said: str
) -> None:
    names = (
        "x-ms-dop-hint",
        "x-ms-ratelimit-burst-remaining-xrm-requests",
        "x-ms-ratelimit-time-remaining-xrm-requests",
    )
    headers = {name: said.encode().decode("latin-1") for name in names}
    server.answers(Reply(body=b'{"value": []}', headers=headers))
    for _ in range(20):
        list(dataverse.everything(ROWS, ["fullname"]))
    assert 1 <= dataverse._rest.pace.side_by_side <= 16


# ---- words -----------------------------------------------------------------------------------------


def test_what_a_terminal_would_obey_and_what_is_no_code_is_not_shown() -> None:
    said = {
        "error": {
            "code": "Ann Person\x1b[2J",
            "message": "table \x1b[31m\u202e\u0000 is\r\nlocked ann@x.example",
        }
    }
    answer = Answer("GET", f"{HOME}/x", 400, {"req_id": "\x1b]0;evil"}, json.dumps(said).encode())
    error = Rest(DATAVERSE, HOME, requests.Session).refusal(answer)
    assert str(error).isprintable()
    assert (error.code, error.request_id) == ("", "")
    assert "Ann" not in str(error)
    assert "ann@" not in str(error)


def test_a_text_that_is_too_long_to_be_searched_is_not_shown_at_all() -> None:
    assert masked("'" + "secret " * LONGEST_SHOWN) == "…"
