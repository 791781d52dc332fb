"""The same hand-over on OpenSSH's own server, where there is one: the sandbox's server is not its own measure."""

from __future__ import annotations

import base64
import getpass
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest

from tests.sandbox.sftp_session import connected, hand_over

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {host_key}
AuthorizedKeysFile {authorized}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
"""


def sshd() -> str:
    """Return the server's path, or skip with the reason."""
    found = shutil.which("sshd", path=PLACES)
    if found is None:
        pytest.skip("OpenSSH's server is not installed: no sshd in PATH, /usr/sbin, /usr/local/sbin")
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("sshd")
            Path("/run/sshd").mkdir(exist_ok=True)
        except (KeyError, OSError):
            pytest.skip("sshd as root needs the user sshd and the folder /run/sshd, which its package makes")
    return found


@contextmanager
def openssh(directory: Path) -> Iterator[SimpleNamespace]:
    """Run a server for one key; what is yielded looks like a sandbox as far as SFTP goes."""
    user, host = (asyncssh.generate_private_key("ssh-rsa", key_size=2048) for _ in range(2))
    for name, key in (("user", user), ("host", host)):
        key.write_private_key(directory / name)
        (directory / name).chmod(0o600)
    user.write_public_key(directory / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = CONFIG.format(port=port, host_key=directory / "host", authorized=directory / "authorized")
    (directory / "config").write_text(config)
    env = {
        "SFTP_HOST": "127.0.0.1",
        "SFTP_PORT": str(port),
        "SFTP_USER": getpass.getuser(),
        "SFTP_KEY_FILE": str(directory / "user"),
        "SFTP_HOST_KEY": base64.b64encode(host.public_data).decode(),
    }
    command = [sshd(), "-D", "-e", "-f", str(directory / "config")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Server listening"):
                break
        else:
            pytest.fail(f"sshd did not start: {process.wait()}")
        yield SimpleNamespace(env=env)
    finally:
        process.terminate()
        print(process.communicate()[1])  # shown when the test fails


def test_openssh_takes_files_from_the_same_client(tmp_path: Path) -> None:
    folder = tmp_path / "imports"
    folder.mkdir()

    async def work(sftp: Any) -> bytes:
        return await hand_over(sftp, str(folder))

    with openssh(tmp_path) as server:
        assert connected(server, work) == b"\x1f\x8b rows"  # type: ignore[arg-type]
        other: Any = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
        with pytest.raises(asyncssh.PermissionDenied):
            connected(server, work, client_keys=[other])  # type: ignore[arg-type]
    assert [path.name for path in folder.iterdir()] == ["x.csv.gz"]
