"""Named value functions for `using:` in a mapping: texts in, texts out, a whole column at a time.

Empty cells stay empty. A recipe that cannot read a value leaves it as it is: a value is never lost here,
and if the target field cannot hold it the row is rejected with the column's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Recipe = Callable[[Any], Any]  # pyarrow StringArray -> pyarrow StringArray, of the same length


def trim(texts: Any) -> Any:
    """Removes blanks at both ends: "  Ada " → "Ada"."""
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(texts)


def single_spaces(texts: Any) -> Any:
    """Makes every run of blanks, tabs and line ends one space: "Ada  \\n Lovelace" → "Ada Lovelace"."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(texts, pattern=r"\s+", replacement=" ")


def lower(texts: Any) -> Any:
    """Lower case: "Ada@Alder.Example" → "ada@alder.example"."""
    import pyarrow.compute as pc

    return pc.utf8_lower(texts)


def upper(texts: Any) -> Any:
    """Upper case: "no" → "NO"."""
    import pyarrow.compute as pc

    return pc.utf8_upper(texts)


def capitalize(texts: Any) -> Any:
    """A capital at the start of each word, the rest small: "ADA LOVELACE" → "Ada Lovelace"."""
    import pyarrow.compute as pc

    return pc.utf8_title(texts)


def digits_only(texts: Any) -> Any:
    """Keeps the digits 0–9: "(47) 555-01 17" → "475550117"."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(texts, pattern=r"[^0-9]+", replacement="")


def phone(texts: Any) -> Any:
    """Keeps digits and a leading +: "+47 (555) 01-17" → "+475550117"."""
    import pyarrow.compute as pc

    plus = pc.starts_with(pc.utf8_ltrim_whitespace(texts), pattern="+")
    digits = digits_only(texts)
    return pc.if_else(plus, pc.binary_join_element_wise("+", digits, ""), digits)


def printable(texts: Any) -> Any:
    """Removes control characters, but neither tabs nor line ends: "A\\x00da" → "Ada"."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(texts, pattern=r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]+", replacement="")


def one_line(texts: Any) -> Any:
    """Puts a space for each line end: "12 Quay St\\n5003 Bergen" → "12 Quay St 5003 Bergen"."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(texts, pattern=r"[ \t]*[\r\n]+[ \t]*", replacement=" ")


def iso_date(texts: Any) -> Any:
    """Reads a year-first date, alone or before a time, and gives the date: "2026-02-03T04:05:06Z",
    "20260203" → "2026-02-03".
    """
    return _rearranged(texts, r"^\s*(?P<y>\d{4})[-/.]?(?P<m>\d{2})[-/.]?(?P<d>\d{2})(?:[T ].*)?\s*$")


def day_first_date(texts: Any) -> Any:
    """Reads a day-first date: "3.2.2026", "03/02/2026" → "2026-02-03"."""
    return _rearranged(texts, r"^\s*(?P<d>\d{1,2})[-/.](?P<m>\d{1,2})[-/.](?P<y>\d{4})\s*$")


def month_first_date(texts: Any) -> Any:
    """Reads a month-first date: "2/3/2026", "02/03/2026" → "2026-02-03"."""
    return _rearranged(texts, r"^\s*(?P<m>\d{1,2})[-/.](?P<d>\d{1,2})[-/.](?P<y>\d{4})\s*$")


def iso_datetime(texts: Any) -> Any:
    """Marks a text as a time of the form "2026-02-03T04:05:06Z"; a date alone is taken as midnight UTC."""
    import pyarrow.compute as pc

    dates = pc.match_substring_regex(texts, pattern=r"^\d{4}-\d{2}-\d{2}$")
    return pc.if_else(dates, pc.binary_join_element_wise(texts, "T00:00:00Z", ""), texts)


def _rearranged(texts: Any, pattern: str) -> Any:
    """Year, month and day found by the pattern, as YYYY-MM-DD; what does not match stays."""
    import pyarrow.compute as pc

    parts = pc.extract_regex(texts, pattern=pattern)
    year, month, day = (pc.struct_field(parts, part) for part in "ymd")
    padded = [pc.utf8_lpad(part, width=2, padding="0") for part in (month, day)]
    return pc.coalesce(pc.binary_join_element_wise(year, *padded, "-"), texts)


RECIPES: dict[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (
        trim,
        single_spaces,
        one_line,
        lower,
        upper,
        capitalize,
        digits_only,
        phone,
        printable,
        iso_date,
        day_first_date,
        month_first_date,
        iso_datetime,
    )
}

#: What a recipe's texts may be read as by a field of that type; all others make plain text.
MAKES = {"iso_date": "date", "day_first_date": "date", "month_first_date": "date", "iso_datetime": "datetime"}


def recipe_table() -> str:
    """The recipes as the Markdown table of the vocabulary page."""
    lines = [f"| `{name}` | {' '.join((recipe.__doc__ or '').split())} |" for name, recipe in RECIPES.items()]
    return "\n".join(["| recipe | what it does |", "| --- | --- |", *lines])
