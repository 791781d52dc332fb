"""The table of conversions (I5): kind of source cell × type of target field → what happens.

The vocabulary page prints it, ``fitting`` enforces it, ``convert`` does it.
"""

from __future__ import annotations

NEVER = ""  #: the pair is refused when the mapping is checked

#: Kind of source cell -> type of target field -> what happens, in words.
CONVERSIONS: dict[str, dict[str, str]] = {
    "text": {
        "string": "unchanged, if not longer than the field",
        "integer": "if it reads as a whole number (`-12`, no leading zeros)",
        "float": "if it reads as a number (`12.5`)",
        "boolean": NEVER,
        "date": NEVER,
        "datetime": NEVER,
        "enumeration": "if it is one of the names",
    },
    "integer": {
        "string": "its digits",
        "integer": "unchanged, if in the field's range",
        "float": "unchanged, if exact",
        "boolean": "`0` false, `1` true",
        "date": NEVER,
        "datetime": NEVER,
        "enumeration": "if its digits are one of the names",
    },
    "decimal": {
        "string": "shortest form (`12.5`)",
        "integer": "if it has no fraction and is in the field's range",
        "float": "unchanged, if exact",
        "boolean": NEVER,
        "date": NEVER,
        "datetime": NEVER,
        "enumeration": NEVER,
    },
    "boolean": {
        "string": "`true` or `false`",
        "integer": "`1` or `0`",
        "float": NEVER,
        "boolean": "unchanged",
        "date": NEVER,
        "datetime": NEVER,
        "enumeration": NEVER,
    },
    "datetime": {
        "string": "`2026-02-03T04:05:06Z`",
        "integer": NEVER,
        "float": NEVER,
        "boolean": NEVER,
        "date": NEVER,
        "datetime": "unchanged, in UTC",
        "enumeration": NEVER,
    },
    "date": {
        "string": "`2026-02-03`",
        "integer": NEVER,
        "float": NEVER,
        "boolean": NEVER,
        "date": "unchanged",
        "datetime": NEVER,
        "enumeration": NEVER,
    },
}
CONVERSIONS["label"] = CONVERSIONS["text"] | {"integer": NEVER, "float": NEVER}
CONVERSIONS["choice"] = CONVERSIONS["integer"] | {"float": NEVER, "boolean": NEVER}
CONVERSIONS["choices"] = CONVERSIONS["other"] = dict.fromkeys(CONVERSIONS["text"], NEVER) | {
    "string": "as text, unchanged, if not longer than the field"
}

#: How the README heads the rows of the table.
KIND_TITLES = {
    "text": "String, Memo, or after a recipe",
    "integer": "Integer, BigInt",
    "decimal": "Decimal, Money, Double",
    "boolean": "Boolean",
    "datetime": "DateTime; after `iso_datetime`",
    "date": "DateOnly; after `iso_date`, `day_first_date`, `month_first_date`",
    "label": "Picklist, State, Status as label",
    "choice": "Picklist, State, Status as value",
    "choices": "MultiSelectPicklist",
    "other": "Lookup, Uniqueidentifier, anything else",
}

#: What a pair needs that is never converted by itself, by target type.
WAYS_OUT = {
    "boolean": "Add replace: with lines such as  yes: true",
    "date": "Add a recipe that makes a date: using: [iso_date], [day_first_date] or [month_first_date]",
    "datetime": "Add using: [iso_datetime]",
    "enumeration": "Add replace: with one line per value",
}


def conversion_table() -> str:
    """``CONVERSIONS`` as the Markdown table of the vocabulary page."""
    targets = list(CONVERSIONS["text"])
    rows = [
        [title, *(CONVERSIONS[kind][target] or "–" for target in targets)]
        for kind, title in KIND_TITLES.items()
    ]
    lines = [["Dataverse ↓ Campaign →", *targets], ["---"] * (len(targets) + 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
