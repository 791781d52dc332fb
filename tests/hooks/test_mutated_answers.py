"""Answers that are nearly right: each is read, or refused in words; whatever a service says, no hook crashes.

Some dozen mutations of each answer by day, ten thousand in all at night.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from campaign_sync.errors import SyncError
from campaign_sync.hooks import ims
from campaign_sync.hooks.campaign import CampaignHook
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.hooks.dataverse_activities import Activity
from campaign_sync.hooks.dataverse_updates import Update
from campaign_sync.hooks.pace import Patience
from campaign_sync.hooks.remedies import IMS
from campaign_sync.hooks.rest import Rest
from campaign_sync.hooks.sessions import Bearer, Token, bare
from campaign_sync.schema import Column, Field, ResourceSchema, TableSchema
from campaign_sync.writes import Write

from tests.hooks.conftest import FakeTime
from tests.hooks.scripted_server import Reply, ScriptedServer
from tests.sizes import NIGHTLY

MUTATIONS = 720 if NIGHTLY else 15
KEY = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"
OTHER = "1c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"
CONTACT = TableSchema(
    "contact", "contacts", "contactid",
    {"fullname": Column("fullname", "String", property="fullname"),
     "worth": Column("worth", "Decimal", property="worth")}, True,
)  # fmt: skip
FIELDS = {
    "id": Field("id", "string", sortable=True), "at": Field("at", "datetime"), "n": Field("n", "integer"),
    "f": Field("f", "float"), "b": Field("b", "boolean"), "location.city": Field("location.city", "string"),
}  # fmt: skip
THINGS = ResourceSchema("cusThing", "customResources/cusThing", FIELDS)
NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 2**70, 10**400, 1.5, float("nan"), float("inf"), "", "\x00", "\u202e", "x" * 10_000, "²",
    "9" * 5_000, "../../x", "https://evil.example/", "a\r\nb: c", "\ud800", "2026-02-30", [], {}, [[]],
    {"href": 1}, {"value": "x"}, ["a", None, {}], {"@odata.type": "x"},
)  # fmt: skip

RECORD = {
    "id": "a",
    "at": "2026-02-03 04:05:06.000Z",
    "n": 1,
    "f": 1.5,
    "b": True,
    "location": {"city": "Ulm"},
}
WORKFLOW = {
    "state": "started",
    "activities": {"activity": {"s1": {"trigger": {"href": "{url}/acme/campaign/t"}, "x": ["inFile"]}}},
}


def boundaries(*contents: bytes) -> bytes:
    """A multipart answer to a batch of single requests."""
    head = b"Content-Type: application/http\r\n\r\n"
    return b"".join(b"--b\r\n" + head + each + b"\r\n" for each in contents) + b"--b--\r\n"


REFUSAL = b'HTTP/1.1 400 Bad Request\r\nX: y\r\n\r\n{"error":{"code":"0x80040237","message":"m"}}'
BATCH = Reply(
    body=boundaries(b"HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n", REFUSAL),
    headers={"Content-Type": "multipart/mixed; boundary=b"},
)


class Asked:
    """The hooks, before a server of which nothing is known."""

    def __init__(self, server: ScriptedServer) -> None:
        token = Bearer(lambda _: Token("the-token", 3600), server.url)
        self.server, self.dataverse, self.campaign = (
            server,
            DataverseHook(patience=Patience(2)),
            CampaignHook(),
        )
        self.dataverse._bearer = self.campaign._bearer = token  # type: ignore[misc]
        self.campaign._rest.patience = Patience(2)

    def login(self, source: Callable[..., Any], credentials: Any, system: Any) -> Any:
        rest = Rest(system, self.server.url, lambda: bare(requests.Session(), True), patience=Patience(2))
        return source(credentials, rest)(False)


def activity(key: str) -> Activity:
    return Activity(key, "acs_emailsends", {"activityid": key, "subject": "s"}, None)


def update(key: str) -> Update:
    return Update(key, "contacts", 1, {"donotphone": True})


#: What is asked, and good answers to it in their order.
QUESTIONS: dict[str, tuple[Callable[[Asked], Any], list[Any]]] = {
    "changes": (
        lambda on: list(on.dataverse.changes(CONTACT, ["fullname", "worth"])),
        [
            {
                "@odata.context": "c",
                "value": [
                    {"@odata.etag": 'W/"1"', "contactid": KEY, "fullname": "Ada", "worth": 1.5},
                    {"@odata.context": "x/$deletedEntity", "id": OTHER, "reason": "deleted"},
                ],
                "@odata.deltaLink": "{url}/api/data/v9.2/contacts?$deltatoken=1",
            },
            {"value": []},
        ],
    ),
    "has changes": (
        lambda on: on.dataverse.has_changes(f"{on.server.url}/api/data/v9.2/contacts"),
        [{"value": [{}], "@odata.nextLink": "n"}],
    ),
    "table": (
        lambda on: on.dataverse.table("contact", ["fullname", "gendercode"], targets=True),
        [
            {
                "LogicalName": "contact",
                "EntitySetName": "contacts",
                "PrimaryIdAttribute": "contactid",
                "ChangeTrackingEnabled": True,
            },
            {
                "value": [
                    {"LogicalName": "fullname", "AttributeType": "String", "AttributeTypeName": {}},
                    {"LogicalName": "gendercode", "AttributeType": "Picklist", "AttributeTypeName": None},
                ]
            },
            {
                "value": [
                    {
                        "LogicalName": "gendercode",
                        "OptionSet": {
                            "Options": [{"Value": 1, "Label": {"UserLocalizedLabel": {"Label": "m"}}}]
                        },
                        "GlobalOptionSet": None,
                    }
                ]
            },
            {"value": [{"LogicalName": "fullname", "MaxLength": 160}]},
        ],
    ),
    "regarding": (
        lambda on: on.dataverse.regarding("acs_emailsend"),
        [
            {
                "value": [
                    {
                        "ReferencingEntityNavigationPropertyName": "r",
                        "ReferencedEntity": "contact",
                        "ReferencingAttribute": "regardingobjectid",
                    }
                ]
            }
        ],
    ),
    "owners": (lambda on: on.dataverse.owners_of([KEY]), [{"value": [{"contactid": KEY, "_owninguser_value": OTHER}]}]),
    "tasks": (
        lambda on: on.dataverse.tasks_made("c", datetime(2026, 1, 1, tzinfo=UTC)),
        [{"value": [{"activityid": KEY, "_ownerid_value": OTHER}]}],
    ),
    "activities": (
        lambda on: list(on.dataverse.write_activities(map(activity, (KEY, OTHER)))),
        [{"UserId": KEY}, BATCH],
    ),
    "updates": (
        lambda on: list(on.dataverse.write_updates(map(update, (KEY, OTHER)))),
        [{"UserId": KEY}, BATCH],
    ),
    "resource": (
        lambda on: on.campaign.resource("cusThing"),
        [
            {"cusThing": {"name": "cusThing", "data": "/profileAndServicesExt/cusThing"}},
            {
                "content": {
                    "id": {"apiName": "id", "type": "string", "resType": "string", "length": "50", "readOnly": "false"},
                    "kind": {"type": "enumeration", "resType": "byte", "values": {"a": {"name": "a"}}},
                    "location": {"type": "item", "content": {"city": {"type": "string", "resType": "string"}}},
                }
            },
        ],
    ),
    "records": (
        lambda on: list(on.campaign.everything(THINGS, "id", list(FIELDS))),
        [
            {
                "content": [RECORD, RECORD | {"id": "b"}],
                "count": {"href": "{url}/acme/campaign/c"},
                "next": {"href": "{url}/acme/campaign/n"},
            },
            {"count": 3},
            {"content": [RECORD | {"id": "c"}], "count": {"value": 3}},
        ],
    ),
    "keys": (lambda on: on.campaign.key_standing(THINGS, "id"), [{"content": ["a", "b"]}, RECORD]),
    "workflow": (lambda on: on.campaign.workflows.read("WKF1"), [WORKFLOW]),
    "write": (
        lambda on: list(on.campaign.write(THINGS, "id", [Write("create", "a", {"n": 1})], 1)),
        [Reply(500, body=b'{"error_code": "500", "message": "RST-360011 x. PGS-220000 y"}'), RECORD],
    ),
    "IMS": (
        lambda on: on.login(ims.token_source, ims.Credentials("id", "s", "openid"), IMS),
        [{"access_token": "t", "expires_in": 3600, "token_type": "bearer"}],
    ),
}  # fmt: skip


def mutated(found: Any, chance: random.Random) -> Any:
    """The JSON with one node taken out, doubled or replaced by something nasty."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in (
            list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        ):
            places.append((node, key))
            walk(node[key])

    found = copy.deepcopy(found)
    walk(found)
    if not places or chance.random() < 0.03:
        return chance.choice(NASTY)
    node, key = chance.choice(places)
    how = chance.random()
    if how < 0.2:
        del node[key]
    elif how < 0.3 and isinstance(node, list):
        node.append(node[key])
    else:
        node[key] = chance.choice(NASTY)
    return found


def cut(body: bytes, chance: random.Random) -> bytes:
    """The bytes with a wound."""
    at = chance.randrange(len(body))
    return (
        body[:at]
        + chance.choice((b"", b"\x00", b"\r\n", b"--b", b"9" * 50, b"\xff"))
        + body[at + chance.randrange(9) :]
    )


def replies(answers: list[Any], url: str, chance: random.Random | None) -> list[Reply]:
    """The answers, one of them mutated if by some chance."""
    wrong = chance.randrange(len(answers)) if chance else None
    made = []
    for number, answer in enumerate(answers):
        if isinstance(answer, Reply):
            made.append(answer._replace(body=cut(answer.body, chance)) if number == wrong else answer)
            continue
        text = (
            json.dumps(mutated(answer, chance) if number == wrong else answer).replace("{url}", url).encode()
        )
        made.append(Reply(body=cut(text, chance) if number == wrong and chance.random() < 0.1 else text))
    return made


@pytest.fixture
def asked(server: ScriptedServer, connect: Callable[..., None], clock: FakeTime) -> Asked:
    given = {"conn_type": "http", "login": "id", "password": "x"}
    connect("campaign_default", host=f"{server.url}/acme", extra={"calls_per_second": 0}, **given)
    connect("dataverse_default", host=server.url, extra={"tenant_id": "t"}, **given)
    return Asked(server)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_mutated_answer_is_read_or_refused(asked: Asked, question: str) -> None:
    ask, answers = QUESTIONS[question]
    chance = random.Random(f"{question} 8")
    for number in range(MUTATIONS + 1):
        url = asked.server.url
        script = replies(answers, url, chance)
        if not number:  # the good ones first, or the test would prove nothing
            script = [
                a if isinstance(a, Reply) else Reply(body=json.dumps(a).replace("{url}", url).encode())
                for a in answers
            ]
        asked.server.answers(*script)
        try:
            ask(asked)
        except SyncError as error:
            if not number or len(str(error)) > 40_000:
                raise
        except Exception as error:
            pytest.fail(f"{question} {number}: {error!r} after {[each.body[:2000] for each in script]}")
