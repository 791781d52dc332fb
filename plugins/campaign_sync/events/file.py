"""``load_events``: a YAML file that says ``direction: to_dynamics`` becomes a frozen ``EventMapping``, or a
``MappingError`` that names every problem with line and remedy.

Cheap to import: every DAG file does. What the words mean is in ``vocabulary``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from campaign_sync.events.vocabulary import EventVocabulary
from campaign_sync.mapping.file import File, closest_in, flat_replacements, parse_as, read_file


class EventMapping(EventVocabulary, File):
    """A loaded mapping of events: the vocabulary, and which file it came from."""


def load_events(path: str | Path) -> EventMapping:
    """The mapping in a file; raises one MappingError that tells all that is wrong with it."""
    return parse_events(read_file(path), path)


def parse_events(raw: bytes, path: str | Path) -> EventMapping:
    """The mapping in the bytes of a file that is, or will be, at this path; raises as ``load_events`` does."""
    return parse_as(EventMapping, EventVocabulary, raw, path, closest_in(EventVocabulary))


def json_schema() -> dict[str, Any]:
    """The JSON Schema that completes and checks these files in an editor (P3)."""
    schema = EventVocabulary.model_json_schema(by_alias=True, mode="validation")
    return flat_replacements(schema, "campaign_sync mapping of e-mail events")
