"""Which noes a row mapping's records are born with, by the opt-outs mapping beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaign_sync.consent.noes import with_noes
from campaign_sync.errors import MappingError
from campaign_sync.mapping.file import load_mapping

ROWS = """\
description: Contacts become profiles.
extract: {table: contact}
map: {externalId: {from: contactid, key: true}}
load: {resource: profile}
"""
OPT_OUTS = """\
direction: to_campaign
description: What people object to.
extract: {table: contact}
pairs:
  denyListEmail: {column: donotbulkemail, no_is: true}
  denyListPhone: {column: new_mayring, no_is: false}
replace: {denyListPhone: {empty: "no"}}
load: {resource: profile}
"""


def noes(folder: Path, text: str) -> list[tuple[str, str, bool, bool, int]]:
    (folder / "contacts_to_profiles.yaml").write_text(ROWS)
    (folder / "opt_outs.yaml").write_text(text)
    found = with_noes(load_mapping(folder / "contacts_to_profiles.yaml"))
    assert found.columns() == tuple(sorted({"contactid", *(each.column for each in found.noes)}))
    return [(each.attribute, each.column, each.no_is, each.empty_is_no, each.line) for each in found.noes]


def test_the_pairs_with_their_columns_and_lines(tmp_path: Path) -> None:
    assert noes(tmp_path, OPT_OUTS) == [
        ("denyListEmail", "donotbulkemail", True, False, 5),
        ("denyListPhone", "new_mayring", False, True, 6),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("direction: to_campaign", "direction: to_dynamics"),
        ("direction: to_campaign", "direction: disabled"),
        ("table: contact", "table: account"),
        ("resource: profile", "resource: cusStore"),
        ("pairs:", "map:"),
    ],
)
def test_a_mapping_that_tells_campaign_nothing_here_adds_nothing(tmp_path: Path, old: str, new: str) -> None:
    assert noes(tmp_path, OPT_OUTS.replace(old, new)) == []


def test_where_campaign_is_told_nothing_only_what_was_said_there_counts(tmp_path: Path) -> None:
    assert noes(tmp_path, OPT_OUTS.replace("to_campaign", "to_dynamics")) == []
    found = with_noes(load_mapping(tmp_path / "contacts_to_profiles.yaml")).campaign_noes
    assert [each.attribute for each in found] == ["denyListEmail", "denyListPhone"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("direction: to_campaign", "direction: both"),
        ("direction: to_campaign", "direction: to_capmaign"),
        ("direction: to_campaign\n", ""),
        ("table: contact", "tabel: contact"),
        ("resource: profile", "resourec: profile"),
        ("description: ", "descriptoin: "),
    ],
)
def test_what_may_be_ours_is_ours(tmp_path: Path, old: str, new: str) -> None:
    assert len(noes(tmp_path, OPT_OUTS.replace(old, new))) == 2


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("no_is: true", "no_is: yes", 5),
        ("no_is: true", "is_no: true", 5),
        ("column: new_mayring", "column: ", 6),
        ("{column: new_mayring, no_is: false}", "new_mayring", 6),
        ("pairs:\n  denyListEmail:", "pairs: 1\nmap:\n  denyListEmail:", 4),
        ("direction: to_campaign", "direction: [", 3),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path: Path, old: str, new: str, line: int) -> None:
    with pytest.raises(MappingError, match="contacts_to_profiles reads nothing") as wrong:
        noes(tmp_path, OPT_OUTS.replace(old, new))
    assert (Path(wrong.value.file).name, wrong.value.line) == ("opt_outs.yaml", line)
