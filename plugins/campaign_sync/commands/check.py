"""`check`: mapping files by themselves and, with --live, against both systems."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from campaign_sync.commands.files import files_here, mappings_here
from campaign_sync.errors import MappingError, SyncError
from campaign_sync.mapping.file import Mapping, check_together, load_mapping
from campaign_sync.mapping.kinds import kind_of

if TYPE_CHECKING:
    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.events.file import EventMapping
    from campaign_sync.run.live import Finding


def run_check(options: argparse.Namespace) -> int:
    """Check mapping files, each problem one line; with --live also against both systems. Warnings are no problems."""
    from campaign_sync.consent.file import load_opt_outs, one_per_table, two_owners
    from campaign_sync.events.file import load_events

    files = options.files or files_here()
    if not files:
        raise SyncError(
            "there are no mapping files",
            str(mappings_here()),
            "Name some, or run this in the project's folder",
        )
    problems: dict[str, list[str]] = {}
    remarks: list[str] = []
    mappings: list[Mapping] = []
    events: list[EventMapping] = []
    opt_outs: list[OptOutMapping] = []
    for file in files:
        try:
            match kind_of(file):
                case "events":
                    events.append(load_events(file))
                case "opt_outs":
                    opt_outs.append(load_opt_outs(file))
                case "rows":
                    mappings.append(load_mapping(file))
        except MappingError as problem:
            problems[str(file)] = [str(each) for each in problem.one_by_one()]
    try:
        check_together(mappings)
    except MappingError as conflict:
        for each in conflict.one_by_one():
            problems.setdefault(each.file, []).append(str(each))
    for twice in (*one_per_table(opt_outs).values(), *two_owners(opt_outs)):
        for each in twice.one_by_one():
            problems.setdefault(each.file, []).append(str(each))
    sound: list[Mapping | EventMapping | OptOutMapping] = [*mappings, *events, *opt_outs]
    for mapping in sound if options.live else ():
        errors: list[str] = []
        try:
            for finding in _live(mapping):
                (errors if finding.grade == "error" else remarks).append(finding.text)
        except SyncError as problem:  # a connection or a credential: the same for every file, and told once
            errors.append(str(problem))
        if errors:
            problems.setdefault(mapping.path, []).extend(errors)
    for text in dict.fromkeys(text for texts in problems.values() for text in texts):
        options.warn(text)
    for text in remarks:
        options.say(text)
    good, plural = len(files) - len(problems), "s" * (len(files) != 1)
    options.say(f"{len(files)} mapping file{plural}: {good} good, {len(problems)} with problems.")
    return 1 if problems else 0


def _live(mapping: Mapping | EventMapping | OptOutMapping) -> Iterator[Finding]:
    """What both systems say about a mapping of any kind."""
    from campaign_sync.events.file import EventMapping
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook

    if isinstance(mapping, Mapping):
        from campaign_sync.run.live import look

        return look(mapping, DataverseHook(), CampaignHook())
    if isinstance(mapping, EventMapping):
        from campaign_sync.events.live import look as look_at_events

        return look_at_events(mapping, DataverseHook(), CampaignFilesHook())
    from campaign_sync.consent.live import look as look_at_opt_outs

    return look_at_opt_outs(mapping, DataverseHook(), CampaignHook(), CampaignFilesHook())
