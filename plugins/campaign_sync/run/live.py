"""`check --live`: all that both systems can say about a mapping before its first run. Writes nothing.

Whether types fit is judged in ``rows/fitting.py``, lengths in ``rows/lengths.py``; what every run asks first is in
``systems``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from campaign_sync.errors import MappingError, RefusedError
from campaign_sync.hooks.dataverse_metadata import change_tracking_off
from campaign_sync.mapping.file import File, Mapping
from campaign_sync.mapping.links import parent_tables
from campaign_sync.mapping.yaml_lines import dotted
from campaign_sync.rows.checks import check_expectations
from campaign_sync.rows.examples import run_examples
from campaign_sync.rows.fitting import check_examples, check_types
from campaign_sync.rows.lengths import TooLong, longer_rows, too_long
from campaign_sync.rows.transform import filter_rows
from campaign_sync.run.extract import in_pieces
from campaign_sync.schema import ResourceSchema, TableSchema

if TYPE_CHECKING:
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook

#: Rows that are read to see which texts really are too long.
ROWS_LOOKED_AT = 20_000
KEYS_SHOWN = 5

Read = TypeVar("Read")
Place = tuple[str | int, ...]


class Finding(NamedTuple):
    """One line for the author of a mapping: `file:line: key: what. What to do.`"""

    grade: Literal["error", "warning", "note"]
    text: str


def look(mapping: Mapping, dataverse: DataverseHook, campaign: CampaignHook) -> Iterator[Finding]:
    """Everything that is wrong, and what is worth knowing; goes on after an error as far as that makes sense.

    Raises SyncError for what is not about this mapping: a connection, a credential, a system that is away.
    """
    yield from tried(lambda: check_expectations(mapping))
    linked = bool(mapping.links())
    resource, refused = _asked(
        mapping, ("load", "resource"), lambda: campaign.resource(mapping.load.resource)
    )
    yield from refused
    table, refused = _asked(
        mapping, ("extract", "table"), lambda: dataverse.table(mapping.extract.table, targets=linked)
    )
    yield from refused
    readable = table is not None
    for refusal in _unreadable(mapping, table, dataverse) if table else ():
        readable = False
        yield refusal
    if table is None or resource is None:
        return
    misfits = [
        *tried(lambda: check_types(mapping, table, resource, parent_tables(mapping))),
        *tried(lambda: check_examples(mapping, table)),
    ]
    yield from misfits
    if not misfits:
        yield from _failed_examples(mapping, table, resource)
        yield from _lengths(mapping, table, resource, dataverse if readable else None)
    if mapping.key_field in resource.fields:
        yield from _key(mapping, resource, campaign)
    if (workflow := mapping.load.import_workflow) is not None:
        yield from _asked(
            mapping, ("load", "import_workflow"), lambda: _require_workflow(workflow, campaign)
        )[1]


def _unreadable(mapping: Mapping, table: TableSchema, dataverse: DataverseHook) -> Iterator[Finding]:
    """Whether the change feed can be begun: tracking is on, and the role reads the whole table (I4)."""

    def begin() -> None:
        if not table.change_tracking:
            raise change_tracking_off(table.name)
        next(dataverse.changes(table, (), page_size=1))

    yield from _asked(mapping, ("extract", "table"), begin)[1]


def _require_workflow(name: str, campaign: CampaignHook) -> None:
    """Raises RefusedError if the workflow, its signal or the SFTP area is not as files need it."""
    from campaign_sync.hooks.campaign_files import DONE, IMPORTS, REJECTS, CampaignFilesHook

    campaign.workflows.require_signal(campaign.workflows.read(name))
    with CampaignFilesHook().session() as files:
        for folder in (IMPORTS, REJECTS, DONE):
            files.names(folder, "")


def _failed_examples(mapping: Mapping, table: TableSchema, resource: ResourceSchema) -> Iterator[Finding]:
    for result in run_examples(mapping, table, resource):
        if not result.passed:
            text = f"{mapping.path}:{result.line}: example “{result.name}”: {result.difference}"
            yield Finding("error", text)


def _lengths(
    mapping: Mapping, table: TableSchema, resource: ResourceSchema, dataverse: DataverseHook | None
) -> Iterator[Finding]:
    """Fields that are shorter than their columns, and how many rows that concerns, if rows can be read."""
    suspected = too_long(mapping, table, resource)
    seen = _seen(mapping, table, resource, suspected, dataverse) if suspected and dataverse else None
    for each in suspected:
        problem = f"{each.column} holds up to {each.holds:,} characters, {each.target} takes {each.takes:,}"
        longer = seen.keys[each.target] if seen else []
        known = f"; {_told(longer, seen)}" if seen else ""
        remedy = "Such a row is rejected: make the field longer in Campaign, or let it be so"
        yield finding(
            "warning",
            mapping,
            ("map", each.target),
            f"{problem}{known}",
            "" if seen and not longer else remedy,
        )


class _Seen(NamedTuple):
    rows: int
    all: bool
    keys: dict[str, list[str]]  # field -> keys of the rows that are too long for it


def _seen(
    mapping: Mapping,
    table: TableSchema,
    resource: ResourceSchema,
    suspected: list[TooLong],
    dataverse: DataverseHook,
) -> _Seen:
    columns = {each.column for each in suspected} | {each.column for _, each in mapping.conditions()}
    rows, keys = 0, {each.target: list[str]() for each in suspected}
    for piece in in_pieces(dataverse.everything(table, sorted(columns), ROWS_LOOKED_AT)):
        rows += len(piece.rows)
        kept = filter_rows(piece.frames(table.key)[0], mapping, table).kept
        for each in suspected:
            keys[each.target] += longer_rows(kept, each, mapping, table, resource)
    return _Seen(rows, rows < ROWS_LOOKED_AT, keys)


def _told(keys: list[str], seen: _Seen) -> str:
    of = f"the {seen.rows:,} rows" if seen.all else f"the first {seen.rows:,} rows"
    if not keys:
        return f"none of {of} is longer"
    more = " …" if len(keys) > KEYS_SHOWN else ""
    return f"{len(keys):,} of {of} {'is' if len(keys) == 1 else 'are'} longer: {', '.join(keys[:KEYS_SHOWN])}{more}"


def _key(mapping: Mapping, resource: ResourceSchema, campaign: CampaignHook) -> Iterator[Finding]:
    field, place = mapping.key_field, ("map", mapping.key_field)
    standing, refused = _asked(
        mapping, place, lambda: campaign.key_standing(resource, resource.fields[field].name)
    )
    yield from refused
    if standing is None or standing.identifies:
        return
    if standing.identifies is None:
        problem = (
            f"whether {field} is an identification key of {resource.name} is not known yet: no record has one"
        )
        remedy = (
            "The first record that a run writes is read back by its key, and the run stops if it is not found"
        )
        yield finding("note", mapping, place, problem, remedy)
        return
    problem = (
        f"{field} is not an identification key of {resource.name}: a record that has one is not found by it"
    )
    if standing.shared:
        some = ", ".join(standing.shared[:KEYS_SHOWN])
        problem = f"{problem}, and {len(standing.shared)} keys stand in more than one record: {some}"
    remedy = f"A Campaign administrator gives {resource.name} an identification key on {field} and publishes"
    yield finding("error", mapping, place, problem, remedy)


def _asked(
    mapping: Mapping, place: Place, ask: Callable[[], Read]
) -> tuple[Read | None, tuple[Finding, ...]]:
    """What a system answers, or its refusal at the line that it is about."""
    try:
        return ask(), ()
    except RefusedError as error:
        if error.system not in ("Dataverse", "Campaign"):
            raise
        return None, (finding("error", mapping, place, f"{error.where}: {error.problem}", error.remedy),)


def tried(judge: Callable[[], None]) -> Iterator[Finding]:
    """What is wrong with a mapping, a finding each."""
    try:
        judge()
    except MappingError as error:
        yield from (Finding("error", str(each)) for each in error.one_by_one())


def finding(
    grade: Literal["error", "warning", "note"], mapping: File, place: Place, problem: str, remedy: str
) -> Finding:
    """A finding at its place in the file."""
    said = problem if grade == "error" else f"{grade}: {problem}"
    line = mapping.line(*place)
    return Finding(grade, str(MappingError(mapping.path, line, dotted(place), said, remedy)))
