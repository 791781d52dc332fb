"""What is remembered of people's consent: exact, in bulk, by flow; on SQLite and on Postgres."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest
from campaign_sync.consent.rule import Known, Said
from campaign_sync.ledger.consent import CAMPAIGN, DYNAMICS, Kept
from campaign_sync.ledger.ledger import Ledger

FLOW = "opt_outs"
NOON = datetime(2026, 5, 4, 12, 0, 0, 120000, tzinfo=UTC)
LATER = NOON + timedelta(hours=2, microseconds=1)
NOTHING = Said(None, None)
OBJECTS = Kept(Known(Said(True, NOON), Said(True, LATER), agreed=True, ours=True), LATER, DYNAMICS)
AGREES = Kept(Known(Said(False, None), Said(False, NOON), agreed=False, ours=False), NOON, CAMPAIGN)
SILENT = Kept(Known(NOTHING, NOTHING, agreed=None, ours=False))


@pytest.fixture
def ledger(url) -> Ledger:
    ledger = Ledger(url)
    for flow in (FLOW, "other"):
        ledger.forget(flow)
    return ledger


def keep(ledger, *rows, flow=FLOW, run="run 1", sha="mapping 1", now=NOON, **more):
    read = {key: {} for key, _, _ in rows} | ledger.consents.known(flow, [key for key, _, _ in rows])
    return ledger.consents.keep(flow, run, sha, rows, now, **({"read": read} | more))


def test_what_is_kept_is_known_again_to_the_microsecond(ledger):
    keep(
        ledger,
        ("c-1", "denyListEmail", OBJECTS),
        ("c-1", "denyListFax", SILENT),
        ("c-2", "denyListEmail", AGREES),
    )
    assert ledger.consents.known(FLOW, ["c-2", "c-1", "c-3"]) == {
        "c-1": {"denyListEmail": OBJECTS, "denyListFax": SILENT},
        "c-2": {"denyListEmail": AGREES},
    }
    assert ledger.consents.known(FLOW, []) == {}
    assert ledger.consents.known("other", ["c-1"]) == {}


def test_a_time_in_another_zone_is_the_same_time(ledger):
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    keep(ledger, ("c-1", "denyList", Kept(Known(Said(True, tokyo), NOTHING, True, False))))
    assert ledger.consents.known(FLOW, ["c-1"])["c-1"]["denyList"].known.dynamics == Said(True, NOON)


def test_what_is_kept_later_replaces_what_was_kept_and_the_last_of_a_batch_counts(ledger):
    keep(ledger, ("c-1", "denyListEmail", OBJECTS), ("c-1", "denyListFax", OBJECTS))
    keep(
        ledger,
        ("c-1", "denyListEmail", SILENT),
        ("c-1", "denyListEmail", AGREES),
        run="run 2",
        sha="2",
        now=LATER,
    )
    email, fax = ledger.consents.contact(FLOW, "c-1")
    assert email == ("denyListEmail", AGREES, "2", "run 2", LATER)
    assert fax == ("denyListFax", OBJECTS, "mapping 1", "run 1", NOON)


def test_what_another_run_has_kept_since_it_was_read_stays_and_its_rejection_with_it(ledger):
    keep(ledger, ("c-1", "denyListEmail", AGREES), ("c-2", "denyListEmail", AGREES))
    read = ledger.consents.known(FLOW, ["c-1", "c-2"]) | {"c-3": {}, "c-4": {}}
    keep(ledger, ("c-1", "denyListFax", OBJECTS), ("c-3", "denyListEmail", OBJECTS), run="run 2")
    reject(ledger, "c-1", "c-2")
    late = [(f"c-{number}", "denyListEmail", SILENT) for number in (1, 2, 3, 4)]
    assert keep(ledger, *late, run="run 1", read=read, settled=["c-1", "c-2"]) == {"c-1", "c-3"}
    assert ledger.consents.known(FLOW, read) == {
        "c-1": {"denyListEmail": AGREES, "denyListFax": OBJECTS},
        "c-2": {"denyListEmail": SILENT},
        "c-3": {"denyListEmail": OBJECTS},
        "c-4": {"denyListEmail": SILENT},
    }
    assert list(ledger.rejected(FLOW).index) == ["c-1"]


def test_nothing_to_keep_is_nothing_kept(ledger):
    keep(ledger)
    assert ledger.consents.is_empty(FLOW)
    assert ledger.consents.contact(FLOW, "c-1") == []


def test_contacts_and_attributes_are_counted_by_flow(ledger):
    assert (ledger.consents.contacts(FLOW), ledger.consents.attributes(FLOW)) == (0, set())
    keep(
        ledger,
        ("c-1", "denyListEmail", OBJECTS),
        ("c-1", "denyListFax", SILENT),
        ("c-2", "denyListEmail", AGREES),
    )
    keep(ledger, ("c-3", "ccpaOptOut", AGREES), flow="other")
    assert not ledger.consents.is_empty(FLOW)
    assert (ledger.consents.contacts(FLOW), ledger.consents.contacts("other")) == (2, 1)
    assert ledger.consents.attributes(FLOW) == {"denyListEmail", "denyListFax"}
    assert ledger.consents.attributes(FLOW, ["denyListFax", "ccpaOptOut"]) == {"denyListFax"}


def test_a_contact_that_is_settled_is_neither_rejected_nor_parked_any_more(ledger):
    reject(ledger, "c-1", "c-2")
    keep(ledger, ("c-1", "denyListEmail", OBJECTS), settled=["c-1"])
    assert list(ledger.rejected(FLOW).index) == ["c-2"]


def test_a_contact_that_could_not_be_told_is_looked_at_ever_more_seldom_and_never_given_up(ledger):
    reject(ledger, "c-1", "c-2")
    began = ledger.rejected(FLOW)["last_seen"].max().to_pydatetime()
    keep(ledger, ("c-2", "denyListEmail", OBJECTS), ("c-3", "denyListEmail", OBJECTS))
    assert ledger.consents.waiting(FLOW)[0] == 1

    def due(**after):
        return ledger.consents.due(FLOW, 1, began + timedelta(**after))

    assert due(seconds=10) == ["c-1"]
    ledger.consents.looked_at(FLOW, "mapping 1", ["c-1"], began + timedelta(seconds=10))
    assert due(seconds=20) == ["c-2"]
    for days in range(1, 100):
        ledger.consents.looked_at(FLOW, "mapping 1", ["c-1", "c-2"], began + timedelta(days=days))
        assert due(days=days, minutes=1, hours=22 if days > 4 else 0) == []
        assert due(days=days + 1, seconds=1) == ["c-1"]


def test_a_contact_that_waits_for_a_flow_of_rows_is_looked_at_once_a_month_in_the_end(ledger):
    park(ledger, "c-1", waits_for="contacts_to_profiles")
    began = ledger.parked(FLOW)["last_seen"].max().to_pydatetime()

    def due(days):
        return ledger.consents.due(FLOW, 1, began + timedelta(days=days))

    looks = []
    for day in range(365):
        if due(day):
            looks.append(day)
            ledger.consents.looked_at(FLOW, "mapping 1", ["c-1"], began + timedelta(days=day))
    between = [later - sooner for sooner, later in itertools.pairwise(looks)]
    assert between == sorted(between)
    assert (between[0], between[-1]) == (1, 30)
    assert len(looks) <= 20


def test_who_could_be_told_and_is_not_is_late(ledger):
    reject(ledger, "c-1", "c-2")
    park(ledger, "c-3", "c-4", waits_for="rows")
    keep(ledger, *((key, "denyListEmail", OBJECTS) for key in ("c-1", "c-3", "c-4")))
    now = datetime.now(UTC)
    assert ledger.consents.late(FLOW, now - timedelta(hours=1)) == []
    assert ledger.consents.late(FLOW, now + timedelta(hours=1)) == ["c-1"]
    made = pd.DataFrame({"version": 1, "sent_hash": [b"h"], "result": "created"}, index=["c-4"])
    none = pd.DataFrame(columns=["version", "step", "rule", "reason"], dtype=object)
    ledger.settle("rows", made, none, "run 1", "mapping 1")
    assert ledger.consents.late(FLOW, now + timedelta(hours=1)) == ["c-1"], "it was not looked at since"
    ledger.consents.looked_at(FLOW, "mapping 1", ["c-4"], now + timedelta(hours=1))
    assert sorted(ledger.consents.late(FLOW, now + timedelta(hours=1))) == ["c-1", "c-4"]
    ledger.forget("rows")


def test_contacts_that_are_gone_are_forgotten_and_no_others(ledger):
    reject(ledger, "c-1", "c-2")
    for flow in (FLOW, "other"):
        keep(ledger, ("c-1", "denyListEmail", OBJECTS), ("c-2", "denyListEmail", AGREES), flow=flow)
    ledger.consents.remove(FLOW, ["c-1", "c-9"])
    assert ledger.consents.known(FLOW, ["c-1", "c-2"]).keys() == {"c-2"}
    assert ledger.consents.known("other", ["c-1", "c-2"]).keys() == {"c-1", "c-2"}
    assert list(ledger.rejected(FLOW).index) == ["c-2"]


def test_a_flow_that_is_forgotten_knows_nobody(ledger):
    for flow in (FLOW, "other"):
        keep(ledger, ("c-1", "denyListEmail", OBJECTS), flow=flow)
    ledger.forget(FLOW)
    assert ledger.consents.is_empty(FLOW)
    assert not ledger.consents.is_empty("other")


def test_a_profile_that_is_born_with_a_no_has_it_from_us_unless_more_is_known(ledger):
    heard = Kept(Known(Said(True, NOON), NOTHING, agreed=True, ours=False))
    keep(ledger, ("c-1", "denyListEmail", AGREES), ("c-3", "denyListEmail", heard))
    born = [(f"c-{number}", "denyListEmail") for number in (1, 2, 3)]
    ledger.consents.born(FLOW, "run 2", "rows", born, LATER)
    known = ledger.consents.known(FLOW, ["c-1", "c-2", "c-3"])
    assert known["c-3"]["denyListEmail"] == Kept(
        Known(Said(True, NOON), Said(True, LATER), True, True), LATER, DYNAMICS
    )
    assert known["c-1"]["denyListEmail"] == AGREES
    assert known["c-2"]["denyListEmail"] == Kept(
        Known(NOTHING, Said(True, LATER), True, True), LATER, DYNAMICS
    )


def test_a_batch_is_kept_and_known_in_a_statement_each(ledger):
    rows = [(f"c-{n}", name, OBJECTS) for n in range(3000) for name in ("denyList", "denyListFax")]
    keep(ledger, *rows)
    keep(ledger, *rows)
    assert ledger.consents.contacts(FLOW) == 3000
    known = ledger.consents.known(FLOW, (key for key, _, _ in rows))
    assert len(known) == 3000
    assert all(each == {"denyList": OBJECTS, "denyListFax": OBJECTS} for each in known.values())


def reject(ledger, *keys):
    refused = pd.DataFrame({"version": 1, "step": "load", "rule": "r", "reason": "because"}, index=list(keys))
    none = pd.DataFrame(columns=["version", "sent_hash", "result"], dtype=object)
    ledger.settle(FLOW, none, refused, "run 1", "mapping 1")


def test_with_which_filter_all_rows_were_read_last_is_known_until_the_flow_is_forgotten(ledger):
    assert ledger.consents.read_in_full(FLOW) is None
    for passing in ("one", "other"):
        ledger.consents.keep_read_in_full(FLOW, "run 1", passing, NOON)
    assert ledger.consents.read_in_full(FLOW) == "other"
    ledger.forget("other")
    assert ledger.consents.read_in_full(FLOW) == "other"
    ledger.forget(FLOW)
    assert ledger.consents.read_in_full(FLOW) is None


def park(ledger, *keys, waits_for):
    waiting = {"version": 1, "kind": "parent", "waits_for": waits_for, "waits_key": list(keys), "reason": "r"}
    none = pd.DataFrame(columns=["version", "sent_hash", "result"], dtype=object)
    refused = pd.DataFrame(columns=["version", "step", "rule", "reason"], dtype=object)
    ledger.settle(FLOW, none, refused, "run 1", "mapping 1", parked=pd.DataFrame(waiting, index=list(keys)))
