"""``load_events``: a YAML file that says ``direction: to_dynamics`` becomes a frozen ``EventMapping``, or a
``MappingError`` that names every problem with line and remedy.

Cheap to import: every DAG file does. What the words mean is in ``vocabulary``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from campaign_sync.events.vocabulary import EventVocabulary
from campaign_sync.mapping.file import File, parse_as, read_file
from campaign_sync.mapping.wording import meant


class EventMapping(EventVocabulary, File):
    """A loaded mapping of events: the vocabulary, and which file it came from."""


def load_events(path: str | Path) -> EventMapping:
    """The mapping in a file; raises one MappingError that tells all that is wrong with it."""
    return parse_as(EventMapping, EventVocabulary, read_file(path), path, _misplaced)


def json_schema() -> dict[str, Any]:
    """The JSON Schema that completes and checks these files in an editor (P3)."""
    from campaign_sync.mapping.file import flat_replacements

    schema = EventVocabulary.model_json_schema(by_alias=True, mode="validation")
    return flat_replacements(schema, "campaign_sync mapping of e-mail events")


def _misplaced(place: tuple[str | int, ...]) -> str:
    model: Any = EventVocabulary
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        parts = [*get_args(field.annotation), field.annotation] if field else []
        inside = [each for each in parts if isinstance(each, type) and issubclass(each, BaseModel)]
        if not inside:
            return "See the vocabulary in include/mappings/README.md"
        model = inside[0]
    return meant(str(place[-1]), model.model_fields)
