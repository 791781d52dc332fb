"""`setup`: what Dynamics and Campaign need for the mappings."""

from __future__ import annotations

import argparse
import json

from campaign_sync.commands.files import file_of, files_here
from campaign_sync.errors import SyncError
from campaign_sync.mapping.file import load_mapping
from campaign_sync.mapping.kinds import kind_of

SANDBOX_IMPORTS = "/sandbox/campaign/imports"


def run_setup(options: argparse.Namespace) -> int:
    """Say, and with --apply do, what Dynamics needs for all mappings; then the role. Say what Campaign needs."""
    if options.system == "campaign":
        return _say_columns(options)
    from campaign_sync.consent.file import load_opt_outs
    from campaign_sync.events.file import load_events
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.run.provision import needs
    from campaign_sync.run.role import role_of, role_text

    mappings = [load_mapping(file) for file in files_here("rows")]
    events = [load_events(file) for file in files_here("events")]
    opt_outs = [load_opt_outs(file) for file in files_here("opt_outs")]
    wanted = list(needs(mappings, events, opt_outs, DataverseHook()))
    for need in wanted:
        options.say(need.said)
    missing = [need for need in wanted if need.mend is not None]
    for need in missing if options.apply else ():
        if need.mend is not None:
            need.mend()
            options.say(need.done)
    options.say(role_text(role_of(mappings, events, opt_outs)))
    return 1 if missing and not options.apply else 0


def _say_columns(options: argparse.Namespace) -> int:
    """Print what the import workflow of a mapping has to be told about its file."""
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.rows.import_file import OPERATION, describe, file_columns

    if not options.mapping:
        raise SyncError("which mapping?", "setup campaign", "Name one: setup campaign contacts_to_profiles")
    file = file_of(options.mapping)
    if kind_of(file) != "rows":
        problem = "brings no rows to Campaign, and has no import workflow"
        raise SyncError(
            problem,
            str(file),
            "docs/export_workflows.md and docs/opt_outs.md tell how to build export workflows",
        )
    mapping = load_mapping(file)
    columns = file_columns(mapping, CampaignHook().resource(mapping.load.resource))
    workflow = mapping.load.import_workflow or "(none yet: load.import_workflow)"
    options.say(f"Import workflow of {mapping.name}: {workflow} · resource {mapping.load.resource}")
    options.say(
        f"Key for Reconciliation and Deduplication: {mapping.key_field}. How to build it: docs/import_workflow.md\n"
    )
    options.say(describe(columns))
    names = [column.name for column in columns]
    key = next(column.name for column in columns if column.field == mapping.key_field)
    declared = {
        "id": mapping.load.import_workflow or "WKF88", "resource": mapping.load.resource, "key": key, "columns": names,
        "insert_only": [column.name for column in columns if column.insert_only],
    }  # fmt: skip
    options.say(f"\nHeader: {';'.join([OPERATION, *names])}")
    options.say(f"For the sandbox (POST {SANDBOX_IMPORTS}): {json.dumps(declared)}")
    return 0
