"""What a deployment sets: `[campaign_sync]` in airflow.cfg, the ledger's connection, and how far Airflow maps.

Not for anything about one flow (mapping files) or for secrets (Airflow connections).
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

LEDGER_CONNECTION = "campaign_sync_ledger"
BATCH_KEYS = "campaign_sync_batch_keys"  # the connection whose password holds them


def mappings_folder(usual: Path) -> Path:
    """Where the mapping files are: `[campaign_sync] mappings`, by default the `usual` folder, include/mappings."""
    from airflow.sdk.configuration import conf

    return Path(conf.get("campaign_sync", "mappings", fallback=str(usual)))


def storage_root() -> str:
    """The URI below which runs keep their batches: `[campaign_sync] storage`, by default a folder in
    Airflow's home.

    More than one machine needs a shared one: `file:///shared/campaign_sync`,
    `s3://connection@bucket/campaign_sync`.
    """
    from airflow.sdk.configuration import conf

    return str(conf.get("campaign_sync", "storage", fallback=f"file://{_home() / 'storage'}"))


def encrypts_batches() -> bool:
    """Whether rows at rest are encrypted: `[campaign_sync] encrypt_batches`, by default they are not."""
    from airflow.sdk.configuration import conf

    return str(conf.get("campaign_sync", "encrypt_batches", fallback="false")).strip().lower() in (
        "true",
        "1",
    )


def keep_days() -> int:
    """After how many days what is left of a run is swept: `[campaign_sync] keep_days`,
    by default 7.
    """
    from airflow.sdk.configuration import conf

    return int(conf.get("campaign_sync", "keep_days", fallback="7"))


def import_timeout() -> timedelta:
    """How long a run waits for the next result of an import: `[campaign_sync] import_timeout`, in hours,
    by default 6.
    """
    from airflow.sdk.configuration import conf

    return timedelta(hours=float(conf.get("campaign_sync", "import_timeout", fallback="6")))


def max_batches() -> int:
    """Over how many batches Airflow maps a task: `[core] max_map_length`."""
    from airflow.sdk.configuration import conf

    return int(conf.get("core", "max_map_length", fallback="1024"))


def ledger_url() -> str:
    """The ledger's database: the connection `campaign_sync_ledger` if there is one, else SQLite in
    Airflow's home.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return str(BaseHook.get_connection(LEDGER_CONNECTION).get_uri())
    except AirflowNotFoundException:
        return f"sqlite:///{_home() / 'ledger.db'}"


def _home() -> Path:
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "campaign_sync"
