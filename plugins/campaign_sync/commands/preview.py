"""`preview`: real rows, before → after, and what would be written. Writes nothing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from campaign_sync.commands.files import file_of
from campaign_sync.errors import SyncError
from campaign_sync.mapping.file import load_mapping
from campaign_sync.mapping.kinds import kind_of


def run_preview(options: argparse.Namespace) -> int:
    """Show rows of a flow as they are and as they would be written."""
    file = file_of(options.mapping)
    kind = kind_of(file)
    if kind == "opt_outs":
        problem = f"{file.stem} keeps consent in step, and has no preview"
        raise SyncError(problem, str(file), "Trigger it with Dry run, and look at its report")
    rows, text = (_events if kind == "events" else _rows)(file, options)
    options.say(json.dumps(rows, indent=2, default=str, ensure_ascii=False) if options.json else text)
    return 0


def _rows(file: Path, options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Rows of Dynamics."""
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.run.preview import preview, to_text
    from campaign_sync.settings import ledger_url

    mapping = load_mapping(file)
    shown = preview(
        mapping,
        dataverse=DataverseHook(),
        campaign=CampaignHook(),
        ledger=Ledger(ledger_url()),
        limit=options.limit,
        keys=options.key,
    )
    return [row._asdict() for row in shown], to_text(shown, mapping)


def _events(file: Path, options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Rows of Campaign's export files; what is to be said about the files is no row, and a warning for programs."""
    from campaign_sync.events.file import load_events
    from campaign_sync.events.preview import preview, to_text
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.settings import ledger_url

    mapping = load_events(file)
    shown = preview(
        mapping,
        dataverse=DataverseHook(),
        files=CampaignFilesHook(),
        ledger=Ledger(ledger_url()),
        limit=options.limit,
        keys=options.key,
    )
    for note in shown.notes if options.json else ():
        options.warn(note)
    return [row._asdict() | {"file": name} for name, row in shown.rows], to_text(shown, mapping)
