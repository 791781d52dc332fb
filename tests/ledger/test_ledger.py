"""What we remember of what was written, on SQLite and on Postgres."""

from __future__ import annotations

import sqlite3
import stat
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from campaign_sync.errors import ReconcileError, RefusedError, TransientError
from campaign_sync.ledger.ledger import Counts, Ledger, Move
from campaign_sync.ledger.tables import SCHEMA_VERSION, stored
from sqlalchemy import create_engine

FLOW = "contacts_to_profiles"
H1, H2 = b"1" * 16, b"2" * 16


@pytest.fixture
def ledger(url):
    ledger = Ledger(url)
    ledger.forget(FLOW)
    return ledger


def outcomes(**rows):
    """key=(version, hash, result)"""
    columns = ["version", "sent_hash", "result"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=object)


def refusals(**rows):
    """key=(version, certain)"""
    table = {
        key: (version, "load", "refused by Campaign", "email: too long", certain)
        for key, (version, certain) in rows.items()
    }
    columns = ["version", "step", "rule", "reason", "certain"]
    return pd.DataFrame.from_dict(table, orient="index", columns=columns, dtype=object)


def settle(ledger, settled=None, rejected=None, run="run 1", sha="mapping 1"):
    settled = outcomes() if settled is None else settled
    ledger.settle(FLOW, settled, refusals() if rejected is None else rejected, run, sha)


def known(ledger, *keys):
    """key -> (version, hash, present, in doubt)"""
    frame = ledger.known(FLOW, keys)
    return {key: tuple(None if pd.isna(each) else each for each in row) for key, *row in frame.itertuples()}


def test_nothing_is_known_at_first(ledger):
    assert ledger.is_empty(FLOW)
    assert ledger.place(FLOW) is None
    assert ledger.counts(FLOW) == Counts(0, 0, 0, 0)
    frame = ledger.known(FLOW, ["a"])
    assert len(frame) == 0
    assert list(frame.columns) == ["version", "sent_hash", "present", "in_doubt"]
    assert len(ledger.rejected(FLOW)) == 0


def test_a_settled_row_is_known_with_version_and_hash(ledger):
    settle(ledger, outcomes(a=(5, H1, "created"), b=(6, H2, "updated")))
    assert known(ledger, "a", "b", "c") == {"a": (5, H1, True, False), "b": (6, H2, True, False)}
    assert not ledger.is_empty(FLOW)


def test_flows_do_not_see_each_other(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")), refusals(b=(6, True)))
    assert ledger.is_empty("other")
    assert len(ledger.known("other", ["a"])) == len(ledger.rejected("other")) == 0
    ledger.forget("other")
    assert ledger.counts(FLOW) == Counts(1, 0, 0, 1)


def test_a_row_about_to_be_written_is_in_doubt_until_it_is_settled(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    ledger.begin(FLOW, ["a", "new"], "run 2")
    assert known(ledger, "a", "new") == {"a": (5, H1, True, True), "new": (0, None, False, True)}
    assert ledger.counts(FLOW) == Counts(present=1, absent=1, in_doubt=2, rejected=0)
    settle(ledger, outcomes(a=(6, H2, "updated"), new=(7, H1, "created")), run="run 2")
    assert known(ledger, "a", "new") == {"a": (6, H2, True, False), "new": (7, H1, True, False)}


def test_beginning_with_no_rows_is_fine(ledger):
    ledger.begin(FLOW, [], "run 1")
    assert ledger.is_empty(FLOW)


def test_a_certain_refusal_lifts_the_doubt_and_keeps_what_was_known(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    ledger.begin(FLOW, ["a", "new"], "run 2")
    settle(ledger, rejected=refusals(a=(6, True), new=(7, True)), run="run 2")
    assert known(ledger, "a", "new") == {"a": (5, H1, True, False)}


def test_an_uncertain_refusal_leaves_the_doubt(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    ledger.begin(FLOW, ["a", "new"], "run 2")
    settle(ledger, rejected=refusals(a=(6, False), new=(7, False)), run="run 2")
    assert known(ledger, "a", "new") == {"a": (5, H1, True, True), "new": (0, None, False, True)}


def test_a_certain_refusal_leaves_the_doubt_of_an_earlier_write(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    ledger.begin(FLOW, ["a"], "run 2")  # and killed: the write may have arrived
    ledger.begin(FLOW, ["a"], "run 2")
    settle(ledger, rejected=refusals(a=(6, True)), run="run 2")
    assert known(ledger, "a") == {"a": (5, H1, True, True)}


def test_a_late_refusal_does_not_lift_the_doubt_of_a_later_run(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    ledger.begin(FLOW, ["a"], "run 3")
    settle(ledger, rejected=refusals(a=(6, True)), run="run 2")
    assert known(ledger, "a")["a"][3] is True


def test_a_rejection_before_any_write_touches_no_record(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")), refusals(b=(6, False)))
    settle(ledger, rejected=refusals(a=(6, False)))
    assert known(ledger, "a", "b") == {"a": (5, H1, True, False)}


def test_an_older_version_never_overwrites_newer_knowledge(ledger):
    settle(ledger, outcomes(a=(5, H1, "created"), b=(5, H1, "created")))
    settle(ledger, outcomes(a=(4, H2, "unchanged"), b=(4, None, "dropped")))
    assert known(ledger, "a", "b") == {"a": (5, H1, True, False), "b": (5, H1, True, False)}


@pytest.mark.parametrize("result", ["created", "updated", "deleted"])
def test_a_write_that_a_newer_one_overtook_leaves_the_row_in_doubt(ledger, result):
    settle(ledger, outcomes(a=(5, H1, "created")))
    settle(ledger, outcomes(a=(4, H2, result)))
    assert known(ledger, "a") == {"a": (5, H1, True, True)}


def test_an_unchanged_row_raises_the_version_and_keeps_the_hash(ledger):
    settle(ledger, outcomes(a=(5, H1, "created"), b=(5, H1, "created")))
    settle(ledger, outcomes(a=(8, None, "unchanged"), c=(9, None, "unchanged")))
    assert known(ledger, "a", "b", "c") == {"a": (8, H1, True, False), "b": (5, H1, True, False)}


def test_a_dropped_row_raises_the_version_and_of_a_linked_flow_is_written_should_it_come_back(ledger):
    settle(ledger, outcomes(a=(5, H1, "created"), b=(5, H1, "created")))
    dropped = outcomes(a=(9, None, "dropped"), b=(None, None, "dropped"))
    settle(ledger, dropped)
    assert known(ledger, "a", "b") == {"a": (9, H1, True, False), "b": (5, H1, True, False)}
    ledger.settle(FLOW, dropped, refusals(), "run 2", "mapping 1", linked=True)
    assert known(ledger, "a", "b") == {"a": (9, None, True, False), "b": (5, None, True, False)}


def test_an_unchanged_row_never_lifts_a_doubt(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    ledger.begin(FLOW, ["a"], "run 2")
    settle(ledger, outcomes(a=(6, None, "unchanged")), run="run 2")
    assert known(ledger, "a") == {"a": (5, H1, True, True)}


def test_a_deletion_without_version_is_newer_than_what_was_known(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    for _ in range(2):
        settle(ledger, outcomes(a=(None, None, "deleted")))
    assert known(ledger, "a") == {"a": (6, None, False, False)}
    assert ledger.counts(FLOW) == Counts(present=0, absent=1, in_doubt=0, rejected=0)


def test_whether_anything_is_in_campaign_can_be_asked_for_alone(ledger):
    ledger.begin(FLOW, ["a"], "run 1")
    assert not ledger.has_present(FLOW)
    settle(ledger, outcomes(a=(5, H1, "created")))
    assert ledger.has_present(FLOW)
    settle(ledger, outcomes(a=(None, None, "deleted")))
    assert not ledger.has_present(FLOW)


def test_a_deletion_with_a_version_keeps_it(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    settle(ledger, outcomes(a=(9, None, "deleted")))
    assert known(ledger, "a") == {"a": (9, None, False, False)}


def test_a_deleted_row_may_come_back(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    settle(ledger, outcomes(a=(None, None, "deleted")))
    settle(ledger, outcomes(a=(7, H2, "created")))
    assert known(ledger, "a") == {"a": (7, H2, True, False)}


def test_a_rejection_is_remembered_with_its_reason(ledger):
    settle(ledger, rejected=refusals(a=(6, True)), run="run 7", sha="mapping 3")
    (row,) = ledger.rejected(FLOW).reset_index().to_dict("records")
    assert row["source_key"] == "a"
    assert (row["version"], row["step"], row["rule"]) == (6, "load", "refused by Campaign")
    assert (row["reason"], row["run_id"], row["mapping_sha"]) == ("email: too long", "run 7", "mapping 3")
    assert row["tries"] == 1
    assert row["first_seen"] <= row["last_seen"]
    assert str(row["first_seen"].tz) == "UTC"


def test_tries_are_counted_once_per_run(ledger):
    for run in ("run 1", "run 1", "run 2", "run 2", "run 3"):
        settle(ledger, rejected=refusals(a=(6, True)), run=run)
    assert ledger.rejected(FLOW)["tries"].to_dict() == {"a": 3}


@pytest.mark.parametrize("result", ["created", "updated", "deleted", "unchanged", "dropped"])
def test_a_row_with_an_outcome_loses_its_rejection(ledger, result):
    settle(ledger, rejected=refusals(a=(6, True), b=(6, True)))
    settle(ledger, outcomes(a=(6, H1, result)))
    assert list(ledger.rejected(FLOW).index) == ["b"]


def test_a_deletion_without_version_clears_the_rejection(ledger):
    settle(ledger, rejected=refusals(a=(6, True)))
    settle(ledger, outcomes(a=(None, None, "dropped")))
    assert len(ledger.rejected(FLOW)) == 0


def test_an_older_outcome_leaves_a_newer_rejection(ledger):
    settle(ledger, rejected=refusals(a=(6, True)))
    settle(ledger, outcomes(a=(5, H1, "created")))
    assert list(ledger.rejected(FLOW).index) == ["a"]


def test_a_rejection_older_than_what_is_known_is_not_recorded(ledger):
    settle(ledger, outcomes(a=(6, H1, "created")))
    settle(ledger, rejected=refusals(a=(5, True)))
    assert len(ledger.rejected(FLOW)) == 0
    settle(ledger, rejected=refusals(a=(6, True)))
    assert list(ledger.rejected(FLOW).index) == ["a"]


def test_an_older_rejection_does_not_replace_a_newer_one(ledger):
    settle(ledger, rejected=refusals(a=(6, True)))
    settle(ledger, rejected=refusals(a=(5, True)), run="run 2")
    assert ledger.rejected(FLOW)["version"].to_dict() == {"a": 6}


def test_a_rejection_without_version_takes_the_known_one(ledger):
    settle(ledger, outcomes(a=(6, H1, "created")))
    settle(ledger, rejected=refusals(a=(None, True)))
    assert ledger.rejected(FLOW)["version"].to_dict() == {"a": 6}


def test_rejections_of_an_older_mapping_can_be_asked_for(ledger):
    settle(ledger, rejected=refusals(a=(6, True), b=(6, True)), sha="mapping 1")
    settle(ledger, rejected=refusals(b=(6, True), c=(6, True)), sha="mapping 2")
    assert ledger.unsettled(FLOW, "mapping 2", 10) == {"a"}
    assert list(ledger.rejected(FLOW, limit=2).index) == ["a", "b"]


def test_settling_twice_changes_nothing_more(ledger):
    settle(ledger, outcomes(a=(1, H1, "created"), d=(1, H1, "created")), refusals(c=(1, True)))
    ledger.begin(FLOW, ["a", "b", "d", "e"], "run 2")
    batch = outcomes(a=(2, H2, "updated"), b=(2, H1, "created"), d=(None, None, "deleted"))
    rejected = refusals(c=(2, True), e=(2, True))
    seen = []
    for _ in range(2):
        settle(ledger, batch, rejected, run="run 2")
        waiting = ledger.rejected(FLOW)[["version", "tries", "run_id"]].to_dict()
        seen.append((known(ledger, *"abcde"), waiting, ledger.counts(FLOW)))
    assert seen[0] == seen[1]


def test_of_two_outcomes_for_one_key_the_write_counts_and_of_two_rejections_the_newer(ledger):
    twice = pd.concat([outcomes(a=(5, H1, "created")), outcomes(a=(4, None, "unchanged"))])
    refused = pd.concat([refusals(b=(7, True)), refusals(b=(6, True))])
    settle(ledger, twice, refused)
    settle(ledger, twice[::-1], refused[::-1])
    assert known(ledger, "a") == {"a": (5, H1, True, False)}
    assert ledger.rejected(FLOW)["version"].to_dict() == {"b": 7}


def test_an_unheard_of_result_is_a_mistake(ledger):
    with pytest.raises(ValueError, match=r"results must be among .* not .*'loaded'"):
        settle(ledger, outcomes(a=(5, H1, "loaded")))


def test_a_failed_settling_leaves_nothing_behind(ledger):
    with pytest.raises(Exception, match=r"NOT NULL|not-null"):
        settle(ledger, outcomes(a=(5, H1, "created")), refusals(b=(6, True)).assign(reason=None))
    assert ledger.is_empty(FLOW)


def test_keys_and_reasons_may_hold_anything(ledger):
    awkward = 'it\'s; "a", 100% {x} \\x41 :y\nZoë 🙂'
    row = refusals(**{awkward: (6, True)}).assign(reason=awkward)
    settle(ledger, outcomes(**{awkward: (5, b"\x00\xff\\'\"\n,;" * 2, "created")}), row)
    assert known(ledger, awkward) == {awkward: (5, b"\x00\xff\\'\"\n,;" * 2, True, False)}
    assert ledger.rejected(FLOW)["reason"].to_dict() == {awkward: awkward}


def test_arrow_frames_with_thousands_of_rows_settle(ledger):
    keys = [str(uuid.UUID(int=number)) for number in range(3000)]
    columns = {"version": range(1, 3001), "sent_hash": [H1] * 3000, "result": ["created"] * 3000}
    frame = pd.DataFrame(columns, index=keys).astype(
        {"version": "int64[pyarrow]", "sent_hash": "binary[pyarrow]", "result": "string[pyarrow]"}
    )
    ledger.begin(FLOW, frame.index, "run 1")
    settle(ledger, frame)
    found = ledger.known(FLOW, keys)
    assert found["version"].sort_values().tolist() == list(range(1, 3001))
    assert ledger.counts(FLOW) == Counts(present=3000, absent=0, in_doubt=0, rejected=0)


def test_a_first_read_is_reading_until_the_place_moves(ledger):
    ledger.open_place(FLOW, "run 1")
    ledger.open_place(FLOW, "run 1")
    assert ledger.place(FLOW)[:3] == ("reading", None, "run 1")
    ledger.end_run(FLOW, "run 1", "success", {}, Move(None, "link 1"))
    assert ledger.place(FLOW)[:3] == ("placed", "link 1", "run 1")
    assert ledger.place(FLOW).moved_at.tzinfo is not None


def test_opening_a_place_never_loses_one(ledger):
    ledger.open_place(FLOW, "run 1")
    ledger.end_run(FLOW, "run 1", "success", {}, Move(None, "link 1"))
    ledger.open_place(FLOW, "run 2")
    assert ledger.place(FLOW)[:3] == ("placed", "link 1", "run 1")


def test_a_place_moves_only_from_where_the_run_began(ledger):
    ledger.open_place(FLOW, "run 1")
    ledger.end_run(FLOW, "run 1", "success", {}, Move(None, "link 1"))
    with pytest.raises(ReconcileError, match=r"run 2: the place .* not where this run began"):
        ledger.end_run(FLOW, "run 2", "success", {}, Move("link 0", "link 2"))
    with pytest.raises(ReconcileError):
        ledger.end_run(FLOW, "run 2", "success", {}, Move(None, "link 2"))
    assert ledger.place(FLOW).delta_link == "link 1"


def test_moving_the_place_twice_is_harmless(ledger):
    ledger.open_place(FLOW, "run 1")
    ledger.end_run(FLOW, "run 1", "success", {}, Move(None, "link 1"))
    ledger.end_run(FLOW, "run 1", "success", {}, Move(None, "link 1"))
    assert ledger.place(FLOW).delta_link == "link 1"


def test_a_place_that_was_reset_meanwhile_does_not_come_back(ledger):
    ledger.open_place(FLOW, "run 1")
    ledger.forget(FLOW)
    with pytest.raises(ReconcileError):
        ledger.end_run(FLOW, "run 1", "success", {}, Move(None, "link 1"))
    assert ledger.place(FLOW) is None


def test_an_expired_place_can_be_opened_again(ledger):
    ledger.open_place(FLOW, "run 1")
    ledger.end_run(FLOW, "run 1", "success", {}, Move(None, "link 1"))
    ledger.expire_place(FLOW)
    assert ledger.place(FLOW).state == "expired"
    with pytest.raises(ReconcileError):
        ledger.end_run(FLOW, "run 2", "success", {}, Move("link 1", "link 2"))
    ledger.open_place(FLOW, "run 3")
    ledger.end_run(FLOW, "run 3", "success", {}, Move(None, "link 3"))
    assert ledger.place(FLOW)[:3] == ("placed", "link 3", "run 3")


def test_an_expired_place_moves_only_with_a_run_that_healed_it(ledger):
    ledger.open_place(FLOW, "run 1")
    ledger.end_run(FLOW, "run 1", "success", {}, Move(None, "link 1"))
    ledger.expire_place(FLOW)
    with pytest.raises(ReconcileError):
        ledger.end_run(FLOW, "run 2", "success", {}, Move("link 0", "link 2", heals=True))
    ledger.end_run(FLOW, "run 2", "success", {}, Move("link 1", "link 2", heals=True))
    assert ledger.place(FLOW)[:3] == ("placed", "link 2", "run 2")


def test_a_run_ends_and_moves_the_place_together_or_not_at_all(ledger):
    ledger.start_run(FLOW, "run 1")
    ledger.open_place(FLOW, "run 1")
    with pytest.raises(ReconcileError):
        ledger.end_run(FLOW, "run 1", "success", {"created": 1}, Move("link 0", "link 1"))
    (run,) = ledger.runs(FLOW)
    assert (run.run_id, run.state, run.ended) == ("run 1", "running", None)
    ledger.end_run(FLOW, "run 1", "success", {"created": 1}, Move(None, "link 1"))
    (run,) = ledger.runs(FLOW)
    assert (run.state, run.tally) == ("success", {"created": 1})
    assert run.started <= run.ended
    assert ledger.place(FLOW).delta_link == "link 1"


def test_a_repeated_run_keeps_its_start_and_runs_are_listed_newest_first(ledger):
    ledger.start_run(FLOW, "run 1")
    started = ledger.runs(FLOW)[0].started
    ledger.end_run(FLOW, "run 1", "failed", {})
    ledger.start_run(FLOW, "run 2")
    ledger.start_run(FLOW, "run 1")
    runs = ledger.runs(FLOW)
    assert [(each.run_id, each.state) for each in runs] == [("run 2", "running"), ("run 1", "running")]
    assert runs[1].started == started
    assert runs[1].ended is None


def test_a_run_that_has_not_ended_is_known_however_many_came_after_it(ledger):
    ledger.start_run(FLOW, "slow")
    for number in range(101):
        ledger.start_run(FLOW, f"run {number}")
        ledger.end_run(FLOW, f"run {number}", "success", {})
    ledger.start_run("another flow", "its run")
    assert ledger.running(FLOW) == [("slow", False)]
    ledger.end_run(FLOW, "slow", "failed", {})
    assert ledger.running(FLOW) == []


def test_a_running_run_tells_whether_a_backfill_started_it_last(ledger):
    ledger.start_run(FLOW, "scheduled__1")
    ledger.end_run(FLOW, "scheduled__1", "success", {"created": 1})
    ledger.start_run(FLOW, "scheduled__1", backfill=True)
    assert ledger.running(FLOW) == [("scheduled__1", True)]
    ledger.end_run(FLOW, "scheduled__1", "success", {"updated": 1})
    assert ledger.runs(FLOW)[0].tally == {"updated": 1}
    ledger.start_run(FLOW, "scheduled__1")
    assert ledger.running(FLOW) == [("scheduled__1", False)]


def test_a_forgotten_flow_is_as_new(ledger):
    ledger.start_run(FLOW, "run 1")
    ledger.open_place(FLOW, "run 1")
    settle(ledger, outcomes(a=(5, H1, "created")), refusals(b=(6, True)))
    ledger.forget(FLOW)
    assert ledger.is_empty(FLOW)
    assert ledger.place(FLOW) is None
    assert ledger.runs(FLOW) == []
    assert len(ledger.rejected(FLOW)) == 0


def test_tasks_that_start_at_once_make_one_ledger_and_lose_nothing(url, ledger):
    empty(url)
    together = threading.Barrier(4)

    def task(name):
        mine = Ledger(url)
        together.wait(10)
        for turn in range(4):
            row = {f"{name}-{turn}": (1, H1, "created"), "shared": (turn + 1, H1, "updated")}
            mine.begin(FLOW, row, name)
            settle(mine, outcomes(**row), run=name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(task, ["task 1", "task 2", "task 3", "task 4"]))
    again = Ledger(url)
    assert again.counts(FLOW).present == 17
    assert known(again, "shared")["shared"][:3] == (4, H1, True)


def empty(url):
    """Takes the tables away, as if nobody had ever opened this ledger."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).unlink()
        return
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"))
    stored.drop_all(engine)
    engine.dispose()


def test_a_ledger_of_a_newer_program_is_left_alone(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(url).is_empty(FLOW)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    with pytest.raises(
        RefusedError,
        match=rf"schema version 99, this program knows {SCHEMA_VERSION}.* Install the campaign_sync",
    ):
        Ledger(url).is_empty(FLOW)


def test_a_ledger_of_an_older_program_is_kept_and_given_the_tables_it_lacks(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(url).open_place(FLOW, "r1")
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE schema_version SET version = 1")
        connection.execute("DROP TABLE rejections")
    connection.close()
    ledger = Ledger(url)
    assert ledger.place(FLOW).run_id == "r1"
    assert ledger.rejected(FLOW).empty


def test_the_sqlite_file_is_for_the_owner_only_and_lets_readers_in_while_it_is_written(tmp_path):
    Ledger(f"sqlite:///{tmp_path}/new/deep/ledger.db").is_empty(FLOW)
    file = tmp_path / "new" / "deep" / "ledger.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) for each in (file.parent, file.parents[1])} == {0o700}
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_reading_does_not_wait_for_a_writer(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    settle(ledger, outcomes(a=(5, H1, "created")))
    writer = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert known(Ledger(f"sqlite:///{tmp_path}/ledger.db"), "a") == {"a": (5, H1, True, False)}
    writer.close()


def test_a_ledger_that_stays_busy_is_worth_another_try(tmp_path, monkeypatch):
    monkeypatch.setattr("campaign_sync.ledger.database.BUSY_MILLISECONDS", 1)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.is_empty(FLOW)
    writer = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="database is locked"):
        ledger.open_place(FLOW, "run 1")
    writer.close()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hush@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "somewhere",
        "postgresql+pg8000://me:hush@h/d",
    ],
)
def test_an_address_that_cannot_hold_a_ledger_is_refused_without_its_password(url):
    with pytest.raises(RefusedError, match="Write sqlite:") as refused:
        Ledger(url)
    assert "hush" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"something else, long enough to have a header" * 100)
    with pytest.raises(RefusedError, match=r"not a database.* Another file lies in the ledger's place"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db").is_empty(FLOW)


def test_a_database_that_does_not_exist_is_refused_and_one_that_does_not_answer_is_tried_again(postgres):
    address = postgres.rpartition("?")[0].rpartition("/")[0]
    with pytest.raises(RefusedError, match=r'"nowhere" does not exist.* Create the database'):
        Ledger(f"{address}/nowhere").is_empty(FLOW)
    with pytest.raises(TransientError, match=r"ledger postgresql.psycopg2://me:.*Connection refused") as away:
        Ledger("postgres://me:hush@127.0.0.1:1/test").is_empty(FLOW)
    assert "hush" not in str(away.value)


def test_the_whole_state_of_keys_is_told_in_one_row_each(ledger):
    settle(ledger, outcomes(a=(5, H1, "created"), b=(6, H2, "updated")), refusals(b=(7, True), c=(8, True)))
    settle(ledger, outcomes(d=(9, H1, "created")))
    settle(ledger, outcomes(d=(None, None, "deleted")))
    ledger.begin(FLOW, ["e"], "run 2")
    ledger.start_run(FLOW, "run 3")
    ledger.begin(FLOW, ["h"], "run 3")
    waiting = pd.DataFrame(
        {"version": [10], "kind": "parent", "waits_for": "s", "waits_key": "k", "reason": "r"}, index=["g"]
    )
    ledger.settle(FLOW, outcomes(), refusals(), "run 2", "mapping 1", parked=waiting)
    told = ledger.state(FLOW, ["a", "b", "c", "d", "e", "f", "g", "h", "a"])
    assert list(told.columns) == [
        "version", "sent_hash", "present", "in_doubt", "updated_at", "refused", "waits", "busy",
    ]  # fmt: skip
    plain = told.drop(columns="updated_at").astype(object)
    assert {
        key: tuple(None if pd.isna(each) else each for each in row) for key, *row in plain.itertuples()
    } == {
        "a": (5, H1, True, False, None, None, False),
        "b": (6, H2, True, False, 7, None, False),
        "c": (None, None, False, False, 8, None, False),
        "d": (10, None, False, False, None, None, False),
        "e": (0, None, False, True, None, None, False),
        "f": (None, None, False, False, None, None, False),
        "g": (None, None, False, False, None, 10, False),
        "h": (0, None, False, True, None, None, True),
    }
    assert told["updated_at"].isna().to_dict() == dict.fromkeys("abdeh", False) | dict.fromkeys("cfg", True)


def test_a_row_put_in_doubt_is_looked_at_again_whatever_was_known_of_it(ledger):
    settle(ledger, outcomes(a=(5, H1, "created"), b=(6, H2, "updated")))
    assert ledger.unsettled(FLOW, "mapping 1", 10) == set()
    ledger.doubt(FLOW, ["a", "c"])
    assert ledger.unsettled(FLOW, "mapping 1", 10) == {"a", "c"}
    assert known(ledger, "a", "b", "c") == {
        "a": (5, H1, True, True),
        "b": (6, H2, True, False),
        "c": (0, None, False, True),
    }
    assert ledger.begin(FLOW, ["a", "c"], "run 2", [5, 7]).keys == {"a", "c"}
    settle(ledger, outcomes(a=(5, H1, "updated"), c=(7, H2, "created")), run="run 2")
    assert ledger.unsettled(FLOW, "mapping 1", 10) == set()
    assert known(ledger, "a", "c") == {"a": (5, H1, True, False), "c": (7, H2, True, False)}


def test_a_row_put_in_doubt_while_a_run_writes_it_stays_in_doubt(ledger):
    settle(ledger, outcomes(a=(5, H1, "created")))
    ledger.begin(FLOW, ["a"], "run 2", [6])
    ledger.doubt(FLOW, ["a"])
    settle(ledger, outcomes(a=(6, H2, "updated")), run="run 2")
    assert ledger.unsettled(FLOW, "mapping 1", 10) == {"a"}


def test_a_row_that_was_refused_too_often_is_tried_again_once_it_is_put_in_doubt(ledger):
    for run in range(5):
        ledger.begin(FLOW, ["a"], f"run {run}")
        settle(ledger, rejected=refusals(a=(5, False)), run=f"run {run}")
    assert ledger.unsettled(FLOW, "mapping 1", 10) == set()
    ledger.doubt(FLOW, ["a"])
    assert ledger.unsettled(FLOW, "mapping 1", 10) == {"a"}
