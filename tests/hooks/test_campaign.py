"""Campaign over the wire: one call per write, every refusal in its place, nobody's values told."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.campaign import CampaignHook
from campaign_sync.hooks.campaign_keys import KeyStanding
from campaign_sync.schema import ResourceSchema
from campaign_sync.writes import Outcome, Write

from tests.hooks.conftest import FakeTime, campaign_connection
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox

PROFILES = "^/alderleaf/campaign/profileAndServicesExt/profile"
BARE = "RST-360011 An error has occurred - please contact your administrator."
MISSING = f"{BARE} Unable to find document with path 'Profile' from key 'x:0'"
Fault = Callable[..., None]


@pytest.fixture(scope="module", autouse=True)
def _as_it_was(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.control("POST", "/sandbox/reset")


@pytest.fixture
def hook(sandbox: Sandbox, connect: Callable[..., None], clock: FakeTime) -> CampaignHook:
    connect("campaign_default", **campaign_connection(sandbox.env))
    return CampaignHook()


@pytest.fixture
def profile(hook: CampaignHook) -> ResourceSchema:
    return hook.resource("profile")


@pytest.fixture
def write(hook: CampaignHook, profile: ResourceSchema) -> Callable[..., Outcome]:
    """Carries out one write of a profile."""

    def one(kind: Any, key: str, *, instead: Any = None, found: Any = None, **body: Any) -> Outcome:
        return next(hook.write(profile, "externalId", [Write(kind, key, body, instead, found)]))

    return one


@pytest.fixture
def calls(sandbox: Sandbox) -> Callable[[], int]:
    """Returns the engine calls since the last question."""
    counter = EngineCalls(sandbox)
    counter()
    return counter


class EngineCalls:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.seen = sandbox, 0

    def __call__(self) -> int:
        total = self.sandbox.control("GET", "/sandbox/counters").get("campaign.engine_calls", 0)
        new, self.seen = total - self.seen, total
        return new


@pytest.fixture
def switch(sandbox: Sandbox) -> Iterator[Callable[[str, Any], None]]:
    before: dict[str, Any] = {}

    def turn(name: str, value: Any) -> None:
        before.setdefault(name, sandbox.control("GET", f"/sandbox/switches/{name}")["value"])
        sandbox.control("PUT", f"/sandbox/switches/{name}", {"value": value})

    yield turn
    for name, value in before.items():
        sandbox.control("PUT", f"/sandbox/switches/{name}", {"value": value})


def new_key() -> str:
    return str(uuid.uuid4())


def stored(sandbox: Sandbox, key: str) -> list[dict[str, Any]]:
    found, after = [], 0
    while after is not None:
        page = sandbox.control("GET", f"/sandbox/campaign/rows?resource=profile&after={after}&limit=10000")
        found += [row for row in page["rows"] if row.get("externalId") == key]
        after = page["next"]
    return found


# what is written


def test_a_create_an_update_and_a_delete_cost_one_engine_call_each(
    write: Callable[..., Outcome], calls: EngineCalls, sandbox: Sandbox
) -> None:
    key = new_key()
    assert write("create", key, firstName="Ann", **{"location.city": "Oslo"}) == Outcome(key, "created")
    assert calls() == 1
    assert write("update", key, firstName="Eva") == Outcome(key, "updated")
    assert calls() == 1
    (row,) = stored(sandbox, key)
    assert (row["firstName"], row["location"]["city"]) == ("Eva", "Oslo")
    assert write("delete", key) == Outcome(key, "deleted")
    assert calls() == 1
    assert stored(sandbox, key) == []


def test_a_create_of_what_is_there_becomes_an_update(
    write: Callable[..., Outcome], calls: EngineCalls, sandbox: Sandbox
) -> None:
    key = new_key()
    write("create", key, firstName="Ann")
    calls()
    assert write("create", key, firstName="Eva", externalId=key) == Outcome(key, "updated")
    assert calls() == 2
    assert [row["firstName"] for row in stored(sandbox, key)] == ["Eva"]


def test_a_create_of_what_is_there_may_leave_fields_alone(
    write: Callable[..., Outcome], sandbox: Sandbox
) -> None:
    key = new_key()
    write("create", key, firstName="Ann", lastName="Berg")
    assert (
        write("create", key, found={"firstName": "Eva"}, firstName="Eva", lastName="Dahl").result == "updated"
    )
    assert [(row["firstName"], row["lastName"]) for row in stored(sandbox, key)] == [("Eva", "Berg")]


def test_an_update_of_what_is_gone_becomes_a_create_of_the_whole_record(
    write: Callable[..., Outcome], sandbox: Sandbox
) -> None:
    key = new_key()
    whole = {"firstName": "Eva", "lastName": "Berg"}
    assert write("update", key, instead=whole, firstName="Eva") == Outcome(key, "created")
    assert [row["lastName"] for row in stored(sandbox, key)] == ["Berg"]


def test_a_record_that_is_gone_and_refused_anew_is_not_certain(
    write: Callable[..., Outcome], faults: Fault
) -> None:
    outcome = write("update", new_key(), instead={"gender": "planted"}, firstName="Eva")
    assert (outcome.result, outcome.rule, outcome.certain) == ("rejected", "refused by Campaign", False)
    faults(system="campaign", method="POST", path=PROFILES, do="status", status=404, body=MISSING)
    outcome = write("update", new_key(), firstName="Eva")
    assert (outcome.result, outcome.certain) == ("rejected", False)


def test_a_record_that_is_there_and_takes_no_change_is_not_certain(write: Callable[..., Outcome]) -> None:
    key = new_key()
    write("create", key)
    outcome = write("create", key, found={"gender": "planted"}, firstName="Eva")
    assert (outcome.result, outcome.rule, outcome.certain) == ("rejected", "refused by Campaign", False)


def test_a_delete_of_what_is_gone_is_fine_but_not_certain(write: Callable[..., Outcome]) -> None:
    key = new_key()
    assert write("delete", key) == Outcome(key, "unchanged", certain=False)


def test_an_amendment_changes_what_is_there_and_makes_nothing(
    write: Callable[..., Outcome], calls: Callable[[], int], sandbox: Sandbox
) -> None:
    key = new_key()
    missing = write("amend", key, denyListEmail=True)
    assert (missing.result, missing.certain, calls()) == ("missing", False, 1)
    assert stored(sandbox, key) == []
    write("create", key, email="a@alder.example")
    calls()
    assert (write("amend", key, denyListEmail=True).result, calls()) == ("updated", 1)
    assert stored(sandbox, key)[0]["blackListEmail"] in (True, 1)


def test_an_update_without_fields_changes_nothing(write: Callable[..., Outcome]) -> None:
    key = new_key()
    write("create", key, firstName="Ann")
    assert write("update", key) == Outcome(key, "updated")


@pytest.mark.parametrize("names", ["blackList", "denyList"])
def test_an_opt_out_goes_by_the_name_this_instance_knows(
    hook: CampaignHook, sandbox: Sandbox, switch: Callable[[str, Any], None], names: str
) -> None:
    switch("campaign.opt_out_names", names)
    profile, keys = hook.resource("profile"), [new_key(), new_key()]
    assert profile.fields["denyListEmail"].name == profile.fields["blackListEmail"].name == f"{names}Email"
    writes = [
        Write("create", keys[0], {"denyListEmail": True}),
        Write("create", keys[1], {"blackListEmail": True}),
    ]
    assert {each.result for each in hook.write(profile, "externalId", writes)} == {"created"}
    assert all((hook.read(profile, key) or {})[f"{names}Email"] is True for key in keys)


@pytest.mark.parametrize("key", ["a b+c&d=e?f#g:h;i,å😀", "100%25", "a.b", "..c"])
def test_a_key_of_any_characters_finds_its_record(
    hook: CampaignHook, profile: ResourceSchema, write: Callable[..., Outcome], sandbox: Sandbox, key: str
) -> None:
    assert write("create", key, firstName="Ann").result == "created"
    assert (hook.read(profile, key) or {})["externalId"] == key
    assert write("update", key, firstName="Eva").result == "updated"
    assert write("delete", key).result == "deleted"
    assert stored(sandbox, key) == []


@pytest.mark.parametrize("key", ["", "@abc", "a/b", ".", "..", "a\\b", "a\nb"])
def test_a_key_that_would_be_taken_for_something_else_is_rejected_unsent(
    write: Callable[..., Outcome], calls: EngineCalls, key: str
) -> None:
    for kind in ("create", "update", "delete"):
        outcome = write(kind, key, firstName="Ann")
        assert (outcome.result, outcome.rule) == ("rejected", "a key that cannot stand in a URL")
    assert calls() == 0


def test_many_writes_yield_one_outcome_each(
    hook: CampaignHook, profile: ResourceSchema, calls: EngineCalls
) -> None:
    writes = [Write("create", new_key(), {"firstName": f"N{number}"}) for number in range(60)]
    outcomes = list(hook.write(profile, "externalId", writes, parallel=8))
    assert {each.key for each in outcomes} == {each.key for each in writes}
    assert {each.result for each in outcomes} == {"created"}
    assert calls() == 60


# what Campaign refuses


@pytest.mark.parametrize("envelope", ["object", "string", "text", "html"])
def test_a_bad_value_is_rejected_after_one_call_and_not_told(
    write: Callable[..., Outcome], calls: EngineCalls, switch: Callable[[str, Any], None], envelope: str
) -> None:
    switch("campaign.error_envelope", envelope)
    key = new_key()
    outcome = write("create", key, gender="Planted")
    assert outcome == Outcome(
        key,
        "rejected",
        "refused by Campaign",
        "the value of gender is not in the enumeration nms:recipient:gender",
    )
    assert calls() == 1
    assert write("create", key, blackListEmail="Planted").rule == "refused by Campaign"
    assert calls() == 1
    assert write("create", key) == Outcome(key, "created")
    assert write("create", key) == Outcome(key, "updated")
    assert write("delete", key) == Outcome(key, "deleted")
    assert write("delete", key).result == "unchanged"


@pytest.mark.parametrize(("field", "word"), [("age", "read-only"), ("shoeSize", "unknown")])
def test_a_field_that_cannot_be_written_ends_the_run(
    write: Callable[..., Outcome], profile: ResourceSchema, field: str, word: str
) -> None:
    with pytest.raises(RefusedError, match=word) as caught:
        write("create", new_key(), **{field: "Planted"})
    assert "lanted" not in str(caught.value)
    assert (field in str(caught.value)) == (field in profile.fields)


def test_an_unknown_error_is_believed_after_three_calls(
    write: Callable[..., Outcome], sandbox: Sandbox, faults: Fault
) -> None:
    faults(system="campaign", method="POST", path=PROFILES, times=None, do="status", status=500, body=BARE)
    sandbox.control("POST", "/sandbox/counters/reset")
    key = new_key()
    outcome = write("create", key, firstName="Ann")
    assert (outcome.result, outcome.rule, outcome.certain) == ("rejected", "unknown error", False)
    assert sandbox.control("GET", "/sandbox/counters")["faults.status"] == 3


def test_many_unknown_errors_in_a_row_are_an_outage_and_not_bad_rows(
    hook: CampaignHook, profile: ResourceSchema, faults: Fault
) -> None:
    outage = {"do": "status", "status": 500, "body": BARE}
    faults(system="campaign", method="POST", path=PROFILES, after=6, times=None, **outage)
    told: list[Outcome] = []
    with pytest.raises(TransientError, match="writes in a row failed") as caught:
        told.extend(hook.write(profile, "externalId", (Write("create", new_key(), {}) for _ in range(1000))))
    assert [each.result for each in told].count("created") == 6
    assert {each.rule for each in told if each.result == "rejected"} == {"unknown error"}
    assert len(told) == 10
    assert "RST-360011" in str(caught.value)


def test_an_outage_is_seen_across_calls_of_write(
    hook: CampaignHook, profile: ResourceSchema, faults: Fault
) -> None:
    faults(system="campaign", method="POST", path=PROFILES, times=None, do="status", status=500, body=BARE)
    for _ in range(2):
        writes = [Write("create", new_key(), {}) for _ in range(2)]
        assert {each.certain for each in hook.write(profile, "externalId", writes)} == {False}
    with pytest.raises(TransientError, match="writes in a row failed"):
        list(hook.write(profile, "externalId", [Write("create", new_key(), {})]))


def test_unknown_errors_among_clear_answers_stay_with_their_rows(
    hook: CampaignHook, profile: ResourceSchema, faults: Fault
) -> None:
    kinds: list[Any] = ["create", "delete"] * 10
    faults(system="campaign", method="POST", path=PROFILES, times=None, do="status", status=500, body=BARE)
    told = hook.write(profile, "externalId", [Write(kind, new_key(), {}) for kind in kinds], parallel=1)
    assert [each.result for each in told].count("rejected") == 10


def test_an_unknown_error_may_pass(write: Callable[..., Outcome], faults: Fault) -> None:
    faults(system="campaign", method="POST", path=PROFILES, times=2, do="status", status=500, body=BARE)
    assert write("create", new_key(), firstName="Ann").result == "created"


def test_a_record_that_exists_and_is_not_shown_is_rejected_as_hidden(
    write: Callable[..., Outcome], faults: Fault
) -> None:
    key = new_key()
    write("create", key, firstName="Ann")
    faults(
        system="campaign", method="PATCH", path=PROFILES, times=None, do="status", status=404, body=MISSING
    )
    for kind in ("create", "update"):
        outcome = write(kind, key, firstName="Eva")
        assert (outcome.result, outcome.rule) == ("rejected", "hidden or changed by another")


def test_a_child_that_waits_for_its_parent_is_hidden_not_gone(
    hook: CampaignHook, write: Callable[..., Outcome], sandbox: Sandbox
) -> None:
    text = {"type": "string", "length": 36}
    link = {"target": "profile", "cardinality": "1", "joins": {"parentId": "externalId"}}
    child = {
        "fields": {"childId": text, "parentId": text},
        "links": {"parent": link},
        "keys": {"k": {"fields": ["childId"]}},
    }
    sandbox.control("POST", "/sandbox/campaign/resources", {"resource": "cusChild", **child})
    resource, key, parent = hook.resource("cusChild"), new_key(), new_key()

    def one(kind: Any) -> Outcome:
        return next(hook.write(resource, "childId", [Write(kind, key, {"parentId": parent})]))

    assert one("create").result == "created"
    with pytest.raises(RefusedError, match="hidden by organisational units"):
        hook.verify_key(resource, "childId", key)
    assert (one("create").rule, one("update").rule) == ("hidden or changed by another",) * 2
    assert one("delete") == Outcome(key, "unchanged", certain=False)
    write("create", parent)
    assert [one(kind).result for kind in ("create", "update", "delete")] == ["updated", "updated", "deleted"]


def test_a_404_of_a_create_is_about_a_record_that_it_refers_to(
    write: Callable[..., Outcome], faults: Fault
) -> None:
    faults(system="campaign", method="POST", path=PROFILES, do="status", status=404, body=MISSING)
    outcome = write("create", new_key(), firstName="Ann")
    assert (outcome.result, outcome.reason) == ("rejected", "a record that this one refers to is missing")


def test_a_resource_that_vanishes_ends_the_run(hook: CampaignHook, profile: ResourceSchema) -> None:
    gone = profile._replace(endpoint="profileAndServicesExt/cusGone")
    with pytest.raises(RefusedError, match="the resource is not there"):
        list(hook.write(gone, "externalId", [Write("create", new_key(), {})]))


def test_nothing_that_was_done_is_forgotten_when_the_run_must_end(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox, faults: Fault
) -> None:
    faults(
        system="campaign",
        method="POST",
        path=PROFILES,
        after=20,
        times=None,
        do="status",
        status=403,
        body={},
    )
    sandbox.control("POST", "/sandbox/counters/reset")
    told: list[Outcome] = []
    with pytest.raises(RefusedError, match="product profile"):
        told.extend(hook.write(profile, "externalId", (Write("create", new_key(), {}) for _ in range(1000))))
    assert len(told) == 20
    assert sandbox.control("GET", "/sandbox/counters")["campaign.requests"] < 40


# what gets lost


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("kind", ["create", "update"])
def test_a_record_whose_creation_was_not_answered_is_there_once(
    write: Callable[..., Outcome], sandbox: Sandbox, faults: Fault, kind: str, after: bool
) -> None:
    key = new_key()
    faults(system="campaign", method="POST", path=PROFILES, do="reset_after" if after else "reset_before")
    assert write(kind, key, firstName="Ann") == Outcome(key, "created")
    assert [row["firstName"] for row in stored(sandbox, key)] == ["Ann"]


@pytest.mark.parametrize(
    "fault", [{"do": "status", "status": 504}, {"do": "html", "status": 502}, {"do": "cut_body"}]
)
def test_a_creation_that_was_answered_badly_is_there_once(
    write: Callable[..., Outcome], sandbox: Sandbox, faults: Fault, fault: dict[str, Any]
) -> None:
    key = new_key()
    faults(system="campaign", method="POST", path=PROFILES, **fault)
    assert write("create", key, firstName="Ann").result == "created"
    assert len(stored(sandbox, key)) == 1


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("do", ["reset_after", "reset_before", "html"])
def test_a_lost_update_or_delete_is_repeated(
    write: Callable[..., Outcome], sandbox: Sandbox, faults: Fault, method: str, do: str
) -> None:
    key = new_key()
    write("create", key, firstName="Ann")
    faults(system="campaign", method=method, path=PROFILES, do=do, status=200)
    outcome = write("update" if method == "PATCH" else "delete", key, firstName="Eva")
    assert outcome.result in ({"updated"} if method == "PATCH" else {"deleted", "unchanged"})
    assert [row["firstName"] for row in stored(sandbox, key)] == (["Eva"] if method == "PATCH" else [])


def test_a_service_that_stays_away_is_a_transient_error(write: Callable[..., Outcome], faults: Fault) -> None:
    faults(system="campaign", path=PROFILES, times=None, do="status", status=503)
    for kind in ("create", "update", "delete"):
        with pytest.raises(TransientError):
            write(kind, new_key(), firstName="Ann")


def test_throttling_holds_the_whole_pool(
    hook: CampaignHook, profile: ResourceSchema, faults: Fault, clock: FakeTime
) -> None:
    faults(system="campaign", path=PROFILES, after=5, do="status", status=429, headers={"Retry-After": "42"})
    writes = [Write("create", new_key(), {}) for _ in range(20)]
    assert {each.result for each in hook.write(profile, "externalId", writes)} == {"created"}
    assert clock.now == 1042
    assert set(clock.slept) == {42}


def test_a_token_revoked_while_running_is_renewed_once(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox, faults: Fault
) -> None:
    hook.read(profile, new_key())
    faults(system="campaign", path=PROFILES, after=3, do="revoke_tokens")
    sandbox.control("POST", "/sandbox/counters/reset")
    writes = [Write("create", new_key(), {}) for _ in range(20)]
    assert {each.result for each in hook.write(profile, "externalId", writes)} == {"created"}
    assert sandbox.control("GET", "/sandbox/counters")["ims.requests"] == 1


# what is read


def test_a_record_is_read_by_its_key(
    hook: CampaignHook, profile: ResourceSchema, write: Callable[..., Outcome]
) -> None:
    key = new_key()
    assert hook.read(profile, key) is None
    write("create", key, email="ann@person.example")
    assert (hook.read(profile, key) or {})["email"] == "ann@person.example"
    hook.verify_key(profile, "externalId", key)


def test_a_field_without_an_identification_key_is_refused_with_what_to_do(
    hook: CampaignHook, profile: ResourceSchema
) -> None:
    with pytest.raises(RefusedError, match="not an identification key") as caught:
        hook.verify_key(profile, "externalId", new_key())
    assert "organisational units" in caught.value.remedy


def test_nobodys_values_and_no_secret_are_told(
    hook: CampaignHook,
    profile: ResourceSchema,
    sandbox: Sandbox,
    faults: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    person = {"firstName": "Planted", "email": "planted@person.example", "gender": "planted"}
    told: list[Any] = list(hook.write(profile, "externalId", [Write("create", new_key(), person)]))
    bodies = [(500, f"{BARE} planted 'Planted' planted@person.example"), (405, {"message": "planted"})]
    for status, body in bodies:
        faults(
            system="campaign", method="POST", path=PROFILES, times=3, do="status", status=status, body=body
        )
        try:
            told += hook.write(profile, "externalId", [Write("create", new_key(), person)])
        except RefusedError as error:
            told += [error, repr(error)]
        sandbox.control("DELETE", "/sandbox/faults")
    assert len(told) == 4
    everything = " ".join(map(str, told)) + caplog.text
    assert "lanted" not in everything
    assert sandbox.env["CAMPAIGN_CLIENT_SECRET"] not in everything
    assert hook._bearer.value() not in everything
    assert "Campaign POST /alderleaf/campaign/profileAndServicesExt/profile: 500" in caplog.text


def test_records_say_whether_a_field_identifies_them(
    hook: CampaignHook, sandbox: Sandbox, calls: Callable[[], int]
) -> None:
    fields = {"codeId": {"length": 40}, "code": {"length": 40}}
    shop = {"resource": "cusShop", "fields": fields, "keys": {"codeKey": {"fields": ["codeId"]}}}
    sandbox.control("POST", "/sandbox/campaign/resources", shop)
    shops = hook.resource("cusShop")
    calls()
    assert hook.key_standing(shops, "codeId") == KeyStanding(None)
    assert calls() == 1

    first, second, third = new_key(), new_key(), new_key()
    rows = [
        {"codeId": first, "code": third},
        {"codeId": second, "code": third},
        {"codeId": third, "code": "@x"},
    ]
    sandbox.control("POST", "/sandbox/campaign/seed", {"resource": "cusShop", "rows": rows})
    assert hook.key_standing(shops, "codeId") == KeyStanding(True)
    assert calls() == 2
    # There is a record of that key, but the field it was taken from is another one.
    assert hook.key_standing(shops, "code") == KeyStanding(False, (third,))
    sandbox.control("POST", "/sandbox/campaign/resources", {"resource": "cusShop", "delete": True})
