"""Campaign's SFTP server: who gets in, which rules writes obey, which scripted faults strike (campaign.md §9).

A real SSH server. The files and the rules about storage are `sftp_area`'s.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncssh

from sandbox.certificates import write_private
from sandbox.faults import Fault
from sandbox.sftp_area import Area, area_of
from sandbox.world import World


class Keys(NamedTuple):
    """The user's private key (PEM, RSA 2048: campaign.md §9) and the host's key."""

    user: Path
    host: Path


def keys(directory: Path) -> Keys:
    """Return the key files of a state directory, made when absent."""
    files = Keys(directory / "sftp_user_key.pem", directory / "sftp_host_key.pem")
    for path in files:
        if not path.is_file():
            made = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
            write_private(path, made.export_private_key("pkcs1-pem"))
    return files


def host_key(files: Keys) -> str:
    """Return the host's public key as base64 alone: no blank, so that the env file can be sourced."""
    return base64.b64encode(asyncssh.read_private_key(files.host).public_data).decode()


def reset(world: World) -> None:
    """Empty the area."""
    area_of(world).reset()


async def listen(world: World, sock: socket.socket, files: Keys) -> asyncssh.SSHAcceptor:
    """Serve the area on a socket."""
    area = area_of(world)
    user_key = asyncssh.read_private_key(files.user).convert_to_public()
    host = asyncssh.read_private_key(
        files.host
    )  # a path would be read and its key checked for every connection
    sessions: set[Any] = set()

    def files_of(channel: asyncssh.SSHServerChannel) -> asyncssh.SFTPServer:
        world.counters.add("sftp.sessions")
        return Files(channel, area)

    return await asyncssh.listen(
        sock=sock,
        server_factory=lambda: Door(world, user_key, sessions),
        server_host_keys=[host],
        sftp_factory=files_of,
        allow_scp=False,
        kbdint_auth=False,
        encoding=None,
        login_timeout=30,
    )


class Door(asyncssh.SSHServer):  # type: ignore[misc]
    """Knows one user and that user's key; nothing else opens the door."""

    def __init__(self, world: World, user_key: asyncssh.SSHKey, sessions: set[Any]) -> None:
        self._world = world
        self._key = user_key
        self._sessions = sessions
        self._connection: Any = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Reset whoever is not on the allow-list or is one too many: no word about why (§9)."""
        self._connection = conn
        address = ipaddress.ip_address(conn.get_extra_info("peername")[0])
        ranges = str(self._world.switches["sftp.allow_list"]).split()
        if not any(address in ipaddress.ip_network(known, strict=False) for known in ranges):
            self._refuse("not_on_allow_list")
        elif len(self._sessions) >= self._world.switches["sftp.sessions"]:
            self._refuse("too_many")  # U17

    def connection_lost(self, exc: Exception | None) -> None:
        self._sessions.discard(self._connection)

    def auth_completed(self) -> None:
        self._sessions.add(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return (
            username == self._world.config.sftp_user
            and key.public_data == self._key.public_data
            and not self._world.switches["sftp.password_expired"]
        )

    def password_auth_supported(self) -> bool:
        return False

    def _refuse(self, why: str) -> None:
        self._world.counters.add(f"sftp.refused.{why}")
        self._world.counters.journal("sftp", "connect", "", None, refused=why)
        drop(self._connection)


class Files(asyncssh.SFTPServer):  # type: ignore[misc]
    """The area as a client's session sees it; operations have the names that faults are scripted with."""

    def __init__(self, channel: asyncssh.SSHServerChannel, area: Area) -> None:
        super().__init__(channel, chroot=str(area.root).encode())
        self._area = area
        self._world = area.world
        self._cut: set[Any] = set()  # open files that have met the end of the quota
        self._tidied = False

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        async with self._operation("open", path):
            new = not os.path.exists(self.map_path(path))
            file: Any = super().open(path, pflags, attrs)
            if new and attrs.permissions is None:
                os.fchmod(file.fileno(), 0o660)  # whatever the umask of whoever started the sandbox
            if pflags & asyncssh.FXF_WRITE:
                self._area.writing.add(os.fsdecode(file.name))
                self._area.measure()
            return file

    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        async with self._operation("read", self._path(file_obj)):
            data: Any = super().read(file_obj, offset, size)
            self._world.counters.add("sftp.bytes_read", len(data))
            return data

    async def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        async with self._operation("write", self._path(file_obj)) as fault:
            if fault is not None and fault.do == "cut_body":
                data = data[: len(data) // 2]
            kept = self._fitting(file_obj, offset, data)
            if kept:
                super().write(file_obj, offset, kept)
            self._world.counters.add("sftp.bytes_written", len(kept))
            return len(data)

    async def close(self, file_obj: Any) -> None:
        local = os.fsdecode(file_obj.name)
        super().close(file_obj)
        self._cut.discard(file_obj)
        if local in self._area.writing:
            self._area.writing.discard(local)
            with contextlib.suppress(FileNotFoundError):
                self._area.stamp(Path(local))

    async def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        async with self._operation("mkdir", path):
            super().mkdir(path, attrs)
            if self._world.switches["sftp.new_folder"] == "owner":
                os.chmod(self.map_path(path), 0o700)  # §9, T18: whatever the client asked for

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        async with self._operation("rename", oldpath):
            super().rename(oldpath, newpath)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        async with self._operation("rename", oldpath):
            super().posix_rename(oldpath, newpath)

    async def remove(self, path: bytes) -> None:
        async with self._operation("remove", path):
            super().remove(path)

    async def rmdir(self, path: bytes) -> None:
        async with self._operation("rmdir", path):
            super().rmdir(path)

    async def stat(self, path: bytes) -> Any:
        async with self._operation("stat", path):
            return super().stat(path)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async with self._operation("list", path):
            found = [name async for name in super().scandir(path)]
        for name in found:
            yield name

    async def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("links: not imitated by this sandbox")

    async def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("links: not imitated by this sandbox")

    def _path(self, file_obj: Any) -> bytes:
        return bytes(self.reverse_map_path(file_obj.name))

    def _fitting(self, file_obj: Any, offset: int, data: bytes) -> bytes:
        """Return what of a write the quota leaves room for; the client is told that all of it was kept (§9)."""
        growth = offset + len(data) - os.fstat(file_obj.fileno()).st_size
        if file_obj in self._cut:
            return b""
        if growth <= 0:
            return data
        granted = self._area.grow(growth)
        if granted == growth:
            return data
        self._world.counters.add("sftp.truncated_writes")
        if self._world.switches["sftp.full_disk"] == "fail":
            raise asyncssh.SFTPFailure("No space left on device")
        self._cut.add(file_obj)
        return data[: max(0, len(data) - (growth - granted))]

    @contextlib.asynccontextmanager
    async def _operation(self, name: str, path: bytes) -> AsyncIterator[Fault | None]:
        """Let a scripted fault strike before or after the work inside, and journal what is not a block."""
        if not self._tidied:
            self._tidied = True
            await asyncio.to_thread(self._area.tidy)
        shown = os.fsdecode(path)
        fault = self._world.faults.strike("sftp", name, shown)
        if name not in ("read", "write", "stat") or fault is not None:
            facts = {"fault": fault.do} if fault is not None else {}
            self._world.counters.journal("sftp", name, shown, None, **facts)
        if fault is not None:
            self._world.counters.add(f"faults.{fault.do}")
            if fault.do == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault.do == "status":
                raise asyncssh.SFTPFailure(str(fault.body or "Failure"))
            elif fault.do == "reset_before":
                self._drop()
        yield fault
        if fault is not None and fault.do in ("reset_after", "cut_body"):
            self._drop()

    def _drop(self) -> None:
        drop(self.connection)
        raise asyncssh.SFTPConnectionLost("dropped by a script")


def drop(connection: Any) -> None:
    """Reset a connection: what was not sent yet never is."""
    with contextlib.suppress(AttributeError, OSError):
        endpoint = connection.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.abort()
