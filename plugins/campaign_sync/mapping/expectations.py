"""The words below `check`: one expectation of Great Expectations by name. Not its evaluation (``checks``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr, model_validator

from campaign_sync.mapping.wording import Wrong, meant


class Check(BaseModel):
    """One Great Expectations expectation on the mapped rows; its arguments stand beside the words explained
    here.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: StrictStr = Field(
        "", description="What people read when a row is rejected; default: expectation and column."
    )
    expect: StrictStr = Field(description="An expectation's name without expect_.")
    otherwise: Literal["reject", "stop", "warn"] = Field(
        default="reject",
        description="Reject the rows it names, stop the run, or warn. One about all rows cannot reject.",
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the expectation."""
        return dict(self.model_extra or {})

    @property
    def label(self) -> str:
        """The name of this check, as a rejected row gives it."""
        return self.name or " ".join([self.expect, *columns_named(self.arguments)])

    @model_validator(mode="after")
    def _known_expectation(self) -> Check:
        known = expectations()
        if self.expect not in known:
            bare = self.expect.removeprefix("expect_")
            hint = (
                f"Write {bare}, without expect_"
                if bare in known
                else meant(bare, known, listing="Some of them")
            )
            raise Wrong(f"no expectation is called {self.expect!r}", hint, at=("expect",))
        takes = known[self.expect]["arguments"]
        for argument in self.arguments:
            if argument not in takes:
                words = [*takes, "name", "expect", "otherwise"]
                raise Wrong(
                    f"{self.expect} has no argument {argument!r}",
                    meant(argument, words, listing="It takes"),
                    at=(argument,),
                )
        absent = [argument for argument in known[self.expect]["required"] if argument not in self.arguments]
        if absent:
            raise Wrong(f"{self.expect} needs {' and '.join(absent)}", f"Add {absent[0]}: …")
        if self.otherwise == "reject" and not known[self.expect]["rows"]:
            problem = f"{self.expect} looks at all rows together, so it has no rows to reject"
            raise Wrong(problem, "Say otherwise: warn or otherwise: stop", at=("otherwise",))
        return self


@cache
def expectations() -> dict[str, dict[str, Any]]:
    """Great Expectations' expectations by name: ``rows`` (can name rows), ``arguments``, ``required``.

    Kept as a file because importing Great Expectations takes seconds (airflow.md §13); a test keeps the
    file fresh.
    """
    known: dict[str, dict[str, Any]] = json.loads(
        Path(__file__).with_name("expectations.json").read_text("utf-8")
    )
    return known


def columns_named(arguments: dict[str, Any]) -> Iterator[str]:
    """The fields that the arguments of an expectation name."""
    for argument in ("column", "column_A", "column_B", "column_list", "column_set"):
        yield from (each for each in as_list(arguments.get(argument)) if isinstance(each, str))


def as_list(value: Any) -> list[Any]:
    """One value, several or none, as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
