"""`new`: a mapping drafted from what both systems say about themselves, and tried before anybody sees it.

Reads metadata only, never a row.
"""

from __future__ import annotations

from collections.abc import Mapping as Words
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.draft.example import invented
from campaign_sync.draft.names import flow_name, plain_name
from campaign_sync.draft.pairs import Pair, fillable, find_pairs, near_misses
from campaign_sync.draft.text import Draft, Link, to_text, too_long, without_name
from campaign_sync.errors import SyncError
from campaign_sync.mapping.file import Mapping, parse_mapping
from campaign_sync.rows.checks import check_expectations
from campaign_sync.rows.examples import outcome, run_examples
from campaign_sync.rows.fitting import check_examples, check_types
from campaign_sync.schema import GUID_LENGTH, ResourceSchema, TableSchema, is_objection

if TYPE_CHECKING:
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook


class Drafted(NamedTuple):
    """A file to be written: its text, and what its author has to decide before it runs."""

    text: str
    fields: int  # mapped ones
    decisions: tuple[str, ...]


def refuse_mapped(table: str, resource: str, mappings: Sequence[Mapping]) -> None:
    """Raises SyncError if a file maps the table or the resource already (I2)."""
    for mapping in mappings:
        for name, taken in ((table, mapping.extract.table), (resource, mapping.load.resource)):
            if name == taken:
                remedy = "A table and a resource belong to one mapping each: add what is missing to that file"
                raise SyncError(f"{name} is mapped already", mapping.path, remedy)


def draft_mapping(
    table: TableSchema,
    resource: ResourceSchema,
    *,
    path: Path,
    mappings: Sequence[Mapping],
    wanted: Words[str, str],
) -> Drafted:
    """The mapping of a table to a resource, found to load, to fit both, and to keep its own example.

    :param table: with the targets of its lookups
    :param mappings: what is mapped already, for links
    :param wanted: field -> column, as a person paired them
    Raises SyncError if a draft that works cannot be made without a decision.
    """
    pairs = find_pairs(table, resource, wanted)
    _refuse_unfilled(pairs, table, resource)
    draft = Draft(table, resource, pairs, find_links(table, resource, pairs, mappings))
    draft = draft._replace(given={pair.column.name: invented(pair) for pair in pairs})
    sketch = parse_mapping(to_text(draft).encode(), path)
    parents = {each.name: each.extract.table for each in mappings}
    check_types(sketch, table, resource, parents)
    fate, rule, row = outcome(sketch.examples[0].given, sketch, table, resource)
    if fate != "loaded":
        raise _unfit(path, f"its example is {fate} by {rule}")
    draft = draft._replace(loads={pair.target: _python(row[pair.target]) for pair in pairs})
    text = to_text(draft)
    _verify(parse_mapping(text.encode(), path), table, resource, parents)
    return Drafted(text, len(pairs), tuple(_decisions(draft)))


def find_links(
    table: TableSchema,
    resource: ResourceSchema,
    pairs: Sequence[Pair],
    mappings: Sequence[Mapping],
) -> list[Link]:
    """The lookups whose parents another mapping brings to Campaign, with the field that sounds like them."""
    free = [
        field.name
        for field in fillable(resource)
        if field.type == "string" and (field.length or GUID_LENGTH) >= GUID_LENGTH
        if field.name not in {pair.target for pair in pairs}
    ]
    links: list[Link] = []
    for column in table.columns.values():
        for parent in mappings:
            sounds = {plain_name(column.name).removesuffix("id"), *_stems(parent)}
            field = next((each for each in free if plain_name(each).removesuffix("id") in sounds), None)
            if (
                parent.extract.table in column.targets
                and field
                and field not in {link.target for link in links}
            ):
                links.append(Link(field, column.name, parent.name))
    return links


def read_and_draft(
    table_name: str,
    resource_name: str,
    *,
    file: Path | None,
    folder: Path,
    mappings: Sequence[Mapping],
    wanted: Words[str, str],
    dataverse: DataverseHook,
    campaign: CampaignHook,
) -> tuple[Path, Drafted]:
    """Reads the metadata of both sides and drafts; returns where the file belongs, and what it says."""
    refuse_mapped(table_name, resource_name, mappings)
    resource, table = campaign.resource(resource_name), dataverse.table(table_name, targets=True)
    path = file or folder / f"{flow_name(table.set_name, resource.name)}.yaml"
    drafted = draft_mapping(table, resource, path=path, mappings=mappings, wanted=wanted)
    if table.change_tracking:
        return path, drafted
    tracking = f"change tracking of {table.name}: it is off; python -m campaign_sync setup dynamics --apply"
    return path, drafted._replace(decisions=(*drafted.decisions, tracking))


def _verify(mapping: Mapping, table: TableSchema, resource: ResourceSchema, parents: Words[str, str]) -> None:
    check_types(mapping, table, resource, parents)
    check_examples(mapping, table)
    check_expectations(mapping)
    for result in run_examples(mapping, table, resource):
        if not result.passed:
            raise _unfit(Path(mapping.path), f"its example does not hold: {result.difference}")


def _unfit(path: Path, problem: str) -> SyncError:
    return SyncError(problem, f"draft of {path.name}", "Nothing was written; report it with both names")


def _refuse_unfilled(pairs: Sequence[Pair], table: TableSchema, resource: ResourceSchema) -> None:
    filled = {pair.target for pair in pairs}
    for field in fillable(resource):
        if field.mandatory and field.name not in filled:
            problem = f"{field.name} is mandatory, and no column of {table.name} sounds like it and fits"
            remedy = f"Name its column: --pair {field.name}=<column> (it is of type {field.type})"
            raise SyncError(problem, f"resource {resource.name}", remedy)


def _decisions(draft: Draft) -> list[str]:
    """What a person decides before the first run, one line each."""
    key, name = draft.pairs[0], draft.resource.name
    lines = [
        (
            f"key: is {key.target} an identification key of {name}? Metadata does not tell; "
            "`check --live` does, once records have keys"
        )
    ]
    if "statecode" in draft.table.columns:
        lines.append("filter: do inactive rows go too? As drafted they do")
    lines.append("deletes: does a deletion in Dynamics delete in Campaign? As drafted it does not")
    long = [pair.target for pair in draft.pairs if too_long(pair)]
    if long:
        lines.append(
            f"lengths: the fields are shorter than their columns, longer texts are rejected: {', '.join(long)}"
        )
    nameless = [pair.target for pair in draft.pairs if without_name(pair)]
    if nameless:
        lines.append(f"replace: choices without a name: {', '.join(nameless)}")
    missed = near_misses(draft.pairs, draft.table, draft.resource)
    if missed:
        lines.append(f"not mapped, though the names agree: {', '.join(field.name for field, _ in missed)}")
    if draft.links:
        lines.append(f"links: rows wait for their parents: {', '.join(link.target for link in draft.links)}")
    if any(map(is_objection, draft.resource.fields)):
        lines.append("consent is not mapped; see the end of the file")
    lines.append("schedule: it runs by hand only; remove the line when a preview looks right")
    return lines


def _stems(mapping: Mapping) -> set[str]:
    """What a field that names this mapping's records may be called."""
    resource, key = plain_name(mapping.load.resource), plain_name(mapping.key_field)
    return {resource, key.removesuffix("id"), plain_name(mapping.extract.table)}


def _python(value: object) -> object:
    return value.item() if hasattr(value, "item") else value
