"""The state directory: who holds it, what a start throws away, the secrets that stay, the env file."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import IO, Any

from sandbox.certificates import Certificates, write_private
from sandbox.sftp import Keys, host_key
from sandbox.world import World, new_secrets

FRESH = ("*.db", "*.db-wal", "*.db-shm", "*.db-journal", "sftp", "env", "seeded")


class StateRefused(Exception):
    """The state directory cannot be used."""


def hold(directory: Path) -> IO[str]:
    """Take the directory for this process until it ends, or say who has it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("a+")
    except OSError as error:
        raise StateRefused(f"state directory {directory} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise StateRefused(f"state directory {directory} cannot be locked: {error.strerror}") from None
        lock.seek(0)
        pid = lock.read().strip() or "unknown"
        raise StateRefused(
            f"a sandbox is already running on {directory} (process {pid}): stop it with 'kill {pid}', "
            "or start another one with --state <other directory>"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def clear(directory: Path, keep: bool) -> bool:
    """Throw away what an earlier sandbox left, or keep its data if complete; say whether it was kept.

    Certificates, keys and secrets always stay.
    """
    keep = keep and (directory / "seeded").is_file()
    for pattern in ("env",) if keep else FRESH:
        for path in directory.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return keep


def mark_seeded(directory: Path) -> None:
    """Remember that the data is complete, for a later start with --keep."""
    (directory / "seeded").touch()


def client_secrets(directory: Path) -> dict[str, str]:
    """Return a state directory's client secrets, made when absent: a restart does not invalidate them."""
    path = directory / "secrets.json"
    if path.is_file():
        known: dict[str, str] = json.loads(path.read_text())
        if set(known) == set(new_secrets()):
            return known
    made = new_secrets()
    write_private(path, json.dumps(made).encode())
    return made


def env(world: World, certificates: Certificates, keys: Keys, sftp_port: int) -> dict[str, Any]:
    """Return what a client needs to know, by the name of its environment variable."""
    config, urls = world.config, world.urls
    return {
        "DATAVERSE_URL": urls.dataverse,
        "ENTRA_AUTHORITY": urls.entra,
        "TENANT_ID": config.tenant_id,
        "DATAVERSE_CLIENT_ID": config.dataverse_client_id,
        "DATAVERSE_CLIENT_SECRET": config.dataverse_client_secret,
        "CAMPAIGN_URL": f"{urls.campaign_root}/{config.org}/campaign",
        "IMS_URL": urls.ims,
        "CAMPAIGN_CLIENT_ID": config.campaign_client_id,
        "CAMPAIGN_CLIENT_SECRET": config.campaign_client_secret,
        "CAMPAIGN_SCOPES": ",".join(config.campaign_scopes),
        "SFTP_HOST": config.host,
        "SFTP_PORT": sftp_port,
        "SFTP_USER": config.sftp_user,
        "SFTP_KEY_FILE": keys.user,
        "SFTP_HOST_KEY": host_key(keys),
        "CA_FILE": certificates.authority,
        "SANDBOX_URL": urls.controls,
        "SANDBOX_PID": os.getpid(),
    }


def write_env(directory: Path, values: dict[str, Any]) -> Path:
    """Write the env file at once and for the owner only; its presence says that everything listens."""
    path = directory / "env"
    write_private(path, "".join(f"{name}={value}\n" for name, value in values.items()).encode())
    return path
