"""The noes that a row mapping's new records are born with, from the opt-outs mapping beside it (O7).

A row mapping does not map people's objections where an opt-outs mapping does. A record that it makes would say "no
objection", and its person be mailed, until the opt-outs flow comes round. So the row flow reads the pairs' columns as
well, and a record is made with the noes of its row: never with a yes, and never later on.

Not for what rows say (``rows/noes.py``), nor for the opt-outs flow itself.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from campaign_sync.consent.vocabulary import Pair
from campaign_sync.errors import MappingError
from campaign_sync.mapping.file import Mapping, read_file
from campaign_sync.mapping.kinds import mapping_files
from campaign_sync.mapping.noes import No
from campaign_sync.mapping.yaml_lines import Document, dotted, read_yaml
from campaign_sync.schema import opt_out

#: Directions that tell Campaign nothing of Dynamics. Any other word may be meant as one that does.
DISABLED, TO_DYNAMICS = "disabled", "to_dynamics"

REMEDY = (
    "Mend it: until it is known who said no, {flow} reads nothing, because it would make records of people who "
    "object and not say so. Nothing is lost"
)


def with_noes(mapping: Mapping) -> Mapping:
    """The mapping together with the noes that its records are born with.

    The opt-outs mapping may be broken elsewhere: all that counts are its table, its resource, its direction and its
    pairs. Raises MappingError if these cannot be read.
    """
    files = mapping_files(Path(mapping.path).parent, "opt_outs")
    found = [_noes_in(path, mapping) for path in files]
    told = tuple(no for direction, noes in found if direction != TO_DYNAMICS for no in noes)
    heard = tuple(no for direction, noes in found if direction == TO_DYNAMICS for no in noes)
    return mapping.model_copy(update={"noes": told, "campaign_noes": heard})


def _noes_in(path: Path, mapping: Mapping) -> tuple[Any, list[No]]:
    """The direction of an opt-outs mapping, and its noes."""
    raw = read_file(path)
    document = read_yaml(raw)
    told = document.content
    if not isinstance(told, dict):
        raise _broken(path, mapping, document, (), "who said no cannot be read here")
    direction = told.get("direction")
    if direction == DISABLED:
        return direction, []
    # A word that is missing may be ours: when in doubt it is.
    table, resource = _inside(told, "extract", "table"), _inside(told, "load", "resource")
    if table not in (None, mapping.extract.table) or resource not in (None, mapping.load.resource):
        return direction, []
    pairs, replaced = told.get("pairs"), told.get("replace")
    if not isinstance(pairs, dict) or not pairs:
        raise _broken(path, mapping, document, ("pairs",), "no pair can be read here")
    empty = {opt_out(str(name)) for name in replaced} if isinstance(replaced, dict) else set()
    noes = []
    for name, told_of_it in pairs.items():
        attribute = opt_out(str(name))
        try:
            pair = Pair.model_validate(told_of_it)
        except ValidationError:
            pair = None
        if pair is None or attribute is None:
            problem = "this is no attribute with a column and its no_is"
            raise _broken(path, mapping, document, ("pairs", str(name)), problem)
        noes.append(
            No(
                attribute=attribute,
                column=pair.column,
                no_is=pair.no_is,
                empty_is_no=attribute in empty,
                path=str(path),
                line=document.lines.get(("pairs", str(name)), 1),
                flow=path.stem,
                sha=hashlib.sha256(raw).hexdigest()[:12],
            )
        )
    return direction, noes


def _inside(content: dict[Any, Any], section: str, word: str) -> Any:
    found = content.get(section)
    return found.get(word) if isinstance(found, dict) else None


def _broken(
    path: Path, mapping: Mapping, document: Document, place: tuple[str, ...], problem: str
) -> MappingError:
    line = document.lines.get(place, document.problems[0].line if document.problems else 1)
    return MappingError(str(path), line, dotted(place), problem, REMEDY.format(flow=mapping.name))
