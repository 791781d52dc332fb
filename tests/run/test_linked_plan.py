"""What a batch comes to whose rows name records of other flows, or are named by them."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.mapping.file import load_mapping
from campaign_sync.run.plan import plan_writes

MAPPING = """\
description: Tickets.
extract: {table: new_ticket, deletes: apply}
map:
  sourceId: {from: new_ticketid, key: true}
  subject: new_subject
  storeId: {from: new_storeid, link: stores}
  ownerId: {from: new_ownerid, link: people, updates: false}
load: {resource: cusTicket}
"""
FIELDS = ["sourceId", "subject", "storeId", "ownerId"]


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    file = tmp_path_factory.mktemp("mappings") / "tickets.yaml"
    file.write_text(MAPPING)
    return load_mapping(file)


def arrow(columns, index):
    frame = pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)
    return frame.set_axis(pd.Index(index, dtype="string[pyarrow]"))


def rows(**each):
    """key=(store, owner)"""
    columns = {
        "@version": pa.array([5] * len(each), pa.int64()),
        "sourceId": pa.array(list(each), pa.string()),
        "subject": pa.array(["s"] * len(each), pa.string()),
        "storeId": pa.array([store for store, _ in each.values()], pa.string()),
        "ownerId": pa.array([owner for _, owner in each.values()], pa.string()),
    }
    return arrow(columns, list(each))


def deleted(*keys):
    columns = {"@version": pa.array([None] * len(keys), pa.int64())}
    columns |= {
        name: pa.array([text] * len(keys), pa.string())
        for name, text in (("fate", "deleted"), ("rule", ""), ("reason", ""), ("step", "extract"))
    }
    return arrow(columns, list(keys))


def known(*keys):
    columns = {
        "version": pa.array([1] * len(keys), pa.int64()),
        "sent_hash": pa.array([None] * len(keys), pa.binary()),
        "present": pa.array([True] * len(keys), pa.bool_()),
        "in_doubt": pa.array([False] * len(keys), pa.bool_()),
    }
    return arrow(columns, list(keys))


def plan(mapping, kept=None, gone=(), there=(), **more):
    return plan_writes(
        rows() if kept is None else kept, deleted(*gone), known(*there), mapping=mapping, **more
    )


PARENTS = {"stores": {"s1"}, "people": {"p1"}}


def waits(plan):
    return {key: tuple(row) for key, *row in plan.parked[["kind", "waits_for", "waits_key"]].itertuples()}


def test_a_row_goes_if_all_that_it_names_is_there_and_else_waits_for_the_first_that_is_not(mapping):
    kept = rows(both=("s1", "p1"), none=(None, ""), store=("s2", "p2"), owner=("s1", "p2"))
    made = plan(mapping, kept, parents=PARENTS)
    assert list(made.create.index) == ["both", "none"]
    assert waits(made) == {"store": ("parent", "stores", "s2"), "owner": ("parent", "people", "p2")}
    assert made.parked["reason"]["owner"] == "it names a record of people that is not surely in Campaign"
    assert made.tally().as_dict() | {"created": 2, "parked": 2} == made.tally().as_dict()


def test_an_update_does_not_wait_for_a_link_that_it_does_not_send(mapping):
    made = plan(mapping, rows(a=("s1", "p2")), there=["a"], parents=PARENTS)
    assert list(made.update.index) == ["a"]
    forced = plan(mapping, rows(a=("s1", "p2")), there=["a"], parents=PARENTS, force=True)
    assert waits(forced) == {"a": ("parent", "people", "p2")}


def test_the_plan_says_whom_each_write_will_name_field_by_field(mapping):
    made = plan(mapping, rows(new=("s1", None), old=("", "p1")), there=["old"], parents=PARENTS)
    lines = made.names.astype(object).where(made.names.notna(), None)
    assert [(key, *line) for key, *line in lines.itertuples()] == [
        ("new", "storeId", "stores", "s1"),
        ("new", "ownerId", "people", None),
        ("old", "storeId", "stores", None),
    ]


def test_what_others_name_is_not_deleted(mapping):
    told = {"kind": ["children"], "waits_for": ["notes"], "waits_key": ["n1"], "reason": ["because"]}
    children = arrow({name: pa.array(each, pa.string()) for name, each in told.items()}, ["a"])
    made = plan(mapping, gone=["a", "b", "never"], there=["a", "b"], children=children)
    assert list(made.delete.index) == ["b"]
    assert waits(made) == {"a": ("children", "notes", "n1")}
    assert list(made.unchanged.index) == ["never"]


def test_a_row_taken_out_of_a_plan_is_parked_in_it(mapping):
    made = plan(mapping, rows(a=("s1", None), b=("s1", None)), gone=["c"], there=["b", "c"], parents=PARENTS)
    told = pd.DataFrame(
        {"kind": "parent", "waits_for": "stores", "waits_key": "s1", "reason": "x"}, ["b", "c"]
    )
    less = made.without(told)
    assert (list(less.create.index), len(less.update), len(less.delete)) == (["a"], 0, 0)
    assert list(less.parked.index) == ["b", "c"]
    assert less.parked["@version"]["b"] == 5
    assert set(less.names.index) == {"a"}
    assert [write.source_key for write in less.writes()] == ["a"]
