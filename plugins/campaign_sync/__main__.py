"""`python -m campaign_sync`: draft, check and preview mapping files, print their JSON Schema, say what Dynamics and
Campaign need, have rejected rows tried again, forget a flow.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from campaign_sync.commands.check import run_check
from campaign_sync.commands.new import run_new
from campaign_sync.commands.preview import run_preview
from campaign_sync.commands.retry import run_retry
from campaign_sync.commands.setup import run_setup
from campaign_sync.errors import SyncError


def main(arguments: list[str] | None = None) -> int:
    """Run one command: 0 if all is well, 1 if something is wrong, which is then one clear text."""
    options = parser().parse_args(arguments)
    options.say, options.warn = partial(print, file=sys.stdout), partial(print, file=sys.stderr)
    # Airflow and Great Expectations log to stdout; only the answer belongs there.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    try:
        with redirect_stdout(sys.stderr):
            return int(options.run(options) or 0)
    except SyncError as problem:
        print(problem, file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m campaign_sync", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    new = commands.add_parser("new", help="draft a mapping file from the metadata of both systems")
    new.add_argument("table", help="logical name of the table, such as contact")
    new.add_argument("resource", help="API name of the Campaign resource, such as profile")
    new.add_argument(
        "--file", type=Path, help="the file to write; default: a name made from both, beside the others"
    )
    new.add_argument(
        "--pair", action="append", default=[], metavar="FIELD=COLUMN",
        help="what the names do not say: this field from this column (may be given several times)",
    )  # fmt: skip
    new.add_argument("--print", action="store_true", help="print the file instead of writing it")
    new.set_defaults(run=run_new)

    check = commands.add_parser("check", help="check mapping files; needs no connection")
    check.add_argument("files", nargs="*", type=Path, help="mapping files; default: all")
    check.add_argument(
        "--live", action="store_true", help="check them against both systems too, and run their examples"
    )
    check.set_defaults(run=run_check)

    preview = commands.add_parser(
        "preview", help="real rows, before → after, and what would be written; writes nothing"
    )
    preview.add_argument("mapping", help="name of the flow, or a mapping file")
    preview.add_argument(
        "--limit", type=int, default=5, help="how many rows (default 5); of events, of each log"
    )
    preview.add_argument(
        "--key", action="append", default=[],
        help="this row only; an event is called click:7 (may be given several times)",
    )  # fmt: skip
    preview.add_argument("--json", action="store_true", help="for programs")
    preview.set_defaults(run=run_preview)

    retry = commands.add_parser("retry", help="have rejected rows tried again, and start a run for that")
    retry.add_argument("mapping", help="name of the flow, or a mapping file")
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("--key", default="", help="the row of this key")
    which.add_argument("--rule", default="", help="all rows that this rule rejected")
    which.add_argument("--all", action="store_true", help="all rejected rows of the flow")
    retry.set_defaults(run=run_retry)

    schema = commands.add_parser("schema", help="print the JSON Schema of mapping files")
    schema.add_argument(
        "kind", nargs="?", choices=["to_campaign", "to_dynamics", "opt_outs"], default="to_campaign",
        help="of which kind of mapping files (default: to_campaign)",
    )  # fmt: skip
    schema.set_defaults(run=run_schema)

    forget = commands.add_parser(
        "forget", help="forget what was written by a flow; its next run begins as its first"
    )
    forget.add_argument("flow", help="name of the flow")
    forget.set_defaults(run=run_forget)

    setup = commands.add_parser("setup", help="what Dynamics and Campaign need for the mappings")
    setup.add_argument("system", choices=["dynamics", "campaign"])
    setup.add_argument(
        "mapping",
        nargs="?",
        help="campaign: name of the flow, or a mapping file, whose import workflow is built",
    )
    setup.add_argument(
        "--apply", action="store_true", help="do it; without this, only say what would be done"
    )
    setup.set_defaults(run=run_setup)
    return top


def run_schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    from campaign_sync.consent import file as opt_outs
    from campaign_sync.events import file as events
    from campaign_sync.mapping.file import json_schema

    made = {"to_campaign": json_schema, "to_dynamics": events.json_schema, "opt_outs": opt_outs.json_schema}
    options.say(json.dumps(made[options.kind](), indent=2, ensure_ascii=False))
    return 0


def run_forget(options: argparse.Namespace) -> int:
    """Forget a flow; Campaign keeps its records, and the next run finds them again by their keys."""
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.settings import ledger_url

    ledger = Ledger(ledger_url())
    known, contacts = ledger.counts(options.flow), ledger.consents.contacts(options.flow)
    ledger.forget(options.flow)
    if contacts:
        options.say(
            f"{options.flow}: the consent of {contacts:,} contacts forgotten. Its next run reads both sides as its "
            "first, and a no of either side wins."
        )
        return 0
    options.say(
        f"{options.flow}: {known.present:,} records forgotten. Its next run reads and writes everything again."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
