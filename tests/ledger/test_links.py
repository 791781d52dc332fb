"""Who names whom, and what waits for what: on SQLite and on Postgres, with other flows at work at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from campaign_sync.ledger.ledger import Ledger

STORES, TICKETS = "accounts_to_stores", "tickets_to_tickets"


@pytest.fixture
def ledger(url) -> Ledger:
    ledger = Ledger(url)
    for flow in (STORES, TICKETS):
        ledger.forget(flow)
    settle(ledger, STORES, s1=(1, "created"), s2=(1, "created"))
    return ledger


def settle(ledger, flow, *, rejected=(), parked=None, run="run 1", sha="mapping 1", certain=True, **outcomes):
    """key=(version, result)"""
    rows = [(version, b"1" * 16, result) for version, result in outcomes.values()]
    settled = pd.DataFrame(
        rows, index=list(outcomes), columns=["version", "sent_hash", "result"], dtype=object
    )
    refused = pd.DataFrame(
        {"version": 5, "step": "load", "rule": "r", "reason": "because", "certain": certain},
        index=list(rejected),
    )
    waiting = None
    if parked:
        told = {key: (version, *waits, "because") for key, (version, *waits) in parked.items()}
        columns = ["version", "kind", "waits_for", "waits_key", "reason"]
        waiting = pd.DataFrame.from_dict(told, orient="index", columns=columns, dtype=object)
    ledger.settle(flow, settled, refused, run, sha, parked=waiting, linked=flow == TICKETS)


def names(field="storeId", **parents):
    """ticket=store, or None for nobody"""
    return pd.DataFrame(
        {"field": field, "parent_flow": STORES, "parent_key": list(parents.values())}, index=list(parents)
    )


def begin(ledger, run="run 1", **parents):
    """Tickets that are about to name stores; what may not."""
    return list(ledger.begin(TICKETS, list(parents), run, names=names(**parents)).waiting.index)


def leave(ledger, *keys, run="run 1"):
    """Stores that are about to be deleted; what may not."""
    return list(ledger.begin(STORES, keys, run, deletions=keys).waiting.index)


def named(ledger, *keys):
    return list(ledger.children(STORES, keys or ("s1", "s2", "s3")).index)


def waiting(ledger, flow=TICKETS, sha="mapping 1"):
    return ledger.unsettled(flow, sha, 100)


def test_a_row_may_name_only_what_is_surely_there(ledger):
    assert begin(ledger, t1="s1", t2="never", t3=None) == ["t2"]
    assert ledger.known(TICKETS, ["t1", "t2", "t3"]).index.tolist() == ["t1", "t3"], "t2 is in doubt"
    leave(ledger, "s2")
    refused = ledger.begin(TICKETS, ["t4"], "run 1", names=names(t4="s2")).waiting
    assert refused.loc["t4"].tolist()[:3] == ["parent", STORES, "s2"]
    settle(ledger, STORES, s2=(None, "deleted"))
    assert begin(ledger, t4="s2") == ["t4"]


def test_a_row_may_name_a_record_of_which_only_an_update_is_open(ledger):
    ledger.begin(STORES, ["s1"], "run 1")
    assert begin(ledger, t1="s1") == []
    settle(ledger, STORES, rejected=["s1"], certain=False)
    assert ledger.there(STORES, ["s1"]) == {"s1"}
    ledger.begin(STORES, ["s1"], "run 2")
    assert ledger.there(STORES, ["s1"]) == {"s1"}, "beside another that is open"
    ledger.begin(STORES, ["s3"], "run 1")
    assert ledger.there(STORES, ["s3"]) == set(), "it is only being created"


@pytest.mark.parametrize("version", [None, 6])
def test_a_record_may_be_named_again_once_nothing_of_its_deletion_is_open(ledger, version):
    ledger.begin(STORES, ["s1", "s2"], "run 1", [version] * 2, deletions=["s1"])
    assert ledger.there(STORES, ["s1", "s2"]) == {"s2"}
    settle(ledger, STORES, rejected=["s1"], certain=False, s2=(6, "updated"))
    ledger.begin(STORES, ["s1"], "run 2", [7])
    settle(ledger, STORES, rejected=["s1"], run="run 2")
    assert ledger.there(STORES, ["s1"]) == set(), "a refused update says nothing about the deletion before it"
    settle(ledger, STORES, s1=(7, "updated"), run="run 2")
    assert ledger.there(STORES, ["s1"]) == set(), "the deletion may still arrive"
    ledger.begin(STORES, ["s2"], "run 1", deletions=["s2"])
    settle(ledger, STORES, rejected=["s2"])
    assert ledger.there(STORES, ["s2"]) == {"s2"}, "Campaign surely refused to delete it"


def test_a_record_that_a_deletion_in_an_older_version_reached_last_may_not_be_named(ledger):
    settle(ledger, STORES, s1=(7, "updated"))
    settle(ledger, STORES, s1=(6, "deleted"), run="run 2")
    assert ledger.there(STORES, ["s1"]) == set()
    ledger.begin(STORES, ["s1"], "run 3", [7])
    settle(ledger, STORES, s1=(7, "updated"), run="run 3")
    assert ledger.there(STORES, ["s1"]) == {"s1"}


def test_a_record_that_a_comparison_doubts_may_not_be_named_until_it_is_written(ledger):
    ledger.doubt(STORES, ["s1"])
    assert ledger.there(STORES, ["s1"]) == set()
    ledger.begin(STORES, ["s1"], "run 2", [2])
    settle(ledger, STORES, s1=(2, "updated"), run="run 2")
    assert ledger.there(STORES, ["s1"]) == {"s1"}


def test_a_record_that_may_be_named_is_not_deleted(ledger):
    begin(ledger, t1="s1", t2="s1")
    assert leave(ledger, "s1", "s2") == ["s1"]
    assert not ledger.known(STORES, ["s1"]).loc["s1", "in_doubt"], "what is refused is not marked"
    settle(ledger, TICKETS, t1=(5, "created"), t2=(5, "created"))
    refused = ledger.begin(STORES, ["s1"], "run 1", deletions=["s1"]).waiting
    assert refused.loc["s1"].tolist() == [
        "children",
        TICKETS,
        "t1",
        f"waits for 2 records of {TICKETS} that still name it",
    ]


def test_a_record_in_doubt_may_name_its_old_parent_or_its_new_one(ledger):
    begin(ledger, t1="s1")
    settle(ledger, TICKETS, t1=(5, "created"))
    begin(ledger, t1="s2")
    assert named(ledger) == ["s1", "s2"]
    settle(ledger, TICKETS, t1=(6, "updated"))
    assert named(ledger) == ["s2"]


def test_a_refused_write_names_what_it_named_before(ledger):
    begin(ledger, t1="s1", t2="s1")
    settle(ledger, TICKETS, rejected=["t2"], t1=(5, "created"))
    begin(ledger, t1="s2")
    settle(ledger, TICKETS, rejected=["t1"])
    assert named(ledger) == ["s1"]
    assert ledger.children(STORES, ["s1"]).loc["s1", "reason"].startswith("waits for 1 record of")
    begin(ledger, t1="s2")
    settle(ledger, TICKETS, rejected=["t1"], certain=False)
    assert named(ledger) == ["s1", "s2"], "what is unclear may have happened"


def test_a_write_begun_again_after_a_crash_names_all_that_it_may_have_named(ledger):
    begin(ledger, t1="s1")
    begin(ledger, t1="s2", run="run 2")
    assert named(ledger) == ["s1", "s2"]
    settle(ledger, TICKETS, t1=(6, "updated"), run="run 2")
    assert named(ledger) == ["s1", "s2"], "a call of the run that was killed may still arrive"


def test_fields_that_are_not_sent_keep_what_they_name(ledger):
    both = pd.concat([names(t1="s1"), names("ownerId", t1="s2")])
    ledger.begin(TICKETS, ["t1"], "run 1", names=both)
    settle(ledger, TICKETS, t1=(5, "created"))
    ledger.begin(TICKETS, ["t1"], "run 1", names=names(t1=None))
    settle(ledger, TICKETS, t1=(6, "updated"))
    assert named(ledger) == ["s2"]


@pytest.mark.parametrize("result", ["deleted", "dropped"])
def test_what_is_gone_or_no_longer_ours_names_nobody(ledger, result):
    begin(ledger, t1="s1")
    settle(ledger, TICKETS, t1=(5, "created"))
    ledger.begin(TICKETS, ["t1"], "run 1", deletions=["t1"])
    settle(ledger, TICKETS, t1=(None if result == "deleted" else 6, result))
    assert named(ledger) == []
    assert leave(ledger, "s1") == []


def test_an_older_dropped_row_lets_nobody_go(ledger):
    begin(ledger, t1="s1")
    settle(ledger, TICKETS, t1=(5, "created"))
    settle(ledger, TICKETS, t1=(4, "dropped"))
    assert named(ledger) == ["s1"]


def test_a_run_lets_go_of_links_that_its_mapping_no_longer_has(ledger):
    begin(ledger, t1="s1")
    settle(ledger, TICKETS, t1=(5, "created"))
    ledger.start_run(TICKETS, "run 2", {"storeId": STORES})
    assert named(ledger) == ["s1"]
    ledger.start_run(TICKETS, "run 3", {"storeId": "another"})
    assert named(ledger) == []


def test_a_parked_row_is_looked_at_again_once_its_parent_is_there(ledger):
    settle(ledger, TICKETS, parked={"t1": (5, "parent", STORES, "s3")})
    assert waiting(ledger) == set()
    ledger.begin(STORES, ["s3"], "run 1")
    assert waiting(ledger) == set(), "a parent in doubt"
    settle(ledger, STORES, s3=(1, "created"))
    assert waiting(ledger) == {"t1"}
    settle(ledger, TICKETS, t1=(5, "created"))
    assert waiting(ledger) == set()
    assert ledger.counts(TICKETS).parked == 0


def test_a_parked_deletion_is_looked_at_again_once_nobody_names_its_record(ledger):
    begin(ledger, t1="s1")
    settle(ledger, TICKETS, t1=(5, "created"))
    settle(ledger, STORES, parked={"s1": (None, "children", TICKETS, "t1")})
    assert waiting(ledger, STORES) == set()
    begin(ledger, t1="s2")
    assert waiting(ledger, STORES) == set()
    settle(ledger, TICKETS, t1=(6, "updated"))
    assert waiting(ledger, STORES) == {"s1"}


def test_a_parked_row_is_looked_at_again_when_the_mapping_changes(ledger):
    settle(ledger, TICKETS, parked={"t1": (5, "parent", STORES, "s3")})
    assert waiting(ledger, sha="mapping 2") == {"t1"}
    settle(ledger, TICKETS, parked={"t1": (5, "parent", STORES, "s3")}, sha="mapping 2")
    assert waiting(ledger, sha="mapping 2") == set()


def test_a_row_in_doubt_that_waits_is_left_alone_meanwhile(ledger):
    begin(ledger, t1="s1")
    assert waiting(ledger) == {"t1"}
    settle(ledger, TICKETS, parked={"t1": (5, "parent", STORES, "s3")})
    assert waiting(ledger) == set()
    settle(ledger, STORES, s3=(1, "created"))
    assert waiting(ledger) == {"t1"}


def test_a_deletion_that_waits_is_newer_than_the_update_that_waited(ledger):
    begin(ledger, t1="s1")
    settle(ledger, TICKETS, t1=(5, "created"))
    settle(ledger, TICKETS, parked={"t1": (7, "parent", STORES, "s3")})
    settle(ledger, TICKETS, parked={"t1": (None, "children", "others", "o1")})
    assert ledger.parked(TICKETS).loc["t1", ["kind", "version"]].tolist() == ["children", 7]


def test_an_older_outcome_or_refusal_does_not_end_a_wait(ledger):
    settle(ledger, TICKETS, parked={"t1": (7, "parent", STORES, "s3")})
    settle(ledger, TICKETS, rejected=["t1"], t1=(6, "unchanged"))
    assert list(ledger.parked(TICKETS).index) == ["t1"]


def test_a_row_is_rejected_or_parked_but_not_both(ledger):
    settle(ledger, TICKETS, parked={"t1": (5, "parent", STORES, "s3")})
    settle(ledger, TICKETS, rejected=["t1"])
    assert (len(ledger.parked(TICKETS)), len(ledger.rejected(TICKETS))) == (0, 1)
    settle(ledger, TICKETS, parked={"t1": (5, "parent", STORES, "s3")})
    assert (len(ledger.parked(TICKETS)), len(ledger.rejected(TICKETS))) == (1, 0)


def test_forgetting_a_flow_forgets_whom_it_names_and_what_waits(ledger):
    begin(ledger, t1="s1")
    settle(ledger, TICKETS, parked={"t2": (5, "parent", STORES, "s3")}, t1=(5, "created"))
    ledger.forget(TICKETS)
    assert named(ledger) == []
    assert ledger.counts(TICKETS).parked == 0
    assert ledger.is_empty(TICKETS)


def test_a_comparison_expects_parked_rows_and_lets_them_wait(ledger):
    import pyarrow as pa

    settle(ledger, TICKETS, parked={"t1": (5, "parent", STORES, "s3"), "t2": (5, "parent", STORES, "s1")})

    def differing(version, sha="mapping 1"):
        keys, versions = pa.array(["t1", "t2"]), pa.array([version] * 2, pa.int64())
        return set(ledger.differing(TICKETS, sha, keys, versions))

    assert [key for keys in ledger.expected(TICKETS) for key in keys] == ["t1", "t2"]
    assert differing(5) == {"t2"}, "its wait is over"
    assert differing(6) == {"t1", "t2"}
    assert differing(5, "mapping 2") == {"t1", "t2"}


def test_a_parents_deletion_and_a_childs_creation_at_once_never_both_go(ledger):
    """Both begin at the same moment, again and again: one of them goes, the other is told to wait."""
    rounds = 40
    settle(ledger, STORES, **{f"p{at:02d}": (1, "created") for at in range(rounds)})
    together = threading.Barrier(2)

    def child(at):
        together.wait(30)
        return begin(ledger, **{f"c{at:02d}": f"p{at:02d}"})

    def parent(at):
        together.wait(30)
        return leave(ledger, f"p{at:02d}")

    went = []
    with ThreadPoolExecutor(2) as pool:
        for at in range(rounds):
            answers = [pool.submit(each, at) for each in (child, parent)]
            went.append(tuple(not answer.result(60) for answer in answers))
    assert set(went) <= {(True, False), (False, True)}, went


def test_many_flows_that_name_each_others_records_in_any_order_never_deadlock(ledger):
    """Large chunks in opposite orders: writers of children, of parents and their deletions, and settling ones."""
    keys = [f"p{at:03d}" for at in range(200)]
    settle(ledger, STORES, **dict.fromkeys(keys, (1, "created")))
    failures = []

    def run(work):
        try:
            for turn in range(6):
                work(turn)
        except Exception as error:
            failures.append(error)

    def children(turn):
        begin(ledger, run=f"c{turn}", **{f"c{key}": key for key in reversed(keys)})
        settle(ledger, TICKETS, **{f"c{key}": (turn + 2, "updated") for key in keys}, run=f"c{turn}")

    def parents(turn):
        ledger.begin(STORES, reversed(keys), f"p{turn}")
        settle(ledger, STORES, **dict.fromkeys(reversed(keys), (turn + 2, "updated")), run=f"p{turn}")

    def deletions(turn):
        gone = set(keys) - set(leave(ledger, *keys, run=f"d{turn}"))
        settle(ledger, STORES, **dict.fromkeys(sorted(gone), (turn + 2, "updated")), run=f"d{turn}")

    threads = [threading.Thread(target=run, args=(work,)) for work in (children, parents, deletions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures, failures
    assert not any(thread.is_alive() for thread in threads)
