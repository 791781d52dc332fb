"""The words below ``filter``: conditions on source columns, joined by all and any. Not their evaluation
(``filtering``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, StrictBool, StrictStr, Tag, model_validator

from campaign_sync.mapping.wording import CLOSED, ColumnName, Moment, Plain, Text, Wrong, days_ago

#: How each operator treats its operand: which cells it can look at is a matter of the column's type
#: (``fitting``).
ANY_TYPE = ("equals", "not_equals", "in", "not_in")
ORDERED = ("less_than", "at_most", "more_than", "at_least", "between")
DATES = ("before", "after")
TEXTS = ("starts_with", "ends_with", "contains", "does_not_contain", "matches")
OPERATORS = (*ANY_TYPE, *ORDERED, *DATES, *TEXTS, "present")

#: Operators that say "not": they hold exactly where their opposite does not, so also for an empty cell.
OPPOSITES = {"not_equals": "equals", "not_in": "in", "does_not_contain": "contains"}

_NOT_RE2 = re.compile(r"\(\?(=|!|<=|<!|P=|>|\()|(?<!\\)\\[1-9]|[*+?}]\+")

Plains = Annotated[tuple[Plain, ...], Field(min_length=1)]


class Condition(BaseModel):
    """One condition on one source column: a column, one operator, and the value it compares with."""

    model_config = CLOSED

    name: StrictStr | None = Field(
        default=None, description="What people read when a row is dropped; default: column and operator."
    )
    column: ColumnName = Field(description="Logical name of the source column, mapped or not.")
    equals: Plain | None = Field(default=None, description="The cell is this value.")
    not_equals: Plain | None = Field(default=None, description="The cell is anything else, or empty.")
    is_in: Plains | None = Field(default=None, alias="in", description="The cell is one of these.")
    not_in: Plains | None = Field(default=None, description="The cell is none of these, or empty.")
    less_than: Plain | None = Field(default=None, description="Number, date or text below this.")
    at_most: Plain | None = Field(default=None, description="Number, date or text not above this.")
    more_than: Plain | None = Field(default=None, description="Number, date or text above this.")
    at_least: Plain | None = Field(default=None, description="Number, date or text not below this.")
    between: Annotated[tuple[Plain, ...], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="From the first to the second value, both included."
    )
    before: Moment | None = Field(
        default=None, description='A date earlier than this: "2026-01-31", a time, or "30 days ago".'
    )
    after: Moment | None = Field(
        default=None, description='A date later than this: "2026-01-31", a time, or "30 days ago".'
    )
    starts_with: Text | None = Field(default=None, description="The text begins so.")
    ends_with: Text | None = Field(default=None, description="The text ends so.")
    contains: Plain | None = Field(
        default=None, description="The text has this in it; a multi-select column has this choice."
    )
    does_not_contain: Plain | None = Field(
        default=None, description="The opposite of contains; true for an empty cell."
    )
    matches: Text | None = Field(
        default=None,
        description="A regular expression (RE2) found anywhere in the text; anchor with ^ and $.",
    )
    present: StrictBool | None = Field(
        default=None, description="true: the cell holds something; false: it is empty or only blanks."
    )
    ignore_case: StrictBool = Field(
        default=False, description="Compare texts without regard to upper and lower case."
    )

    @model_validator(mode="after")
    def _one_operator(self) -> Condition:
        used = [operator for operator in OPERATORS if self._operand(operator) is not None]
        if not used:
            empty = [
                word for word in OPERATORS if ("is_in" if word == "in" else word) in self.model_fields_set
            ]
            if empty:
                raise Wrong(f"{empty[0]} has no value", "For empty cells use present: false", at=(empty[0],))
            raise Wrong(
                f"the condition on {self.column} has no operator", f"Use one of: {', '.join(OPERATORS)}"
            )
        if len(used) > 1:
            raise Wrong(
                f"one condition, two operators: {used[0]} and {used[1]}",
                "Make two conditions of it",
                at=(used[1],),
            )
        return self

    @model_validator(mode="after")
    def _lower_before_upper(self) -> Condition:
        numbers_or_texts: list[Any] = [(int, float), str]
        if self.between and any(
            all(isinstance(each, kind) for each in self.between) for kind in numbers_or_texts
        ):
            lower, upper = self.between
            if lower > upper and not any(
                isinstance(each, str) and days_ago(each) is not None for each in self.between
            ):
                raise Wrong("between ends before it begins", "Write the lower value first", at=("between",))
        return self

    @model_validator(mode="after")
    def _readable_pattern(self) -> Condition:
        if self.matches is None:
            return self
        try:
            re.compile(self.matches)
        except re.error as error:
            raise Wrong(
                f"not a regular expression: {error.msg}", "Check brackets and backslashes", at=("matches",)
            ) from error
        if _NOT_RE2.search(self.matches):
            remedy = "Say it with two conditions; the expressions are RE2"
            raise Wrong(
                "look-around, back references and possessive repeats are not available",
                remedy,
                at=("matches",),
            )
        return self

    @property
    def operator(self) -> str:
        """The operator's word."""
        return next(word for word in OPERATORS if self._operand(word) is not None)

    @property
    def operand(self) -> Any:
        """What the cell is compared with."""
        return self._operand(self.operator)

    @property
    def label(self) -> str:
        """The name of this condition, as a dropped row gives it."""
        return self.name or f"{self.column} {self.operator.replace('_', ' ')}"

    def _operand(self, operator: str) -> Any:
        return getattr(self, "is_in" if operator == "in" else operator)


def _kind(member: Any) -> str:
    if isinstance(member, Group):
        return "group"
    return "group" if isinstance(member, dict) and ("all" in member or "any" in member) else "condition"


Member = Annotated[
    Annotated["Condition", Tag("condition")] | Annotated["Group", Tag("group")],
    Discriminator(_kind),
]


class Group(BaseModel):
    """Conditions joined by all or any; groups may hold groups."""

    model_config = CLOSED

    name: StrictStr | None = Field(
        default=None, description="What people read when a row is dropped by an any-group."
    )
    all: Annotated[tuple[Member, ...], Field(min_length=1)] | None = Field(
        default=None, description="Every member must hold."
    )
    any: Annotated[tuple[Member, ...], Field(min_length=1)] | None = Field(
        default=None, description="At least one member must hold."
    )

    @model_validator(mode="after")
    def _one_join(self) -> Group:
        _all_or_any(self.all, self.any)
        return self

    @property
    def members(self) -> tuple[Condition | Group, ...]:
        """The conditions and groups below."""
        return self.all or self.any or ()

    @property
    def label(self) -> str:
        """The name of the group, or the names of its members."""
        return self.name or (" and " if self.all else " or ").join(each.label for each in self.members)


class Filter(BaseModel):
    """Which rows are ours to send. Without it, every changed row is."""

    model_config = CLOSED

    all: Annotated[tuple[Member, ...], Field(min_length=1)] | None = Field(
        default=None, description="Every condition must hold."
    )
    any: Annotated[tuple[Member, ...], Field(min_length=1)] | None = Field(
        default=None, description="At least one condition must hold."
    )
    filtered_out: Literal["keep", "delete"] = Field(
        default="keep",
        description="A record that was loaded before and no longer passes stays, or is deleted.",
    )

    @model_validator(mode="after")
    def _one_join(self) -> Filter:
        _all_or_any(self.all, self.any)
        return self

    @property
    def root(self) -> Group:
        """The outermost group."""
        return Group(name=None, all=self.all, any=self.any)


def _all_or_any(every: object, some: object) -> None:
    if every is None and some is None:
        raise Wrong("no conditions", "Put them in a list below all: or any:")
    if every is not None and some is not None:
        raise Wrong(
            "all and any side by side", "Put one inside the other: all: [..., {any: [...]}]", at=("any",)
        )


def conditions(
    group: Group, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Condition]]:
    """Every condition of a group with its path below it."""
    join = "all" if group.all else "any"
    for number, member in enumerate(group.members):
        here = (*path, join, number)
        if isinstance(member, Group):
            yield from conditions(member, here)
        else:
            yield here, member


def rules(group: Group) -> list[str]:
    """The names a row may be dropped by: each condition of an all-group, an any-group as a whole."""
    if not group.all:
        return [group.label]
    nested = [rules(member) if isinstance(member, Group) else [member.label] for member in group.all]
    return [rule for names in nested for rule in names]
