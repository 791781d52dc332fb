"""Campaign's SFTP area: key-only log-in, a pinned host key, the folders of campaign.md §9.

A real SSH server. The import and export workflows that read and write here are not imitated yet.
"""

from __future__ import annotations

import base64
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import asyncssh

from sandbox.certificates import write_private
from sandbox.world import World

FOLDERS = ("imports", "exports", "rejects", "done")


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


def make_folders(directory: Path) -> Path:
    """Make the area a user sees as / and return it."""
    area = directory / "sftp"
    for folder in FOLDERS:
        (area / "d365_loads" / folder).mkdir(parents=True, exist_ok=True)
    return area


def reset(world: World) -> None:
    """Empty the area."""
    shutil.rmtree(world.directory / "sftp", ignore_errors=True)
    make_folders(world.directory)


async def listen(world: World, sock: socket.socket, files: Keys) -> asyncssh.SSHAcceptor:
    """Serve the area on a socket."""
    area = make_folders(world.directory)
    user_key = asyncssh.read_private_key(files.user).convert_to_public()
    user = world.config.sftp_user

    class Session(asyncssh.SSHServer):  # type: ignore[misc]
        """Knows one user and that user's key; nothing else opens the door."""

        def begin_auth(self, username: str) -> bool:
            return True

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            return username == user and key.public_data == user_key.public_data

        def password_auth_supported(self) -> bool:
            return False

    def files_of(channel: asyncssh.SSHServerChannel) -> asyncssh.SFTPServer:
        world.counters.add("sftp.sessions")
        return asyncssh.SFTPServer(channel, chroot=str(area).encode())

    return await asyncssh.listen(
        sock=sock,
        server_factory=Session,
        server_host_keys=[str(files.host)],
        sftp_factory=files_of,
        allow_scp=False,
        kbdint_auth=False,
        encoding=None,
        login_timeout=30,
    )
