"""The SFTP area over the wire, with a client that pins the host key."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox


def connected(sandbox: Sandbox, work: Callable[[Any], Awaitable[Any]], **changes: Any) -> Any:
    """Do some work in an SFTP session that is opened as documented, but for the changes."""
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

    async def session() -> Any:
        async with asyncssh.connect(sandbox.env["SFTP_HOST"], **settings) as connection:
            async with connection.start_sftp_client() as sftp:
                return await work(sftp)

    return asyncio.run(session())


def test_the_folders_are_there(sandbox: Sandbox) -> None:
    names = connected(sandbox, lambda sftp: sftp.listdir("/d365_loads"))
    assert {"imports", "exports", "rejects", "done"} <= set(names)


@pytest.mark.rule("campaign.md 13.2/B17")
def test_a_file_goes_up_under_another_name_and_is_renamed(fresh_sandbox: Sandbox) -> None:
    async def work(sftp: Any) -> bytes:
        async with sftp.open("/d365_loads/imports/x.csv.gz.part", "wb") as file:
            await file.write(b"\x1f\x8b rows")
        await sftp.rename("/d365_loads/imports/x.csv.gz.part", "/d365_loads/imports/x.csv.gz")
        async with sftp.open("/d365_loads/imports/x.csv.gz", "rb") as file:
            return bytes(await file.read())

    assert connected(fresh_sandbox, work) == b"\x1f\x8b rows"
    fresh_sandbox.control("POST", "/sandbox/reset")
    assert connected(fresh_sandbox, lambda sftp: sftp.listdir("/d365_loads/imports")) == [".", ".."]


def test_nothing_above_the_area_can_be_reached(sandbox: Sandbox) -> None:
    names = connected(sandbox, lambda sftp: sftp.listdir("/../../../.."))
    assert set(names) == {".", "..", "d365_loads"}


@pytest.mark.rule("campaign.md 13.2/B17")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_keys": [asyncssh.generate_private_key("ssh-rsa", key_size=2048)]},
        {"client_keys": None, "password": "alderleaf"},
        {"username": "somebody"},
    ],
    ids=["another key", "a password", "another user"],
)
def test_only_the_key_opens_the_door(sandbox: Sandbox, changes: dict[str, Any]) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        connected(sandbox, lambda sftp: sftp.listdir("/"), **changes)


def test_a_pinned_host_key_is_compared(sandbox: Sandbox) -> None:
    other = asyncssh.generate_private_key("ssh-rsa", key_size=2048).convert_to_public()
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connected(sandbox, lambda sftp: sftp.listdir("/"), known_hosts=([other], [], []))


def test_the_private_key_is_pem_and_for_its_owner_only(sandbox: Sandbox) -> None:
    path = Path(sandbox.env["SFTP_KEY_FILE"])
    assert path.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
