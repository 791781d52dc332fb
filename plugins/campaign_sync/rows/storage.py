"""Files of a run, in a folder or an object store: written whole or not at all, for the owner only, swept.

Not for what is in them (``batch.py``). Goes through the file systems that Airflow knows: ``s3://`` works as well. No
listing is believed for longer than a moment, as other machines write into the same folders.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_sync.errors import RefusedError
from campaign_sync.rows.sealing import ROWS, opened, sealed

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem

REMEDY = "Clear the extract task of this run: it and all after it read and write their files again"
SETTING = "Correct `[campaign_sync] storage`, or the connection it names"
PROVIDER = (
    "Install the Airflow provider of this object store on every machine (requirements-cluster.txt has S3's)"
)
RIGHTS = (
    "Let Airflow's user, or the connection in `[campaign_sync] storage`, list, read, write and delete there"
)
MARK = ".swept"  # in a flow's folder: when it was looked through last


def folder_of(root: str, flow: str, run_id: str) -> str:
    """The URI of a run's folder below a storage root."""
    return f"{root.rstrip('/')}/{safe(flow)}/{safe(run_id)}"


def safe(name: str) -> str:
    """A name for a file or folder; two names never give the same one (run ids hold ``:`` and ``+``)."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:120]
    if plain == name and plain.strip("."):
        return plain
    return f"{plain.strip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a file whole or not at all; an object store does so by itself. Rows are encrypted if settings say so."""
    content = sealed(uri, content)
    fs, path = _at(uri)
    with _refusals(uri):
        if "file" in fs.protocol:
            _write_local(Path(path), content)
        else:
            fs.pipe_file(path, content)


def _write_local(target: Path, content: bytes) -> None:
    for folder in reversed([each for each in target.parents if not each.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    # The hidden name is unique: a retry may begin before the process it replaces is gone.
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def read_bytes(uri: str) -> bytes:
    """A whole file."""
    content = _content(uri)
    if content is None:
        raise broken(uri, "is missing")
    return opened(uri, content)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a compressed Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    # Files are read whole, once or twice: dictionaries and statistics cost half of the writing and save nothing
    parquet.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_parquet(uri: str) -> pa.Table:
    """A whole table; RefusedError if its file is missing or cut."""
    import pyarrow as pa
    from pyarrow import parquet

    content = read_bytes(uri)
    try:
        return parquet.read_table(pa.BufferReader(content), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise broken(uri, "is not a whole Parquet file") from error


def write_text(folder: str, name: str, text: str) -> None:
    """Writes a page or another text into a run's folder."""
    write_bytes(f"{folder}/{name}", text.encode())


def write_document(folder: str, name: str, document: dict[str, Any]) -> None:
    """Writes a JSON document into a run's folder."""
    write_text(folder, name, json.dumps(document, ensure_ascii=False, indent=1))


def read_document(folder: str, name: str) -> dict[str, Any]:
    """A JSON document of a run's folder."""
    uri = f"{folder}/{name}"
    return _document(uri, read_bytes(uri))


def find_document(folder: str, name: str) -> dict[str, Any]:
    """A JSON document of a run's folder; empty if there is none."""
    uri = f"{folder}/{name}"
    content = _content(uri)
    return {} if content is None else _document(uri, content)


def sweep(folder: str) -> None:
    """Removes a run's folder and all that is in it; one that is gone already is fine."""
    fs, path = _at(folder)
    # the second when another process of this task has swept it, too, and begun to fill it
    with _refusals(folder), suppress(FileNotFoundError, IsADirectoryError):
        fs.rm(path, recursive=True)


def documents(folder: str, suffix: str) -> list[str]:
    """Names of a run's documents that end so, in order; none if the folder is not there (object stores have none)."""
    return sorted(name for name in map(_name, _files(folder)) if name.endswith(suffix))


def remove(folder: str, name: str) -> None:
    """Removes a document of a run; one that is gone already is fine."""
    uri = f"{folder}/{name}"
    fs, path = _at(uri)
    with _refusals(uri), suppress(FileNotFoundError):
        fs.rm_file(path)


def sweep_rows(folder: str) -> None:
    """Removes the rows of a run, and leaves its report and its pages for people."""
    fs, _ = _at(folder)
    rows = [path for path in _files(folder) if path.endswith(ROWS)]
    with _refusals(folder), suppress(FileNotFoundError):
        if rows:
            fs.rm(rows)


def sweep_older(root: str, flow: str, days: int) -> None:
    """Removes a flow's run folders that nothing was written to for some days; looks at most once a day."""
    folder = f"{root.rstrip('/')}/{safe(flow)}"
    fs, path = _at(folder)
    now = time.time()
    with _refusals(folder):
        if not fs.exists(path):
            return
        with suppress(FileNotFoundError):
            if now - _written(fs.info(f"{path}/{MARK}")) < 86_400:
                return
        write_bytes(f"{folder}/{MARK}", b"")
        newest: dict[str, float] = {}
        for file, info in fs.find(path, detail=True).items():
            run, inside, _ = file[len(path) :].lstrip("/").partition("/")
            if inside:
                newest[run] = max(newest.get(run, 0.0), _written(info))
    for run, written in newest.items():
        if written < now - days * 86_400:
            sweep(f"{folder}/{run}")


def broken(uri: str, problem: str) -> RefusedError:
    """The error for a file that cannot be used; trying again would find the same file."""
    return RefusedError("storage", uri, None, "", problem, REMEDY)


def _content(uri: str) -> bytes | None:
    """A whole file; None if there is none."""
    fs, path = _at(uri)
    with _refusals(uri):
        try:
            content: bytes = fs.cat_file(path)
        except FileNotFoundError:
            return None
    return content


def _document(uri: str, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise broken(uri, "is not a whole JSON document") from None
    if not isinstance(document, dict):
        raise broken(uri, "is not a JSON document of this program")
    return document


def _files(folder: str) -> list[str]:
    """Paths of all that is in a folder; empty if it is not there."""
    fs, path = _at(folder)
    with _refusals(folder):
        try:
            found: list[str] = fs.ls(path, detail=False)
        except FileNotFoundError:
            return []
    return found


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _written(info: Mapping[str, Any]) -> float:
    """When a file was written last, in seconds since 1970. A store that does not say it has no old files.

    Local disks say ``mtime``, S3 ``LastModified``, Azure ``last_modified``, Google ``updated``.
    """
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        if (when := info.get(name)) is not None:
            return when.timestamp() if isinstance(when, datetime) else float(when)
    return time.time()


def _at(uri: str) -> tuple[AbstractFileSystem, str]:
    """The file system of a URI, with the connection that stands in it, and the path there.

    Not ``ObjectStoragePath``'s own methods: its text and its children lose the connection, and what a file system
    remembers of its listings would be believed in a process that lives for long.
    """
    from airflow.sdk import ObjectStoragePath

    try:
        whole = ObjectStoragePath(uri)
        fs, path = whole.fs, str(whole.path)
    except (ValueError, ImportError) as error:
        raise RefusedError("storage", uri, None, "", f"cannot be used here: {error}", PROVIDER) from error
    fs.invalidate_cache()
    return fs, path.rstrip("/")


@contextmanager
def _refusals(uri: str) -> Iterator[None]:
    """What no further try would change becomes an error that says who does what."""
    try:
        yield
    except PermissionError as error:
        raise RefusedError("storage", uri, None, "", "access is denied", RIGHTS) from error
    except FileNotFoundError as error:
        raise RefusedError(
            "storage", uri, None, "", "there is no such bucket or container", SETTING
        ) from error
