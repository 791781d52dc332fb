"""Files of a run, in a folder or an object store: written whole or not at all, for the owner only, swept.

Not for what is in them (``batch.py``). Goes through Airflow's ``ObjectStoragePath``: ``s3://`` works as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_sync.errors import RefusedError
from campaign_sync.rows.sealing import ROWS, opened, sealed

if TYPE_CHECKING:
    import pyarrow as pa
    from airflow.sdk import ObjectStoragePath

REMEDY = "Clear the extract task of this run: it and all after it read and write their files again"


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
    path = _path(uri)
    if not _local(path):
        path.write_bytes(content)
        return
    target = Path(path.path)
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
    try:
        content: bytes = _path(uri).read_bytes()
    except FileNotFoundError:
        raise broken(uri, "is missing") from None
    return opened(uri, content)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a compressed Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    # Files are read whole, once or twice: dictionaries and statistics cost half of the writing and save nothing
    parquet.write_table(
        table, sink, compression="zstd", use_dictionary=False, write_statistics=False, write_page_checksum=True
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
    try:
        document = json.loads(read_bytes(uri))
    except (ValueError, RecursionError):
        raise broken(uri, "is not a whole JSON document") from None
    if not isinstance(document, dict):
        raise broken(uri, "is not a JSON document of this program")
    return document


def find_document(folder: str, name: str) -> dict[str, Any]:
    """A JSON document of a run's folder; empty if there is none."""
    return read_document(folder, name) if _path(f"{folder}/{name}").exists() else {}


def sweep(folder: str) -> None:
    """Removes a run's folder and all that is in it; one that is gone already is fine."""
    path = _path(folder)
    try:
        path.fs.rm(path.path, recursive=True)
    except (FileNotFoundError, IsADirectoryError):
        return  # the latter when another process of this task has swept it, too, and begun to fill it


def documents(folder: str, suffix: str) -> list[str]:
    """Names of a run's documents that end so, in order."""
    return sorted(file.name for file in _path(folder).iterdir() if file.name.endswith(suffix))


def remove(folder: str, name: str) -> None:
    """Removes a document of a run; one that is gone already is fine."""
    _path(f"{folder}/{name}").unlink(missing_ok=True)


def sweep_rows(folder: str) -> None:
    """Removes the rows of a run, and leaves its report and its pages for people."""
    path = _path(folder)
    for file in path.iterdir():
        if file.name.endswith(ROWS):
            file.unlink()


def sweep_older(root: str, flow: str, days: int) -> None:
    """Removes a flow's run folders that nothing was written to for some days; looks at most once a day."""
    path = _path(f"{root.rstrip('/')}/{safe(flow)}")
    mark = path / ".swept"
    if not path.exists() or (mark.exists() and time.time() - mark.stat().st_mtime < 86_400):
        return
    write_bytes(str(mark), b"")
    oldest = time.time() - days * 86_400
    for folder in path.iterdir():
        files = list(folder.iterdir()) if folder.is_dir() else []
        if files and max(file.stat().st_mtime for file in files) < oldest:
            sweep(str(folder))


def broken(uri: str, problem: str) -> RefusedError:
    """The error for a file that cannot be used; trying again would find the same file."""
    return RefusedError("storage", uri, None, "", problem, REMEDY)


def _path(uri: str) -> ObjectStoragePath:
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(uri)


def _local(path: ObjectStoragePath) -> bool:
    return (path.protocol or "file") in ("file", "local")
