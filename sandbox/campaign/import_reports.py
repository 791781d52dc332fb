"""What an import workflow leaves in the SFTP area for its sender: rejected lines and counts.

Both are what a customer can build: the Rejects transition of Load file (and the one of Update data) into
Transfer file; an Extract file of one line of counts into Transfer file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.campaign.import_declaration import Import
from sandbox.campaign.load_file import Reject
from sandbox.sftp_area import area_of
from sandbox.world import World

COUNTS = ("read", "rejected", "duplicates", "inserted", "updated", "deleted", "missing", "ignored",
          "unlinked")  # fmt: skip


def write(
    world: World, work: Import, counts: Mapping[str, Any], header: str, rejects: Sequence[Reject]
) -> None:
    """Write the rejects, if any and if they are kept, then the counts: who sees counts finds rejects too."""
    area, load, name = area_of(world), work.load_file, counts["file"]
    if rejects and load.keep_rejects:
        separator = load.separator
        lines = [separator.join(("line", "reason", header))]
        for reject in sorted(rejects):
            lines.append(separator.join((str(reject.number), _plain(reject.reason, work), reject.source)))
        encoding = "utf-8" if load.encoding == "utf-8" else "cp1252"
        text = "".join(f"{line}\n" for line in lines)
        stamp = f"{world.clock.now():%Y%m%d_%H%M%S}"
        area.put(load.rejects_folder, f"{name}_rejects_{stamp}.txt", _encoded(text, encoding))
    if work.result_folder:
        # an update that changed nothing counts as an update: Campaign does not tell the difference
        shown = {**counts, "updated": counts.get("updated", 0) + counts.get("unchanged", 0)}
        values = [str(shown.get(count, 0)) for count in COUNTS]
        text = ";".join(("file", *COUNTS)) + "\n" + ";".join((name, *values)) + "\n"
        area.put(work.result_folder, f"{name}.result.csv", text.encode())


def _plain(reason: str, work: Import) -> str:
    """Return a reason as a cell that needs no quotes."""
    for character in (work.load_file.separator, work.load_file.quote, "\n", "\r"):
        reason = reason.replace(character, " ") if character else reason
    return reason


def _encoded(text: str, encoding: str) -> bytes:
    # a source line keeps the bytes it came with
    return text.encode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
