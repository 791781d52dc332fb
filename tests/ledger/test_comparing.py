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


def compared(ledger, *rows, flow=FLOW):
    """(key, version, hash) -> which of them are settled, and the keys of what is known of the others"""
    keys, versions, hashes = zip(*rows, strict=True)
    columns = {"version": pa.array(versions, pa.int64()), "sent_hash": pa.array(hashes, pa.binary())}
    frame = pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)
    settled, known = ledger.compared(flow, frame.set_axis(pd.Index(keys, dtype="string[pyarrow]")))
    return list(settled), known


def test_a_row_that_is_in_campaign_just_so_is_settled_and_not_told_of(ledger):
    settled, known = compared(ledger, ("written", 5, HASH))
    assert (settled, len(known)) == (["written"], 0)
    assert list(known.columns) == ["version", "sent_hash", "present", "in_doubt"]


@pytest.mark.parametrize(
    "row",
    [("written", 4, HASH), ("written", 6, HASH), ("written", 5, b"2" * 16), ("written", 5, None),
     ("doubted", 5, HASH), ("gone", 6, None), ("gone", 5, HASH), ("both", 5, HASH)],
)  # fmt: skip
def test_what_is_known_of_another_row_is_told_as_ever(ledger, row):
    settled, known = compared(ledger, row)
    assert settled == []
    pd.testing.assert_frame_equal(known, ledger.known(FLOW, [row[0]]))


def test_a_row_that_is_not_known_is_neither_settled_nor_told_of(ledger):
    settled, known = compared(ledger, ("new", 5, HASH), ("rejected", 5, HASH), ("written", 5, HASH))
    assert (settled, len(known)) == (["written"], 0)
    settled, known = compared(ledger, ("written", 5, HASH), flow="other")
    assert (settled, len(known)) == ([], 0)


def test_a_row_that_comes_twice_is_not_settled(ledger):
    settled, known = compared(ledger, ("written", 5, HASH), ("written", 4, HASH))
    assert (settled, list(known.index)) == ([], ["written"])


def test_a_row_that_waits_is_not_settled(ledger):
    waits = {"version": 5, "kind": "parent", "waits_for": "other", "waits_key": "p", "reason": "because"}
    nothing = pd.DataFrame(columns=["version", "sent_hash", "result"])
    refused = pd.DataFrame(columns=["version", "step", "rule", "reason"])
    ledger.settle(FLOW, nothing, refused, "run 1", "mapping 1", parked=pd.DataFrame(waits, index=["written"]))
    settled, known = compared(ledger, ("written", 5, HASH))
    assert (settled, list(known.index)) == ([], ["written"])


def test_settling_a_row_that_is_settled_changes_nothing(ledger):
    """So it need not be done."""
    everything = ["written", "doubted", "gone", "begun", "both", "rejected", "unreported", "new"]
    ledger.start_run(FLOW, "beside")  # in sight of which more is remembered
    ledger.start_run(FLOW, "ours")

    def told():
        found = (ledger.state(FLOW, everything), ledger.rejected(FLOW), ledger.parked(FLOW))
        return [frame.sort_index() for frame in found]

    for hash_ in (HASH, b"2" * 16, None):
        for version in (4, 5, 6, 7):
            settled, _ = compared(ledger, *((key, version, hash_) for key in everything))
            assert settled == (["written"] if (version, hash_) == (5, HASH) else [])
            before = told()
            settle(ledger, dict.fromkeys(settled, (version, None, "unchanged")), run="ours")
            for now, then in zip(told(), before, strict=True):
                pd.testing.assert_frame_equal(now, then)


def test_a_connection_that_is_held_serves_all_operations_and_is_closed_afterwards(ledger):
    with ledger.held():
        for version in (6, 7):
            assert ledger.begin(FLOW, ["written"], "run 3", [version]).keys == {"written"}
            settle(ledger, {"written": (version, HASH, "updated")}, run="run 3")
            assert compared(ledger, ("written", version, HASH))[0] == ["written"]
    assert ledger.known(FLOW, ["written"])["version"].to_dict() == {"written": 7}


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
