"""Great Expectations on the mapped rows, before anything is loaded (C1). Results hold counts and keys,
never values.

Checks see one batch at a time: "unique" means unique in the batch. Great Expectations takes seconds to
import, so only functions do.
"""

from __future__ import annotations

import html
import logging
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from campaign_sync.errors import QualityError
from campaign_sync.mapping.expectations import Check, columns_named
from campaign_sync.mapping.file import mapping_error
from campaign_sync.mapping.yaml_lines import Problem
from campaign_sync.rows.convert import Refusal
from campaign_sync.rows.transform import Sifted, sift

if TYPE_CHECKING:
    import pandas as pd

#: Expectations that need SQL, another table, or a dtype (every text here is a text), so they say nothing
#: about a frame.
_NOT_ON_FRAMES = ("query", "other_table", "like_pattern", "type_to_be", "of_type", "in_type_list")


class HasChecks(Protocol):
    """A mapping of any kind, as far as checks are concerned."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def check(self) -> tuple[Check, ...]: ...
    def line(self, *place: str | int) -> int:
        """The line of a place in the file."""


class CheckResult(NamedTuple):
    """Rows that pass and rows that do not, what each check found, and a page for people."""

    sifted: Sifted
    results: list[dict[str, Any]]  # name, expect, rows, unexpected, otherwise, passed
    html: str  # a whole page


def check_rows(frame: pd.DataFrame, mapping: HasChecks) -> CheckResult:
    """Rejects the rows that a check names; raises a QualityError, with the CheckResult, if a ``stop`` check
    does not pass.
    """
    if not mapping.check:
        return CheckResult(sift(frame, frame, [], "rejected"), [], "")
    validation = _validate(frame, mapping)
    by_check = {int(each.expectation_config.meta["check"]): each for each in validation.results}
    _could_run(mapping, by_check)
    found = [(check, by_check[number]) for number, check in enumerate(mapping.check)]
    results = [_result(check, each, len(frame)) for check, each in found]
    refused = [
        (check.label, _refusal(check, each))
        for check, each in found
        if check.otherwise == "reject" and not each.success
    ]
    outcome = CheckResult(
        sift(frame, frame, refused, "rejected"), results, _page(validation, mapping, results)
    )
    stopped = [each for each in results if each["otherwise"] == "stop" and not each["passed"]]
    if stopped:
        names = ", ".join(f"{each['name']} ({each['unexpected']} of {each['rows']} rows)" for each in stopped)
        remedy = "Look at the page of the check step; correct the rows, or the check in the mapping"
        raise QualityError(
            f"stopped by {names}", where=f"{mapping.path}: check", remedy=remedy, result=outcome
        )
    return outcome


def check_expectations(mapping: HasChecks) -> None:
    """Raises a MappingError for arguments that Great Expectations does not accept; takes seconds, for the
    import.
    """
    problems = []
    for number, check in enumerate(mapping.check):
        try:
            _expectation(number, check)
        except ValueError as error:  # pydantic's, old or new
            seen: dict[str, str] = {}
            for each in getattr(error, "errors", list)():
                seen.setdefault(str(each["loc"][0]), str(each["msg"]))
            for argument, message in (seen or {"expect": str(error)}).items():
                line, key = mapping.line("check", number, argument), f"check[{number + 1}].{argument}"
                problems.append(
                    Problem(line, key, message, f"See the arguments of {check.expect} in Great Expectations")
                )
    if problems:
        raise mapping_error(mapping.path, problems)


def expectation_list() -> dict[str, dict[str, Any]]:
    """What ``expectations.json`` holds: each expectation of Great Expectations that can look at one
    frame.

    Left out are arguments that are GX's own housekeeping, and row conditions: they are an expression
    language, filters are not.
    """
    import inspect

    _quiet()
    import great_expectations.expectations as gxe
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        Expectation,
        MulticolumnMapExpectation,
    )

    by_row = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
    housekeeping = {
        *Expectation.__fields__,
        "batch_id",
        "library_metadata",
        "row_condition",
        "condition_parser",
    }
    known: dict[str, dict[str, Any]] = {}
    kind: Any
    for _, kind in inspect.getmembers(gxe, inspect.isclass):
        name = getattr(kind, "expectation_type", "")
        if not name.startswith("expect_") or any(word in name for word in _NOT_ON_FRAMES):
            continue
        fields = {
            argument: each for argument, each in kind.__fields__.items() if argument not in housekeeping
        }
        known[name.removeprefix("expect_")] = {
            "rows": issubclass(kind, by_row),
            "arguments": sorted(fields),
            "required": sorted(argument for argument, each in fields.items() if each.required),
        }
    return dict(sorted(known.items()))


@cache
def page_view() -> Any:
    """What renders the pages, with its templates compiled: once for all tasks that are forked from this process."""
    from great_expectations.render.view import DefaultJinjaPageView

    view = DefaultJinjaPageView()
    view.env.auto_reload = False
    for name in view.env.list_templates(extensions=["j2"]):
        view.env.get_template(name)
    return view


def _quiet() -> None:
    """Great Expectations as it is wanted in a task: no telemetry, no chatter (airflow.md §13). Before its
    import.
    """
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    os.environ["GX_ANALYTICS_ENABLED"] = "false"


def _expectation(number: int, check: Check) -> Any:
    _quiet()
    from great_expectations.expectations.registry import get_expectation_impl

    return get_expectation_impl(f"expect_{check.expect}")(meta={"check": number}, **check.arguments)


def _validate(frame: pd.DataFrame, mapping: HasChecks) -> Any:
    import pandas as pd
    import pyarrow as pa

    _quiet()
    import great_expectations as gx

    check_expectations(mapping)
    suite = gx.ExpectationSuite(
        mapping.name, expectations=[_expectation(*each) for each in enumerate(mapping.check)]
    )
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    fields = [name for name in frame.columns if not str(name).startswith("@")]
    rows = frame[fields].reset_index(drop=True)  # positions: duplicate labels would mis-split
    named = {name for check in mapping.check for name in columns_named(check.arguments)}
    for name in rows.columns:
        if name in named and rows[name].dtype == pd.ArrowDtype(pa.string()):
            # None is an empty cell, which expectations pass over; Arrow's NA stops those that compare two columns
            text = rows[name].astype(object)
            rows[name] = text.where((text != "") & text.notna(), None)
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset(mapping.name)
    batch = asset.add_batch_definition_whole_dataframe("batch").get_batch({"dataframe": rows})
    return batch.validate(
        suite, result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False}
    )


def _could_run(mapping: HasChecks, by_check: dict[int, Any]) -> None:
    """An expectation that raised says nothing about the rows: the mapping is at fault, not the data."""
    problems = []
    for number, each in sorted(by_check.items()):
        told = each.exception_info or {}
        raised = [
            one for one in (told, *told.values()) if isinstance(one, dict) and one.get("raised_exception")
        ]
        if raised:  # the message may quote cells: only its kind is told
            kind = re.match(r"\w+(?=:)", str(raised[0].get("exception_message", "")))
            problem = f"{mapping.check[number].expect} could not run" + (f" ({kind[0]})" if kind else "")
            remedy = "Check its columns, and that they hold what it looks at (text, number, date)"
            problems.append(Problem(mapping.line("check", number), f"check[{number + 1}]", problem, remedy))
    if problems:
        raise mapping_error(mapping.path, problems)


def _result(check: Check, outcome: Any, rows: int) -> dict[str, Any]:
    unexpected = outcome.result.get("unexpected_count")
    return {
        "name": check.label,
        "expect": check.expect,
        "rows": rows,
        "unexpected": int(unexpected) if unexpected is not None else 0 if outcome.success else rows,
        "otherwise": check.otherwise,
        "passed": bool(outcome.success),
    }


def _refusal(check: Check, outcome: Any) -> Refusal:
    import numpy as np

    positions = np.unique(np.asarray(outcome.result.get("unexpected_index_list") or [], dtype=np.int64))
    columns = ", ".join(
        str(check.arguments[name]) for name in ("column", "column_A", "column_B") if name in check.arguments
    )
    reason = (
        f"{columns}: {check.expect.replace('_', ' ')} does not hold"
        if columns
        else f"{check.expect} does not hold"
    )
    return Refusal(positions, [reason] * len(positions))


def _page(validation: Any, mapping: HasChecks, results: list[dict[str, Any]]) -> str:
    """The Data Docs page of a validation: without values, and without anything loaded from elsewhere
    (airflow.md §13).
    """
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    for each in validation.results:
        each.result = {name: value for name, value in each.result.items() if name in _COUNTS}
    page = str(page_view().render(ValidationResultsPageRenderer().render(validation)))
    body = re.sub(r"(?s).*?<body[^>]*>(.*)</body>.*", r"\1", page)
    for tag in ("script", "style", "iframe", "form", "button", "nav", "label", "footer"):
        body = re.sub(rf"(?is)<{tag}\b.*?</{tag}>", "", body)
    body = re.sub(r"(?i)<(img|link|input)\b[^>]*>", "", body)
    body = re.sub(r"(?is)</?a\b[^>]*>", "", body)
    title = html.escape(f"Checks of {mapping.name}")
    head = f'<head><meta charset="utf-8"><title>{title}</title>{_STYLE}</head>'
    body = f"<body><h1>{title}</h1>{_summary(results)}{body}</body>"
    return f'<!doctype html>\n<html lang="en">{head}{body}</html>'


def _summary(results: list[dict[str, Any]]) -> str:
    """What Great Expectations' own page does not tell: the names that people gave the checks, and what
    follows.
    """
    words = ("name", "expect", "rows", "unexpected", "otherwise")
    head = "".join(f"<th>{word}</th>" for word in words)
    rows = ("".join(f"<td>{html.escape(str(each[word]))}</td>" for word in words) for each in results)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


#: What of a result is shown: counts. Observed values, such as the latest birth date, are somebody's.
_COUNTS = frozenset(
    {
        "element_count",
        "unexpected_count",
        "unexpected_percent",
        "unexpected_percent_nonmissing",
        "unexpected_percent_total",
    }
    | {"missing_count", "missing_percent"}
)

_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { border: 1px solid #ddd; padding: .35rem .6rem; text-align: left; vertical-align: top; }
ul { padding-left: 1.2rem; } .sticky { display: none; }
.badge { background: #eee; border-radius: .3rem; padding: 0 .4rem; }
</style>"""
