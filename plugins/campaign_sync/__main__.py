"""`python -m campaign_sync`: check mapping files, preview one, print the JSON Schema, set up Dynamics."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from campaign_sync.errors import MappingError, SyncError
from campaign_sync.mapping.file import Mapping, check_together, json_schema, load_mapping, mapping_files

MAPPINGS = Path("include/mappings")


def main(arguments: list[str] | None = None) -> int:
    """Run one command: 0 if all is well, 1 if something is wrong, which is then one clear text."""
    options = parser().parse_args(arguments)
    options.say = partial(print, file=sys.stdout)
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

    check = commands.add_parser("check", help="check mapping files; needs no connection")
    check.add_argument("files", nargs="*", type=Path, help=f"mapping files; default: all of {MAPPINGS}")
    check.add_argument(
        "--live", action="store_true", help="check them against both systems too, and run their examples"
    )
    check.set_defaults(run=run_check)

    preview = commands.add_parser(
        "preview", help="real rows, before → after, and what would be written; writes nothing"
    )
    preview.add_argument("mapping", help="name of the flow, or a mapping file")
    preview.add_argument("--limit", type=int, default=5, help="how many rows (default 5)")
    preview.add_argument(
        "--key", action="append", default=[], help="this row only (may be given several times)"
    )
    preview.add_argument("--json", action="store_true", help="for programs")
    preview.set_defaults(run=run_preview)

    schema = commands.add_parser("schema", help="print the JSON Schema of mapping files")
    schema.set_defaults(run=run_schema)

    forget = commands.add_parser(
        "forget", help="forget what was written by a flow; its next run begins as its first"
    )
    forget.add_argument("flow", help="name of the flow")
    forget.set_defaults(run=run_forget)

    setup = commands.add_parser("setup", help="what Dynamics needs for the mappings")
    setup.add_argument("system", choices=["dynamics"])
    setup.add_argument(
        "--apply", action="store_true", help="do it; without this, only say what would be done"
    )
    setup.set_defaults(run=run_setup)
    return top


def run_check(options: argparse.Namespace) -> int:
    """Check mapping files; with --live also against metadata of both systems."""
    files = options.files or _files()
    if not files:
        raise SyncError(
            "there are no mapping files", str(MAPPINGS), "Name some, or run this in the project's folder"
        )
    problems: dict[str, list[str]] = {}
    mappings: list[Mapping] = []
    for file in files:
        try:
            mappings.append(load_mapping(file))
        except MappingError as problem:
            problems[str(file)] = [str(problem)]
    try:
        check_together(mappings)
    except MappingError as conflict:
        for each in (conflict, *conflict.others):
            problems.setdefault(each.file, []).append(str(each))
    for mapping in mappings if options.live else ():
        try:
            found = _live(mapping)
        except SyncError as problem:
            found = [str(problem)]
        if found:
            problems.setdefault(mapping.path, []).extend(found)
    for text in dict.fromkeys(text for texts in problems.values() for text in texts):
        print(text, file=sys.stderr)
    good, plural = len(files) - len(problems), "s" * (len(files) != 1)
    options.say(f"{len(files)} mapping file{plural}: {good} good, {len(problems)} with problems.")
    return 1 if problems else 0


def run_preview(options: argparse.Namespace) -> int:
    """Show rows of a flow as they are and as they would be written."""
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.run.preview import preview, to_text
    from campaign_sync.settings import ledger_url

    mapping = load_mapping(_file(options.mapping))
    shown = preview(
        mapping,
        dataverse=DataverseHook(),
        campaign=CampaignHook(),
        ledger=Ledger(ledger_url()),
        limit=options.limit,
        keys=options.key,
    )
    if options.json:
        options.say(json.dumps([row._asdict() for row in shown], indent=2, default=str, ensure_ascii=False))
    else:
        options.say(to_text(shown, mapping))
    return 0


def run_schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    options.say(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0


def run_forget(options: argparse.Namespace) -> int:
    """Forget a flow; Campaign keeps its records, and the next run finds them again by their keys."""
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.settings import ledger_url

    ledger = Ledger(ledger_url())
    known = ledger.counts(options.flow)
    ledger.forget(options.flow)
    options.say(
        f"{options.flow}: {known.present:,} records forgotten. Its next run reads and writes everything again."
    )
    return 0


def run_setup(options: argparse.Namespace) -> int:
    """Say, and with --apply do, what Dynamics needs: change tracking on every mapped table."""
    from campaign_sync.hooks.dataverse import DataverseHook

    dataverse = DataverseHook()
    missing = 0
    for file in _files():
        name = load_mapping(file).extract.table
        if dataverse.table(name, []).change_tracking:
            options.say(f"{name}: change tracking is on")
        elif options.apply:
            dataverse.enable_change_tracking(name)
            options.say(f"{name}: change tracking was switched on (it cannot be switched off again)")
        else:
            missing += 1
            options.say(
                f"{name}: change tracking is off; --apply switches it on (it cannot be switched off again)"
            )
    return 1 if missing else 0


def _live(mapping: Mapping) -> list[str]:
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.rows.checks import check_expectations
    from campaign_sync.rows.examples import run_examples
    from campaign_sync.rows.fitting import check_examples
    from campaign_sync.run.systems import read_schemas

    check_expectations(mapping)
    dataverse = DataverseHook()
    _, resource = read_schemas(mapping, dataverse, CampaignHook())
    table = dataverse.table(mapping.extract.table)  # with all its columns: an example may give any
    check_examples(mapping, table)
    failed = [result for result in run_examples(mapping, table, resource) if not result.passed]
    return [
        f"{mapping.path}:{result.line}: example “{result.name}”: {result.difference}" for result in failed
    ]


def _file(name: str) -> Path:
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    for file in _files():
        if file.stem == name:
            return file
    known = ", ".join(file.stem for file in _files())
    raise SyncError(f"there is no flow called {name}", str(MAPPINGS), f"There are: {known or 'none'}")


def _files() -> list[Path]:
    from campaign_sync.settings import mappings_folder

    folder = mappings_folder(MAPPINGS)
    return mapping_files(folder) if folder.is_dir() else []


if __name__ == "__main__":
    sys.exit(main())
