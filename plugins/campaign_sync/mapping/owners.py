"""Each opt-out attribute has one owner: a mapping of rows, or a mapping of opt-outs, never both (O6).

What the other file says counts also where it is broken elsewhere. Not for two files of one kind (``file``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from campaign_sync.mapping.kinds import Kind, kind_of, mapping_files
from campaign_sync.mapping.yaml_lines import Problem, read_yaml
from campaign_sync.schema import opt_out

PROFILE = "profile"  # only profiles have these attributes


def owner_problems(path: Path) -> Iterator[Problem]:
    """The opt-out attributes in a mapping file that a file of the other kind beside it maps as well."""
    others: Kind = "rows" if kind_of(path) == "opt_outs" else "opt_outs"
    own = _attributes(path)
    for other in mapping_files(path.parent, others) if own else ():
        theirs = _attributes(other)
        for attribute, (name, line) in own.items():
            if attribute in theirs:
                spelt, there = theirs[attribute]
                section = "pairs" if others == "rows" else "map"
                problem = f"{name} is mapped twice, also in {other}:{there} ({spelt})"
                remedy = "An opt-out attribute has one owner: remove it from one of the two files"
                yield Problem(line, f"{section}.{name}", problem, remedy)


def _attributes(path: Path) -> dict[str, tuple[str, int]]:
    """The opt-out attributes that a file maps: as it spells them, and the line."""
    try:
        document = read_yaml(path.read_bytes())
    except OSError:
        return {}
    content: Any = document.content if isinstance(document.content, dict) else {}
    section = "pairs" if "pairs" in content else "map"
    load = content.get("load")
    resource = load.get("resource") if isinstance(load, dict) else None
    mapped = content.get(section)
    if not isinstance(mapped, dict) or (section == "map" and resource != PROFILE):
        return {}
    found = ((str(name), document.lines.get((section, name), 1)) for name in mapped)
    return {attribute: (name, line) for name, line in found if (attribute := opt_out(name))}
