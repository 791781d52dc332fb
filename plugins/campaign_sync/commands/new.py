"""`new`: a mapping file drafted from the metadata of both systems."""

from __future__ import annotations

import argparse
from pathlib import Path

from campaign_sync.commands.files import mappings_here
from campaign_sync.errors import MappingError, SyncError
from campaign_sync.mapping.file import Mapping, load_mapping, mapping_files


def run_new(options: argparse.Namespace) -> int:
    """Draft a mapping; a file that is there is never touched."""
    from campaign_sync.draft.new import read_and_draft
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook

    if options.file and options.file.suffix not in (".yaml", ".yml"):
        raise SyncError("no name of a mapping file", str(options.file), "Let it end in .yaml")
    folder = options.file.parent if options.file else mappings_here()
    if not folder.is_dir():
        raise SyncError(
            "there is no such folder", str(folder), "Run this in the project's folder, or make it"
        )
    path, drafted = read_and_draft(
        options.table,
        options.resource,
        file=options.file,
        folder=folder,
        mappings=_readable(folder, options),
        wanted=dict(map(_pair, options.pair)),
        dataverse=DataverseHook(),
        campaign=CampaignHook(),
    )
    if options.print:
        options.say(drafted.text, end="")
    else:
        _write_new(path, drafted.text)
    tell = options.warn if options.print else options.say
    tell(f"{path}: {drafted.fields} fields are mapped. Decide before it runs:")
    for decision in drafted.decisions:
        tell(f"  - {decision}")
    return 0


def _readable(folder: Path, options: argparse.Namespace) -> list[Mapping]:
    """The mappings of a folder; one with a mistake is told and passed over, as its table cannot be known."""
    mappings = []
    for file in mapping_files(folder):
        try:
            mappings.append(load_mapping(file))
        except MappingError as problem:
            options.warn(problem)
    return mappings


def _pair(text: str) -> tuple[str, str]:
    field, _, column = text.partition("=")
    if not field or not column:
        raise SyncError(f"{text!r} is no pair", "--pair", "Write --pair firstName=firstname")
    return field, column


def _write_new(path: Path, text: str) -> None:
    twin = path.with_suffix(".yml" if path.suffix == ".yaml" else ".yaml")
    try:
        if twin.exists():  # it would be a flow of the same name
            raise FileExistsError
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SyncError(
            "the file is there already", str(path), "Name another with --file, or --print the draft"
        ) from None
    except OSError as error:
        raise SyncError(
            f"cannot be written: {error.strerror}", str(path), "Check folder and rights"
        ) from None
