"""What tables, columns, fields and resources are called when prefixes, case and number are left out."""

from __future__ import annotations

import re

_PUBLISHER = re.compile(r"^(?!address\d_)[a-z][a-z0-9]{1,7}_(?=[a-z])")
_CUSTOM = re.compile(r"^cus(?=[A-Z])")


def plain_name(name: str) -> str:
    """A name without the prefix of its publisher, in small letters: new_storeName, cusStoreName → storename."""
    return _PUBLISHER.sub("", without_cus(name).lower(), count=1).replace("_", "")


def without_cus(name: str) -> str:
    """A field's or resource's API name without Campaign's mark for what is custom."""
    return _CUSTOM.sub("", name)


def letters(text: str) -> str:
    """The letters and digits of a label or name, small."""
    return "".join(each for each in text.lower() if each.isalnum())


def singular(resource: str) -> str:
    """The API name of a resource for one of its records: cusStoreCategory → store_category."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", without_cus(resource)).lower()


def plural(resource: str) -> str:
    """The API name of a resource for many of its records: profile → profiles, cusStoreCategory → store_categories."""
    word = singular(resource)
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}es" if re.search(r"(s|x|z|ch|sh)$", word) else f"{word}s"


def flow_name(set_name: str, resource: str) -> str:
    """`<source things>_to_<target things>`, from a table's set name and a resource's API name."""
    return f"{plain_name(set_name)}_to_{plural(resource)}"
