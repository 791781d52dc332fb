"""Lookups that may name rows of several tables (Customer, Owner, regarding): which of their values name the parent's.

A page of the change feed does not say it: annotations are not to be had beside change tracking (dataverse.md §4.4).
So the ledger is asked which parents it knows, and Dataverse which of the others are rows of the parent's table at all.
A value that names a row of another table is empty for the link, and nothing waits for it.

Not for what an empty link comes to (``rows/transform.py``).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.mapping.links import parent_tables
from campaign_sync.rows.transform import ELSEWHERE

if TYPE_CHECKING:
    import pandas as pd

    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import TableSchema


class _Link(NamedTuple):
    target: str
    wire: str
    flow: str
    table: str


class Polymorphic:
    """The links of one mapping through lookups with several tables; a mapping without them asks nobody anything."""

    def __init__(
        self, mapping: Mapping, table: TableSchema, dataverse: DataverseHook, ledger: Ledger
    ) -> None:
        self.mapping = mapping
        self.table = table
        self.dataverse = dataverse
        self.ledger = ledger
        self._tables: dict[str, TableSchema] = {}

    def marked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows with a technical column for each such link: whether its value names a row of another table."""
        columns = {
            f"{ELSEWHERE}{link.target}": self._elsewhere(frame[link.wire], link) for link in self._links
        }
        return frame.assign(**columns) if columns else frame

    @cached_property
    def _links(self) -> list[_Link]:
        tables, found = parent_tables(self.mapping), []
        for target, flow in self.mapping.links().items():
            column = self.table.column(self.mapping.map[target].source)
            assert column is not None, "check_types comes first"
            if len(column.targets) > 1:
                found.append(_Link(target, column.wire, flow, tables[flow]))
        return found

    def _elsewhere(self, values: pd.Series[str], link: _Link) -> pd.Series[bool]:
        import pandas as pd
        import pyarrow as pa

        named = set(values.dropna().unique())
        elsewhere = named - self.ledger.there(link.flow, named) if named else named
        if elsewhere:
            if link.table not in self._tables:
                self._tables[link.table] = self.dataverse.table(link.table, [])
            for page in self.dataverse.by_keys(self._tables[link.table], (), sorted(elsewhere)):
                elsewhere -= set(page.rows.column(0).to_pylist())
        return values.isin(elsewhere).astype(pd.ArrowDtype(pa.bool_()))
