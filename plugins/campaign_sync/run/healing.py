"""A read from the start of the change feed beside what the ledger knows: which rows differ, which are gone (I15).

Not for reading (``extract.py``) nor for the queries (``ledger/comparing.py``). Of the rows only their keys are kept, on
disk: fifteen million are no more memory than one page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from campaign_sync.ledger.listed import Listed

if TYPE_CHECKING:
    from campaign_sync.hooks.pages import Page
    from campaign_sync.ledger.ledger import Ledger


class Reads(Protocol):
    """A mapping of any kind, as far as reading Dynamics is concerned."""

    @property
    def name(self) -> str: ...
    @property
    def sha(self) -> str: ...
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, besides the key."""


class Comparison:
    """One comparison; afterwards `compared`, `differed` and `gone` count its rows."""

    def __init__(self, mapping: Reads, ledger: Ledger) -> None:
        self.mapping = mapping
        self.ledger = ledger
        self.compared = self.differed = self.gone = 0
        self._listed = Listed()

    def __enter__(self) -> Comparison:
        return self

    def __exit__(self, *_: object) -> None:
        self._listed.close()

    def listing(self, pages: Iterable[Page]) -> Iterator[Page]:
        """The pages as they are, remembering which rows they list."""
        for page in pages:
            self._listed.add(page.rows.column(0).to_pylist())
            self.compared += len(page.rows)
            yield page

    def differing(self, pages: Iterable[Page]) -> Iterator[Page]:
        """The pages with only those rows that are not settled in just this version."""
        for page in pages:
            differing = self._differing(page)
            self.differed += len(differing.rows)
            yield differing

    def missing(self, look: Callable[[list[str]], Iterable[Page]], nothing: Page) -> Iterator[Page]:
        """Deletions for the rows that should exist and were not listed.

        Each is looked for once more: a row that a backfill wrote meanwhile, or that was listed nowhere because it moved
        between two pages, must not be deleted. What is found goes on as it is now.

        :param look: reads the rows of some keys as they are now.
        :param nothing: a page without rows.
        """
        for keys in self.ledger.expected(self.mapping.name):
            gone = self._listed.lacks(keys)
            if not gone:
                continue
            alive: set[str] = set()
            for page in look(gone):
                alive.update(page.rows.column(0).to_pylist())
                self.differed += len(page.rows)
                yield page
            deleted = [key for key in gone if key not in alive]
            self.gone += len(deleted)
            yield nothing._replace(deleted=deleted)

    def _differing(self, page: Page) -> Page:
        import pyarrow as pa
        import pyarrow.compute as pc

        keys, versions = page.rows.column(0), page.rows.column("@version")
        if not len(keys):
            return page
        found = self.ledger.differing(self.mapping.name, self.mapping.sha, keys, versions)
        return page._replace(rows=page.rows.filter(pc.is_in(keys, pa.array(found, pa.string()))))
