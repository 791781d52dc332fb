"""`python -m campaign_sync`: draft, check and preview mapping files, print their JSON Schema, say what Dynamics and
Campaign need, forget a flow.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from campaign_sync.errors import MappingError, SyncError
from campaign_sync.mapping.file import Mapping, check_together, json_schema, load_mapping, mapping_files
from campaign_sync.mapping.links import is_to_dynamics

if TYPE_CHECKING:
    from campaign_sync.events.file import EventMapping
    from campaign_sync.run.live import Finding

MAPPINGS = Path("include/mappings")
SANDBOX_IMPORTS = "/sandbox/campaign/imports"


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
    preview.add_argument("--limit", type=int, default=5, help="how many rows (default 5)")
    preview.add_argument(
        "--key", action="append", default=[], help="this row only (may be given several times)"
    )
    preview.add_argument("--json", action="store_true", help="for programs")
    preview.set_defaults(run=run_preview)

    schema = commands.add_parser("schema", help="print the JSON Schema of mapping files")
    schema.add_argument(
        "direction", nargs="?", choices=["to_campaign", "to_dynamics"], default="to_campaign",
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


def run_new(options: argparse.Namespace) -> int:
    """Draft a mapping; a file that is there is never touched."""
    from campaign_sync.draft.new import read_and_draft
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook

    if options.file and options.file.suffix not in (".yaml", ".yml"):
        raise SyncError("no name of a mapping file", str(options.file), "Let it end in .yaml")
    folder = options.file.parent if options.file else _folder()
    if not folder.is_dir():
        raise SyncError(
            "there is no such folder", str(folder), "Run this in the project's folder, or make it"
        )
    path, drafted = read_and_draft(
        options.table,
        options.resource,
        file=options.file,
        folder=folder,
        mappings=_readable(folder),
        wanted=dict(map(_pair, options.pair)),
        dataverse=DataverseHook(),
        campaign=CampaignHook(),
    )
    if options.print:
        options.say(drafted.text, end="")
    else:
        _write_new(path, drafted.text)
    tell = partial(print, file=sys.stderr) if options.print else options.say
    tell(f"{path}: {drafted.fields} fields are mapped. Decide before it runs:")
    for decision in drafted.decisions:
        tell(f"  - {decision}")
    return 0


def run_check(options: argparse.Namespace) -> int:
    """Check mapping files, each problem one line; with --live also against both systems. Warnings are no problems."""
    from campaign_sync.events.file import load_events

    files = options.files or sorted([*_files(), *_files(to_dynamics=True)])
    if not files:
        raise SyncError(
            "there are no mapping files", str(_folder()), "Name some, or run this in the project's folder"
        )
    problems: dict[str, list[str]] = {}
    remarks: list[str] = []
    mappings: list[Mapping] = []
    events: list[EventMapping] = []
    for file in files:
        try:
            if is_to_dynamics(file):
                events.append(load_events(file))
            else:
                mappings.append(load_mapping(file))
        except MappingError as problem:
            problems[str(file)] = [str(each) for each in problem.one_by_one()]
    try:
        check_together(mappings)
    except MappingError as conflict:
        for each in conflict.one_by_one():
            problems.setdefault(each.file, []).append(str(each))
    for mapping in mappings if options.live else ():
        errors: list[str] = []
        try:
            for finding in _live(mapping):
                (errors if finding.grade == "error" else remarks).append(finding.text)
        except SyncError as problem:  # a connection or a credential: the same for every file, and told once
            errors.append(str(problem))
        if errors:
            problems.setdefault(mapping.path, []).extend(errors)
    for flow in events if options.live else ():
        try:
            _live_events(flow)
        except MappingError as problem:
            problems.setdefault(flow.path, []).extend(str(each) for each in problem.one_by_one())
        except SyncError as problem:
            problems.setdefault(flow.path, []).append(str(problem))
    for text in dict.fromkeys(text for texts in problems.values() for text in texts):
        print(text, file=sys.stderr)
    for text in remarks:
        options.say(text)
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
    from campaign_sync.events import file as events

    schema = events.json_schema() if options.direction == "to_dynamics" else json_schema()
    options.say(json.dumps(schema, indent=2, ensure_ascii=False))
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
    """Say, and with --apply do, what Dynamics needs for all mappings; then the role. Say what Campaign needs."""
    if options.system == "campaign":
        return _say_columns(options)
    from campaign_sync.events.file import load_events
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.run.provision import needs
    from campaign_sync.run.role import role_of, role_text

    mappings = [load_mapping(file) for file in _files()]
    events = [load_events(file) for file in _files(to_dynamics=True)]
    wanted = list(needs(mappings, events, DataverseHook()))
    for need in wanted:
        options.say(need.said)
    missing = [need for need in wanted if need.mend is not None]
    for need in missing if options.apply else ():
        if need.mend is not None:
            need.mend()
            options.say(need.done)
    options.say(role_text(role_of(mappings, events)))
    return 1 if missing and not options.apply else 0


def _say_columns(options: argparse.Namespace) -> int:
    """Print what the import workflow of a mapping has to be told about its file."""
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.rows.import_file import OPERATION, describe, file_columns

    if not options.mapping:
        raise SyncError("which mapping?", "setup campaign", "Name one: setup campaign contacts_to_profiles")
    mapping = load_mapping(_file(options.mapping))
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


def _live(mapping: Mapping) -> Iterator[Finding]:
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.run.live import look

    return look(mapping, DataverseHook(), CampaignHook())


def _live_events(mapping: EventMapping) -> None:
    """Raises MappingError if a table or a column is not there, or a check cannot be run."""
    from campaign_sync.events.setting import read_timelines
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.rows.checks import check_expectations

    check_expectations(mapping)
    read_timelines(mapping, DataverseHook())


def _readable(folder: Path) -> list[Mapping]:
    """The mappings of a folder; one with a mistake is told and passed over, as its table cannot be known."""
    mappings = []
    for file in mapping_files(folder):
        try:
            mappings.append(load_mapping(file))
        except MappingError as problem:
            print(problem, file=sys.stderr)
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


def _file(name: str) -> Path:
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    for file in _files():
        if file.stem == name:
            return file
    if any(file.stem == name for file in _files(to_dynamics=True)):
        problem, remedy = (
            f"{name} brings events to Dynamics, and has no preview",
            "Trigger it, and look at its report",
        )
        raise SyncError(problem, str(_folder()), remedy)
    known = ", ".join(file.stem for file in _files())
    raise SyncError(f"there is no flow called {name}", str(_folder()), f"There are: {known or 'none'}")


def _files(*, to_dynamics: bool = False) -> list[Path]:
    folder = _folder()
    return mapping_files(folder, to_dynamics=to_dynamics) if folder.is_dir() else []


def _folder() -> Path:
    from campaign_sync.settings import mappings_folder

    return mappings_folder(MAPPINGS)


if __name__ == "__main__":
    sys.exit(main())
