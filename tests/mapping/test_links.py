"""Links between mapping files: names that are not there, circles, and the tables of the parents."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaign_sync.errors import MappingError
from campaign_sync.mapping.file import Mapping, check_together, load_mapping
from campaign_sync.mapping.links import parent_tables

TEXT = """\
description: Level {name}.
extract: {{table: new_{name}}}
map:
  sourceId: {{from: new_{name}id, key: true}}
{links}load: {{resource: cus{name}}}
"""


def write(folder: Path, name: str, *parents: str) -> Mapping:
    """A flow with a link to each of these."""
    links = "".join(f"  {each}Id: {{from: new_{each}id, link: {each}}}\n" for each in parents)
    file = folder / f"{name}.yaml"
    file.write_text(TEXT.format(name=name, links=links))
    return load_mapping(file)


def test_a_mapping_tells_whom_its_fields_name(tmp_path):
    assert write(tmp_path, "c", "a", "b").links() == {"aId": "a", "bId": "b"}
    assert write(tmp_path, "a").links() == {}


def test_links_to_any_depth_and_several_from_one_are_good(tmp_path):
    chain = [write(tmp_path, f"l{at}", *(f"l{up}" for up in range(max(at - 6, 0), at))) for at in range(12)]
    check_together(chain)


def test_a_link_to_a_file_that_is_not_there_says_which_was_meant(tmp_path):
    good, bad = write(tmp_path, "accounts_to_stores"), write(tmp_path, "tickets", "account_to_stores")
    with pytest.raises(MappingError) as caught:
        check_together([good, bad])
    error = caught.value
    assert (error.file, error.line, error.key) == (bad.path, 5, "map.account_to_storesId.link")
    assert error.problem == "there is no mapping file account_to_stores.yaml"
    assert error.remedy == "Did you mean accounts_to_stores?"
    assert error.others == ()


def test_a_parent_whose_file_is_broken_is_a_parent(tmp_path):
    (tmp_path / "stores.yaml").write_text("extract: {table: account}\nnonsense: 1\n")
    child = write(tmp_path, "tickets", "stores")
    check_together([child])
    assert parent_tables(child) == {"stores": "account"}


@pytest.mark.parametrize("content", ["", "- a list", "extract: 1", "extract: {table: 7}", "{", "\x00"])
def test_a_parents_table_is_unknown_where_its_file_does_not_tell_it(tmp_path, content):
    (tmp_path / "stores.yml").write_text(content)
    assert parent_tables(write(tmp_path, "tickets", "stores")) == {}


def test_a_flow_that_links_to_itself_is_a_circle(tmp_path):
    alone = write(tmp_path, "people", "people")
    with pytest.raises(MappingError) as caught:
        check_together([alone])
    assert (caught.value.line, caught.value.key) == (5, "map.peopleId.link")
    assert caught.value.problem == "links run in a circle: people → people"
    assert "Remove one of these links" in caught.value.remedy


def test_each_flow_of_a_circle_is_told_the_whole_of_it_and_others_are_left_alone(tmp_path):
    flows = [
        write(tmp_path, *names) for names in (("a", "b"), ("b", "c", "x"), ("c", "a"), ("x",), ("d", "a"))
    ]
    with pytest.raises(MappingError) as caught:
        check_together(flows)
    told = {Path(each.file).stem: each for each in (caught.value, *caught.value.others)}
    assert told.keys() == {"a", "b", "c"}
    assert told["a"].problem == "links run in a circle: a → b → c → a"
    assert told["b"].problem == "links run in a circle: b → c → a → b"
    assert told["c"].key == "map.aId.link"
