"""Links between mapping files: does each name one that is there, do they run in a circle, and what do the parents read.

Not for the word itself (``vocabulary``), nor for whether a column can name the parent's rows (``rows/fitting``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from campaign_sync.mapping.kinds import mapping_files
from campaign_sync.mapping.wording import meant
from campaign_sync.mapping.yaml_lines import Problem, dotted, read_yaml

if TYPE_CHECKING:
    from campaign_sync.mapping.file import Mapping


def link_problems(mappings: Iterable[Mapping]) -> Iterator[tuple[Mapping, Problem]]:
    """Links to mapping files that are not there, and links that run in a circle, each with the mapping it is in.

    A file that is there and broken is a parent like any other: of a flow that links to it nothing more is asked.
    """
    by_name = {mapping.name: mapping for mapping in mappings}
    for mapping in by_name.values():
        links = mapping.links()
        beside = {path.stem for path in mapping_files(Path(mapping.path).parent)} if links else set()
        for target, parent in links.items():
            if parent not in beside | by_name.keys():
                remedy = meant(parent, sorted(beside - {mapping.name}), listing="There are")
                yield mapping, _problem(mapping, target, f"there is no mapping file {parent}.yaml", remedy)
            elif circle := _way(parent, mapping.name, by_name):
                told = " → ".join((mapping.name, *circle))
                remedy = "Remove one of these links: parents are loaded before their children"
                yield mapping, _problem(mapping, target, f"links run in a circle: {told}", remedy)


def parent_tables(mapping: Mapping) -> dict[str, str]:
    """The tables whose rows the links of a mapping name, by flow, as far as the parents' files tell it.

    A parent's file may be broken elsewhere: all that counts is the line that names its table.
    """
    found: dict[str, str] = {}
    folder = Path(mapping.path).parent
    for flow in dict.fromkeys(mapping.links().values()):
        for path in (folder / f"{flow}.yaml", folder / f"{flow}.yml"):
            if table := table_in(path):
                found[flow] = table
    return found


def table_in(path: Path) -> str | None:
    """The table that a mapping file names, be the rest of it sound or not."""
    try:
        content = read_yaml(path.read_bytes()).content
    except OSError:
        return None
    extract = content.get("extract") if isinstance(content, dict) else None
    table = extract.get("table") if isinstance(extract, dict) else None
    return table if isinstance(table, str) else None


def _way(start: str, end: str, by_name: dict[str, Mapping]) -> list[str]:
    """The flows on a shortest way from one to another along links, both ends included; empty if there is none."""
    ways, seen = [[start]], {start}
    for way in ways:
        if way[-1] == end:
            return way
        mapping = by_name.get(way[-1])
        for parent in mapping.links().values() if mapping else ():
            if parent not in seen:
                seen.add(parent)
                ways.append([*way, parent])
    return []


def _problem(mapping: Mapping, target: str, problem: str, remedy: str) -> Problem:
    place = ("map", target, "link")
    return Problem(mapping.line(*place), dotted(place), problem, remedy)
