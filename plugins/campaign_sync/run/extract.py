"""Extract: read what a run has to look at, and put it at rest as batches.

Not for HTTP (``hooks/dataverse.py``), nor for choosing what to read (``window.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.pages import Page
from campaign_sync.run.healing import Comparison, Reads
from campaign_sync.run.window import Window

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.schema import TableSchema

#: Rows of a batch: small enough that no task needs 400 MB. Airflow maps a task over no more than 1,024 batches unless
#: told otherwise, so those of a large run grow, at most fourfold (600 MB): 51 million rows.
BATCH_ROWS, GROWTH = 15_000, 4

NEW_COLUMNS = "the mapping reads columns that it did not read before: all rows were read again"

#: An expired delta link is known by its code, whatever the status (dataverse.md §4.5); one that asks for a column which
#: has been dropped since, by the status of a bad request.
DATAVERSE, EXPIRED, BAD_REQUEST = "Dataverse", "0x80044352", 400


class Piece(NamedTuple):
    """One batch on its way to rest: rows as Arrow, and the keys of deleted rows."""

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
    """The pages of one window, cut into pieces; afterwards `ended` says how the read ended.

    :param anew: why all rows are read, whatever was read before; empty: they are not.
    """

    AT_ONCE: ClassVar[int] = 50_000  #: rows of earlier runs that are looked at again in one run

    def __init__(
        self,
        mapping: Reads,
        table: TableSchema,
        dataverse: DataverseHook,
        ledger: Ledger,
        *,
        anew: str = "",
    ) -> None:
        self.mapping = mapping
        self.table = table
        self.dataverse = dataverse
        self.ledger = ledger
        self._anew = anew
        self.columns = tuple(column.wire for name in mapping.columns() if (column := table.column(name)))
        self.delta_link: str | None = None
        self.notes: list[str] = []
        self.healed = False  # what an expired place missed was found by a comparison
        self._no_rows: pa.RecordBatch  # of the shape of the pages, for what is known to be gone

    def pieces(self, window: Window, most: int) -> Iterator[Piece]:
        """Everything the window asks for, as pieces that grow with their number."""
        return in_pieces(self._limited(self._pages(window), window.limit), most=most)

    def ended(self) -> dict[str, Any]:
        """How the read ended, for the run's folder."""
        return {"delta_link": self.delta_link, "notes": self.notes, "healed": self.healed}

    def _pages(self, window: Window) -> Iterator[Page]:
        if window.kind == "modified":
            assert window.since is not None
            assert window.until is not None
            yield from self.dataverse.modified_between(self.table, self.columns, window.since, window.until)
        elif window.kind == "everything" and not window.moves_place:
            yield from self.dataverse.everything(self.table, self.columns, window.limit)
        elif window.compares == "versions":
            yield from self._healed(window, "it was given up in an earlier run")
        elif window.compares == "keys":
            yield from self._all_and_missing()
        elif window.link is None:
            yield from self._from_the_start()
        else:
            yield from self._with_unsettled(self._since(window.link, window))

    def _from_the_start(self) -> Iterator[Page]:
        for page in self.dataverse.changes(self.table, self.columns):
            self.delta_link = page.delta_link or self.delta_link
            self._no_rows = page.rows.slice(0, 0)
            yield page

    def _since(self, link: str, window: Window) -> Iterator[Page]:
        if why := self._all_because(link):
            yield from self._all_again(link, why)
            return
        begun = False
        try:
            for page in self.dataverse.changes(self.table, self.columns, link):
                begun = True
                self.delta_link = page.delta_link or self.delta_link
                yield page
            return
        except RefusedError as error:
            if not gave_up(error):
                raise
            refusal = error
        if not window.dry_run:
            self.ledger.expire_place(self.mapping.name)
        if begun:
            # Its first rows are in batches already, and would be written a second time beside them.
            raise TransientError(
                refusal.system,
                refusal.path,
                refusal.status,
                f"the place in the change feed was given up while it was followed: {refusal.problem}",
                "The next try, or the next run, compares everything with what is known",
                refusal.request_id,
            ) from refusal
        yield from self._healed(window, refusal.problem)

    def _healed(self, window: Window, why: str) -> Iterator[Page]:
        """What happened since a place that Dataverse no longer follows (I15, dataverse.md §4.5).

        Where all rows are read again for another reason, an equal version says nothing: all go on.
        """
        self.notes.append(f"Dataverse no longer follows this flow's place in the change feed: {why}")
        if not window.moves_place:
            what = "a dry run" if window.dry_run else "a run with a limit"
            self.notes.append(f"{what} heals nothing: the place stays expired until a whole run")
        self.healed = True
        if window.link and (because := self._all_because(window.link)):
            self.notes.append(because)
            yield from self._all_and_missing()
            return
        with Comparison(self.mapping, self.ledger) as comparison:
            yield from comparison.differing(comparison.listing(self._from_the_start()))
            yield from self._missing(comparison)
            self.notes.append(
                f"{comparison.compared:,} rows were compared with the ledger: {comparison.differed:,} differed and "
                f"went on, {comparison.gone:,} were gone from Dynamics"
            )

    def _all_because(self, link: str) -> str:
        """Why all rows are read again; empty: those that changed since the place are enough."""
        # A delta link carries the columns it was made for.
        return self._anew or ("" if self.dataverse.covers(link, self.table, self.columns) else NEW_COLUMNS)

    def _all_again(self, link: str, why: str) -> Iterator[Page]:
        # Everything is read with the columns of today. The old link is followed once more for deletions, which a read
        # from the beginning never lists (dataverse.md §4.2); after that read, or a deletion between the two would be
        # in neither.
        self.notes.append(why)
        with Comparison(self.mapping, self.ledger) as comparison:
            yield from comparison.listing(self._from_the_start())
            try:
                for page in self.dataverse.changes(self.table, (), link):
                    yield page._replace(rows=self._no_rows)
            except RefusedError as error:
                if not gave_up(error):
                    raise
                yield from self._missing(comparison)
                self.notes.append(f"{error.problem}: {_gone(comparison)}")

    def _all_and_missing(self) -> Iterator[Page]:
        with Comparison(self.mapping, self.ledger) as comparison:
            yield from comparison.listing(self._from_the_start())
            yield from self._missing(comparison)
            self.notes.append(_gone(comparison))

    def _missing(self, comparison: Comparison) -> Iterator[Page]:
        return comparison.missing(
            lambda keys: self.dataverse.by_keys(self.table, self.columns, keys),
            Page(self._no_rows, [], None, None),
        )

    def _with_unsettled(self, pages: Iterable[Page]) -> Iterator[Page]:
        """The pages, and rows of earlier runs to look at again: judged by an older mapping (C2), or in doubt.

        In doubt is a row whose write was begun and whose outcome is unknown, because a process was killed or two
        runs wrote it at once: it is written again, as it is now.
        """
        waiting = self.ledger.unsettled(self.mapping.name, self.mapping.sha, self.AT_ONCE)
        for page in pages:
            if waiting:
                waiting -= {*page.rows.column(self.table.key).to_pylist(), *page.deleted}
            self._no_rows = page.rows.slice(0, 0)
            yield page
        if not waiting:
            return
        self.notes.append(f"{len(waiting):,} rows that earlier runs left open were looked at again")
        yield from self._by_key(waiting)

    def _by_key(self, keys: Collection[str]) -> Iterator[Page]:
        """The rows of these keys as they are now, and deletions of those that are not there."""
        gone = set(keys)
        for page in self.dataverse.by_keys(self.table, self.columns, sorted(keys)):
            gone -= set(page.rows.column(self.table.key).to_pylist())
            yield page
        if gone:
            yield Page(self._no_rows, sorted(gone), None, None)

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


def in_pieces(pages: Iterable[Page], size: int = BATCH_ROWS, *, most: int = 1024) -> Iterator[Piece]:
    """Pages put together until a piece would have more than `size` rows, or twice or four times as many later on.

    :param most: how many pieces there may be; the size doubles after an eighth of them, and after two.
    """
    import pyarrow as pa

    rows: list[Any] = []
    deleted: list[str] = []
    count = made = 0
    for page in pages:
        coming = len(page.rows) + len(page.deleted)
        if count and count + coming > size * min(GROWTH, 2 ** (8 * made // most)):
            yield Piece(pa.Table.from_batches(rows), deleted)
            rows, deleted, count, made = [], [], 0, made + 1
        if coming:
            rows.append(page.rows)
            deleted.extend(page.deleted)
            count += coming
    if count:
        yield Piece(pa.Table.from_batches(rows), deleted)


def gave_up(error: RefusedError) -> bool:
    """Whether Dataverse refuses to follow a place in the change feed that it once gave out."""
    # A bad request to Entra ID is a wrong secret: it says nothing about the place.
    return error.system == DATAVERSE and (error.status == BAD_REQUEST or error.code.lower() == EXPIRED)


def _gone(comparison: Comparison) -> str:
    rows, gone = comparison.compared, comparison.gone
    return f"{rows:,} rows were compared with the ledger: {gone:,} were gone from Dynamics"
