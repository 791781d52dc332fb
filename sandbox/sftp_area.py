"""The files of Campaign's SFTP area and the rules about them: quota, rights, retention (campaign.md §9).

Knows no SSH: `sftp` serves these files to clients, import workflows take and leave them as another user of
the same group.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from sandbox.switches import declare
from sandbox.world import World

FOLDERS = ("imports", "exports", "rejects", "done")
ALMOST_FULL = 0.8  # §9: orange above 80 %, and the level of Classic's compression
READ, WRITE = stat.S_IRGRP | stat.S_IXGRP, stat.S_IWGRP | stat.S_IXGRP

declare(
    "sftp.allow_list", "127.0.0.1/32", None,
    "addresses that may connect, CIDR, separated by blanks; others are reset", "campaign.md §9",
)  # fmt: skip
declare(
    "sftp.sessions", 10, None,
    "sessions at the same time; further ones are reset", "campaign.md §13.3 U17",
)  # fmt: skip
declare(
    "sftp.retention_days", 15, None,
    "days after which a file is gone; 0: they stay", "campaign.md §13.3 U17",
)  # fmt: skip
declare(
    "sftp.quota_bytes", 10_000_000_000, None,
    "storage of the area, shared by everything in it", "campaign.md §9",
)  # fmt: skip
declare(
    "sftp.full_disk", "truncate", ("truncate", "fail"),
    "what a write to a full area does: it says yes and keeps what fits, or fails", "campaign.md §9",
)  # fmt: skip
declare(
    "sftp.compress_at_80", True, (True, False),
    "above 80 % of the quota files at rest are compressed: x.csv becomes x.csv.gz", "campaign.md §9",
)  # fmt: skip
declare(
    "sftp.new_folder", "owner", ("owner", "as_asked"),
    "rights of a folder that a client makes: its creator's only, or what the client asks for",
    "campaign.md §9",
)  # fmt: skip
declare(
    "sftp.password_expired", False, (False, True),
    "an expired password of the user blocks key log-in too", "campaign.md §9",
)  # fmt: skip


class AreaRefused(Exception):
    """What a workflow wanted of the area and cannot have."""


class Area:
    """The folder that users see as /."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.root = world.directory / "sftp"
        self.writing: set[str] = set()  # local paths that clients have open
        self._lock = threading.RLock()
        self._used = 0
        self.make_folders()

    def make_folders(self) -> None:
        """Make what an administrator has made by hand, with rights for the group (§9)."""
        for folder in FOLDERS:
            path = self.root / "d365_loads" / folder
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o770)
        self.measure()

    def reset(self) -> None:
        """Empty the area."""
        with self._lock:
            shutil.rmtree(self.root, ignore_errors=True)
            self.make_folders()

    # ---- storage ---------------------------------------------------------------------------------

    @property
    def quota(self) -> int:
        return int(self.world.switches["sftp.quota_bytes"])

    def measure(self) -> int:
        """Add up what lies in the area; growth is counted from there."""
        with self._lock:
            self._used = sum(path.stat().st_size for path in self._files())
            return self._used

    def grow(self, wanted: int) -> int:
        """Take storage and return how much of it was left."""
        with self._lock:
            granted = max(0, min(wanted, self.quota - self._used))
            self._used += granted
            return granted

    def tidy(self) -> None:
        """Remove what is too old and compress what is at rest when space runs out; now and then, not at once."""
        with self._lock:
            self._remove_old()
            if self.world.switches["sftp.compress_at_80"] and self.measure() > ALMOST_FULL * self.quota:
                for path in list(self._files()):
                    # `.part` is left alone: somebody is about to rename it
                    if path.suffix not in (".gz", ".part") and str(path) not in self.writing:
                        _compress(path)
                self.measure()

    def stamp(self, path: Path) -> None:
        """Date a file by the sandbox's clock, which its age is measured with."""
        now = self.world.clock.timestamp()
        os.utime(path, (now, now))

    def _files(self) -> Iterator[Path]:
        return (path for path in sorted(self.root.rglob("*")) if path.is_file())

    def _remove_old(self) -> None:
        days = self.world.switches["sftp.retention_days"]
        if days:
            oldest = self.world.clock.timestamp() - days * 86400
            for path in list(self._files()):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    # ---- what workflows do -----------------------------------------------------------------------

    def matching(self, folder: str, pattern: str) -> list[Path]:
        """Return the files of a folder whose names match `*` and `?`, by name."""
        place = self._place(folder)
        _need(place, READ, "read")
        literal = pattern.replace("[", "[[]")
        return sorted(path for path in place.iterdir() if path.is_file() and fnmatchcase(path.name, literal))

    def take(self, path: Path, *, delete: bool) -> bytes:
        """Return a file's content, and remove the file if asked to."""
        _need(path, stat.S_IRGRP, "read")
        content = path.read_bytes()
        if delete:
            _need(path.parent, WRITE, "delete in")
            path.unlink()
        return content

    def put(self, folder: str, name: str, content: bytes) -> None:
        """Write a file as a workflow does; a full area makes the workflow fail (§9)."""
        place = self._place(folder)
        _need(place, WRITE, "write to")
        with self._lock:
            self.measure()
            if self.grow(len(content)) < len(content):
                raise AreaRefused(f"no space left for {folder}/{name}")
        part = place / f".{name}.writing"
        part.write_bytes(content)
        part.chmod(0o660)
        self.stamp(part)
        part.replace(place / name)

    @contextmanager
    def growing(self, folder: str, name: str) -> Iterator[Callable[[bytes], None]]:
        """Open a file under its own name and give what appends to it: readers see what is there so far (§9)."""
        place = self._place(folder)
        _need(place, WRITE, "write to")
        path = place / name
        with path.open("wb", buffering=0) as file:
            path.chmod(0o660)

            def append(piece: bytes) -> None:
                with self._lock:
                    self.measure()
                    if self.grow(len(piece)) < len(piece):
                        raise AreaRefused(f"no space left for {folder}/{name}")
                file.write(piece)
                now = self.world.clock.timestamp()
                os.utime(file.fileno(), (now, now))  # a reader may have moved it meanwhile

            self.writing.add(str(path))
            try:
                yield append
            finally:
                self.writing.discard(str(path))

    def _place(self, folder: str) -> Path:
        parts = folder.strip("/").split("/")
        if folder.startswith("//") or ".." in parts:
            raise AreaRefused(f"the path {folder} leads out of the area")  # §8.1, Transfer file
        place = self.root.joinpath(*parts)
        if not place.is_dir():
            raise AreaRefused(f"there is no folder {folder}")
        for above in [*reversed(place.relative_to(self.root).parents)][1:]:
            _need(self.root / above, stat.S_IXGRP, "enter")
        return place


def area_of(world: World) -> Area:
    """Return a world's area, made at first use."""
    if "sftp" not in world.systems:
        world.systems["sftp"] = Area(world)
    return world.systems["sftp"]  # type: ignore[no-any-return]


def _need(path: Path, rights: int, deed: str) -> None:
    """Refuse what the group may not do: workflows are another user of it (§9, T18)."""
    if path.stat().st_mode & rights != rights:
        raise AreaRefused(f"permission denied: the workflow's user may not {deed} {path.name}")


def _compress(path: Path) -> None:
    packed = path.with_name(f"{path.name}.gz")
    kept = path.stat()
    with path.open("rb") as plain, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(plain, target)
    os.utime(packed, (kept.st_mtime, kept.st_mtime))
    packed.chmod(stat.S_IMODE(kept.st_mode))
    path.unlink()
