"""What a hostile or broken SFTP server may tell of its files: names that climb, sizes without end, silence."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.events.file import load_events
from campaign_sync.events.log_file import LogFile
from campaign_sync.exports import export_file
from campaign_sync.exports.export_file import UnusableFile
from campaign_sync.exports.taking import files_there
from campaign_sync.hooks import campaign_files
from campaign_sync.hooks.campaign_files import CampaignFilesHook
from campaign_sync.hooks.pace import Patience

#: Of a terabyte: as many blocks as a client might write down beforehand.
TERABYTE = 2**40


class HostileFiles(asyncssh.SFTPServer):
    """Lists whatever `named` holds, and says of each file that it has `size` bytes; reads never end."""

    named: tuple[bytes, ...] = ()
    size = 10
    silent = False

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        for name in self.named:
            yield asyncssh.SFTPName(name, b"", asyncssh.SFTPAttrs(size=self.size, permissions=0o100644))

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        return object()

    def close(self, file_obj: object) -> None:
        """Nothing is open."""

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return asyncssh.SFTPAttrs(size=self.size)

    fstat = lstat = stat

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if self.silent:
            await asyncio.sleep(30)
        return b"x" * size


class Door(asyncssh.SSHServer):
    """Lets everybody in who has the key, and remembers them."""

    def __init__(self, guests: list[asyncssh.SSHServerConnection]) -> None:
        self.guests = guests

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.guests.append(conn)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[HostileFiles]]:
    for name, usual in (("named", ()), ("size", 10), ("silent", False)):
        monkeypatch.setattr(HostileFiles, name, usual)
    return HostileFiles


@pytest.fixture
def files(
    hostile: type[HostileFiles], connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CampaignFilesHook]:
    host_key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    user_key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    guests: list[asyncssh.SSHServerConnection] = []

    async def listen() -> Any:
        allowed = asyncssh.import_authorized_keys(user_key.export_public_key().decode())
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: Door(guests),
            server_host_keys=[host_key],
            authorized_client_keys=allowed,
            sftp_factory=hostile,
        )

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    connect(
        "campaign_sftp",
        conn_type="sftp",
        host="127.0.0.1",
        port=server.sockets[0].getsockname()[1],
        login="user",
        extra={
            "private_key": user_key.export_private_key("pkcs1-pem").decode(),
            "host_key": " ".join(host_key.export_public_key().decode().split()[:2]),
        },
    )
    hook = CampaignFilesHook()
    hook._patience = Patience(attempts=2, first=0.01)
    with hook.session():
        yield hook

    async def stop() -> None:
        server.close()
        for each in guests:
            each.abort()
            await each.wait_closed()
        await server.wait_closed()

    asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


UNSAFE = (
    b"broadlog_/../../../../etc/passwd.csv",
    b"/broadlog_1.csv",
    b"broadlog_..\\1.csv",
    b"broadlog_\x001.csv",
    b"broadlog_1\n.csv",
    b"broadlog_\x1b[2J.csv",
    "broadlog_\u202evsc.csv".encode(),
    b"broadlog_" + b"x" * 300 + b".csv",
    b"..",
)


def test_names_that_climb_or_hide_are_passed_over(
    files: CampaignFilesHook, hostile: type[HostileFiles], caplog: pytest.LogCaptureFixture
) -> None:
    hostile.named = (*UNSAFE, b"broadlog_1.csv", "broadlog_Käse 2.csv".encode())
    extract = load_events("include/mappings/email_events_to_activities.yaml").extract
    assert [each.name for each in files_there(files, extract)] == ["broadlog_1.csv", "broadlog_Käse 2.csv"]
    assert "names passed over as unsafe" in caplog.text
    assert "passwd" not in caplog.text


def test_a_name_that_is_no_text_says_so(files: CampaignFilesHook, hostile: type[HostileFiles]) -> None:
    hostile.named = (b"broadlog_\xff.csv",)
    with pytest.raises(RefusedError, match="not UTF-8"):
        files.names("d365_loads/exports", "")


def test_a_file_without_end_is_not_read(
    files: CampaignFilesHook, hostile: type[HostileFiles], tmp_path: Path
) -> None:
    hostile.size = TERABYTE
    with pytest.raises(RefusedError, match="larger than 256 MB"):
        files.read("d365_loads/done", "a.result.csv")
    with pytest.raises(RefusedError, match="larger than 16,384 MB"):
        files.fetch("d365_loads/exports", "broadlog_1.csv", tmp_path / "export")
    hostile.size = 100_000
    files.fetch("d365_loads/exports", "broadlog_1.csv", tmp_path / "export")
    assert 100_000 < (tmp_path / "export").stat().st_size <= 100_000 + campaign_files.FETCHED_AT_ONCE


def test_a_server_that_falls_silent_is_left(
    files: CampaignFilesHook, hostile: type[HostileFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile.silent = True
    monkeypatch.setattr(campaign_files, "LONGEST", 0.5)
    with pytest.raises(TransientError):
        files.read("d365_loads/done", "a.result.csv")


def test_a_bomb_among_the_export_files_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_file, "LARGEST", 2 * export_file.BLOCK)
    path = tmp_path / "export"
    path.write_bytes(gzip.compress(b"0;" * (2 * export_file.BLOCK)))
    extract = SimpleNamespace(encoding="utf-8", delimiter=";")
    with pytest.raises(UnusableFile, match="holds more than"):
        LogFile(path, "broadlog_1.csv", "delivery_logs", extract).check()
