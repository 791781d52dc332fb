"""Where the page's answers come from: the ledger, the mapping files and what runs left in the storage.

Not for what is asked of them (one module for each room of the page).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from airflow.configuration import conf

from campaign_sync.flow import dag_id_of
from campaign_sync.ledger.database import Database
from campaign_sync.rows.storage import find_document, folder_of
from campaign_sync.settings import ledger_url, mappings_folder, storage_root


def ledger() -> Database:
    """The ledger's database."""
    return _database(ledger_url())


@lru_cache(maxsize=4)
def _database(url: str) -> Database:
    # Makes its tables once, not at each request. To connect may take longer than the rest of an answer.
    return Database(url, keep=2)


def mapping_file(flow: str) -> Path | None:
    """The mapping file of a flow; None where this process does not have it."""
    beside = Path(conf.get("core", "dags_folder")).parent / "include" / "mappings"
    folder = mappings_folder(beside)
    if not folder.is_dir():
        return None
    files = (path for path in sorted(folder.iterdir()) if path.suffix in (".yaml", ".yml"))
    return next((path for path in files if dag_id_of(path) == flow), None)


def run_folder(flow: str, run_id: str) -> str:
    """The URI of a run's folder."""
    return folder_of(storage_root(), flow, run_id)


def run_document(flow: str, run_id: str, name: str) -> dict[str, Any]:
    """A document that a run left; empty if it is not there, or swept."""
    return find_document(run_folder(flow, run_id), name)
