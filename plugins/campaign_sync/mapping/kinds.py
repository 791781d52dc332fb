"""Which kind of mapping a file is, told by a look at its top-level keys, so that a file with mistakes is told too.

Cheap: every DAG file imports it. Not for reading the file (``file`` and its like say what is wrong with it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from campaign_sync.mapping.yaml_lines import read_yaml

#: Rows that go to Campaign, e-mail events that come to Dynamics, people's objections in either direction.
Kind = Literal["rows", "events", "opt_outs"]

#: What only a mapping of opt-outs has.
_OPT_OUT_WORDS = ("pairs", "conflict")
_KEY = re.compile(r"""^([ \t]*)["']?([A-Za-z_]+)["']?[ \t]*:(?:[ \t]+["']?(\w*)|$)""", re.MULTILINE)
_IN_BRACES = re.compile(r"(?:\s|#.*\n|---.*\n)*\{")


def mapping_files(folder: Path, kind: Kind = "rows") -> list[Path]:
    """The mapping files of a kind in a folder, in the order of their names."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    return [path for path in files if kind_of(path) == kind]


def kind_of(path: Path) -> Kind:
    """The kind of a mapping file, sound or not."""
    try:
        return kind_in(path.read_bytes())
    except OSError:
        return "rows"  # whoever loads it says what is wrong


def kind_in(raw: bytes) -> Kind:
    """The kind of a mapping file with this content, sound or not."""
    keys = _top_level(raw)
    direction = keys.get("direction", "")
    if any(get_close_matches(key, _OPT_OUT_WORDS, cutoff=0.75) for key in keys):
        return "opt_outs"
    if "map" not in keys and direction in ("disabled", "to_campaign", "both"):
        return "opt_outs"
    return "events" if direction == "to_dynamics" else "rows"


def _top_level(raw: bytes) -> Mapping[str, str]:
    """The outermost keys with the word that follows them, as far as they can be told without reading the file."""
    text = raw.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    if _IN_BRACES.match(text):
        content = read_yaml(raw).content
        return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}
    found = _KEY.findall(text)
    outermost = found[0][0] if found else ""
    return {key: word for indent, key, word in found if indent == outermost}
