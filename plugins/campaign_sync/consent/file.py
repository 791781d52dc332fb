"""``load_opt_outs``: a YAML file with `pairs` becomes a frozen ``OptOutMapping``, or a ``MappingError`` that names
every problem with line and remedy.

Cheap to import: every DAG file does. What the words mean is in ``vocabulary``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from campaign_sync.consent.vocabulary import OptOutVocabulary
from campaign_sync.errors import MappingError
from campaign_sync.mapping.file import File, closest_in, mapping_error, parse_as, read_file
from campaign_sync.mapping.owners import owner_problems
from campaign_sync.mapping.wording import days_ago
from campaign_sync.mapping.yaml_lines import Problem
from campaign_sync.schema import opt_out


class OptOutMapping(OptOutVocabulary, File):
    """A loaded mapping of opt-outs: the vocabulary, and which file it came from."""

    def line(self, *place: str | int) -> int:
        """The line of a place in the file, whichever spelling an attribute has there."""
        for name in self.lines:
            section, _, attribute = name.partition("/")
            if place[:1] == (section,) and len(place) > 1 and opt_out(attribute) == place[1]:
                return super().line(section, attribute, *place[2:])
        return super().line(*place)

    def columns(self) -> tuple[str, ...]:
        """The columns of Dynamics that pairs and filter need, sorted."""
        from campaign_sync.mapping.conditions import conditions

        filtered = [each.column for _, each in conditions(self.filter.root)] if self.filter else []
        return tuple(sorted({*(each.column for each in self.pairs.values()), *filtered}))

    def passing(self, today: date) -> str:
        """A digest of whose consent is kept in step, and of what their empty cells say.

        What Dynamics says of others is not remembered. Where the digest differs, somebody else may have begun to pass
        whose row does not change: also with the days, where the filter counts them.
        """
        from campaign_sync.mapping.conditions import conditions

        found = [each.operand for _, each in conditions(self.filter.root)] if self.filter else []
        texts = (
            each for operand in found for each in (operand if isinstance(operand, tuple) else (operand,))
        )
        by_days = any(isinstance(each, str) and days_ago(each) is not None for each in texts)
        told = self.model_dump(mode="json", by_alias=True, include={"filter", "replace"})
        told["today"] = today.isoformat() if by_days else ""
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def load_opt_outs(path: str | Path) -> OptOutMapping:
    """The mapping in a file; raises one MappingError that tells all that is wrong with it."""
    return parse_as(OptOutMapping, OptOutVocabulary, read_file(path), path, closest_in(OptOutVocabulary))


def one_per_table(mappings: Iterable[OptOutMapping]) -> dict[Path, MappingError]:
    """What is wrong between mappings that are each sound by themselves, by file: a table or a resource has one."""
    tables: dict[str, OptOutMapping] = {}
    resources: dict[str, OptOutMapping] = {}
    problems: dict[Path, MappingError] = {}
    for mapping in mappings:
        found = []
        for section, word, name, taken in (
            ("extract", "table", mapping.extract.table, tables),
            ("load", "resource", mapping.load.resource, resources),
        ):
            first = taken.setdefault(name, mapping)
            if first is not mapping:
                problem = f"the opt-outs of {name} have a mapping already: {first.path}"
                remedy = "Write all pairs into one file, and remove the other"
                found.append(Problem(mapping.line(section, word), f"{section}.{word}", problem, remedy))
        if found:
            problems[Path(mapping.path)] = mapping_error(mapping.path, found)
    return problems


def two_owners(mappings: Iterable[OptOutMapping]) -> Iterator[MappingError]:
    """For each mapping with attributes that a mapping of rows beside it maps as well, an error (O6).

    For people who check files: of the two DAGs only that of the rows is broken (``mapping.file.check_together``), as it
    would overwrite objections, while this one brings none to nought.
    """
    for mapping in mappings:
        problems = list(owner_problems(Path(mapping.path)))
        if problems:
            yield mapping_error(mapping.path, problems)


def json_schema() -> dict[str, Any]:
    """The JSON Schema that completes and checks these files in an editor (P3)."""
    schema = OptOutVocabulary.model_json_schema(by_alias=True, mode="validation")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**head, **schema, "title": "campaign_sync mapping of opt-outs"}
