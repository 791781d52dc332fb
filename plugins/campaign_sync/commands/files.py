"""The mapping files that a command is about."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from campaign_sync.errors import SyncError
from campaign_sync.mapping.kinds import Kind, mapping_files

MAPPINGS = Path("include/mappings")


def mappings_here() -> Path:
    """The folder with the mapping files."""
    from campaign_sync.settings import mappings_folder

    return mappings_folder(MAPPINGS)


def files_here(*kinds: Kind) -> list[Path]:
    """The mapping files of these kinds, or of all; none without the folder."""
    folder = mappings_here()
    if not folder.is_dir():
        return []
    return sorted(file for kind in kinds or get_args(Kind) for file in mapping_files(folder, kind))


def file_of(name: str) -> Path:
    """The mapping file of a flow of any kind, or the file itself."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    files = files_here()
    for file in files:
        if file.stem == name:
            return file
    known = ", ".join(file.stem for file in files)
    raise SyncError(f"there is no flow called {name}", str(mappings_here()), f"There are: {known or 'none'}")
