"""$select, $expand and $filter over definitions, which are plain objects in memory (dataverse.md §9.1)."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.errors import not_imitated, refuse
from sandbox.dataverse.odata import Binary, Call, Literal, Not, Path, syntax_error

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_COMPARE = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}


def split_expand(text: str | None) -> list[tuple[str, str]]:
    """`A($select=x;$expand=b),B` → [(A, "$select=x;$expand=b"), (B, "")]."""
    return [_item(part) for part in split_outside(text or "", ",")]


def _item(part: str) -> tuple[str, str]:
    name, bracket, rest = part.strip().partition("(")
    if bracket and not rest.endswith(")"):
        raise syntax_error(f"Term '{part}' is not valid in a $select or $expand expression.")
    return name.strip(), rest[:-1] if bracket else ""


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator that is in no brackets and no quotes."""
    parts, current, depth, quoted = [], "", 0, False
    for character in text:
        quoted = quoted != (character == "'")
        depth += 0 if quoted else {"(": 1, ")": -1}.get(character, 0)
        if character == separator and depth == 0 and not quoted:
            parts.append(current)
            current = ""
        else:
            current += character
    return [part for part in [*parts, current] if part.strip()]


def project(org: Org, content: dict[str, Any], kind: str, inner: str) -> dict[str, Any]:
    """Apply a $select; MetadataId and annotations always stay."""
    options = dict(part.strip().partition("=")[::2] for part in split_outside(inner, ";"))
    select = [name.strip() for name in options.get("$select", "").split(",") if name.strip()]
    if not select:
        return dict(content)
    shown = {name: value for name, value in content.items() if name.startswith("@")}
    for name in select:
        if name not in content:
            raise refuse("PropertyNotFound", name=name, table=kind)
        shown[name] = content[name]
    if "MetadataId" in content:
        shown["MetadataId"] = content["MetadataId"]
    return shown


def matches(org: Org, tree: Any, content: dict[str, Any], kind: str) -> bool:
    """Evaluate a $filter."""
    if isinstance(tree, Binary) and tree.operator == "and":
        return matches(org, tree.left, content, kind) and matches(org, tree.right, content, kind)
    if isinstance(tree, Binary) and tree.operator == "or":
        return matches(org, tree.left, content, kind) or matches(org, tree.right, content, kind)
    if isinstance(tree, Not):
        return not matches(org, tree.inner, content, kind)
    if isinstance(tree, Binary):
        _check_enums(org, tree)
        return _compare(
            tree.operator, _value(org, tree.left, content, kind), _value(org, tree.right, content, kind)
        )
    if isinstance(tree, Call) and len(tree.arguments) == 2:
        text, part = (_value(org, argument, content, kind) for argument in tree.arguments)
        tests = {
            "contains": lambda: part in text,
            "startswith": lambda: text.startswith(part),
            "endswith": lambda: text.endswith(part),
        }
        if tree.name in tests:
            return isinstance(text, str) and isinstance(part, str) and tests[tree.name]()
    if isinstance(tree, Path):
        return _value(org, tree, content, kind) is True
    raise not_imitated("this form of $filter over definitions")


_ENUMS = frozenset(
    {"AttributeType", "OwnershipType", "RequiredLevel/Value", "RelationshipType", "OptionSetType"}
)


def _check_enums(org: Org, tree: Binary) -> None:
    """Enum values need their namespace (§9.1)."""
    sides = (tree.left, tree.right)
    enum = any(isinstance(side, Path) and "/".join(side.parts) in _ENUMS for side in sides)
    bare = any(isinstance(side, Literal) and side.kind == "string" for side in sides)
    if enum and bare and org.option("enum_needs_namespace"):
        raise syntax_error(
            "A binary operator with incompatible types was detected: an enum value needs its namespace."
        )


def _value(org: Org, tree: Any, content: dict[str, Any], kind: str) -> Any:
    if isinstance(tree, Literal):
        if tree.kind == "enum":
            return tree.value[1]
        return tree.value
    if not isinstance(tree, Path):
        raise not_imitated("this form of $filter over definitions")
    value: Any = content
    for part in tree.parts:
        if not isinstance(value, dict) or part not in value:
            raise refuse("PropertyNotFound", name="/".join(tree.parts), table=kind)
        value = value[part]
    if isinstance(value, dict):
        raise syntax_error("Labels and managed properties cannot be filtered directly.")
    return value


def _compare(sign: str, left: Any, right: Any) -> bool:
    if sign in ("eq", "ne"):
        return (left == right) == (sign == "eq")
    try:
        return bool(_COMPARE[sign](left, right))
    except TypeError:
        return False
