"""Recipes: texts in, texts out; what cannot be read stays."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from campaign_sync.mapping.recipes import MAKES, RECIPES

CASES = {
    "trim": [("  a b\t\u00a0", "a b"), ("", ""), ("\u200fא", "\u200fא")],
    "single_spaces": [("a  b\t\nc", "a b c")],
    "one_line": [("a \r\n  b\nc", "a b c"), ("a b", "a b")],
    "lower": [("ÅSA@X.Example", "åsa@x.example")],
    "upper": [("åsa", "ÅSA")],
    "capitalize": [("ADA van LOVELACE", "Ada Van Lovelace"), ("o'hara", "O'Hara")],
    "digits_only": [("+47 (0)55-1", "47055" + "1"), ("none", "")],
    "phone": [(" +47 555-01", "+4755501"), ("0049 351", "0049351"), ("n/a", "")],
    "printable": [("a\x00b\x1fc\td\n", "abc\td\n")],
    "iso_date": [
        ("2026-02-03T04:05:06Z", "2026-02-03"),
        ("20260203", "2026-02-03"),
        ("2026/02/03", "2026-02-03"),
        ("03.02.2026", "03.02.2026"),
        ("1987-02-30", "1987-02-30"),
        ("", ""),
    ],
    "day_first_date": [
        ("3.2.2026", "2026-02-03"),
        ("31/12/1999", "1999-12-31"),
        ("2026-02-03", "2026-02-03"),
    ],
    "month_first_date": [("2/3/2026", "2026-02-03"), ("soon", "soon")],
    "iso_datetime": [
        ("2026-02-03", "2026-02-03T00:00:00Z"),
        ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
    ],
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_does_what_its_cases_say_and_leaves_empty_cells_empty(name):
    given = [text for text, _ in CASES[name]]
    result = RECIPES[name](pa.array([*given, None], pa.string()))
    assert result.type == pa.string()
    assert result.to_pylist() == [*(wanted for _, wanted in CASES[name]), None]


@pytest.mark.parametrize("name", RECIPES)
def test_the_examples_in_a_recipes_docstring_are_true(name):
    doc = (RECIPES[name].__doc__ or "").replace("\\n", "\n").replace("\\x00", "\x00")
    examples = re.findall(r'((?:"[^"]*"(?:,\s+)?)+) → "([^"]*)"', doc)
    assert examples or name == "iso_datetime"
    for givens, wanted in examples:
        for given in re.findall(r'"([^"]*)"', givens):
            assert RECIPES[name](pa.array([given])).to_pylist() == [wanted]


def test_recipes_take_an_empty_column():
    for recipe in RECIPES.values():
        assert len(recipe(pa.array([], pa.string()))) == 0


def test_what_recipes_make_is_said_of_known_recipes():
    assert MAKES.keys() <= RECIPES.keys()
