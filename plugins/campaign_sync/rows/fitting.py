"""Whether a mapping fits the two systems: columns, fields, types, choices, filter values. Judged before the
first row is read.

Not for the mapping's own grammar (``mapping``), nor for what rows hold (``transform`` rejects those).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dictionary

from campaign_sync.mapping.conditions import ANY_TYPE, DATES, ORDERED, TEXTS, Condition
from campaign_sync.mapping.file import Mapping, mapping_error
from campaign_sync.mapping.noes import No
from campaign_sync.mapping.recipes import MAKES
from campaign_sync.mapping.vocabulary import FieldMapping
from campaign_sync.mapping.wording import days_ago, is_moment, meant
from campaign_sync.mapping.yaml_lines import Problem, canonical, dotted
from campaign_sync.rows.cells import kind_of
from campaign_sync.rows.conversions import CONVERSIONS, KIND_TITLES, WAYS_OUT
from campaign_sync.rows.convert import convert
from campaign_sync.rows.filtering import choice
from campaign_sync.rows.transform import kind_after
from campaign_sync.schema import GUID_LENGTH, Column, Field, ResourceSchema, TableSchema

_ALLOWED = {
    "text": (*ANY_TYPE, *ORDERED, *TEXTS, "present"),
    "other": (*ANY_TYPE, *TEXTS, "present"),
    "integer": (*ANY_TYPE, *ORDERED, "present"),
    "decimal": (*ANY_TYPE, *ORDERED, "present"),
    "boolean": (*ANY_TYPE, "present"),
    "choice": (*ANY_TYPE, "present"),
    "choices": ("contains", "does_not_contain", "present"),
    "date": (*ANY_TYPE, *ORDERED, *DATES, "present"),
    "datetime": (*ANY_TYPE, *ORDERED, *DATES, "present"),
}

Place = tuple[str | int, ...]


def check_types(
    mapping: Mapping,
    table: TableSchema,
    resource: ResourceSchema,
    parents: Dictionary[str, str] | None = None,
) -> None:
    """Raises one MappingError that tells every place where the mapping does not fit the table or the
    resource.

    :param parents: the tables of the flows that the mapping links to, as far as they are known.
    """
    problems = [
        Problem(mapping.line(*place), dotted(place), problem, remedy)
        for place, problem, remedy in _misfits(mapping, table, resource, parents or {})
    ]
    if problems:
        raise mapping_error(mapping.path, problems)
    misfits = [(each, *misfit) for each in mapping.noes for misfit in _no_misfits(each, table, resource)]
    if misfits:
        wrong = [Problem(each.line, dotted(("pairs", each.attribute)), *told) for each, *told in misfits]
        raise mapping_error(misfits[0][0].path, wrong)


def _no_misfits(no: No, table: TableSchema, resource: ResourceSchema) -> Iterator[tuple[str, str]]:
    """Why a pair of the opt-outs mapping does not fit; records would be made that lack the person's no."""
    column, field = table.column(no.column), resource.fields.get(no.attribute)
    if column is None:
        yield _no_column(no.column, table)
    elif kind_of(column) != "boolean":
        yield f"{column.name} holds {column.type}, and a no is true or false", "Name a Boolean column"
    if field is None:
        yield f"{resource.name} has no field {no.attribute}", meant(no.attribute, resource.fields)
    elif field.type != "boolean" or field.read_only:
        yield f"{no.attribute} cannot be told a no: it is not a boolean that can be written", ""


def check_examples(mapping: Mapping, table: TableSchema) -> None:
    """Raises one MappingError that tells every example with a column that the table does not have.

    :param table: with all its columns; an example may give some that the mapping does not read.
    """
    problems = [
        Problem(mapping.line(*place), dotted(place), *_no_column(name, table))
        for number, example in enumerate(mapping.examples)
        for name in example.given
        for place in [("examples", number, "given", name)]
        if table.column(name) is None
    ]
    if problems:
        raise mapping_error(mapping.path, problems)


def _misfits(
    mapping: Mapping, table: TableSchema, resource: ResourceSchema, parents: Dictionary[str, str]
) -> Iterator[tuple[Place, str, str]]:
    names: dict[str, str] = {}  # of the instance -> of the mapping
    for target, how in mapping.map.items():
        place = ("map", target)
        column, field = table.column(how.source), resource.fields.get(target)
        other = names.setdefault(field.name, target) if field else target
        if other != target:
            # Two sources never feed one target field (I2), whichever of its names they use (campaign.md §5)
            problem = f"{target} is mapped twice, in line {mapping.line('map', other)} as {other}"
            yield place, problem, "Remove one of the two lines: it is one field with two names"
        if column is None:
            yield (*place, "from"), *_no_column(how.source, table)
        if field is None:
            problem = f"{resource.name} has no field {target}"
            yield place, problem, meant(target, resource.fields, listing="Its fields are")
        elif field.read_only:
            yield (
                place,
                f"{target} is read-only in Campaign",
                "Remove this line: Campaign sets the field itself",
            )
        elif field.type not in CONVERSIONS["text"]:
            yield (
                place,
                f"{target} holds no value of its own (it is of type {field.type})",
                _inside(field, resource),
            )
        elif column is not None and how.link is not None:
            yield from _link(target, how.link, column, field, parents.get(how.link))
        elif column is not None:
            yield from _pair(mapping, target, how, column, field, table)
    for where, condition in mapping.conditions():
        column = table.column(condition.column)
        if column is None:
            yield (*where, "column"), *_no_column(condition.column, table)
        else:
            for word, problem, remedy in _condition(condition, column):
                yield (*where, word), problem, remedy
    for name, field in resource.fields.items():
        if (
            field.mandatory
            and not field.read_only
            and name not in mapping.map
            and field.type in CONVERSIONS["text"]
        ):
            yield ("map",), f"{name} is mandatory in Campaign and not mapped", f"Add  {name}: <column>"


def _no_column(name: str, table: TableSchema) -> tuple[str, str]:
    return f"{table.name} has no column {name}", meant(name, table.columns, listing="Its columns are")


def _inside(field: Field, resource: ResourceSchema) -> str:
    if field.type == "link":
        return "Map the text field that the link joins on (its specific join condition)"
    parts = [name for name in resource.fields if name.startswith(f"{field.name}.")]
    return f"Map its parts: {', '.join(parts)}" if parts else "Map a field of another type"


def _pair(
    mapping: Mapping, target: str, how: FieldMapping, column: Column, field: Field, table: TableSchema
) -> Iterator[tuple[Place, str, str]]:
    place, kind = ("map", target), kind_after(column, how, mapping)
    replacement = mapping.replace.get(target)
    if how.picklist and kind_of(column) != "choice":
        yield (
            (*place, "picklist"),
            f"{column.name} holds {column.type}, not choices",
            "Remove picklist",
        )
    for number, recipe in enumerate(how.using[:-1]):
        if recipe in MAKES:
            remedy = "Put it at the end of the list"
            yield (
                (*place, "using", number),
                f"{recipe} makes a {MAKES[recipe]} and other recipes come after it",
                remedy,
            )
            return
    if replacement is None or replacement.otherwise == "keep":
        known = replacement.values if replacement else {}
        if not CONVERSIONS[kind][field.type]:
            yield place, _never(column, kind, field), WAYS_OUT.get(field.type, _takes(kind))
        elif kind in ("label", "choice") and field.type == "enumeration" and column.options:
            shown = column.options.values() if kind == "label" else map(str, column.options)
            if not any(each in (field.values or ()) or each in known for each in shown):
                names = ", ".join(field.values or ())
                problem = f"none of the {kind}s of {column.name} is a name of {target} ({names})"
                yield place, problem, f"Add replace: {target}: with one line per {kind}"
    if replacement is not None:
        yield from _replacement_values(target, replacement.values, replacement.otherwise, field)
    if how.key:
        yield from _key(target, column, field, how, table.key)


def _link(
    target: str, flow: str, column: Column, field: Field, parent: str | None
) -> Iterator[tuple[Place, str, str]]:
    place = ("map", target)
    if column.type != "Lookup":
        problem = f"{column.name} is not a lookup (it holds {column.type}), so it names no rows"
        yield (*place, "from"), problem, "Map a lookup column, or remove link"
    elif parent is not None and column.targets and parent not in column.targets:
        problem = (
            f"{column.name} never names a row of {parent}, which {flow} reads: its rows are of "
            f"{', '.join(column.targets)}"
        )
        yield (*place, "link"), problem, "Name the mapping file of that table, or map another column"
    elif parent is None and len(column.targets) > 1:
        tables = ", ".join(column.targets)
        problem = f"{column.name} names rows of {tables}, and {flow}.yaml does not tell which it reads"
        yield (*place, "link"), problem, f"Mend extract.table in {flow}.yaml"
    if field.type != "string":
        problem = f"a link cannot go to {target} ({field.type}): it gets the key of the parent's record"
        yield place, problem, "Map a text field that the link in Campaign joins on"
    elif field.length is not None and field.length < GUID_LENGTH:
        problem = f"{target} takes {field.length} characters, a Dataverse id has {GUID_LENGTH}"
        yield place, problem, "Make the field longer in Campaign"


def _never(column: Column, kind: str, field: Field) -> str:
    after = ", after its recipes" if kind == "text" != kind_of(column) else ""
    source = f"{column.name} ({column.type}{after})"
    return f"{source} never converts to {field.name} ({field.type})"


def _takes(kind: str) -> str:
    fitting = [target for target, way in CONVERSIONS[kind].items() if way]
    return f"{KIND_TITLES[kind]} can go to: {', '.join(fitting)}"


def _replacement_values(
    target: str, values: dict[str, object], otherwise: object, field: Field
) -> Iterator[tuple[Place, str, str]]:
    import pyarrow as pa

    written = values | ({"otherwise": otherwise} if otherwise not in ("keep", "reject") else {})
    for source, value in written.items():
        text = pa.array([canonical(value) or None], pa.string())
        for refusal in convert(text, field, target).refusals:
            problem = f"the value to write does not fit: {refusal.reasons[0].removeprefix(f'{target}: ')}"
            remedy = meant(canonical(value), field.values or (), listing="Names are")
            yield ("replace", target, source), problem, remedy or f"{target} is a Campaign {field.type}"


def _key(
    target: str, column: Column, field: Field, how: FieldMapping, table_key: str
) -> Iterator[tuple[Place, str, str]]:
    place = ("map", target)
    if column.name != table_key or how.using:
        # Deletions name nothing but the row's own id, and any other value may change or stand in two rows.
        problem = f"the key must be {table_key}, the table's own id, as it is"
        yield place, problem, f"Write  {target}: {{from: {table_key}, key: true}}"
    elif field.type != "string":
        yield place, f"a key cannot go to {target} ({field.type})", "Use a text field"
    elif column.type == "Uniqueidentifier" and field.length is not None and field.length < GUID_LENGTH:
        yield (
            place,
            f"{target} takes {field.length} characters, a Dataverse id has {GUID_LENGTH}",
            "Make the field longer in Campaign",
        )


def _condition(condition: Condition, column: Column) -> Iterator[tuple[str, str, str]]:
    kind, operator = kind_of(column), condition.operator
    named = f"{column.name} holds {column.type}"
    if operator not in _ALLOWED[kind]:
        yield operator, f"{named}, {operator} is not for it", f"Use one of: {', '.join(_ALLOWED[kind])}"
        return
    if condition.ignore_case and kind not in ("text", "other"):
        yield "ignore_case", f"{named}, ignore_case is for texts", "Remove it"
    if operator == "present":
        return
    if operator == "matches":
        yield from _pattern(condition)
        return
    for value in condition.operand if isinstance(condition.operand, tuple) else (condition.operand,):
        wrong = _wrong_value(value, kind, column)
        if wrong:
            yield operator, f"{named}, {wrong[0]}", wrong[1]


def _wrong_value(value: object, kind: str, column: Column) -> tuple[str, str] | None:
    """What is wrong with a value that cells of this column are compared with, and the remedy."""
    if kind in ("text", "other") and not isinstance(value, str):
        return f"{value!r} is not a text", f'Write "{canonical(value)}", in quotes'
    if kind in ("integer", "decimal") and (
        isinstance(value, (bool, str)) or not isinstance(value, (int, float))
    ):
        return f"{value!r} is not a number", "Write a number without quotes"
    if kind == "boolean" and not isinstance(value, bool):
        return f"{value!r} is neither true nor false", "Write true or false, without quotes"
    if kind in ("choice", "choices") and (isinstance(value, (bool, float)) or choice(value, column) is None):
        labels = [f"{number} {label}" for number, label in (column.options or {}).items()]
        return f"{value!r} is none of its choices", f"Write a value or a label: {', '.join(labels)}"
    if (
        kind in ("choice", "choices")
        and column.options is not None
        and choice(value, column) not in column.options
    ):
        labels = [f"{number} {label}" for number, label in column.options.items()]
        return f"{value!r} is none of its choices", f"Write a value or a label: {', '.join(labels)}"
    if kind in ("date", "datetime") and not is_moment(value):
        return f"{value!r} is not a date", 'Write "2026-01-31", "2026-01-31T08:00:00Z" or "30 days ago"'
    if kind == "date" and isinstance(value, str) and len(value) > 10 and days_ago(value) is None:
        return f"{value!r} has a time of day", 'Write the date alone: "2026-01-31"'
    return None


def _pattern(condition: Condition) -> Iterator[tuple[str, str, str]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), pattern=condition.matches)
    except pa.ArrowInvalid as error:
        yield "matches", f"not a regular expression: {str(error).splitlines()[0]}", "The expressions are RE2"
