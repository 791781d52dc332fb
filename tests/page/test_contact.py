"""The room "Contact": why is this contact not in Campaign?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid5

import pytest
from campaign_sync.consent.rule import Known, Said
from campaign_sync.ledger.consent import DYNAMICS, Kept
from campaign_sync.ledger.events import KEPT, Refused, Settled, Waiting
from campaign_sync.ledger.tables import (
    events,
    parked,
    records,
    rejections,
    runs,
    schema_version,
    waiting_events,
)
from sqlalchemy import insert, update

from tests.events.many import NAMESPACE
from tests.ledger.test_searching import NOON, put
from tests.page.conftest import ANOTHER, FLOW, RUN

KEY = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"
PARENT = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e02"
STORES, EVENTS, OPT_OUTS = "accounts_to_stores", "email_events_to_activities", "opt_outs"
SENT = {"source_key": KEY, "sent_hash": b"h" * 16 + b"ab" * 3, "mapping_sha": "abc", "run_id": RUN}
NEVER_SENT = {"sent_hash": None, "mapping_sha": None}


@pytest.fixture
def put_row(ledger):
    """Puts rows into the ledger, and a run of each flow."""
    for flow in (FLOW, STORES):
        put(ledger._database, runs, {"run_id": RUN, "flow": flow})

    def put_row(table, **row):
        given = {"source_key": KEY} | row
        put(ledger._database, table, given)
        more = {name: given[name] for name in ("sent_hash", "mapping_sha") if name in given}
        if table is records and more:
            with ledger._database.write() as connection:
                connection.execute(
                    records.update().where(records.c.source_key == given["source_key"]).values(**more)
                )

    return put_row


@pytest.fixture
def pausing(dags):
    """Pauses a flow."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    def pause(paused=True, flow=FLOW):
        with create_session() as session:
            session.get(DagModel, flow).is_paused = paused

    yield pause
    pause(False)


def asked(browser, key=KEY, role="viewer"):
    answer = browser(f"api/contacts/{key}", role)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_contact_that_arrived_says_when_and_by_which_run_and_mapping(browser, put_row, pausing):
    pausing(False)
    put_row(records, **SENT)
    told = asked(browser, f"{{{KEY.upper()}}}")
    assert (told["key"], told["fate"], told["flow"]) == (KEY, "arrived", FLOW)
    assert told["said"] == "It is in Campaign, and nothing has been sent since"
    assert told["since"] == "2026-11-20T12:00:00Z"
    (flow,) = told["flows"]
    assert flow["sent"] == {
        "version": 1, "hash": "686868686868", "fields": 3, "run_id": RUN, "mapping_sha": "abc",
        "updated_at": "2026-11-20T12:00:00Z",
    }  # fmt: skip
    pausing()
    assert asked(browser)["said"].endswith("but the flow is paused")


def test_a_rejected_contact_says_where_why_how_often_and_since_when(browser, put_row):
    put_row(rejections, step="check", rule="a plausible address", reason="email: no", tries=3, run_id=RUN)
    told = asked(browser)
    assert told["fate"] == "rejected"
    assert told["said"] == (
        "It was rejected at the step check by the rule “a plausible address”, because email: no; tried 3 times"
    )
    assert (told["since"], told["flows"][0]["rejected"]["run_id"]) == ("2026-11-20T12:00:00Z", RUN)
    put_row(records, **SENT)
    assert asked(browser)["said"].startswith("Its latest change was rejected")
    assert asked(browser)["said"].endswith("An earlier state of it is in Campaign")


def test_a_row_that_waits_says_for_whom_and_why_that_one_is_not_there(browser, put_row):
    put_row(parked, flow=STORES, waits_for=FLOW, waits_key=PARENT, reason="it names a record of c")
    put_row(rejections, source_key=PARENT, rule="firstName", reason="too long")
    told = asked(browser)
    assert (told["fate"], told["flow"]) == ("parked", STORES)
    assert told["said"].startswith(f"It waits for its parent, the record {PARENT} of {FLOW}")
    waits = told["flows"][0]["waits"]
    assert (waits["waits_for"], waits["waits_key"]) == (FLOW, PARENT)
    assert "by the rule “firstName”" in waits["because"]


@pytest.mark.parametrize(
    "row, fate, said",
    [
        ({**SENT, "doubt": 1}, "in_doubt", "A write of it was begun"),
        ({**SENT, "doubt": 9}, "in_doubt", "A write or a deletion of it was begun"),
        (
            {**SENT, "present": False, "sent_hash": None},
            "deleted",
            "It was in Campaign and was deleted there",
        ),
        (
            {**NEVER_SENT, "present": False},
            "absent",
            "It is not in Campaign: it was gone in Dynamics, or did",
        ),
        ({**SENT, "sent_hash": None}, "dropped", "It is in Campaign, and no longer passes the filter"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fate_has_its_words(browser, put_row, row, fate, said):
    put_row(records, **row)
    told = asked(browser)
    assert told["fate"] == fate
    assert told["said"].startswith(said)


def test_a_contact_that_nobody_knows_says_what_may_be(browser, ledger, pausing):
    pausing(False)
    told = asked(browser)
    assert (told["fate"], told["flow"], told["since"]) == ("unknown", FLOW, None)
    assert (told["said"], told["remedy"]) == ("It was never seen: the flow has never run", "Start the flow")
    pausing()
    assert asked(browser)["remedy"].startswith("Unpause the flow")
    put(ledger._database, runs, {"run_id": RUN})
    assert asked(browser)["said"].startswith("It was never seen, and the flow is paused")
    pausing(False)
    assert "dropped by the filter, which leaves no trace" in asked(browser)["said"]


def test_opt_outs_say_whose_word_holds_and_why(browser, ledger, put_row):
    late = NOON + timedelta(hours=1)
    no = Kept(Known(Said(True, NOON), Said(True, late), True, ours=True), late, DYNAMICS)
    yes = Kept(Known(Said(True, NOON), Said(False, late), None, ours=False))
    rows = [(KEY, "denyListEmail", no), (KEY, "denyListPhone", yes)]
    ledger.consents.keep(OPT_OUTS, RUN, "abc", rows, NOON, read={})
    put_row(parked, flow=OPT_OUTS, waits_for=FLOW, waits_key=KEY, reason="there is no profile yet")
    (told,) = asked(browser)["opt_outs"]
    assert (told["flow"], told["said"]) == (OPT_OUTS, "It is told later: there is no profile yet")
    email, phone = told["attributes"]
    assert (email["attribute"], email["no"], email["decided_by"]) == ("denyListEmail", True, "dynamics")
    assert email["why"] == "Dynamics says no, and Campaign was told"
    assert (email["run_id"], email["mapping_sha"], email["told_at"]) == (RUN, "abc", "2026-11-20T13:00:00Z")
    assert (phone["no"], phone["why"]) == (None, "the opt-in waits for a person")


def test_events_that_wait_for_the_contact_are_counted_by_kind(browser, ledger, put_row):
    seen = {"flow": EVENTS, "run_id": RUN, "first_seen": NOON, "columns": {"url": "https://marker.example"}}
    with ledger._database.write() as connection:
        for number, kind in enumerate(("open", "open", "click")):
            last = NOON + timedelta(minutes=number)
            connection.execute(
                insert(waiting_events).values(event=f"{kind}:{number}", contact=KEY, last_seen=last, **seen)
            )
    answer = browser(f"api/contacts/{KEY}")
    assert "marker" not in answer.text
    told = {each["kind"]: each for each in answer.json()["events"]}
    assert (told["open"]["count"], told["open"]["latest"]) == (2, "2026-11-20T12:01:00Z")
    assert (told["click"]["state"], told["click"]["some"]) == ("waiting", ["click:2"])


def settle(ledger, *settled, **more):
    ledger.events.settle(
        EVENTS, RUN, "abc", NOON, **({"settled": settled, "waiting": [], "refused": []} | more)
    )


def arrived(key, minutes=0, contact=KEY, **more):
    given = {"delivery": "DM412", "created": True, "task": False} | more
    return Settled(key, contact, NOON + timedelta(minutes=minutes), **given)


def test_events_that_are_in_dynamics_are_told_the_latest_first(browser, ledger, put_row):
    put_row(records, **SENT)
    settle(
        ledger, arrived("send:1"), arrived("click:2", 5, task=True), arrived("open:3", 4, created=False, task=None),
        arrived("send:4", contact=PARENT),
    )  # fmt: skip
    told = asked(browser)
    assert (told["fate"], told["events"]) == ("arrived", [])
    click, opened, sent = told["arrived"]["latest"]
    assert click == {
        "flow": EVENTS, "event": "click:2", "kind": "click", "contact": KEY, "happened": "2026-11-20T12:05:00Z",
        "delivery": "DM412", "result": "created", "followed_up": True, "task_id": str(uuid5(NAMESPACE, "task:click:2")),
        "run_id": RUN, "settled_at": "2026-11-20T12:00:00Z",
    }  # fmt: skip
    assert (opened["result"], opened["followed_up"], opened["task_id"]) == ("unchanged", None, None)
    assert (sent["event"], sent["followed_up"]) == ("send:1", False)
    assert [told["arrived"][each] for each in ("more", "many_more", "since")] == [0, False, None]


@pytest.mark.parametrize("events, more, many", [(50, 0, False), (51, 1, False), (1001, 950, True)])
def test_of_many_events_the_latest_are_told_and_how_many_more_there_are(browser, ledger, events, more, many):
    settle(ledger, *(arrived(f"open:{number}", number) for number in range(events)))
    told = asked(browser)["arrived"]
    assert (len(told["latest"]), told["more"], told["many_more"]) == (50, more, many)
    assert told["latest"][0]["event"] == f"open:{events - 1}"


def test_a_contact_that_no_flow_knows_was_mailed_all_the_same(browser, ledger, put_row):
    settle(ledger, arrived("send:1"))
    told = asked(browser)
    assert told["fate"] == "unknown"
    assert told["said"].endswith("Campaign has had it, though: there are e-mail events of it")


def test_an_events_own_key_tells_what_became_of_it(browser, ledger, put_row):
    settle(
        ledger, arrived("send:1"), waiting=[Waiting("open:2", KEY, {"url": "u"}, NOON)],
        refused=[Refused("click:3", "map", "url", "url: 3,000 characters")],
    )  # fmt: skip
    there, waits, rejected = (asked(browser, key) for key in ("send:1", "open:2", "click:3"))
    assert (there["flow"], there["fate"], there["flows"]) == (EVENTS, "arrived", [])
    assert there["said"] == "It is an e-mail event, and is in Dynamics"
    assert there["arrived"]["latest"][0]["contact"] == KEY
    assert (waits["fate"], waits["events"][0]["some"]) == ("parked", ["open:2"])
    assert waits["said"] == "It is an e-mail event, and waits for its contact, whom Dynamics does not know"
    assert (rejected["fate"], rejected["events"][0]["state"]) == ("rejected", "rejected")
    assert "by the rule “url”, because url: 3,000 characters; tried once" in rejected["said"]


def test_events_that_an_older_version_wrote_have_no_contact_and_it_is_said(browser, ledger, put_row):
    settle(ledger, arrived("send:1"))
    began = datetime.now(UTC)
    with ledger._database.write() as connection:
        connection.execute(insert(schema_version).values(version=8))
        connection.execute(insert(events).values(flow=EVENTS, event="send:0", settled_at=NOON))
    told = asked(browser)["arrived"]
    assert [each["event"] for each in told["latest"]] == ["send:1"]
    assert abs(datetime.fromisoformat(told["since"]) - began) < timedelta(minutes=5)
    (event,) = asked(browser, "send:0")["arrived"]["latest"]
    assert {event[each] for each in ("contact", "happened", "delivery", "result", "run_id", "task_id")} == {
        None
    }
    with ledger._database.write() as connection:  # when all of them are forgotten, there is nothing to say
        connection.execute(update(schema_version).values(since=began - KEPT))
    assert asked(browser)["arrived"]["since"] is None


@pytest.mark.parametrize("role, may", [("viewer", False), ("user", True), ("admin", True)])
def test_who_may_act_is_told_so_of_every_flow_that_is_named(browser, ledger, put_row, role, may):
    put_row(rejections, rule="firstName")
    put_row(parked, flow=OPT_OUTS, waits_for=FLOW, waits_key=KEY, reason="there is no profile yet")
    settle(ledger, arrived("send:1"))
    told = asked(browser, role=role)
    assert {each["flow"]: each["direction"] for each in told["named"]} == {
        FLOW: "to_campaign", OPT_OUTS: "both", EVENTS: "to_dynamics",
    }  # fmt: skip
    assert {each["may"]["start"] for each in told["named"]} == {may}
    assert told["opt_outs"][0]["fate"] == "parked"


def test_only_flows_that_may_be_read_are_told(browser, ledger, put_row, monkeypatch):
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    put_row(parked, flow=STORES, waits_for=FLOW, waits_key=PARENT)
    put_row(rejections, source_key=PARENT, rule="a rule of another flow")
    put_row(rejections, flow=ANOTHER, rule="none of ours")
    assert ANOTHER not in browser(f"api/contacts/{KEY}", "admin").text
    settle(ledger, arrived("send:1"))
    monkeypatch.setattr(SimpleAuthManager, "filter_authorized_dag_ids", lambda *_, **__: {STORES, ANOTHER})
    told = asked(browser)
    assert (told["arrived"]["latest"], [each["flow"] for each in told["named"]]) == ([], [STORES])
    assert [flow["flow"] for flow in told["flows"]] == [STORES]
    assert told["flows"][0]["waits"]["because"] is None
    assert "a rule of another flow" not in browser(f"api/contacts/{PARENT}").text


@pytest.mark.parametrize("key", ["a%00b", "a" * 251, "a%1Fb"])
def test_what_cannot_be_a_key_is_not_understood(browser, ledger, key):
    answer = browser(f"api/contacts/{key}")
    assert (answer.status_code, answer.json()["problem"]) == (422, "Not understood: key")
