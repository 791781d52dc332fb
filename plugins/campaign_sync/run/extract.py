"""Extract: read what a run has to look at, and put it at rest as batches.

Not for HTTP (``hooks/dataverse.py``), nor for choosing what to read (``window.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.errors import RefusedError
from campaign_sync.run.window import Window

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.pages import Page
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import TableSchema

#: Rows of a batch: small enough that no task needs 400 MB, large enough for 15 million rows in 1,024 mapped tasks.
BATCH_ROWS = 15_000

#: Rows of earlier runs that are looked at again in one run.
UNSETTLED_AT_ONCE = 50_000


class Piece(NamedTuple):
    """One batch on its way to rest: rows as Arrow, keys of deleted rows, and the place in the feed once it
    is known.
    """

    rows: pa.Table
    deleted: list[str]

    def frames(self, key: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows with their key as index, and the deletions in the form of removed rows."""
        import pandas as pd

        kept = self.rows.to_pandas(types_mapper=pd.ArrowDtype)
        kept.index = pd.Index(kept[key], name=key)
        gone = pd.DataFrame(
            {"@version": pd.NA, "fate": "deleted", "rule": "", "reason": ""},
            index=pd.Index(self.deleted, name=key, dtype="string[pyarrow]"),
        ).astype({"@version": "int64[pyarrow]"})
        return kept, gone


class Source:
    """The pages of one window, cut into pieces; afterwards `delta_link` and `notes` say how the read ended."""

    def __init__(
        self, mapping: Mapping, table: TableSchema, dataverse: DataverseHook, ledger: Ledger
    ) -> None:
        self.mapping = mapping
        self.table = table
        self.dataverse = dataverse
        self.ledger = ledger
        self.columns = tuple(column.wire for name in mapping.columns() if (column := table.column(name)))
        self.delta_link: str | None = None
        self.notes: list[str] = []
        self._no_rows: pa.RecordBatch  # of the shape of the pages, for what is known to be gone

    def pieces(self, window: Window) -> Iterator[Piece]:
        """Everything the window asks for, as pieces of at most `BATCH_ROWS` rows."""
        return in_pieces(self._limited(self._pages(window), window.limit))

    def _pages(self, window: Window) -> Iterator[Page]:
        if window.kind == "modified":
            assert window.since is not None
            assert window.until is not None
            yield from self.dataverse.modified_between(self.table, self.columns, window.since, window.until)
        elif window.kind == "everything" and not window.moves_place:
            yield from self.dataverse.everything(self.table, self.columns, window.limit)
        elif window.link is None:
            yield from self._from_the_start()
        else:
            yield from self._with_unsettled(self._since(window.link, window.dry_run))

    def _from_the_start(self) -> Iterator[Page]:
        for page in self.dataverse.changes(self.table, self.columns):
            self.delta_link = page.delta_link or self.delta_link
            self._no_rows = page.rows.slice(0, 0)
            yield page

    def _since(self, link: str, dry_run: bool) -> Iterator[Page]:
        try:
            if self.dataverse.covers(link, self.table, self.columns):
                for page in self.dataverse.changes(self.table, self.columns, link):
                    self.delta_link = page.delta_link or self.delta_link
                    yield page
                return
            # A delta link carries the columns it was made for, so everything is read with the columns of today. The old
            # link is followed once more for deletions, which a read from the beginning never lists (dataverse.md §4.2);
            # after that read, or a deletion between the two would be in neither.
            self.notes.append(
                "the mapping reads columns that it did not read before: all rows were read again"
            )
            yield from self._from_the_start()
            for page in self.dataverse.changes(self.table, (), link):
                yield page._replace(rows=self._no_rows)
        except RefusedError as error:
            # 400 is what an expired link gets, and one that asks for a column which has been dropped since.
            if error.status != 400:
                raise
            if not dry_run:
                self.ledger.expire_place(self.mapping.name)
            raise RefusedError(
                error.system,
                error.path,
                error.status,
                error.code,
                f"Dataverse no longer follows this flow's place in the change feed: {error.problem}",
                "Trigger the flow with replay switched on: it reads everything and takes a new place. Dataverse keeps "
                "changes for some days only (7 unless changed): keep pauses shorter",
                error.request_id,
            ) from error

    def _with_unsettled(self, pages: Iterable[Page]) -> Iterator[Page]:
        """The pages, and rows of earlier runs to look at again: judged by an older mapping (C2), or in doubt.

        In doubt is a row whose write was begun and whose outcome is unknown, because a process was killed or two
        runs wrote it at once: it is written again, as it is now.
        """
        waiting = self.ledger.unsettled(self.mapping.name, self.mapping.sha, UNSETTLED_AT_ONCE)
        for page in pages:
            if waiting:
                waiting -= {*page.rows.column(self.table.key).to_pylist(), *page.deleted}
            self._no_rows = page.rows.slice(0, 0)
            yield page
        if not waiting:
            return
        self.notes.append(f"{len(waiting):,} rows that earlier runs left open were looked at again")
        gone = set(waiting)
        for page in self.dataverse.by_keys(self.table, self.columns, sorted(waiting)):
            gone -= set(page.rows.column(self.table.key).to_pylist())
            yield page
        if gone:
            yield page._replace(rows=self._no_rows, deleted=sorted(gone))

    @staticmethod
    def _limited(pages: Iterable[Page], limit: int | None) -> Iterator[Page]:
        left = limit
        for page in pages:
            if left is None:
                yield page
                continue
            rows = page.rows.slice(0, left)
            deleted = page.deleted[: left - len(rows)]
            left -= len(rows) + len(deleted)
            yield page._replace(rows=rows, deleted=deleted)
            if not left:
                return


def in_pieces(pages: Iterable[Page], size: int = BATCH_ROWS) -> Iterator[Piece]:
    """Pages put together until a piece would have more than `size` rows."""
    import pyarrow as pa

    rows: list[Any] = []
    deleted: list[str] = []
    count = 0
    for page in pages:
        coming = len(page.rows) + len(page.deleted)
        if count and count + coming > size:
            yield Piece(pa.Table.from_batches(rows), deleted)
            rows, deleted, count = [], [], 0
        if coming:
            rows.append(page.rows)
            deleted.extend(page.deleted)
            count += coming
    if count:
        yield Piece(pa.Table.from_batches(rows), deleted)
