"""Which contacts Dynamics knows. Not for what follows from it for an event (``extract.py``, ``run.py``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from campaign_sync.hooks.dataverse import DataverseHook


def known_contacts(dataverse: DataverseHook, contacts: Iterable[str]) -> set[str]:
    """Those of these contacts that are there."""
    table = dataverse.table("contact", ["contactid"])
    pages = dataverse.by_keys(table, (), sorted(set(contacts)))
    return {str(key) for page in pages for key in page.rows.column(0).to_pylist()}
