"""A client of the sandbox's SFTP area that pins the host key, and the few things tests do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh
import pytest

from tests.sandbox_process import Sandbox

BLOCK = 32_768  # bytes of a request, as most clients have it
Work = Callable[[Any], Awaitable[Any]]


def connection(sandbox: Sandbox, **changes: Any) -> Any:
    """Return the connection that is documented, but for the changes; to be opened with `async with`."""
    host_key = asyncssh.import_public_key(f"ssh-rsa {sandbox.env['SFTP_HOST_KEY']}")
    settings = {
        "port": int(sandbox.env["SFTP_PORT"]),
        "username": sandbox.env["SFTP_USER"],
        "client_keys": [sandbox.env["SFTP_KEY_FILE"]],
        "known_hosts": ([host_key], [], []),
        "agent_path": None,
        "config": None,
        **changes,
    }
    return asyncssh.connect(sandbox.env["SFTP_HOST"], **settings)


def connected(sandbox: Sandbox, work: Work, **changes: Any) -> Any:
    """Do some work in an SFTP session."""

    async def session() -> Any:
        async with connection(sandbox, **changes) as ssh, ssh.start_sftp_client() as sftp:
            return await work(sftp)

    return asyncio.run(session())


def upload(sandbox: Sandbox, path: str, content: bytes) -> None:
    """Write a file as careless clients do, under its own name."""

    async def work(sftp: Any) -> None:
        async with sftp.open(path, "wb", block_size=BLOCK) as file:
            await file.write(content)

    connected(sandbox, work)


def download(sandbox: Sandbox, path: str) -> bytes:
    async def work(sftp: Any) -> bytes:
        async with sftp.open(path, "rb", block_size=BLOCK) as file:
            return bytes(await file.read())

    return bytes(connected(sandbox, work))


def names(sandbox: Sandbox, folder: str) -> list[str]:
    """Return what a folder holds, by name."""
    found = connected(sandbox, lambda sftp: sftp.listdir(folder))
    return sorted(set(found) - {".", ".."})


async def hand_over(sftp: Any, folder: str = "/d365_loads/imports") -> bytes:
    """Upload under another name, rename, see that a name that is taken is refused, read back (§9)."""
    for name in ("x.csv.gz", "y.csv.gz"):
        async with sftp.open(f"{folder}/{name}.part", "wb", block_size=BLOCK) as file:
            await file.write(b"\x1f\x8b rows")
        await sftp.rename(f"{folder}/{name}.part", f"{folder}/{name}")
    with pytest.raises(asyncssh.SFTPError):
        await sftp.rename(f"{folder}/y.csv.gz", f"{folder}/x.csv.gz")
    await sftp.remove(f"{folder}/y.csv.gz")
    async with sftp.open(f"{folder}/x.csv.gz", "rb", block_size=BLOCK) as file:
        return bytes(await file.read())
