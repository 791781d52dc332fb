"""What the ledger lets two runs do that have one row in hand, and what it believes afterwards; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from campaign_sync.ledger import begin
from campaign_sync.ledger.ledger import Ledger

FLOW, CHILDREN = "contacts_to_profiles", "tickets_to_tickets"
OLD, NEW = b"1" * 16, b"2" * 16
SHA = "mapping 1"


@pytest.fixture
def ledger(url) -> Ledger:
    """A ledger in which row "a" is in Campaign as of version 5, and two runs have started since."""
    ledger = Ledger(url)
    ledger.forget(FLOW)
    settle(ledger, "before", a=(5, OLD, "created"))
    for run in ("slow", "live"):
        ledger.start_run(FLOW, run)
    return ledger


def settle(ledger, run, *, parked=None, refused=None, **rows):
    """key=(version, hash, result); of row "a": (version, what it waits for), the version that was refused"""
    columns = ["version", "sent_hash", "result"]
    outcomes = pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=object)
    refusals = pd.DataFrame(columns=["version", "step", "rule", "reason", "certain"], dtype=object)
    if refused is not None:
        refusals.loc["a"] = [refused, "load", "r", "because", True]
    waits = None
    if parked is not None:
        version, kind = parked
        told = {
            "version": version,
            "kind": kind,
            "waits_for": CHILDREN,
            "waits_key": "c",
            "reason": "because",
        }
        waits = pd.DataFrame(told, index=["a"], dtype=object)
    ledger.settle(FLOW, outcomes, refusals, run, SHA, parked=waits)


def write(ledger, run, version, result="updated"):
    """A whole write of row "a"; whether it was let go."""
    if not ledger.begin(FLOW, ["a"], run, [version]).keys:
        return False
    settle(ledger, run, a=(version, None if result == "deleted" else NEW, result))
    return True


def to_look_at(ledger):
    return ledger.unsettled(FLOW, SHA, 10)


def an_hour_passes(monkeypatch):
    monkeypatch.setattr(begin, "UNDER_WAY", timedelta(0))


def imports_time_out(monkeypatch):
    monkeypatch.setattr(begin, "import_timeout", lambda: timedelta(0))


def test_a_row_of_which_something_newer_is_known_is_not_begun(ledger):
    assert write(ledger, "live", 7)
    assert not write(ledger, "slow", 6)
    assert ledger.known(FLOW, ["a"])["version"].to_dict() == {"a": 7}
    assert to_look_at(ledger) == set()


def test_a_row_that_is_newer_or_new_is_begun(ledger):
    assert ledger.begin(FLOW, ["a", "new"], "slow", [5, 5]).keys == {"a", "new"}


def test_a_row_that_another_run_deleted_meanwhile_is_not_begun_whatever_its_version(ledger):
    """A deletion tells no version: the row may have been read before it, in a version that nobody knew of."""
    assert write(ledger, "live", None, "deleted")
    assert not write(ledger, "slow", 900)
    assert not ledger.known(FLOW, ["a"])["present"].any()
    ledger.end_run(FLOW, "live", "success", {})
    assert to_look_at(ledger) == {"a"}


def test_a_deletion_of_a_row_that_another_run_wrote_meanwhile_is_left_to_the_next(ledger):
    """The row may have been made anew since the deletion was read."""
    assert write(ledger, "live", 900)
    assert not write(ledger, "slow", None, "deleted")
    assert ledger.known(FLOW, ["a"])["present"].all()
    assert to_look_at(ledger) == {"a"}


def test_a_row_deleted_before_a_run_began_comes_back(ledger):
    write(ledger, "live", None, "deleted")
    ledger.start_run(FLOW, "next")
    assert write(ledger, "next", 900)
    assert ledger.known(FLOW, ["a"])["present"].all()


@pytest.mark.parametrize("first", ["slow", "live"])
def test_two_writes_at_once_leave_the_row_to_the_next_run_whoever_settles_first(ledger, first):
    versions = {"slow": 6, "live": 7}
    for run, version in versions.items():
        assert ledger.begin(FLOW, ["a"], run, [version]).keys
    for run in (first, *versions.keys() - {first}):
        settle(ledger, run, a=(versions[run], NEW, "updated"))
        ledger.end_run(FLOW, run, "success", {})
    assert to_look_at(ledger) == {"a"}
    ledger.start_run(FLOW, "next")
    assert write(ledger, "next", 7)
    assert to_look_at(ledger) == set()


def test_a_write_beside_one_that_nobody_hears_of_again_is_looked_at_once_more_after_an_hour(
    ledger, monkeypatch
):
    ledger.begin(FLOW, ["a"], "slow", [6])  # and is killed, its call still on the way
    assert write(ledger, "live", 7)
    ledger.end_run(FLOW, "live", "success", {})
    assert to_look_at(ledger) == set()
    an_hour_passes(monkeypatch)
    assert to_look_at(ledger) == {"a"}
    assert write(ledger, "next", 7)
    assert to_look_at(ledger) == set()
    assert ledger.counts(FLOW).in_doubt == 0


def test_a_row_that_a_run_is_writing_is_left_to_it_until_it_ends_or_its_import_cannot_end_any_more(
    ledger, monkeypatch
):
    ledger.begin(FLOW, ["a"], "slow", [6])
    an_hour_passes(monkeypatch)
    assert to_look_at(ledger) == set()
    with monkeypatch.context() as patch:
        imports_time_out(patch)
        assert to_look_at(ledger) == {"a"}
    ledger.end_run(FLOW, "slow", "failed", {})
    assert to_look_at(ledger) == {"a"}


def test_a_write_beside_an_import_that_may_last_for_hours_leaves_the_row_in_doubt(ledger, monkeypatch):
    ledger.begin(FLOW, ["a"], "slow", [6])
    an_hour_passes(monkeypatch)
    assert write(ledger, "live", 7)
    assert ledger.counts(FLOW).in_doubt == 1


def test_a_row_is_sure_again_after_the_next_write_however_often_it_changes(ledger, monkeypatch):
    ledger.begin(FLOW, ["a"], "slow", [6])  # and is killed
    ledger.end_run(FLOW, "slow", "failed", {})
    assert write(ledger, "live", 7)
    assert ledger.counts(FLOW).in_doubt == 1
    ledger.start_run(FLOW, "next")
    assert write(ledger, "next", 8)
    assert ledger.counts(FLOW).in_doubt == 0


def test_a_run_that_repeats_its_own_write_is_sure_of_it(ledger):
    ledger.begin(FLOW, ["a"], "live", [7])
    assert write(ledger, "live", 7)
    assert ledger.counts(FLOW).in_doubt == 0


def test_a_run_that_repeats_its_write_beside_another_stays_in_doubt(ledger):
    ledger.begin(FLOW, ["a"], "slow", [6])
    ledger.begin(FLOW, ["a"], "live", [7])
    assert write(ledger, "live", 7)
    assert ledger.counts(FLOW).in_doubt == 1


def test_an_older_read_that_is_dropped_settles_no_doubt(ledger):
    for run, version in (("slow", 6), ("live", 7)):
        ledger.begin(FLOW, ["a"], run, [version])
    settle(ledger, "live", a=(7, NEW, "updated"))
    settle(ledger, "slow", a=(6, NEW, "updated"))
    settle(ledger, "another", a=(4, None, "dropped"))
    for run in ("slow", "live"):
        ledger.end_run(FLOW, run, "success", {})
    assert to_look_at(ledger) == {"a"}


def park_deletion(ledger, run):
    """Dynamics has deleted row "a", and a record still names it."""
    settle(ledger, run, parked=(None, "children"))


def waits(ledger):
    return ledger.parked(FLOW)["kind"].to_dict()


def test_a_row_whose_deletion_another_run_parked_meanwhile_is_not_begun(ledger):
    park_deletion(ledger, "live")
    assert not write(ledger, "slow", 5)
    assert not write(ledger, "slow", 900)
    assert waits(ledger) == {"a": "children"}
    assert to_look_at(ledger) == {"a"}, "nobody names it here: the deletion is due"


@pytest.mark.parametrize("result", ["created", "updated", "unchanged", "dropped"])
def test_what_was_read_before_a_deletion_was_parked_does_not_end_its_wait(ledger, result):
    ledger.begin(FLOW, ["a"], "slow", [5])
    park_deletion(ledger, "live")
    settle(ledger, "slow", a=(5, NEW, result))
    settle(ledger, "live", a=(5, NEW, result))
    assert waits(ledger) == {"a": "children"}


def test_a_refusal_or_a_wait_of_what_was_read_before_does_not_end_a_deletions_wait(ledger):
    park_deletion(ledger, "live")
    settle(ledger, "slow", refused=5)
    settle(ledger, "slow", parked=(5, "parent"))
    assert waits(ledger) == {"a": "children"}


@pytest.mark.parametrize("result", ["updated", "unchanged", "dropped"])
def test_what_a_later_run_reads_ends_a_deletions_wait(ledger, result):
    park_deletion(ledger, "live")
    ledger.start_run(FLOW, "next")
    assert ledger.begin(FLOW, ["a"], "next", [6]).keys
    settle(ledger, "next", a=(6, NEW, result))
    assert waits(ledger) == {}


@pytest.mark.parametrize("version", [None, 5])
def test_a_deletion_ends_the_wait_of_a_deletion_whoever_parked_it(ledger, version):
    park_deletion(ledger, "live")
    settle(ledger, "slow", a=(version, None, "deleted"))
    assert waits(ledger) == {}


GONE = {"deleted": (None, "unchanged"), "deleted, ignored": (None, "dropped"), "filtered out": (7, "dropped"),
        "filtered out, to be deleted": (7, "unchanged")}  # fmt: skip


@pytest.mark.parametrize("why", GONE)
@pytest.mark.parametrize("before", [None, "deleted"])
def test_a_row_that_never_came_and_is_gone_meanwhile_is_not_created(ledger, before, why):
    """The run that is slow has read it in version 6, when it was still there."""
    if before:
        settle(ledger, "before", new=(3, OLD, "created"))
        settle(ledger, "before", new=(None, None, before))
    ledger.start_run(FLOW, "slow one")
    ledger.start_run(FLOW, "next")
    version, result = GONE[why]
    for _ in range(2):
        settle(ledger, "next", new=(version, None, result))
    assert ledger.begin(FLOW, ["new"], "slow one", [6]).keys == set()
    assert not ledger.known(FLOW, ["new"])["present"].any()
    for run in ("slow", "slow one", "live", "next"):
        ledger.end_run(FLOW, run, "success", {})
    ledger.start_run(FLOW, "later")
    assert ledger.begin(FLOW, ["new"], "later", [8]).keys == {"new"}, "it has come back"


@pytest.mark.parametrize("why", GONE)
def test_a_row_that_never_came_is_not_remembered_while_no_other_run_is_at_work(ledger, why):
    version, result = GONE[why]
    ledger.end_run(FLOW, "slow", "success", {})
    settle(ledger, "live", new=(version, None, result))
    assert ledger.known(FLOW, ["new"]).empty


def test_what_a_slow_run_filters_out_is_not_remembered_because_of_short_runs_beside_it(ledger):
    settle(ledger, "slow", new=(7, None, "dropped"))
    assert ledger.known(FLOW, ["new"]).empty


def test_a_deletion_is_remembered_by_a_run_that_is_repeated_beside_a_later_one(ledger):
    settle(ledger, "slow", new=(None, None, "unchanged"))
    assert ledger.begin(FLOW, ["new"], "live", [6]).keys == set()


def test_rows_that_never_came_are_not_in_campaign_and_leave_a_ledger_empty(ledger):
    ledger.forget(FLOW)
    for run in ("slow", "live"):
        ledger.start_run(FLOW, run)
    settle(ledger, "live", new=(None, None, "unchanged"), other=(7, None, "dropped"))
    assert len(ledger.known(FLOW, ["new", "other"])) == 2
    assert ledger.is_empty(FLOW)
    assert not ledger.has_present(FLOW)
    assert [*ledger.expected(FLOW)] == []
    assert to_look_at(ledger) == set()
    assert ledger.begin(FLOW, ["other"], "slow", [9]).keys == set(), "the next run looks at it"
    assert to_look_at(ledger) == {"other"}


def test_what_is_in_campaign_stays_as_it_is_when_it_is_dropped_or_unchanged(ledger):
    settle(ledger, "live", a=(5, None, "unchanged"))
    assert ledger.known(FLOW, ["a"])[["version", "sent_hash", "present"]].loc["a"].tolist() == [5, OLD, True]
    settle(ledger, "live", a=(None, None, "dropped"))
    assert ledger.known(FLOW, ["a"])[["version", "present"]].loc["a"].tolist() == [5, True]
    assert ledger.taken_over(FLOW, ["a"], "before") == set()


@pytest.mark.parametrize("settled", [False, True])
def test_a_row_that_another_run_creates_while_its_deletion_is_settled_is_looked_at_again(ledger, settled):
    """The deletion was planned when nothing was known of the row."""
    ledger.begin(FLOW, ["new"], "slow", [6])
    if settled:
        settle(ledger, "slow", new=(6, NEW, "created"))
    settle(ledger, "live", new=(None, None, "unchanged"))
    if not settled:
        settle(ledger, "slow", new=(6, NEW, "created"))
    assert ledger.known(FLOW, ["new"])["present"].all()
    assert to_look_at(ledger) == {"new"}


def test_a_row_that_is_dropped_while_another_run_creates_it_is_known_to_be_in_campaign(ledger):
    ledger.begin(FLOW, ["new"], "slow", [6])
    settle(ledger, "live", new=(7, None, "dropped"))
    settle(ledger, "slow", new=(6, NEW, "created"))
    assert ledger.known(FLOW, ["new"])["present"].all()


def test_many_rows_are_begun_in_their_own_versions(ledger):
    keys = [f"{number:05d}" for number in range(2_000)]
    settle(ledger, "live", **{key: (100 + number, OLD, "created") for number, key in enumerate(keys)})
    versions = [100 + number - number % 2 for number in range(len(keys))]
    assert ledger.begin(FLOW, keys[::-1], "slow", versions[::-1]).keys == set(keys[::2])
