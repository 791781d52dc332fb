"""One row of Dynamics as it is now, for a person who asked to see it: the columns that its flow reads, no others.

Its values are a person's: whoever calls this shows them to nobody else, and writes them nowhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from campaign_sync.mapping.kinds import Kind


def source_row(path: Path, kind: Kind, key: str) -> dict[str, Any] | None:
    """The row of a key, for a flow of rows or of opt-outs: column → value; None if Dynamics does not show it.

    Asks once: a person waits for the answer. Raises MappingError if the mapping cannot be read.
    """
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.pace import Patience

    name, columns = _read_by(path, kind)
    dataverse = DataverseHook(patience=Patience(attempts=1, budget=0))
    table = dataverse.table(name, columns)
    wires = {each.wire: each.name for column in columns if (each := table.column(column))}
    for page in dataverse.by_keys(table, list(wires), [key]):
        for row in page.rows.to_pylist():
            return {table.key: row[table.key]} | {
                name: row[wire] for wire, name in wires.items() if name != table.key
            }
    return None


def _read_by(path: Path, kind: Kind) -> tuple[str, tuple[str, ...]]:
    """The table that a flow reads, and the columns."""
    from campaign_sync.consent.file import load_opt_outs
    from campaign_sync.consent.setting import Feed
    from campaign_sync.mapping.file import load_mapping

    if kind == "opt_outs":
        opt_outs = load_opt_outs(path)
        return opt_outs.extract.table, Feed.of(opt_outs).columns()
    mapping = load_mapping(path)
    return mapping.extract.table, tuple(mapping.columns())
