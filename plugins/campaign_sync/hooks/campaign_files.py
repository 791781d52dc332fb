"""Files in Campaign's SFTP area: one connection per task, the host's key verified (campaign.md §9).

Not for what is in the files, nor for when they are sent (``run/``)."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from airflow.providers.sftp.hooks.sftp import SFTPHook

from campaign_sync.errors import RefusedError, SyncError, TransientError
from campaign_sync.hooks.pace import Pace, Patience
from campaign_sync.hooks.sessions import existing

SYSTEM = "Campaign SFTP"
#: Folders of the area (campaign.md §9).
IMPORTS, REJECTS, DONE = "d365_loads/imports", "d365_loads/rejects", "d365_loads/done"
PART = ".part"  # of a file that is still being written; no wildcard of ours matches it
FETCHED_AT_ONCE = 1024 * 1024  # bytes
LARGEST = 256 * 1024 * 1024  # bytes of a file that is read
LARGEST_FETCHED = 16 * 1024**3  # bytes of a file that is brought here: a year's logs have a tenth
LONGEST = 2 * 3600.0  # seconds that one piece of work may take, however slowly the server answers
ASKED_AT_ONCE = 64  # blocks of 32 KB that are asked for before they come

# campaign.md §9: who is not on the list sees a time-out or a reset, never a word about why
ALLOW_LIST = (
    "Airflow tries again; if it stays so, check that this machine's public address is on the allow-list of the SFTP "
    "server (Control Panel, SFTP, IP allow list), and host and port of the connection"
)
EXTRA = "The extra takes private_key (the PEM text) or key_file, and host_key (`ssh-rsa AAAA…`)"
DISK = "Make room in the SFTP area (Control Panel, SFTP, Storage); everything that Campaign exports lies there too"

Done = TypeVar("Done")

log = logging.getLogger(__name__)


class CampaignFilesHook(SFTPHook):
    """Campaign's SFTP area through the connection's host, port, login and private key.

    Extras: private_key (PEM) or key_file, host_key (required: `ssh-rsa AAAA…`).
    """

    default_conn_name = "campaign_sftp"
    client: Any

    def __init__(self, ssh_conn_id: str = default_conn_name) -> None:
        connection = existing(self.get_connection, ssh_conn_id, SYSTEM)
        _require_keys(ssh_conn_id, connection)
        try:
            # One try of our own patience at a time; never a key that was not pinned, whatever the extra says.
            super().__init__(
                ssh_conn_id,
                conn_retry_attempts=1,
                conn_timeout=20,
                no_host_key_check=False,
                banner_timeout=30,
            )
        except Exception as error:  # noqa: BLE001 - the provider raises its own and paramiko's
            raise _wrong(
                ssh_conn_id, f"the connection cannot be used ({type(error).__name__})", EXTRA
            ) from None
        self.allow_host_key_change = False
        self.look_for_keys = False
        self.compress = False  # what we send is compressed
        self._patience = Patience(attempts=4)
        self._open: Any = None

    @contextmanager
    def session(self) -> Iterator[CampaignFilesHook]:
        """Keeps one connection for what is done inside, and closes it."""
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        """Closes the connection, if there is one."""
        client, self.client, self._open = self.client, None, None
        if client is not None:
            with suppress(Exception):
                client.close()

    def names(self, folder: str, prefix: str) -> dict[str, int]:
        """Names that begin so, with their sizes in bytes. What no file of a folder can be called is passed over."""

        def listed(sftp: Any) -> dict[str, int]:
            found = [each for each in sftp.listdir_attr(folder) if each.filename.startswith(prefix)]
            usable = {each.filename: int(each.st_size or 0) for each in found if _is_plain(each.filename)}
            if len(usable) < len(found):
                # Not the names: they may hold anything, also what a terminal obeys
                log.warning("%s: %d names passed over as unsafe", folder, len(found) - len(usable))
            return usable

        return dict(sorted(self._do(folder, listed).items()))

    def upload(self, folder: str, name: str, content: bytes) -> None:
        """Writes a file under a temporary name and gives it its own when it is whole.

        Raises RefusedError if the area keeps only a part of it: a full disk says yes (campaign.md §9).
        """
        path, part = f"{folder}/{name}", f"{folder}/{name}{PART}"

        def written(sftp: Any) -> None:
            sftp.putfo(io.BytesIO(content), part, confirm=False)
            kept = int(sftp.stat(part).st_size or 0)
            if kept != len(content):
                with suppress(OSError):
                    sftp.remove(part)
                problem = f"the server kept {kept:,} of {len(content):,} bytes: its disk is full"
                raise RefusedError(SYSTEM, path, None, "", problem, DISK)
            with suppress(FileNotFoundError):
                sftp.remove(path)
            sftp.rename(part, path)

        self._do(path, written)

    def read(self, folder: str, name: str) -> bytes:
        """A whole file."""

        def content(sftp: Any) -> bytes:
            with sftp.open(f"{folder}/{name}", "rb") as file:
                _prefetch(file, f"{folder}/{name}", LARGEST)
                found: bytes = file.read(LARGEST + 1)
            if len(found) > LARGEST:
                raise _too_large(f"{folder}/{name}", LARGEST)
            return found

        return self._do(f"{folder}/{name}", content)

    def fetch(self, folder: str, name: str, to: Path) -> str:
        """Brings a file to this machine, in pieces; the SHA-256 of its content. Of one that grows meanwhile, no more
        than there was, and a little.
        """

        def fetched(sftp: Any) -> str:
            digest = hashlib.sha256()
            with sftp.open(f"{folder}/{name}", "rb") as source, to.open("wb") as target:
                left = _prefetch(source, f"{folder}/{name}", LARGEST_FETCHED)
                while left >= 0 and (piece := source.read(FETCHED_AT_ONCE)):
                    digest.update(piece)
                    target.write(piece)
                    left -= len(piece)
            return digest.hexdigest()

        return self._do(f"{folder}/{name}", fetched)

    def move(self, folder: str, name: str, size: int, to_folder: str, to_name: str) -> bool:
        """Moves a file, and overwrites none; says whether it is where it should be. One that has another size by now
        stays: it is still being written.
        """

        def moved(sftp: Any) -> bool:
            try:
                if int(sftp.stat(f"{folder}/{name}").st_size or 0) != size:
                    return False
            except FileNotFoundError:
                return True  # moved before, by a task that was killed
            with suppress(FileNotFoundError):
                sftp.stat(f"{to_folder}/{to_name}")
                sftp.remove(f"{to_folder}/{to_name}")  # its name tells its content: it is the same
            sftp.rename(f"{folder}/{name}", f"{to_folder}/{to_name}")
            return True

        return self._do(f"{folder}/{name}", moved)

    def remove(self, folder: str, name: str) -> None:
        """Removes a file; one that is gone already is fine."""

        def gone(sftp: Any) -> None:
            with suppress(FileNotFoundError):
                sftp.remove(f"{folder}/{name}")

        self._do(f"{folder}/{name}", gone)

    def test_connection(self) -> tuple[bool, str]:
        """Says whether the connection works, and if not, who must do what."""
        try:
            with self.session():
                self.names(IMPORTS, "")
        except SyncError as error:
            return False, str(error)
        return True, f"Connected to {self.remote_host}: {IMPORTS} is there"

    def _do(self, path: str, work: Callable[[Any], Done]) -> Done:
        """Some work over the connection; after a lost one, again over a new one."""
        attempt = 0
        while True:
            attempt += 1
            watch = threading.Timer(
                LONGEST, self._cut
            )  # a time limit of the channel begins anew with every byte
            watch.daemon = True
            watch.start()
            try:
                return work(self._connected())
            except SyncError:
                raise
            except Exception as error:  # noqa: BLE001 - paramiko raises its own, OSError and EOFError
                problem = _translated(path, error)
                if isinstance(problem, RefusedError):
                    raise problem from None
                self.close()
                if attempt >= self._patience.attempts:
                    raise problem from None
                Pace.sleep(self._patience.delay(attempt))
            finally:
                watch.cancel()

    def _cut(self) -> None:
        """Ends the connection under a thread that waits for it."""
        client = self.client
        if client is not None and (transport := client.get_transport()) is not None:
            transport.close()

    def _connected(self) -> Any:
        if self._open is None:
            self._open = super(SFTPHook, self).get_conn().open_sftp()
            self._open.get_channel().settimeout(120)
        return self._open


def _is_plain(name: str) -> bool:
    """Whether a name that a server tells is that of a file in a folder: no path, nothing invisible."""
    return name.isprintable() and not {"/", "\\"} & set(name) and name not in (".", "..") and len(name) <= 255


def _prefetch(file: Any, path: str, largest: int) -> int:
    """Asks for a file's content before it is read; returns the size that the server tells."""
    size = int(file.stat().st_size or 0)
    if size > largest:
        raise _too_large(path, largest)
    file.prefetch(size, ASKED_AT_ONCE)
    return size


def _too_large(path: str, largest: int) -> RefusedError:
    problem = f"is larger than {largest // 1024**2:,} MB"
    return RefusedError(SYSTEM, path, None, "", problem, "Look what it is, and move it away")


def _require_keys(name: str, connection: Any) -> None:
    extra = dict(connection.extra_dejson)
    if not connection.host or not connection.login:
        raise _wrong(
            name, "the connection lacks host or login", "Set <instance>.campaign.adobe.com and the SFTP user"
        )
    if not extra.get("host_key"):
        problem = "the connection has no host_key, without which nobody knows whose server answers"
        remedy = (
            "Put type and key that `ssh-keyscan <host>` prints into the extra, host_key, and compare them"
        )
        raise _wrong(name, problem, remedy)
    if not extra.get("private_key") and not extra.get("key_file"):
        raise _wrong(name, "the connection has no private key: Campaign takes no passwords", EXTRA)


def _wrong(name: str, problem: str, remedy: str) -> RefusedError:
    return RefusedError(SYSTEM, f"connection {name}", None, "", problem, remedy)


def _translated(path: str, error: Exception) -> SyncError:
    """What paramiko says, in our words: its own texts may hold names of people in file names."""
    import errno

    import paramiko

    if isinstance(error, paramiko.BadHostKeyException):
        problem = "another host key than the one in the connection: this may be another server"
        remedy = "Ask Adobe whether the key was changed; only then put the new one into the extra, host_key"
        return RefusedError(SYSTEM, path, None, "host key", problem, remedy)
    if isinstance(error, paramiko.AuthenticationException):
        remedy = (
            "Compare the public key's fingerprint in Control Panel (SFTP, Key management) with the connection's key; "
            "an expired password or key of the user blocks it too"
        )
        return RefusedError(SYSTEM, path, None, "", "the key is not accepted", remedy)
    if isinstance(error, paramiko.SSHException) and "not found in known_hosts" in str(error):
        return RefusedError(
            SYSTEM, path, None, "host key", "the host's key is of another kind than the pinned one", EXTRA
        )
    if isinstance(error, UnicodeDecodeError):
        return RefusedError(
            SYSTEM, path, None, "", "a file's name is not UTF-8", "Rename it, or move it away"
        )
    if isinstance(error, FileNotFoundError):
        remedy = "An administrator creates d365_loads/imports, rejects and done, readable and writable for the group"
        return RefusedError(SYSTEM, path, None, "", "there is no such file or folder", remedy)
    if isinstance(error, PermissionError):
        remedy = "Give the SFTP user's group the right to read and write there"
        return RefusedError(SYSTEM, path, None, "", "the user has no right to do this", remedy)
    if isinstance(error, OSError) and error.errno is None and "space" in str(error).lower():
        return RefusedError(SYSTEM, path, None, "", "no space is left", DISK)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return RefusedError(SYSTEM, path, None, "", "no space is left", DISK)
    said = (
        "no answer within the time limit"
        if isinstance(error, TimeoutError)
        else "the connection was lost or refused"
    )
    return TransientError(SYSTEM, path, None, said, ALLOW_LIST)
