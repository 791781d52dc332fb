"""``load_mapping``: a YAML file becomes a frozen ``Mapping``, or a ``MappingError`` that names every
problem with line and remedy.

Cheap to import: every DAG file does. What the words mean is in ``vocabulary`` and ``conditions``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError

from campaign_sync.errors import MappingError
from campaign_sync.mapping.conditions import Condition, Filter, Group, conditions
from campaign_sync.mapping.kinds import mapping_files
from campaign_sync.mapping.limits import Guard, Reconcile
from campaign_sync.mapping.links import link_problems
from campaign_sync.mapping.noes import No
from campaign_sync.mapping.owners import owner_problems
from campaign_sync.mapping.vocabulary import (
    Example,
    Extract,
    FieldMapping,
    Load,
    Replacement,
    Vocabulary,
)
from campaign_sync.mapping.wording import Wrong, meant
from campaign_sync.mapping.yaml_lines import MOST_PROBLEMS, Document, Problem, dotted, read_yaml
from campaign_sync.schema import opt_out

__all__ = [
    "Mapping",
    "check_together",
    "json_schema",
    "load_mapping",
    "mapping_error",
    "mapping_files",
]


class File(BaseModel):
    """Which file a mapping came from."""

    name: str  # the file's stem: the flow, the DAG and the storage folder
    path: str
    sha: str  # first 12 hex digits of the file's SHA-256
    lines: dict[str, int] = Field(default={})  # "map/gender/from" -> line, for errors found later

    def line(self, *place: str | int) -> int:
        """The line of a place in the file, or of the nearest thing around it."""
        for end in range(len(place), 0, -1):
            line = self.lines.get("/".join(map(str, place[:end])))
            if line:
                return line
        return 1


Loaded = TypeVar("Loaded", bound=File)

LONGEST = 500  # characters of a key or a problem that are told: a file may have half a megabyte in one


class Mapping(Vocabulary, File):
    """A loaded mapping file: the vocabulary, and which file it came from."""

    # What new records are born with, by their rows and by what people said in Campaign; and those of which only that
    # counts, as Campaign is told nothing of Dynamics. Only a run knows (``mapping/noes.py``).
    noes: tuple[No, ...] = ()
    campaign_noes: tuple[No, ...] = ()

    @property
    def key_field(self) -> str:
        """The target field that identifies a record."""
        return next(target for target, each in self.map.items() if each.key)

    def sources(self) -> dict[str, str]:
        """Target field → source column."""
        return {target: each.source for target, each in self.map.items()}

    def links(self) -> dict[str, str]:
        """Target field → the flow whose records it names."""
        return {target: each.link for target, each in self.map.items() if each.link is not None}

    def parents(self) -> tuple[str, ...]:
        """The flows that the mapping links to, each once."""
        return tuple(dict.fromkeys(self.links().values()))

    def columns(self) -> tuple[str, ...]:
        """The source columns that map, filter and noes need, sorted."""
        filtered = [each.column for _, each in self.conditions()]
        return tuple(sorted({*self.sources().values(), *filtered, *(each.column for each in self.noes)}))

    def conditions(self) -> Iterator[tuple[tuple[str | int, ...], Condition]]:
        """Every filter condition with its place in the file."""
        if self.filter:
            yield from conditions(self.filter.root, ("filter",))


def load_mapping(path: str | Path) -> Mapping:
    """The mapping in a file; raises one MappingError that tells all that is wrong with it."""
    return parse_mapping(read_file(path), path)


def read_file(path: str | Path) -> bytes:
    """The bytes of a mapping file; raises MappingError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise MappingError(
            str(path), 0, "", f"cannot be read: {error.strerror}", "Check name and rights"
        ) from error


def parse_mapping(raw: bytes, path: str | Path) -> Mapping:
    """The mapping in the bytes of a file that is, or will be, at this path; raises as ``load_mapping`` does."""
    return parse_as(Mapping, Vocabulary, raw, path, _misplaced)


def parse_as(
    kind: type[Loaded],
    vocabulary: type[BaseModel],
    raw: bytes,
    path: str | Path,
    misplaced: Callable[[tuple[str | int, ...]], str],
) -> Loaded:
    """A file of one of the kinds of mapping.

    :param kind: what is made of the words: a subclass of the vocabulary with name, path, sha and lines.
    :param misplaced: the remedy for an unknown key at a place.
    """
    file = Path(path)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", file.stem):
        remedy = "Rename it <source things>_to_<target things>.yaml, in lower-case letters, digits and _"
        raise MappingError(str(path), 0, "", f"a flow cannot be called {file.stem!r}", remedy)
    document = read_yaml(raw)
    problems = document.problems
    if document.content is not None and not isinstance(document.content, dict):
        problems = [
            *problems,
            Problem(1, "", "the file is not a mapping (key: value lines)", "Begin with description:"),
        ]
    elif document.content is not None:
        about: dict[str, Any] = {
            "name": file.stem,
            "path": str(path),
            "sha": hashlib.sha256(raw).hexdigest()[:12],
        }
        try:
            words = vocabulary.model_validate(document.content)
        except ValidationError as error:
            known = {problem.line for problem in problems}
            problems = [*problems, *_without_echoes(error, document, known, misplaced)]
        else:
            lines = {"/".join(map(str, place)): line for place, line in document.lines.items() if place}
            mapping = kind.model_construct(**dict(words), **about, lines=lines)
    if problems:
        raise mapping_error(str(path), problems)
    return mapping


def closest_in(vocabulary: type[BaseModel]) -> Callable[[tuple[str | int, ...]], str]:
    """What ``parse_as`` says of an unknown key: the word of its part of the vocabulary that was probably meant."""

    def closest(place: tuple[str | int, ...]) -> str:
        model: Any = vocabulary
        named = False  # a key of a dict or a number in a list, below which the model goes on
        for part in place[:-1]:
            if named:
                named = False
                continue
            field = model.model_fields.get(str(part))
            parts = [field.annotation, *get_args(field.annotation)] if field else []
            named = any(get_origin(each) in (dict, tuple) for each in parts)
            inside = list(_models_in(parts[0])) if parts else []
            if not inside:
                return "See the vocabulary in include/mappings/README.md"
            model = inside[0]
        return meant(str(place[-1]), _keys(model))

    return closest


def mapping_error(file: str, problems: Iterable[Problem]) -> MappingError:
    """All problems of a file as one error, the first one heading."""
    told = [
        each._replace(key=_short(each.key), problem=_short(each.problem), remedy=_short(each.remedy))
        for each in problems
    ]
    heading, *rest = sorted(told, key=lambda each: each.line)
    return MappingError(file, *heading, others=tuple(MappingError(file, *each) for each in rest))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def check_together(mappings: Iterable[Mapping]) -> None:
    """Raises a MappingError if a table or a resource is mapped by two files (I2), a workflow imports for two, a link
    names no mapping file or runs in a circle (I3), or an opt-out attribute has a mapping of its own beside it (O6).
    """
    mappings = list(mappings)
    problems: list[tuple[Mapping, Problem]] = []
    tables: dict[str, Mapping] = {}
    resources: dict[str, Mapping] = {}
    workflows: dict[str, Mapping] = {}
    for mapping in mappings:
        table, load = mapping.extract.table, mapping.load
        for section, word, name, taken in (
            ("extract", "table", table, tables),
            ("load", "resource", load.resource, resources),
            ("load", "import_workflow", load.import_workflow, workflows),
        ):
            first = taken.setdefault(name, mapping) if name else mapping
            if first is not mapping:
                problem = f"{name} is mapped twice, also in {first.path}"
                remedy = f"One {word} belongs to one mapping: remove one of the two files, or merge them"
                if word == "import_workflow":
                    problem = f"{name} imports for two mappings, also for {first.path}"
                    remedy = "Build a workflow for each: their files have different columns"
                problems.append(
                    (mapping, Problem(mapping.line(section, word), f"{section}.{word}", problem, remedy))
                )
    problems += link_problems(mappings)
    for mapping in mappings:
        if any(map(opt_out, mapping.map)):
            problems += ((mapping, problem) for problem in owner_problems(Path(mapping.path)))
    if problems:
        (mapping, heading), *_ = problems
        rest = tuple(MappingError(each.path, *problem) for each, problem in problems[1:])
        raise MappingError(mapping.path, *heading, others=rest)


def json_schema() -> dict[str, Any]:
    """The JSON Schema that completes and checks mapping files in an editor (P3)."""
    schema = Vocabulary.model_json_schema(by_alias=True, mode="validation")
    return flat_replacements(schema, "campaign_sync mapping")


def flat_replacements(schema: dict[str, Any], title: str) -> dict[str, Any]:
    """A vocabulary's schema with replacements as people write them: the values beside ``otherwise``."""
    replacement = schema["$defs"]["Replacement"]["properties"]
    schema["$defs"]["Replacement"] = {
        "type": "object",
        "description": Replacement.__doc__,
        "properties": {"otherwise": replacement["otherwise"]},
        "additionalProperties": replacement["values"]["additionalProperties"],
        "minProperties": 1,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def _without_echoes(
    error: ValidationError,
    document: Document,
    known: set[int],
    misplaced: Callable[[tuple[str | int, ...]], str],
) -> Iterator[Problem]:
    """The problems of a file, without those that only repeat another: the key that is missing because it is
    misspelt.
    """
    errors: list[dict[str, Any]] = [dict(each) for each in error.errors()[:MOST_PROBLEMS]]
    absent = [each["loc"] for each in errors if each["type"] == "missing"]
    unknown = [each["loc"] for each in errors if each["type"] == "extra_forbidden"]
    misspelt = {
        place
        for place in absent
        for other in unknown
        if other[:-1] == place[:-1]
        and meant(str(other[-1]), [place[-1]], listing="") == f"Did you mean {place[-1]}?"
    }
    for each in errors:
        place = each["loc"]
        below = any(other["loc"][: len(place)] == place != other["loc"] for other in errors)
        echo = each["type"] == "missing" and place in misspelt
        problem = _problem(each, document, misplaced)
        if not echo and not (each["type"] == "too_short" and below) and problem.line not in known:
            yield problem


def _problem(
    error: dict[str, Any], document: Document, misplaced: Callable[[tuple[str | int, ...]], str]
) -> Problem:
    """A pydantic error in the words of this project, at its line."""
    cause = (error.get("ctx") or {}).get("error")
    place: tuple[str | int, ...] = ()
    beyond: str | int | None = None
    for part in (*error["loc"], *(cause.at if isinstance(cause, Wrong) else ())):
        inside = (*place, part)
        place, beyond = (inside, None) if inside in document.lines else (place, part)
    line = document.lines.get(place, 1)
    if isinstance(cause, Wrong):
        return Problem(line, dotted(place), cause.problem, cause.remedy)
    value, kind = error.get("input"), error["type"]
    if kind == "extra_forbidden":
        return Problem(line, dotted(place), "unknown key", misplaced(place))
    if kind == "missing":
        return Problem(line, dotted((*place, str(beyond))), "missing", f"Add {beyond}: …")
    if value is None:
        return Problem(line, dotted(place), "has no value", "Give it one, or remove the line")
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return Problem(
            line, dotted(place), f"{value!r} is not one of {', '.join(choices)}", meant(str(value), choices)
        )
    problem, remedy = _SHAPES.get(kind, (error["msg"], "See include/mappings/README.md"))
    return Problem(line, dotted(place), problem, remedy)


_SHAPES = {
    "string_type": ("expected text", "Put it in quotes"),
    "bool_type": ("expected true or false", "Write true or false, without quotes"),
    "int_type": ("expected a whole number", "Write it without quotes and without a fraction"),
    "tuple_type": ("expected a list", "Write [one, two], or lines that begin with -"),
    "dict_type": ("expected key: value lines", "Indent them below this key"),
    "model_type": ("expected key: value lines", "Indent them below this key"),
    "model_attributes_type": ("expected key: value lines", "Indent them below this key"),
    "too_short": ("too few values", "An operator's list is not empty; between takes two values"),
    "too_long": ("too many values", "between takes two values: the lowest and the highest"),
    "string_pattern_mismatch": (
        "not an API name",
        "Use letters, digits and _ only, such as profile or cusTicket",
    ),
}


def _misplaced(place: tuple[str | int, ...]) -> str:
    """The remedy for an unknown key: what was meant, where else the word belongs, or what there is."""
    word, model = str(place[-1]), _model(place[:-1])
    close = meant(word, _keys(model))
    home = next((section for section, each in _SECTIONS.items() if word in _keys(each)), None)
    if home and model is not _SECTIONS[home] and not close.startswith("Did you mean"):
        return f"{word} belongs below {home}:"
    return close


_SECTIONS: dict[str, type[BaseModel]] = {
    "extract": Extract,
    "filter": Filter,
    "map": FieldMapping,
    "load": Load,
    "guard": Guard,
    "reconcile": Reconcile,
    "examples": Example,
}


def _model(place: tuple[str | int, ...]) -> type[BaseModel]:
    if not place:
        return Vocabulary
    if place[0] == "filter" and len(place) > 1:
        return Condition
    return _SECTIONS.get(str(place[0]), Vocabulary)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _keys(model: type[BaseModel]) -> list[str]:
    groups = list(Group.model_fields) if model is Condition else []
    return [*(field.alias or name for name, field in model.model_fields.items()), *groups]
