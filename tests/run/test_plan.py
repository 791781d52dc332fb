"""What a batch comes to, given what the ledger knows."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.mapping.file import load_mapping
from campaign_sync.run.plan import plan_writes
from campaign_sync.run.report import Tally
from campaign_sync.run.row_hashes import row_hashes
from hypothesis import given, settings
from hypothesis import strategies as st

MAPPING = """\
description: Contacts become profiles.
extract: {{table: contact, deletes: {deletes}}}
filter:
  all:
    - {{name: active, column: statecode, equals: 0}}
  filtered_out: {filtered_out}
map:
  externalId: {{from: contactid, key: true}}
  email: emailaddress1
  points: new_points
  location.city: address1_city
  firstSeen: {{from: createdon, updates: false}}
load: {{resource: profile}}
"""
FIELDS = ["externalId", "email", "points", "location.city", "firstSeen"]
HASHED = FIELDS[:-1]
TYPES = {"@version": pa.int64(), "points": pa.int64()}
REMOVED = ["@version", "fate", "rule", "reason", "step"]
LISTS = ["create", "update", "delete", "unchanged", "stale", "dropped", "rejected"]


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    """mapping(deletes=…, filtered_out=…)"""

    def make(deletes="apply", filtered_out="keep"):
        file = tmp_path_factory.mktemp("mappings") / "contacts_to_profiles.yaml"
        file.write_text(MAPPING.format(deletes=deletes, filtered_out=filtered_out))
        return load_mapping(file)

    return make


def arrow(columns, index):
    arrays = {name: pa.array(values, TYPES.get(name, pa.string())) for name, values in columns.items()}
    frame = pa.table(arrays).to_pandas(types_mapper=pd.ArrowDtype)
    return frame.set_axis(pd.Index(index, name="contactid", dtype="string[pyarrow]"))


def rows(*each):
    """(key, version, email) or with further fields by name"""
    made = [
        {"@version": version, "externalId": key, "email": email, "points": 1, "location.city": "Bergen"}
        | {"firstSeen": "2026-01-01"}
        | dict(*more)
        for key, version, email, *more in each
    ]
    return arrow(
        {name: [row[name] for row in made] for name in ["@version", *FIELDS]}, [key for key, *_ in each]
    )


def removed(*each):
    """(key, version, fate)"""
    table = [(version, fate, f"rule of {key}", "because", "filter") for key, version, fate in each]
    return arrow(
        {name: [row[at] for row in table] for at, name in enumerate(REMOVED)}, [key for key, *_ in each]
    )


def known(**each):
    """key=(version, row that was sent or None, present, in doubt)"""
    columns = {
        "version": pa.array([version for version, *_ in each.values()], pa.int64()),
        "sent_hash": pa.array(
            [sent if sent is None else digest(sent) for _, sent, *_ in each.values()], pa.binary()
        ),
        "present": pa.array([present for *_, present, _ in each.values()], pa.bool_()),
        "in_doubt": pa.array([doubt for *_, doubt in each.values()], pa.bool_()),
    }
    frame = pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)
    return frame.set_axis(pd.Index(list(each), name="source_key", dtype="string[pyarrow]"))


def digest(row):
    return row_hashes(rows(row), HASHED).iloc[0]


def plan(mapping, kept=(), gone=(), memory=None, **more):
    return plan_writes(
        rows(*kept), removed(*gone), known() if memory is None else memory, mapping=mapping, **more
    )


def told(plan):
    """list -> keys, for the lists that have any"""
    return {name: list(getattr(plan, name).index) for name in LISTS if len(getattr(plan, name))}


A5 = ("a", 5, "a@x.example")


def test_an_unknown_row_is_created(mapping):
    assert told(plan(mapping(), [A5])) == {"create": ["a"]}


def test_a_row_that_is_not_in_campaign_is_created(mapping):
    assert told(plan(mapping(), [A5], memory=known(a=(4, A5, False, False)))) == {"create": ["a"]}


def test_a_row_with_the_hash_last_sent_is_unchanged_whatever_its_version(mapping):
    assert told(plan(mapping(), [A5], memory=known(a=(4, A5, True, False)))) == {"unchanged": ["a"]}
    assert told(plan(mapping(), [A5], memory=known(a=(5, A5, True, False)))) == {"unchanged": ["a"]}


def test_a_row_with_another_hash_is_updated(mapping):
    assert told(plan(mapping(), [A5], memory=known(a=(5, ("a", 1, "old"), True, False)))) == {"update": ["a"]}


def test_a_row_whose_hash_is_not_known_is_updated(mapping):
    assert told(plan(mapping(), [A5], memory=known(a=(5, None, True, False)))) == {"update": ["a"]}


def test_a_change_of_a_create_only_field_alone_is_no_change(mapping):
    changed = ("a", 6, "a@x.example", {"firstSeen": "2026-02-02"})
    assert told(plan(mapping(), [changed], memory=known(a=(5, A5, True, False)))) == {"unchanged": ["a"]}


@pytest.mark.parametrize("present, kind", [(True, "update"), (False, "create")])
def test_a_row_in_doubt_is_written_again_even_if_it_looks_unchanged(mapping, present, kind):
    assert told(plan(mapping(), [A5], memory=known(a=(5, A5, present, True)))) == {kind: ["a"]}


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("doubt", [True, False])
@pytest.mark.parametrize("force", [True, False])
def test_a_row_older_than_what_is_known_is_stale(mapping, present, doubt, force):
    memory = known(a=(6, ("a", 6, "new"), present, doubt))
    assert told(plan(mapping(), [A5], memory=memory, force=force)) == {"stale": ["a"]}


def test_a_replay_sends_unchanged_rows_again_with_their_create_only_fields(mapping):
    forced = plan(mapping(), [A5], memory=known(a=(5, A5, True, False)), force=True)
    (write,) = forced.writes()
    assert write.kind == "update"
    assert write.body == {
        "email": "a@x.example",
        "points": 1,
        "location.city": "Bergen",
        "firstSeen": "2026-01-01",
    }


def test_a_deleted_row_that_is_in_campaign_or_may_be_is_deleted(mapping):
    memory = known(a=(5, A5, True, False), b=(0, None, False, True), c=(5, None, False, False))
    gone = [(key, None, "deleted") for key in "abcd"]
    assert told(plan(mapping(), gone=gone, memory=memory)) == {"delete": ["a", "b"], "unchanged": ["c", "d"]}


def test_a_deletion_is_dropped_where_the_mapping_ignores_deletions(mapping):
    memory = known(a=(5, A5, True, False))
    ignored = plan(
        mapping(deletes="ignore"), gone=[("a", None, "deleted"), ("b", None, "deleted")], memory=memory
    )
    assert told(ignored) == {"dropped": ["a", "b"]}
    assert set(ignored.dropped["rule"]) == {"deletes: ignore"}


def test_a_filtered_out_row_stays_in_campaign_unless_the_mapping_says_otherwise(mapping):
    memory = known(a=(5, A5, True, False), b=(0, None, False, True), c=(5, None, False, False))
    gone = [(key, 6, "dropped") for key in "abcd"]
    kept = plan(mapping(filtered_out="keep"), gone=gone, memory=memory)
    assert told(kept) == {"dropped": ["a", "b", "c", "d"]}
    assert kept.dropped.loc["a", "rule"] == "rule of a"
    deleted = plan(mapping(filtered_out="delete"), gone=gone, memory=memory)
    assert told(deleted) == {"delete": ["a", "b"], "dropped": ["c", "d"]}


def test_an_old_reading_deletes_nothing(mapping):
    memory = known(a=(9, A5, True, False), b=(9, A5, True, False))
    gone = [("a", 6, "dropped"), ("b", 6, "deleted")]
    assert told(plan(mapping(filtered_out="delete"), gone=gone, memory=memory)) == {"stale": ["a", "b"]}


def test_a_row_rejected_on_the_way_stays_rejected_with_its_step(mapping):
    rejected = plan(mapping(), gone=[("a", 6, "rejected")], memory=known(a=(5, A5, True, False)))
    assert told(rejected) == {"rejected": ["a"]}
    assert rejected.rejections().loc["a"].to_dict() == {
        "version": 6,
        "step": "filter",
        "rule": "rule of a",
        "reason": "because",
        "certain": False,
    }


@pytest.mark.parametrize("newer_first", [True, False])
def test_of_two_readings_of_a_row_the_newer_counts_and_the_other_is_stale(mapping, newer_first):
    kept = [("a", 6, "new"), A5] if newer_first else [A5, ("a", 6, "new")]
    both = plan(mapping(), kept)
    assert told(both) == {"create": ["a"], "stale": ["a"]}
    assert list(both.create["email"]) == ["new"]
    assert both.tally() == Tally(created=1, unchanged=1)


def test_a_deletion_counts_as_newer_than_a_reading_of_the_same_row(mapping):
    memory = known(a=(4, A5, True, False))
    assert told(plan(mapping(), [A5], [("a", None, "deleted")], memory)) == {"delete": ["a"], "stale": ["a"]}


def test_a_newer_rejected_reading_keeps_the_older_one_from_being_sent(mapping):
    assert told(plan(mapping(), [A5], [("a", 6, "rejected")])) == {"stale": ["a"], "rejected": ["a"]}
    assert told(plan(mapping(), [("a", 7, "x")], [("a", 6, "rejected")])) == {"create": ["a"], "stale": ["a"]}


def test_a_row_without_a_key_or_with_anothers_is_rejected(mapping):
    kept = [
        A5,
        ("b", 5, "b", {"externalId": None}),
        ("c", 5, "c", {"externalId": ""}),
        ("d", 5, "d", {"externalId": "a"}),
    ]
    refused = plan(mapping(), kept)
    assert told(refused) == {"create": ["a"], "rejected": ["b", "c", "d"]}
    assert refused.rejected["reason"].to_dict() == {
        "b": "externalId has no value",
        "c": "externalId has no value",
        "d": "another row of the same batch has the same externalId",
    }
    assert set(refused.rejected["step"]) == {"load"}


def test_a_create_holds_its_key_and_no_empty_values(mapping):
    empty = {"points": None, "location.city": ""}
    (write,) = plan(mapping(), [("a", 5, "a@x.example", empty)]).writes()
    assert (write.kind, write.key, write.source_key) == ("create", "a", "a")
    assert write.body == {"externalId": "a", "email": "a@x.example", "firstSeen": "2026-01-01"}
    assert write.instead is None


def test_a_create_that_finds_its_record_clears_what_is_empty_now(mapping):
    (write,) = plan(mapping(), [("a", 5, None, {"points": None})]).writes()
    assert write.found == {"email": "", "points": 0, "location.city": "Bergen"}


def test_an_update_leaves_out_the_key_and_clears_with_empty_values_never_null(mapping):
    memory = known(a=(4, A5, True, False))
    (write,) = plan(
        mapping(), [("a", 5, None, {"points": None, "location.city": None})], memory=memory
    ).writes()
    assert (write.kind, write.key) == ("update", "a")
    assert write.body == {"email": "", "points": 0, "location.city": ""}
    assert write.instead == {"externalId": "a", "firstSeen": "2026-01-01"}


def test_a_delete_names_its_key_only(mapping):
    (write,) = plan(mapping(), gone=[("a", None, "deleted")], memory=known(a=(4, A5, True, False))).writes()
    assert write[:3] == ("delete", "a", {})


def test_values_are_plain_json_values(mapping):
    import json

    (write,) = plan(mapping(), [A5]).writes()
    assert json.loads(json.dumps(write.body)) == write.body
    assert type(write.body["points"]) is int


class Answer(NamedTuple):
    """What a hook would say."""

    key: str
    result: str
    rule: str | None = None
    reason: str | None = None
    certain: bool = True


def test_answers_become_outcomes_and_rejections_by_source_key(mapping):
    memory = known(b=(4, A5, True, False), c=(4, A5, True, False))
    kept = [("s1", 5, "a", {"externalId": "t1"}), ("b", 6, "b"), ("s3", 7, "c", {"externalId": "t3"})]
    carried = plan(mapping(), kept, [("c", None, "deleted")], memory)
    answers = [
        Answer("t1", "created"),
        Answer("b", "rejected", "refused", "why", False),
        Answer("c", "unchanged"),
    ]
    settled, rejected = carried.outcomes(answers)
    assert settled["result"].to_dict() == {"s1": "created", "c": "deleted"}  # gone already is deleted, too
    assert settled.loc["s1", "version"] == 5
    assert settled.loc["s1", "sent_hash"] == carried.create.loc["s1", "@hash"]
    assert pd.isna(settled.loc["c", "version"])
    (row,) = rejected.reset_index(drop=True).to_dict("records")
    assert row == {"version": 6, "step": "load", "rule": "refused", "reason": "why", "certain": False}
    assert list(rejected.index) == ["b"]


def test_rows_that_need_no_call_are_settled_apart(mapping):
    memory = known(a=(5, A5, True, False), b=(9, A5, True, False))
    quiet = plan(mapping(), [A5, ("b", 6, "b"), ("c", 1, "c")], [("d", 6, "dropped")], memory)
    assert quiet.settled()["result"].to_dict() == {"a": "unchanged", "b": "unchanged", "d": "dropped"}
    assert quiet.settled_tally() == Tally(dropped=1, unchanged=2)
    assert quiet.tally() == Tally(dropped=1, unchanged=2, created=1)


def test_a_row_of_which_the_ledger_needs_no_note_is_unchanged_and_not_settled_again(mapping):
    quiet = plan(
        mapping(),
        [A5, ("b", 6, "b")],
        memory=known(b=(5, ("b", 1, "b"), True, False)),
        settled=pd.Index(["a"], dtype="string[pyarrow]"),
    )
    assert told(quiet) == {"unchanged": ["a", "b"]}
    assert quiet.settled()["result"].to_dict() == {"b": "unchanged"}
    assert quiet.tally() == Tally(unchanged=2)


def test_an_empty_batch_is_an_empty_plan(mapping):
    empty = plan(mapping())
    assert told(empty) == {}
    assert list(empty.writes()) == []
    settled, rejected = empty.outcomes([])
    assert len(settled) == len(rejected) == len(empty.settled()) == len(empty.rejections()) == 0


KEYS = st.sampled_from("abcdef")
VERSIONS = st.integers(1, 5)
KEPT = st.lists(st.tuples(KEYS, VERSIONS, st.sampled_from(["", "x", "y"])), max_size=6)
FATES = st.sampled_from(["deleted", "dropped", "rejected"])
GONE = st.lists(st.tuples(KEYS, st.none() | VERSIONS, FATES), max_size=6)
SENT = st.tuples(VERSIONS, st.sampled_from([None, ("a", 1, "x"), ("b", 1, "")]), st.booleans(), st.booleans())


@given(kept=KEPT, gone=GONE, memory=st.dictionaries(KEYS, SENT), force=st.booleans(), deletes=st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_every_row_ends_in_exactly_one_list(mapping, kept, gone, memory, force, deletes):
    vocabulary = ("apply", "delete") if deletes else ("ignore", "keep")
    planned = plan(mapping(*vocabulary), kept, gone, known(**memory), force=force)
    ended = sorted(key for name in LISTS for key in getattr(planned, name).index)
    assert ended == sorted([key for key, *_ in kept] + [key for key, *_ in gone])
    assert planned.tally().accounted == len(kept) + len(gone)
    written = planned.source_keys()
    assert len(set(written)) == len(written)  # one call per record at most
    assert [write.source_key for write in planned.writes()] == written


TEXT = st.none() | st.text(st.sampled_from("ab\x1d\x1e\x1f012"), max_size=3)


@given(table=st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=12))
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_rows_have_the_same_hash_only_if_they_have_the_same_values(table):
    hashes = list(row_hashes(pair(table), ["x", "y"]))
    assert len(set(hashes)) == len(set(table))
    assert hashes == [
        row_hashes(pair([row]), ["x", "y"]).iloc[0] for row in table
    ]  # whatever its neighbours hold


def pair(table):
    return pd.DataFrame({"x": [x for x, _ in table], "y": [y for _, y in table]}, dtype="string[pyarrow]")


def test_a_value_that_moves_to_another_field_changes_the_hash():
    hashes = row_hashes(pair([("ab", ""), ("a", "b"), ("", "ab"), (None, "ab"), ("ab", None)]), ["x", "y"])
    assert hashes.is_unique
    assert hashes.map(len).eq(16).all()
    renamed = pair([("ab", "")]).rename(columns={"y": "z"})
    assert row_hashes(renamed, ["x", "z"]).iloc[0] != hashes.iloc[0]


def test_the_hash_depends_neither_on_the_order_of_fields_nor_on_the_kind_of_frame():
    frame = pair([("a", None), ("b", "ü")])
    hashes = list(row_hashes(frame, ["x", "y"]))
    assert list(row_hashes(frame[["y", "x"]], ["y", "x"])) == hashes
    assert list(row_hashes(frame.astype(object), ["x", "y"])) == hashes
    assert list(row_hashes(frame.astype("str"), ["x", "y"])) == hashes
    assert list(row_hashes(frame.iloc[1:], ["x", "y"])) == hashes[1:]


def test_a_column_of_gaps_hashes_alike_whatever_its_type():
    frames = [
        pd.DataFrame({"x": pd.array([None], dtype=pd.ArrowDtype(kind))})
        for kind in (pa.null(), pa.int64(), pa.string())
    ]
    assert len({row_hashes(frame, ["x"]).iloc[0] for frame in frames}) == 1


def test_no_fields_and_no_rows_have_hashes_too():
    assert len(row_hashes(pair([("a", "b")]), [])) == 1
    assert len(row_hashes(pair([]), ["x", "y"])) == 0


def test_the_hash_is_the_same_tomorrow():
    frame = pd.DataFrame({"a": ["x"], "n": [1], "b": [True], "f": [1.5]}).convert_dtypes(
        dtype_backend="pyarrow"
    )
    assert row_hashes(frame, frame.columns).iloc[0].hex() == "1810e7eb6d08270bb300f94e683c68b2"


def test_a_field_that_was_filled_and_is_no_longer_is_told_and_one_that_was_always_empty_is_not(mapping):
    first = plan(mapping(), [A5, ("b", 5, ""), ("c", 5, "c@x.example")])
    memory = known(a=(5, None, True, False), b=(5, None, True, False), c=(5, None, True, False))
    memory["sent_hash"] = first.create["@hash"].to_numpy()
    then = plan(mapping(), [("a", 6, ""), ("b", 6, "", {"points": 2}.items()), ("c", 6, None)], (), memory)
    assert told(then) == {"update": ["a", "b", "c"]}
    assert dict(then.emptied) == {"a": "email", "c": "email"}


def test_a_hash_from_before_fields_were_remembered_still_tells_same_from_changed(mapping):
    assert told(plan(mapping(), [A5], (), known(a=(5, A5, True, False)))) == {"unchanged": ["a"]}
    assert not len(plan(mapping(), [("a", 6, "")], (), known(a=(5, A5, True, False))).emptied)
