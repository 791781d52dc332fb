"""Proof of fidelity: every rule is named by a test, or stands in a list with the reason why not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sandbox.server import load_systems
from sandbox.switches import DECLARED
from tests.sandbox.rules import NOT_COVERED, PARTLY_COVERED, RULES, UNSWITCHED, normal

TESTS = Path(__file__).parents[1]


def named() -> dict[str, list[str]]:
    """Return the rules that tests name, and where."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule":
                for argument in node.args:
                    rule = normal(str(ast.literal_eval(argument)))
                    found.setdefault(rule, []).append(f"{path.relative_to(TESTS)}:{node.lineno}")
    return found


def test_every_rule_is_named_by_a_test_or_listed_with_a_reason() -> None:
    assert sorted(set(RULES) - set(named()) - set(NOT_COVERED)) == []


def test_a_listed_rule_is_not_named_by_a_test_after_all() -> None:
    assert {rule: where for rule, where in named().items() if rule in NOT_COVERED} == {}


def test_no_test_names_a_rule_that_does_not_exist() -> None:
    """Other sections may be quoted too, but what looks like one of the three lists must be in it."""
    lists = ("dataverse.md 12.2/", "campaign.md 13.2/", "campaign.md 13.3/")
    assert {
        rule: where for rule, where in named().items() if rule.startswith(lists) and rule not in RULES
    } == {}


def test_every_reason_is_given_for_a_known_rule() -> None:
    assert set(NOT_COVERED) | set(PARTLY_COVERED) <= set(RULES)
    assert all(reason.strip() for reason in [*NOT_COVERED.values(), *PARTLY_COVERED.values()])


def test_every_rule_covered_in_part_is_named_by_a_test() -> None:
    assert set(PARTLY_COVERED) <= set(named())


@pytest.mark.rule("dataverse.md 12.2/23")
def test_every_unconfirmed_point_is_a_switch_or_listed_with_a_reason() -> None:
    assert load_systems()
    switched = {normal(switch.source) for switch in DECLARED.values()}
    points = {rule for rule in RULES if rule.startswith("campaign.md 13.3/")}
    assert sorted(points - switched - set(NOT_COVERED) - set(UNSWITCHED)) == []
    assert len([switch for switch in DECLARED.values() if switch.source.startswith("dataverse.md")]) > 30


def test_every_switch_says_what_it_means_and_where_that_is_written() -> None:
    assert load_systems()
    assert [s.name for s in DECLARED.values() if not s.meaning or not s.source.partition(" ")[2]] == []
