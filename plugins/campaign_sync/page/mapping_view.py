"""A mapping as people read it: fields, filter and checks, of each kind of mapping in one shape.

Not for judging it: a broken one is answered with its problems.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from campaign_sync.consent.file import OptOutMapping, load_opt_outs, one_per_table
from campaign_sync.consent.flow import SIDES
from campaign_sync.errors import MappingError
from campaign_sync.events.file import EventMapping, load_events
from campaign_sync.flow import conflicts
from campaign_sync.mapping.conditions import Condition, Filter, Group
from campaign_sync.mapping.expectations import Check
from campaign_sync.mapping.file import Mapping, load_mapping, mapping_files
from campaign_sync.mapping.kinds import Kind, kind_of
from campaign_sync.mapping.vocabulary import Replacement
from campaign_sync.schema import ResourceSchema, TableSchema

Loaded = TypeVar("Loaded")


class Replaced(BaseModel):
    """What is written in place of a value."""

    value: str
    by: str


class FieldView(BaseModel):
    """Where one target field comes from."""

    group: str | None = Field(default=None, description="The kind of event; null for rows.")
    target: str
    target_type: str | None = Field(default=None, description="Null until a run has read it from Campaign.")
    source: str
    source_type: str | None = Field(default=None, description="Null until a run has read it from Dynamics.")
    using: list[str] = []
    updates: bool = Field(default=True, description="Whether later changes are sent.")
    key: bool = False
    link: str | None = Field(default=None, description="The flow whose records it names.")
    replaced: list[Replaced] = []
    otherwise: str | None = Field(default=None, description="For values without a replacement.")


class ConditionView(BaseModel):
    """A condition of the filter, or some of them joined."""

    name: str
    join: Literal["all", "any"] | None = None
    text: str = Field(default="", description="Column, operator and operand.")
    members: list[ConditionView] = []


class CheckView(BaseModel):
    """A check of the mapping, without what it found."""

    name: str
    expect: str
    arguments: str
    otherwise: Literal["reject", "stop", "warn"]


class ProblemView(BaseModel):
    """What is wrong with a mapping file."""

    line: int
    key: str
    problem: str
    remedy: str


class MappingView(BaseModel):
    """A mapping file."""

    kind: Kind
    file: str
    sha: str | None = Field(description="Which version of the file; null for a broken one.")
    owner: str = ""
    schedule: str | None = None
    watch: str | None = Field(default=None, description="How often Dynamics is asked for changes.")
    source: str = ""
    target: str = ""
    written: str | None = Field(default=None, description="Of opt-outs: which side is written.")
    fields: list[FieldView] = []
    filter: ConditionView | None = None
    filtered_out: str | None = None
    checks: list[CheckView] = []
    limits: dict[str, str] = Field(default={}, description="What a run may do before it is stopped or red.")
    problems: list[ProblemView] = []


def view_mapping(path: Path, setting: dict[str, Any]) -> MappingView:
    """The mapping in a file, or what is wrong with it.

    :param setting: the schemas of a run (``run/setting.py``), for types; empty if there was none.
    """
    try:
        return _view(path, setting)
    except MappingError as error:
        return MappingView(kind=kind_of(path), file=path.name, sha=None, problems=problem_views(error))


def problem_views(error: MappingError) -> list[ProblemView]:
    """All that is wrong with a mapping file."""
    return [
        ProblemView(line=each.line, key=each.key, problem=each.problem, remedy=each.remedy)
        for each in error.one_by_one()
    ]


def _view(path: Path, setting: dict[str, Any]) -> MappingView:
    match kind_of(path):
        case "events":
            return _events(load_events(path))
        case "opt_outs":
            opt_outs = load_opt_outs(path)
            _raise_for(path, one_per_table(_sound(mapping_files(path.parent, "opt_outs"), load_opt_outs)))
            return _opt_outs(opt_outs)
        case "rows":
            mapping = load_mapping(path)
            _raise_for(path, conflicts(_sound(mapping_files(path.parent), load_mapping)))
            return _rows(mapping, setting)


def _raise_for(path: Path, wrong: dict[Path, MappingError]) -> None:
    if path in wrong:
        raise wrong[path]


def _sound(paths: Iterable[Path], load: Callable[[Path], Loaded]) -> Iterator[Loaded]:
    for path in paths:
        try:
            yield load(path)
        except MappingError:
            continue


def _rows(mapping: Mapping, setting: dict[str, Any]) -> MappingView:
    table = TableSchema.from_json(setting["table"]) if "table" in setting else None
    resource = ResourceSchema.from_json(setting["resource"]) if "resource" in setting else None
    fields = []
    for target, each in mapping.map.items():
        column = table.column(each.source) if table else None
        field = resource.fields.get(target) if resource else None
        fields.append(
            FieldView(
                target=target,
                target_type=_typed(field.type, field.length) if field else None,
                source=each.source,
                source_type=_typed(column.type, column.max_length) if column else None,
                using=list(each.using),
                updates=each.updates,
                key=each.key,
                link=each.link,
                **_replacements(mapping.replace.get(target)),
            )
        )
    limits = {"deletes": mapping.guard.deletes, "blanks": mapping.guard.blanks}
    return MappingView(
        kind="rows",
        file=Path(mapping.path).name,
        sha=mapping.sha,
        owner=mapping.owner,
        schedule=mapping.schedule,
        watch=mapping.watch,
        source=f"Dynamics table {mapping.extract.table}",
        target=f"Campaign resource {mapping.load.resource}",
        fields=fields,
        **_filter(mapping.filter),
        checks=_checks(mapping.check),
        limits=limits | _rejected(mapping.reconcile.rejected_at_most),
    )


def _events(mapping: EventMapping) -> MappingView:
    fields = [
        FieldView(
            group=f"{kind} → {each.table}",
            target=column,
            source=source,
            **_replacements(mapping.replace.get(source)),
        )
        for kind, each in mapping.map.kinds.items()
        for column, source in each.columns.items()
    ]
    files = f"{mapping.extract.delivery_logs.files} and {mapping.extract.tracking_logs.files}"
    return MappingView(
        kind="events",
        file=Path(mapping.path).name,
        sha=mapping.sha,
        owner=mapping.owner,
        schedule=mapping.schedule,
        source=f"Campaign exports {files}",
        target="Dynamics timeline",
        fields=fields,
        **_filter(mapping.filter),
        checks=_checks(mapping.check),
        limits=_rejected(mapping.reconcile.rejected_at_most),
    )


def _opt_outs(mapping: OptOutMapping) -> MappingView:
    fields = [
        FieldView(
            target=attribute,
            source=pair.column,
            using=[f"objects where it is {str(pair.no_is).lower()}"],
        )
        for attribute, pair in mapping.pairs.items()
    ]
    return MappingView(
        kind="opt_outs",
        file=Path(mapping.path).name,
        sha=mapping.sha,
        owner=mapping.owner,
        schedule=mapping.schedule,
        watch=mapping.watch,
        source=f"Dynamics table {mapping.extract.table}",
        target=f"Campaign resource {mapping.load.resource}",
        written=SIDES[mapping.direction],
        fields=fields,
        **_filter(mapping.filter),
        checks=_checks(mapping.check),
        limits={"opt outs": mapping.guard.opt_outs, "opt ins": mapping.guard.opt_ins}
        | _rejected(mapping.reconcile.rejected_at_most),
    )


def _typed(kind: str, length: int | None) -> str:
    return f"{kind} ({length})" if length else kind


def _replacements(replacement: Replacement | None) -> dict[str, Any]:
    if replacement is None:
        return {}
    replaced = [Replaced(value=_word(value), by=_word(by)) for value, by in replacement.values.items()]
    return {"replaced": replaced, "otherwise": _word(replacement.otherwise)}


def _word(value: Any) -> str:
    return "(empty)" if value in (None, "") else str(value)


def _filter(filter: Filter | None) -> dict[str, Any]:
    if filter is None:
        return {}
    return {"filter": _condition(filter.root), "filtered_out": filter.filtered_out}


def _condition(member: Condition | Group) -> ConditionView:
    if isinstance(member, Group):
        join: Literal["all", "any"] = "all" if member.all else "any"
        return ConditionView(
            name=member.name or "", join=join, members=[_condition(each) for each in member.members]
        )
    return ConditionView(
        name=member.label,
        text=f"{member.column} {member.operator.replace('_', ' ')} {_operand(member.operand)}",
    )


def _operand(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_operand, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checks(checks: Iterable[Check]) -> list[CheckView]:
    return [
        CheckView(
            name=each.label,
            expect=each.expect,
            arguments=", ".join(
                f"{name}: {value if isinstance(value, str) else json.dumps(value, default=str)}"
                for name, value in each.arguments.items()
            ),
            otherwise=each.otherwise,
        )
        for each in checks
    ]


def _rejected(limit: str | None) -> dict[str, str]:
    return {} if limit is None else {"rejected": limit}
