"""Preview: a few real rows, before → after, what drops or rejects them, and what would be written. Writes nothing (P2).

It shows rows' values, because its user asked for them: for that person's eyes only, never for a log or a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.consent.noes import with_noes
from campaign_sync.rows.noes import NOES, noes_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import ResourceSchema, TableSchema


class Previewed(NamedTuple):
    """One row: its values in Dynamics, what a run would do with it, and the values for Campaign."""

    key: str
    fate: str  # create, update, delete, unchanged, dropped, parked, rejected
    rule: str  # of a row that would not go; of a parked one, the flow that it waits for
    reason: str
    before: dict[str, Any]  # source column -> value
    after: dict[str, Any]  # target field -> value; of a row that would be created, its noes as well


def preview(
    mapping: Mapping,
    *,
    dataverse: DataverseHook,
    campaign: CampaignHook,
    ledger: Ledger,
    limit: int = 10,
    keys: Sequence[str] = (),
) -> list[Previewed]:
    """The first rows of the source, or those with the given keys, and what a run would do with them.

    Raises MappingError if the mapping does not fit the two systems, RefusedError if one of them says no.
    """
    import pandas as pd

    from campaign_sync.run.extract import Source, in_pieces
    from campaign_sync.run.polymorphic import Polymorphic
    from campaign_sync.run.systems import read_schemas

    mapping = with_noes(mapping)
    table, resource = read_schemas(mapping, dataverse, campaign)
    source = Source(mapping, table, dataverse, ledger)
    pages = (
        dataverse.by_keys(table, source.columns, keys)
        if keys
        else dataverse.everything(table, source.columns, limit)
    )
    frames = [piece.frames(table.key)[0] for piece in in_pieces(pages)]
    if not frames:
        return []
    frame = Polymorphic(mapping, table, dataverse, ledger).marked(pd.concat(frames))
    return judge(frame, mapping, table, resource, ledger)


def judge(
    frame: pd.DataFrame, mapping: Mapping, table: TableSchema, resource: ResourceSchema, ledger: Ledger
) -> list[Previewed]:
    """What a run would do with each row of a frame, in the frame's order."""
    import pandas as pd

    from campaign_sync.rows.steps import take_all_steps
    from campaign_sync.run.load import plan_batch

    removed, rows = [], frame
    for step, stepped in take_all_steps(frame, mapping, table, resource):
        removed.append(stepped.sifted.removed.assign(step=step))
        rows = stepped.sifted.kept
    plan = plan_batch(rows, pd.concat(removed), mapping, ledger)
    before, after = _records(frame), _records(rows)
    for key, noes in plan.create[NOES].items() if NOES in plan.create else ():
        after[str(key)] |= noes_in(None if pd.isna(noes) else noes)
    fates: dict[str, tuple[str, str, str]] = {}
    for fate in ("create", "update", "delete", "unchanged", "stale", "dropped", "parked", "rejected"):
        planned = getattr(plan, fate)
        for key, row in zip(planned.index, planned.to_dict("records"), strict=True):
            name = "unchanged" if fate == "stale" else fate
            rule = row.get("rule") or row.get("waits_for")
            fates[str(key)] = (name, str(rule or ""), str(row.get("reason") or ""))
    return [Previewed(key, *fates[key], before[key], after.get(key, {})) for key in before]


class Cell(NamedTuple):
    """One field of a previewed row, as texts for people."""

    target: str
    source: str
    was: str
    becomes: str | None  # None: nothing is written


def cells_of(row: Previewed, mapping: Mapping) -> list[Cell]:
    """A row field by field; of one that would be created, its noes as well."""
    mapping = with_noes(mapping)
    cells = []
    for field, how in mapping.map.items():
        names = (how.source, f"_{how.source}_value")
        was = next((row.before[name] for name in names if name in row.before), None)
        becomes = shown_value(row.after[field]) if field in row.after else None
        cells.append(Cell(field, how.source, shown_value(was), becomes))
    for no in mapping.noes if row.fate == "create" else ():
        becomes = "True, as the record is made" if no.attribute in row.after else None
        cells.append(Cell(no.attribute, no.column, shown_value(row.before.get(no.column)), becomes))
    return cells


def to_text(shown: Sequence[Previewed], mapping: Mapping) -> str:
    """The rows for a terminal: per row its fate, and per field what it was and what it becomes."""
    lines: list[str] = []
    for row in shown:
        why = (
            f" — {row.rule}{': ' if row.rule and row.reason else ''}{row.reason}"
            if row.rule or row.reason
            else ""
        )
        lines.append(f"{row.key}  {row.fate}{why}")
        for cell in cells_of(row, mapping):
            becomes = f"→ {cell.becomes}" if cell.becomes is not None else ""
            lines.append(f"    {cell.target:<20} {cell.was:<40} {becomes}")
        lines.append("")
    counts: dict[str, int] = {}
    for row in shown:
        counts[row.fate] = counts.get(row.fate, 0) + 1
    said = ", ".join(f"{count} {fate}" for fate, count in counts.items()) or "no rows"
    return "\n".join([*lines, f"{len(shown)} rows: {said}. Nothing was written."])


def _records(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {
        str(key): {str(name): value for name, value in row.items() if not str(name).startswith("@")}
        for key, row in zip(frame.index, plain, strict=True)
    }


def shown_value(value: Any) -> str:
    """A value for people."""
    if value is None or value == "":
        return "(empty)"
    return repr(value) if isinstance(value, str) else str(value)
