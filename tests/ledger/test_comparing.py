"""What a read lists beside what the ledger knows: rows that differ, keys that are missing; on both databases."""

from __future__ import annotations

import uuid

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.ledger import ledger as ledger_module
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.ledger.listed import Listed

FLOW = "contacts_to_profiles"
HASH = b"1" * 16


@pytest.fixture
def ledger(url) -> Ledger:
    """A ledger with a row for each thing that can be known of one."""
    ledger = Ledger(url)
    for flow in (FLOW, "other"):
        ledger.forget(flow)
    settle(ledger, dict.fromkeys(("written", "doubted", "gone"), (5, HASH, "created")))
    settle(ledger, {"gone": (None, None, "deleted")})
    ledger.begin(FLOW, ["doubted", "begun"], "run 2")
    settle(ledger, {}, {"rejected": 5})
    settle(ledger, {"both": (5, HASH, "created")}, {"both": 6})
    settle(ledger, {}, {"unreported": 5}, run="run 2")
    for run, state in (("run 1", "success"), ("run 2", "failed")):
        ledger.end_run(FLOW, run, state, {})
    return ledger


def settle(ledger, settled, rejected=(), run="run 1"):
    rejected = dict(rejected)
    rows = pd.DataFrame.from_dict(
        settled, orient="index", columns=["version", "sent_hash", "result"], dtype=object
    )
    refused = pd.DataFrame(
        {"version": list(rejected.values()), "step": "map", "rule": "length", "reason": "too long"},
        index=list(rejected),
    )
    ledger.settle(FLOW, rows, refused, run, "mapping 1")


def differing(ledger, sha="mapping 1", flow=FLOW, **rows):
    keys, versions = pa.array(list(rows), pa.string()), pa.array(list(rows.values()), pa.int64())
    return set(ledger.differing(flow, sha, keys, versions))


def test_a_row_that_is_in_campaign_in_just_this_version_does_not_differ(ledger):
    assert differing(ledger, written=5) == set()


@pytest.mark.parametrize("version", [4, 6])
def test_a_row_of_another_version_differs(ledger, version):
    assert differing(ledger, written=version) == {"written"}


def test_a_row_that_is_unknown_or_in_doubt_differs(ledger):
    assert differing(ledger, doubted=5, begun=0, new=1) == {"doubted", "begun", "new"}


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_row_that_is_not_in_campaign_differs_whatever_version_its_deletion_was_given(ledger, version):
    assert differing(ledger, gone=version) == {"gone"}


def test_a_row_that_this_mapping_rejected_in_just_this_version_does_not_differ(ledger):
    assert differing(ledger, rejected=5, both=6) == set()
    assert differing(ledger, rejected=6, both=7) == {"rejected", "both"}
    assert differing(ledger, both=5) == {"both"}, "what is in Campaign is older than what was rejected"


def test_a_row_that_another_mapping_rejected_differs(ledger):
    assert differing(ledger, "mapping 2", written=5, rejected=5, both=6) == {"rejected", "both"}


def test_a_row_that_a_run_rejected_which_did_not_succeed_differs(ledger):
    assert differing(ledger, unreported=5) == {"unreported"}


def test_flows_are_compared_apart(ledger):
    assert differing(ledger, flow="other", written=5) == {"written"}
    assert list(ledger.expected("other")) == []


def test_a_page_without_rows_or_with_a_row_twice_is_compared_like_any_other(ledger):
    none = pa.array([], pa.string()), pa.array([], pa.int64())
    assert ledger.differing(FLOW, "mapping 1", *none) == []
    keys, versions = pa.array(["written", "written"]), pa.array([5, 6], pa.int64())
    assert ledger.differing(FLOW, "mapping 1", keys, versions) == ["written"]


@pytest.mark.parametrize("at_once", [1, 2, 5000])
def test_every_row_in_campaign_in_doubt_or_rejected_is_expected_once(ledger, monkeypatch, at_once):
    monkeypatch.setattr(ledger_module, "KEYS_AT_ONCE", at_once)
    parts = list(ledger.expected(FLOW))
    assert max(map(len, parts)) <= at_once
    keys = [key for part in parts for key in part]
    assert sorted(keys) == ["begun", "both", "doubted", "rejected", "unreported", "written"]


def test_the_ledger_can_be_written_while_its_keys_are_looked_through(ledger):
    for _ in ledger.expected(FLOW):
        settle(ledger, {"written": (6, HASH, "updated")})
    assert differing(ledger, written=6) == set()


def test_what_was_not_listed_is_told_in_order():
    listed = Listed()
    listed.add(["b", "a"])
    listed.add(["b", "c'"])
    assert listed.lacks(["z", "a", "c'", 'y"', "b"]) == ["z", 'y"']
    assert listed.lacks([]) == []
    listed.close()


def test_more_keys_than_its_memory_holds_lie_on_disk():
    listed = Listed()
    listed._database.execute("PRAGMA cache_size = -100")
    for start in range(0, 100_000, 5000):
        listed.add(str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(start, start + 5000))
    known = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(0, 100_000, 20)]
    unknown = str(uuid.uuid4())
    assert listed.lacks([*known, unknown]) == [unknown]
    listed.close()
