"""campaign.md §9 and B17: who may connect, storage and its end, rights, age, sessions that drop."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import stat
from typing import Any

import asyncssh
import pytest

from tests.sandbox.sftp_session import connected, connection, download, names, upload
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox
IMPORTS = "/d365_loads/imports"
LOST = (asyncssh.ConnectionLost, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, ConnectionError)


def switch(sandbox: Sandbox, name: str, value: Any) -> None:
    sandbox.control("PUT", f"/sandbox/switches/sftp.{name}", {"value": value})


def counter(sandbox: Sandbox, name: str) -> int:
    return int(sandbox.control("GET", "/sandbox/counters").get(name, 0))


@pytest.mark.rule("campaign.md 13.2/B17")
def test_who_is_not_on_the_allow_list_is_reset_and_not_told_why(fresh_sandbox: Sandbox) -> None:
    switch(fresh_sandbox, "allow_list", "192.0.2.0/24 198.51.100.7/32")
    with pytest.raises((asyncssh.ConnectionLost, ConnectionError)):
        names(fresh_sandbox, IMPORTS)
    assert counter(fresh_sandbox, "sftp.refused.not_on_allow_list") == 1
    switch(fresh_sandbox, "allow_list", "192.0.2.0/24 127.0.0.0/8")
    assert names(fresh_sandbox, IMPORTS) == []


@pytest.mark.rule("campaign.md 9")
def test_an_expired_password_blocks_the_key_too(fresh_sandbox: Sandbox) -> None:
    switch(fresh_sandbox, "password_expired", True)
    with pytest.raises(asyncssh.PermissionDenied):
        names(fresh_sandbox, IMPORTS)


@pytest.mark.rule("campaign.md 13.3/U17")
def test_there_are_only_so_many_sessions_at_once(fresh_sandbox: Sandbox) -> None:
    async def sessions(wanted: int) -> int:
        opened = 0
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(wanted):
                with contextlib.suppress(asyncssh.ConnectionLost, ConnectionError):
                    await stack.enter_async_context(connection(fresh_sandbox))
                    opened += 1
        return opened

    assert asyncio.run(sessions(12)) == 10
    assert counter(fresh_sandbox, "sftp.refused.too_many") == 2
    assert names(fresh_sandbox, IMPORTS) == []  # closed ones make room
    switch(fresh_sandbox, "sessions", 2)
    assert asyncio.run(sessions(4)) == 2


@pytest.mark.rule("campaign.md 13.3/U17")
def test_files_are_gone_after_15_days(fresh_sandbox: Sandbox) -> None:
    upload(fresh_sandbox, f"{IMPORTS}/old.csv", b"a")
    fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 14 * 86400})
    upload(fresh_sandbox, f"{IMPORTS}/new.csv", b"b")
    assert names(fresh_sandbox, IMPORTS) == ["new.csv", "old.csv"]
    fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 86400 + 60})
    assert names(fresh_sandbox, IMPORTS) == ["new.csv"]
    switch(fresh_sandbox, "retention_days", 0)
    fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 86400 * 100})
    assert names(fresh_sandbox, IMPORTS) == ["new.csv"]


@pytest.mark.rule("campaign.md 13.2/B17")
def test_a_full_area_says_yes_and_cuts(fresh_sandbox: Sandbox) -> None:
    switch(fresh_sandbox, "quota_bytes", 50_000)
    switch(fresh_sandbox, "compress_at_80", False)
    upload(fresh_sandbox, f"{IMPORTS}/a.csv", b"a" * 30_000)
    upload(fresh_sandbox, f"{IMPORTS}/b.csv", b"b" * 45_000)
    assert download(fresh_sandbox, f"{IMPORTS}/b.csv") == b"b" * 20_000
    upload(fresh_sandbox, f"{IMPORTS}/c.csv", b"c")
    assert download(fresh_sandbox, f"{IMPORTS}/c.csv") == b""
    connected(fresh_sandbox, lambda sftp: sftp.remove(f"{IMPORTS}/a.csv"))
    upload(fresh_sandbox, f"{IMPORTS}/c.csv", b"c")
    assert download(fresh_sandbox, f"{IMPORTS}/c.csv") == b"c"


@pytest.mark.rule("campaign.md 13.2/B17")
def test_a_full_area_may_fail_instead(fresh_sandbox: Sandbox) -> None:
    switch(fresh_sandbox, "quota_bytes", 1_000)
    switch(fresh_sandbox, "full_disk", "fail")
    with pytest.raises(asyncssh.SFTPFailure):
        upload(fresh_sandbox, f"{IMPORTS}/a.csv", b"a" * 30_000)


@pytest.mark.rule("campaign.md 13.2/B17")
def test_above_80_percent_files_at_rest_are_compressed(fresh_sandbox: Sandbox) -> None:
    switch(fresh_sandbox, "quota_bytes", 50_000)
    upload(fresh_sandbox, f"{IMPORTS}/x.csv", b"x" * 41_000)
    upload(fresh_sandbox, f"{IMPORTS}/y.csv.part", b"y")
    assert names(fresh_sandbox, IMPORTS) == ["x.csv.gz", "y.csv.part"]
    assert gzip.decompress(download(fresh_sandbox, f"{IMPORTS}/x.csv.gz")) == b"x" * 41_000


@pytest.mark.rule("campaign.md 13.2/B17")
def test_a_new_folder_is_its_creators_only_whatever_was_asked_for(fresh_sandbox: Sandbox) -> None:
    async def work(sftp: Any) -> list[int]:
        seen = []
        await sftp.mkdir("/d365_loads/ours", asyncssh.SFTPAttrs(permissions=0o770))
        seen.append((await sftp.stat("/d365_loads/ours")).permissions)
        await sftp.chmod("/d365_loads/ours", 0o770)
        seen.append((await sftp.stat("/d365_loads/ours")).permissions)
        seen.append((await sftp.stat(IMPORTS)).permissions)
        return [stat.S_IMODE(mode) for mode in seen]

    assert connected(fresh_sandbox, work) == [0o700, 0o770, 0o770]
    switch(fresh_sandbox, "new_folder", "as_asked")
    made = asyncssh.SFTPAttrs(permissions=0o750)
    connected(fresh_sandbox, lambda sftp: sftp.mkdir("/d365_loads/theirs", made))
    found = connected(fresh_sandbox, lambda sftp: sftp.stat("/d365_loads/theirs"))
    assert stat.S_IMODE(found.permissions) == 0o750


def script(sandbox: Sandbox, **fault: Any) -> None:
    sandbox.control("POST", "/sandbox/faults", {"system": "sftp", **fault})


@pytest.mark.rule("campaign.md 13.2/B21")
def test_a_session_drops_in_the_middle_of_an_upload(fresh_sandbox: Sandbox) -> None:
    script(fresh_sandbox, method="write", path=r"\.part$", after=2, do="cut_body")
    with pytest.raises(LOST):
        upload(fresh_sandbox, f"{IMPORTS}/a.csv.part", b"a" * 300_000)
    left = connected(fresh_sandbox, lambda sftp: sftp.stat(f"{IMPORTS}/a.csv.part"))
    assert 0 < left.size < 300_000
    upload(fresh_sandbox, f"{IMPORTS}/a.csv.part", b"a" * 300_000)
    assert len(download(fresh_sandbox, f"{IMPORTS}/a.csv.part")) == 300_000


@pytest.mark.rule("campaign.md 13.2/B21")
def test_a_session_drops_in_the_middle_of_a_download(fresh_sandbox: Sandbox) -> None:
    upload(fresh_sandbox, f"{IMPORTS}/a.csv", b"a" * 300_000)
    script(fresh_sandbox, method="read", after=2, do="reset_before")
    with pytest.raises(LOST):
        download(fresh_sandbox, f"{IMPORTS}/a.csv")
    assert len(download(fresh_sandbox, f"{IMPORTS}/a.csv")) == 300_000


@pytest.mark.rule("campaign.md 13.2/B21")
def test_a_rename_may_be_done_and_its_answer_lost(fresh_sandbox: Sandbox) -> None:
    upload(fresh_sandbox, f"{IMPORTS}/a.csv.part", b"a")
    script(fresh_sandbox, method="rename", do="reset_after")
    with pytest.raises(LOST):
        connected(fresh_sandbox, lambda sftp: sftp.rename(f"{IMPORTS}/a.csv.part", f"{IMPORTS}/a.csv"))
    assert names(fresh_sandbox, IMPORTS) == ["a.csv"]
    script(fresh_sandbox, method="remove", do="status", body="busy")
    with pytest.raises(asyncssh.SFTPFailure, match="busy"):
        connected(fresh_sandbox, lambda sftp: sftp.remove(f"{IMPORTS}/a.csv"))


@pytest.mark.rule("campaign.md 13.2/B22")
def test_operations_are_journaled_but_not_blocks(fresh_sandbox: Sandbox) -> None:
    upload(fresh_sandbox, f"{IMPORTS}/a.csv", b"a" * 100_000)
    journal = fresh_sandbox.control("GET", "/sandbox/journal?system=sftp")
    assert [(e["method"], e["path"]) for e in journal] == [("open", f"{IMPORTS}/a.csv")]
    assert counter(fresh_sandbox, "sftp.bytes_written") == 100_000
