"""`preview`: real rows, before → after, and what would be written. Writes nothing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from campaign_sync.commands.files import file_of
from campaign_sync.errors import SyncError
from campaign_sync.mapping.file import load_mapping
from campaign_sync.mapping.kinds import kind_of

if TYPE_CHECKING:
    from campaign_sync.events.file import EventMapping
    from campaign_sync.events.preview import Preview
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.run.preview import Previewed


def run_preview(options: argparse.Namespace) -> int:
    """Show rows of a flow as they are and as they would be written."""
    file = file_of(options.mapping)
    kind = kind_of(file)
    if kind == "opt_outs":
        problem = f"{file.stem} keeps consent in step, and has no preview"
        raise SyncError(problem, str(file), "Trigger it with Dry run, and look at its report")
    if kind == "rows":
        from campaign_sync.run.preview import to_text

        mapping = load_mapping(file)
        shown = preview_rows(mapping, options.limit, options.key)
        rows, text = [row._asdict() for row in shown], to_text(shown, mapping)
    else:
        from campaign_sync.events.file import load_events
        from campaign_sync.events.preview import to_text as events_to_text

        events = load_events(file)
        found = preview_events(events, options.limit, options.key)
        rows, text = (
            [row._asdict() | {"file": name} for name, row in found.rows],
            events_to_text(found, events),
        )
        for note in found.notes if options.json else ():
            options.warn(note)  # what is to be said about the files is no row
    options.say(json.dumps(rows, indent=2, default=str, ensure_ascii=False) if options.json else text)
    return 0


def preview_rows(mapping: Mapping, limit: int, keys: Sequence[str]) -> list[Previewed]:
    """Rows of Dynamics, and what a run would do with them, through Airflow's connections."""
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.run.preview import preview
    from campaign_sync.settings import ledger_url

    ledger = Ledger(ledger_url())
    return preview(
        mapping, dataverse=DataverseHook(), campaign=CampaignHook(), ledger=ledger, limit=limit, keys=keys
    )


def preview_events(mapping: EventMapping, limit: int, keys: Sequence[str]) -> Preview:
    """Rows of Campaign's export files, and what a run would do with them, through Airflow's connections."""
    from campaign_sync.events.preview import preview
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.settings import ledger_url

    ledger = Ledger(ledger_url())
    return preview(
        mapping, dataverse=DataverseHook(), files=CampaignFilesHook(), ledger=ledger, limit=limit, keys=keys
    )
