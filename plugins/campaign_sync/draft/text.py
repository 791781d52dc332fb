"""A drafted mapping as a file's text: aligned, with a comment where a person has something to know or decide.

Pure. Which column goes where is decided in ``pairs``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from campaign_sync.draft.names import plain_name, plural, singular, without_cus
from campaign_sync.draft.pairs import Pair, fillable, is_code, is_consent, near_misses, sendable
from campaign_sync.mapping.yaml_lines import canonical, read_yaml
from campaign_sync.rows.cells import kind_of
from campaign_sync.rows.conversions import WAYS_OUT
from campaign_sync.rows.lengths import longest
from campaign_sync.schema import Column, ResourceSchema, TableSchema, is_objection

WIDTH = 110
ADDRESS = r"'^[^@\s]+@[^@\s]+\.[^@\s.]+$'"


class Link(NamedTuple):
    """A lookup that becomes a link: its parent's table is brought to Campaign by another mapping."""

    target: str
    column: str
    mapping: str  # name of the flow that brings the parents


class Draft(NamedTuple):
    """What a drafted file says, before it is text."""

    table: TableSchema
    resource: ResourceSchema
    pairs: Sequence[Pair]
    links: Sequence[Link] = ()
    given: Mapping[str, object] = {}
    loads: Mapping[str, object] = {}

    @property
    def email(self) -> Pair | None:
        """The pair whose field holds the address, if there is one."""
        return next((pair for pair in self.pairs if plain_name(pair.target) == "email"), None)


def to_text(draft: Draft) -> str:
    """The whole file."""
    parts = (_head, _filter, _map, _replace, _check, _load, _example, _left_over)
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part(draft)))) + "\n"


def too_long(pair: Pair) -> int | None:
    """How many characters the column may hold, if the field takes fewer."""
    room = pair.field.length if pair.field.type == "string" else None
    most = None if room is None else longest(pair.column, by_value=pair.by_value)
    return most if most is not None and room is not None and most > room else None


def without_name(pair: Pair) -> dict[int, str]:
    """The choices that have no name in the enumeration yet."""
    if pair.names is None:
        return {}
    options = (pair.column.options or {}).items()
    return {value: label for value, label in options if value not in pair.names}


def plain(value: object) -> str:
    """A value as a mapping's YAML writes it, in quotes only where it would be read as something else."""
    if value is None:
        return "~"
    if not isinstance(value, str):
        return canonical(value)
    for place in ("a: {}", "a: {{b: {}}}"):
        document = read_yaml(place.format(value).encode())
        found: Any = document.content
        found = found.get("a") if isinstance(found, dict) else None
        found = found.get("b") if isinstance(found, dict) else found
        if document.problems or found != value:
            return json.dumps(value, ensure_ascii=False)
    return value


def _head(draft: Draft) -> Iterator[str]:
    things, records = plain_name(draft.table.set_name), plural(draft.resource.name).replace("_", " ")
    yield "# yaml-language-server: $schema=mapping.schema.json"
    yield f"description: {things.capitalize()} become Campaign {records}."
    yield "owner: airflow               # who is asked when it fails"
    yield "schedule: ~                  # by hand, until somebody has looked at a preview; then remove this line"
    yield ""
    yield "extract:"
    yield f"  table: {draft.table.name}"
    yield "  deletes: ignore            # apply: what is deleted in Dynamics is deleted in Campaign"


def _filter(draft: Draft) -> Iterator[str]:
    state = draft.table.columns.get("statecode")
    active = _active(state) if state else ""
    if draft.email and draft.resource.name == "profile":
        column = draft.email.column.name
        yield "filter:"
        yield "  all:"
        yield f"    - {{name: has an e-mail, column: {column}, present: true}}"
        if active:
            yield f"    # - {active}   # without it, inactive ones go too"
    elif active:
        yield "# Without a filter every row goes, inactive ones too."
        yield "# filter:"
        yield "#   all:"
        yield f"#     - {active}"


def _active(state: Column) -> str:
    label = (state.options or {}).get(0, "active").lower()
    return f"{{name: {plain(label)}, column: statecode, equals: 0}}"


def _map(draft: Draft) -> Iterator[str]:
    yield "map:"
    if any(map(too_long, draft.pairs)):
        yield "  # Texts longer than their field are rejected, never cut; what a column may hold is beside it."
    dotted = [pair for pair in draft.pairs if "." in pair.target]
    custom = [pair for pair in draft.pairs if without_cus(pair.target) != pair.target]
    others = [pair for pair in draft.pairs if pair not in dotted and pair not in custom]
    width = max((len(pair.target) for pair in (*others, *custom)), default=0)
    yield from _aligned(_entry(pair, width, draft) for pair in others)
    yield from _aligned(_entry(pair, max(len(each.target) for each in dotted), draft) for pair in dotted)
    yield from _aligned(_entry(pair, width, draft) for pair in custom)
    if draft.links:
        yield "  # A row waits until the record that it is linked to is in Campaign."
    for link in draft.links:
        yield f"  {link.target}: {{from: {link.column}, link: {link.mapping}}}"


def _entry(pair: Pair, width: int, draft: Draft) -> tuple[str, str]:
    settings = [f"from: {pair.column.name}"]
    if pair.key:
        settings.append("key: true")
    if pair.using:
        settings.append(f"using: [{', '.join(pair.using)}]")
    if pair.by_value:
        settings.append("picklist: value")
    if not pair.updates:
        settings.append("updates: false")
    source = pair.column.name if len(settings) == 1 else f"{{{', '.join(settings)}}}"
    return f"  {pair.target + ':':<{width + 1}} {source}", _remark(pair, draft)


def _remark(pair: Pair, draft: Draft) -> str:
    if pair.key:
        return "must be an identification key in Campaign"
    if pair == draft.email:
        return "Campaign compares addresses letter by letter"
    most = too_long(pair)
    if most:
        return f"up to {most:,} characters, room for {pair.field.length}"
    if pair.using == ("iso_date",):
        return "the day in UTC"
    if pair.field.type == "enumeration" and pair.names is None:
        return f"only its names: {', '.join((pair.field.values or ())[:4])} …"
    return ""


def _aligned(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines with their remarks below each other."""
    known = list(entries)
    edge = max((len(line) for line, remark in known if remark), default=0)
    for line, remark in known:
        yield f"{line:<{edge}}   # {remark}" if remark else line


def _replace(draft: Draft) -> Iterator[str]:
    chosen = [pair for pair in draft.pairs if pair.names]
    if chosen:
        yield "replace:"
    for pair in chosen:
        otherwise = next(
            (name for name in ("unknown", "none") if name in (pair.field.values or ())), "reject"
        )
        entries = [f"{value}: {plain(name)}" for value, name in (pair.names or {}).items()]
        flat = f"  {pair.target}: {{{', '.join([*entries, f'otherwise: {otherwise}'])}}}"
        if len(flat) <= WIDTH and not without_name(pair):
            yield flat
            continue
        yield f"  {pair.target}:"
        yield from (f"    {entry}" for entry in entries)
        missing = [(f"    # {value}:", label) for value, label in without_name(pair).items()]
        yield from _aligned(missing)
        if missing:
            yield from _folded(f"names: {', '.join(pair.field.values or ())}", "    # ")
        yield f"    otherwise: {otherwise}"


def _check(draft: Draft) -> Iterator[str]:
    lines = []
    for pair in draft.pairs:
        if pair.field.mandatory and not pair.key and pair.field.type == "string":
            lines.append(
                f"{{name: has {pair.target}, expect: column_values_to_not_be_null, column: {pair.target}}}"
            )
    for pair in draft.pairs:
        if "email" in pair.target.lower() and pair.field.type == "string":
            name = "a plausible address" if pair == draft.email else f"a plausible address in {pair.target}"
            lines.append(
                f"{{name: {name}, expect: column_values_to_match_regex, column: {pair.target}, regex: {ADDRESS}}}"
            )
    if draft.email and draft.resource.name == "profile":
        unique = f"expect: column_values_to_be_unique, column: {draft.email.target}, otherwise: warn"
        lines.append(f"{{name: one profile per address, {unique}}}")
    if lines:
        yield "check:"
        yield from (f"  - {line}" for line in lines)


def _load(draft: Draft) -> Iterator[str]:
    yield "load:"
    yield f"  resource: {draft.resource.name}"


def _example(draft: Draft) -> Iterator[str]:
    yield "examples:                      # invented, never a real row"
    yield f"  - name: {_one(plain_name(draft.table.name))} becomes {_one(singular(draft.resource.name))}"
    yield "    given:"
    yield from (f"      {name}: {plain(value)}" for name, value in draft.given.items())
    yield "    loads:" if draft.loads else "    loads: {}"
    yield from (f"      {name}: {plain(value)}" for name, value in draft.loads.items())


def _left_over(draft: Draft) -> Iterator[str]:
    """What nothing was found for, short enough to be read."""
    table, resource = draft.table, draft.resource
    used = {pair.column.name for pair in draft.pairs}
    filled = {pair.target for pair in draft.pairs}
    groups: dict[str, list[str]] = {}
    for column in sendable(table):
        if column.name not in used:
            groups.setdefault(_group(column), []).append(column.name)
    misses = near_misses(draft.pairs, table, resource)
    if misses:
        yield "# The same name, but values that do not go together by themselves:"
    for field, column in misses:
        need = WAYS_OUT.get(field.type, "")
        if is_code(column, field):
            need = f"Room for {field.length} characters: add replace: if the column holds words (Norway: NO)"
        yield from _folded(f"{field.name} from {column.name} ({column.type} to {field.type}). {need}", "#   ")
    lookups = [name for name, column in table.columns.items() if column.type == "Lookup"]
    yield f"# Not mapped, for want of a field of their name. Columns of {table.name}:"
    for group, names in groups.items():
        shown = ", ".join(names) if not group.startswith("address") else f"{len(names)} columns"
        yield from _folded(f"{group}: {shown}", "#   ")
    if lookups:
        yield from _folded(f"lookups: {', '.join(lookups)}", "#   ")
    known = filled | {field.name for field, _ in misses}
    empty = [f"{each.name} ({each.type})" for each in fillable(resource) if each.name not in known]
    if empty:
        yield from _folded(f"Fields of {resource.name} that nothing fills: {', '.join(empty)}", "# ")
    if any(map(is_objection, resource.fields)) or any(map(is_consent, table.columns)):
        yield from _folded(
            "Consent (donot…, blackList…, denyList…, ccpaOptOut) is never drafted: Campaign may hold a newer "
            "objection, from an unsubscribe link, and a mapped field would overwrite it.",
            "# ",
        )


def _group(column: Column) -> str:
    if column.name.startswith("address") and column.name[7:9] in ("1_", "2_", "3_"):
        return f"{column.name[:8]}_…"
    kinds = {"text": "texts", "choice": "choices", "choices": "choices", "boolean": "yes or no"}
    times = {"date": "dates", "datetime": "dates"}
    return (kinds | times).get(kind_of(column), "numbers")


def _one(thing: str) -> str:
    return f"{'an' if thing[:1] in 'aeio' else 'a'} {thing.replace('_', ' ')}"


def _folded(text: str, begin: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent=begin, subsequent_indent=f"{begin}  ", break_long_words=False)
