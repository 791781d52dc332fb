"""`python -m campaign_sync`, as its users start it: some of the commands by `start`, the others without its imports."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.environment import connections
from tests.events.exports import OPEN, SEND, lines
from tests.forked import forked
from tests.sandbox.sftp_session import connected, names, upload
from tests.sandbox_process import Sandbox

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "include" / "mappings"
EXPORTS = "d365_loads/exports"
MARKER = "Quillfeather"
BROKEN = "description: Broken.\nextract:\n  tabel: account\n"


class CommandLine:
    """The commands, in a project folder of the test's own."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self.home = folder / "airflow"
        self.mappings = folder / "include" / "mappings"
        self.mappings.mkdir(parents=True)
        shutil.copy(SHIPPED / "contacts_to_profiles.yaml", self.mappings)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        paths = f"{ROOT / 'plugins'}{os.pathsep}{ROOT}"
        self.environment = kept | variables | {"PYTHONPATH": paths, "AIRFLOW_HOME": str(self.home)}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command, in a fork of this process: importing what it needs takes most of a command's time."""
        from campaign_sync.__main__ import main

        return forked(main, [*arguments], self.folder, self.environment)

    def start(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command as a person does, from the first import."""
        return subprocess.run(
            [sys.executable, "-m", "campaign_sync", *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def edit(self, old: str, new: str) -> None:
        """Change the shipped mapping in one place."""
        file = self.mappings / "contacts_to_profiles.yaml"
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """What most commands import, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import campaign_sync.preload  # noqa: F401


@pytest.fixture
def offline(tmp_path: Path) -> CommandLine:
    """Without any connection."""
    return CommandLine(tmp_path, {})


@pytest.fixture
def online(tmp_path: Path, fresh_sandbox: Sandbox) -> CommandLine:
    """With both connections to the sandbox."""
    return CommandLine(tmp_path, connections(fresh_sandbox.env))


@pytest.fixture
def untracked(fresh_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox whose contacts have no change tracking."""
    fresh_sandbox.control("PUT", "/sandbox/dataverse/table", {"table": "contact", "change_tracking": False})
    yield fresh_sandbox
    fresh_sandbox.control("PUT", "/sandbox/dataverse/table", {"table": "contact", "change_tracking": True})


def writes(sandbox: Sandbox) -> list[str]:
    """Requests that may have changed something; asking for a token does not."""
    return [
        f"{each['method']} {each['path']}"
        for each in sandbox.control("GET", "/sandbox/journal")
        if each["method"] != "GET" and each["system"] not in ("entra", "ims")
    ]


def contacts(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Contacts by id."""
    rows = sandbox.control("GET", "/sandbox/dataverse/rows?table=contact&limit=5000")["rows"]
    return {row["contactid"]: row for row in rows}


def test_check_says_that_all_is_well(offline: CommandLine) -> None:
    done = offline.start("check")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (
        0,
        "1 mapping file: 1 good, 0 with problems.",
        "",
    )


def test_the_mappings_may_be_in_another_folder(offline: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "accounts_to_things.yaml").write_text(BROKEN)
    offline.environment["AIRFLOW__CAMPAIGN_SYNC__MAPPINGS"] = str(tmp_path / "elsewhere")
    done = offline("check")
    assert done.stdout.strip() == "1 mapping file: 0 good, 1 with problems."
    assert "elsewhere/accounts_to_things.yaml:3: extract.tabel" in done.stderr
    (tmp_path / "elsewhere" / "accounts_to_things.yaml").unlink()
    assert f"{tmp_path / 'elsewhere'}: there are no mapping files" in offline("check").stderr
    assert f"{tmp_path / 'elsewhere'}: there is no flow called things" in offline("preview", "things").stderr


def test_check_names_file_line_and_remedy_of_what_is_wrong(offline: CommandLine) -> None:
    (offline.mappings / "accounts_to_things.yaml").write_text(BROKEN)
    done = offline("check")
    assert done.returncode == 1
    assert "accounts_to_things.yaml:3: extract.tabel" in done.stderr
    assert "table" in done.stderr
    assert done.stdout.strip() == "2 mapping files: 1 good, 1 with problems."
    one = offline("check", "include/mappings/contacts_to_profiles.yaml")
    assert one.returncode == 0


def test_check_outside_the_project_says_so(offline: CommandLine) -> None:
    shutil.rmtree(offline.mappings)
    done = offline("check")
    assert done.returncode == 1
    assert "include/mappings: there " in done.stderr
    assert "run this in the project's folder" in done.stderr.lower()


def test_schema_prints_what_is_shipped(offline: CommandLine) -> None:
    for kind, file in ((), "mapping"), (("opt_outs",), "opt_outs"):
        done = offline("schema", *kind)
        assert done.returncode == 0
        assert json.loads(done.stdout) == json.loads((SHIPPED / f"{file}.schema.json").read_text())


@pytest.mark.airflow
def test_retry_without_airflows_database_does_nothing_and_says_where_to_run_it(offline: CommandLine) -> None:
    done = offline.start("retry", "contacts_to_profiles", "--all")
    assert done.returncode == 1
    assert "Airflow's database: cannot be used from here" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (offline.home / "campaign_sync" / "ledger.db").exists()
    assert offline("retry", "contacts_to_profiles").returncode == 2


def test_without_a_command_the_commands_are_told(offline: CommandLine) -> None:
    done = offline.start()
    assert done.returncode == 2
    for command in ("new", "check", "preview", "retry", "schema", "setup"):
        assert command in done.stderr + offline("--help").stdout


@pytest.mark.airflow
@pytest.mark.sandbox
def test_check_live_runs_the_examples_against_both_systems(online: CommandLine) -> None:
    done = online.start("check", "--live")
    assert (done.returncode, done.stderr) == (0, "")
    online.edit("      gender: female\n", "      gender: male\n")
    wrong = online("check", "--live")
    assert wrong.returncode == 1
    assert "a contact becomes a profile" in wrong.stderr
    assert "gender" in wrong.stderr


@pytest.mark.airflow
@pytest.mark.sandbox
def test_the_examples_to_copy_fit_the_sandbox_and_come_true(online: CommandLine) -> None:
    for file in [*SHIPPED.glob("*_to_*.yaml"), *SHIPPED.glob("examples/*.yaml")]:
        shutil.copy(file, online.mappings)
    (
        online.mappings / "email_events_to_activities.yaml"
    ).unlink()  # its tables are made by `setup dynamics --apply`
    done = online("check", "--live")
    assert (done.returncode, done.stderr) == (0, "")
    assert "5 good, 0 with problems" in done.stdout


@pytest.mark.airflow
@pytest.mark.sandbox
def test_check_live_finds_what_the_systems_do_not_have(online: CommandLine, fresh_sandbox: Sandbox) -> None:
    online.edit("salutation:   salutation", "salutation:   salutatoin")
    done = online("check", "--live")
    assert done.returncode == 1
    assert "salutatoin" in done.stderr
    assert writes(fresh_sandbox) == []


@pytest.mark.airflow
@pytest.mark.sandbox
def test_check_live_warns_of_texts_that_may_be_too_long_and_says_how_many_are(
    online: CommandLine, fresh_sandbox: Sandbox
) -> None:
    people = contacts(fresh_sandbox)
    long = [key for key, row in people.items() if len((row["firstname"] or "").strip()) > 30]
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    done = online("check", "--live")
    assert (done.returncode, done.stderr) == (0, "")
    (warned,) = [line for line in done.stdout.splitlines() if "map.firstName: warning:" in line]
    assert warned.startswith("include/mappings/contacts_to_profiles.yaml:")
    assert "firstname holds up to 50 characters, firstName takes 30" in warned
    assert f"{len(long)} of the {len(people)} rows" in warned
    assert all(key in warned for key in long[:1])
    assert people[long[0]]["firstname"].strip() not in done.stdout
    assert "whether externalId is an identification key of profile is not known yet" in done.stdout
    assert fresh_sandbox.control("GET", "/sandbox/counters").get("campaign.engine_calls", 0) == 1
    assert writes(fresh_sandbox) == []


@pytest.mark.airflow
@pytest.mark.sandbox
def test_check_live_learns_from_records_whether_the_key_identifies_them(
    online: CommandLine, fresh_sandbox: Sandbox
) -> None:
    key = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"
    seeds = {"resource": "profile", "rows": [{"externalId": key, "email": "ada@alder.example"}]}
    fresh_sandbox.control("POST", "/sandbox/campaign/seed", seeds)
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    good = online("check", "--live")
    assert (good.returncode, good.stderr) == (0, "")
    assert "identification key" not in good.stdout
    assert fresh_sandbox.control("GET", "/sandbox/counters")["campaign.engine_calls"] == 2

    without = {"resource": "profile", "keys": {"externalIdKey": None}}
    fresh_sandbox.control("POST", "/sandbox/campaign/resources", without)
    fresh_sandbox.control("POST", "/sandbox/campaign/seed", seeds)
    bad = online("check", "--live")
    assert bad.returncode == 1
    (told,) = bad.stderr.splitlines()
    assert "map.externalId: externalId is not an identification key of profile" in told
    assert f"1 keys stand in more than one record: {key}" in told
    assert "A Campaign administrator gives profile an identification key on externalId" in told
    assert "ada@alder.example" not in bad.stdout + bad.stderr


@pytest.mark.airflow
@pytest.mark.sandbox
def test_check_live_tells_everything_that_is_wrong_in_every_file_a_line_each(
    online: CommandLine, untracked: Sandbox
) -> None:
    untracked.control("POST", "/sandbox/campaign/resources", {"ext": False})
    (online.mappings / "accounts_to_things.yaml").write_text(BROKEN)
    (online.mappings / "tasks_to_todos.yaml").write_text(
        "description: Tasks.\nextract: {table: taks}\nmap: {todoId: {from: taskid, key: true}}\n"
        "load: {resource: cusTodo}\n"
    )
    done = online("check", "--live")
    assert done.returncode == 1
    for told in (
        "accounts_to_things.yaml:3: extract.tabel",
        "tasks_to_todos.yaml:2: extract.table: Dataverse table taks (status 404, code unknown table)",
        "tasks_to_todos.yaml:4: load.resource: Campaign resource cusTodo",
        "extract.table: Dataverse table contact (code 0x80072491): change tracking is off",
        "setup dynamics --apply",
        "load.resource: Campaign resource profile (status 404, code unknown resource)",
        "ticks 'Create the Profiles & Services Ext API'",
    ):
        assert told in done.stderr, told
    assert all(".yaml:" in line for line in done.stderr.splitlines())
    assert done.stdout.strip() == "3 mapping files: 0 good, 3 with problems."


@pytest.mark.airflow
@pytest.mark.sandbox
@pytest.mark.parametrize("depth", ["none", "user"])
def test_check_live_finds_that_the_table_may_not_be_read(
    online: CommandLine, fresh_sandbox: Sandbox, depth: str
) -> None:
    role = {"table": "contact", "read": depth}
    fresh_sandbox.control("PUT", "/sandbox/dataverse/privileges", role)
    done = online("check", "--live")
    fresh_sandbox.control("PUT", "/sandbox/dataverse/privileges", {"reset": True})
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert "contacts_to_profiles.yaml:" in told
    assert "extract.table: Dataverse" in told
    assert "organization-level read on the table" in told
    assert "map.firstName: warning: firstname holds up to 50 characters, firstName takes 30" in done.stdout


@pytest.mark.airflow
@pytest.mark.sandbox
def test_preview_shows_before_and_after_and_writes_nothing(
    online: CommandLine, fresh_sandbox: Sandbox
) -> None:
    people = contacts(fresh_sandbox)
    blanks = next(key for key, row in people.items() if row["emailaddress1"] == " trim.me@example.org ")
    long = next(key for key, row in people.items() if row["emailaddress1"] == "long@example.org")
    nobody = next(key for key, row in people.items() if not row["emailaddress1"])
    invalid = next(key for key, row in people.items() if row["emailaddress1"] == "not-an-address")
    keys = [word for key in (blanks, long, nobody, invalid) for word in ("--key", key)]
    fresh_sandbox.control("POST", "/sandbox/counters/reset")

    text = online("preview", "contacts_to_profiles", *keys)
    assert text.returncode == 0, text.stderr
    assert "Nothing was written." in text.stdout
    assert all(words in text.stdout for words in ("4 rows:", "1 create", "2 rejected", "1 dropped"))
    assert "' trim.me@example.org '" in text.stdout
    assert "→ 'trim.me@example.org'" in text.stdout
    assert "has an e-mail" in text.stdout
    assert "a plausible address" in text.stdout

    plain = online.start("preview", "contacts_to_profiles", "--json", *keys)
    shown = {row["key"]: row for row in json.loads(plain.stdout)}
    assert {key: (row["fate"], row["rule"]) for key, row in shown.items()} == {
        blanks: ("create", ""),
        long: ("rejected", "firstName"),
        nobody: ("dropped", "has an e-mail"),
        invalid: ("rejected", "a plausible address"),
    }
    assert shown[blanks]["before"]["firstname"] == "  Trim "
    assert shown[blanks]["after"]["firstName"] == "Trim"

    assert writes(fresh_sandbox) == []
    assert fresh_sandbox.control("GET", "/sandbox/counters").get("campaign.engine_calls", 0) == 0
    assert fresh_sandbox.control("GET", "/sandbox/campaign/rows?resource=profile")["rows"] == []
    ledger = online.home / "campaign_sync" / "ledger.db"
    if ledger.exists():
        with sqlite3.connect(ledger) as database:
            tables = [
                name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            filled = {
                name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables
            }
        assert sum(count for name, count in filled.items() if "version" not in name) == 0, filled


@pytest.mark.airflow
@pytest.mark.sandbox
def test_preview_takes_as_many_rows_as_are_asked_for(online: CommandLine) -> None:
    done = online("preview", "contacts_to_profiles", "--limit", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 3


@pytest.mark.airflow
def test_preview_without_connections_or_flow_says_what_is_missing(offline: CommandLine) -> None:
    unknown = offline("preview", "contacts_to_profile")
    assert unknown.returncode == 1
    assert "there is no flow called contacts_to_profile" in unknown.stderr
    assert "contacts_to_profiles" in unknown.stderr
    unconnected = offline.start("preview", "contacts_to_profiles")
    assert unconnected.returncode == 1
    assert "Traceback" not in unconnected.stderr
    assert "the connection campaign_default does not exist" in unconnected.stderr
    assert "Admin → Connections" in unconnected.stderr


@pytest.mark.airflow
@pytest.mark.sandbox
def test_setup_says_what_it_would_do_and_does_it_when_told(online: CommandLine, untracked: Sandbox) -> None:
    untracked.control("POST", "/sandbox/counters/reset")
    said = online("setup", "dynamics")
    assert said.returncode == 1
    assert "contact: change tracking is off; --apply switches it on" in said.stdout
    assert writes(untracked) == []

    done = online("setup", "dynamics", "--apply")
    assert done.returncode == 0, done.stderr
    assert "contact: change tracking was switched on" in done.stdout
    again = online("setup", "dynamics")
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "contact: change tracking is on")
    assert again.stdout.split("no more than:")[1].split()[:3] == ["contact", "Read", "Organization"]


@pytest.mark.airflow
@pytest.mark.sandbox
def test_setup_makes_the_activity_tables_once_and_says_what_the_role_needs(
    online: CommandLine, fresh_sandbox: Sandbox
) -> None:
    shutil.copy(SHIPPED / "email_events_to_activities.yaml", online.mappings)
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    said = online("setup", "dynamics")
    assert said.returncode == 1
    assert "acs_emailclick: the activity table “Adobe Campaign Email URL Click” with" in said.stdout
    assert "acs_trackingurl (Memo 20,000): missing; --apply makes it" in said.stdout
    assert writes(fresh_sandbox) == []
    live = online("check", "--live")
    assert live.returncode == 1
    assert "map.click: there is no table 'acs_emailclick'" in live.stderr

    done = online("setup", "dynamics", "--apply")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the activity table was made") == 4
    assert [line.split()[:3] for line in done.stdout.split("no more than:\n")[1].splitlines()] == [
        ["Activity", "Create", "User"], ["Activity", "Read", "User"], ["Activity", "Write", "User"],
        ["Activity", "Append", "User"], ["contact", "Read", "Organization"], ["contact", "Append", "To"],
    ]  # fmt: skip
    fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 10})
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    again = online("setup", "dynamics", "--apply")
    assert (again.returncode, again.stdout.count("is there, with all its columns")) == (0, 4)
    assert writes(fresh_sandbox) == []
    assert online("check", "--live").returncode == 0


def touched(sandbox: Sandbox) -> list[str]:
    """What may have changed something, in the SFTP area too; keys are looked up in batches."""
    looking = ("list ", "open ")
    return [each for each in writes(sandbox) if not each.startswith(looking) and not each.endswith("$batch")]


@pytest.fixture
def events(online: CommandLine, fresh_sandbox: Sandbox) -> Iterator[CommandLine]:
    """With a mapping of events alone, its activity tables, and an SFTP area that is as it was."""
    (online.mappings / "contacts_to_profiles.yaml").unlink()
    shutil.copy(SHIPPED / "email_events_to_activities.yaml", online.mappings)
    assert online("setup", "dynamics", "--apply").returncode == 0
    fresh_sandbox.control("POST", "/sandbox/clock", {"advance": 10})
    yield online
    for name in names(fresh_sandbox, f"/{EXPORTS}"):
        connected(fresh_sandbox, lambda sftp, name=name: sftp.remove(f"/{EXPORTS}/{name}"))


@pytest.mark.airflow
@pytest.mark.sandbox
def test_check_live_of_events_looks_at_tables_folders_and_the_newest_files(
    events: CommandLine, fresh_sandbox: Sandbox
) -> None:
    mapping = events.mappings / "email_events_to_activities.yaml"
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    good = events("check", "--live")
    assert (good.returncode, good.stderr) == (0, "")
    assert "extract.delivery_logs: note: no file broadlog_*.csv lies in d365_loads/exports" in good.stdout
    upload(fresh_sandbox, f"/{EXPORTS}/broadlog_1.csv", b"Number,Name\n1,x\n")
    upload(fresh_sandbox, f"/{EXPORTS}/broadlog_2.csv", lines(SEND, SEND | {"status": "Sent"}).encode())
    upload(fresh_sandbox, f"/{EXPORTS}/tracking_1.csv", lines(OPEN, delimiter=",").encode())
    mapping.write_text(
        mapping.read_text()
        .replace("extract:\n", "extract:\n  done: d365_loads/over\n")
        .replace("acs_trackingurl", "acs_trackinguri")
    )
    bad = events("check", "--live")
    assert bad.returncode == 1
    for told in (
        "yaml:7: extract.done: d365_loads/over: there is no such file or folder. An administrator creates",
        "yaml:9: extract.tracking_logs: tracking_1.csv is not separated by ';' but by ','",
        "has no readable column 'acs_trackinguri'",
    ):
        assert told in bad.stderr
    assert (
        "extract.delivery_logs: warning: broadlog_2.csv: 1 of the first 2 rows would be rejected by status: status is "
        "not a number"
    ) in bad.stdout
    assert "broadlog_1" not in bad.stdout + bad.stderr, "the newest tells how files are written"
    assert touched(fresh_sandbox) == []
    given = json.loads(events.environment["AIRFLOW_CONN_CAMPAIGN_SFTP"])
    given["login"] = "somebody"
    events.environment["AIRFLOW_CONN_CAMPAIGN_SFTP"] = json.dumps(given)
    locked_out = events("check", "--live")
    assert "Campaign SFTP" in locked_out.stderr
    assert "the key is not accepted" in locked_out.stderr
    assert "extract.done" not in locked_out.stderr


@pytest.mark.airflow
@pytest.mark.sandbox
def test_preview_of_events_shows_before_and_after_and_moves_and_writes_nothing(
    events: CommandLine, fresh_sandbox: Sandbox
) -> None:
    ada = sorted(contacts(fresh_sandbox))[0]
    url = "https://alder.example/?a=1;b=2"
    click = OPEN | {"externalId": ada, "urlType": "1", "url": url}
    rows = (
        SEND | {"externalId": ada}, SEND | {"broadLogId": "2", "externalId": ada, "isProof": "1"},
        SEND | {"broadLogId": "3", "externalId": ada, "deliveryName": ""},
        SEND | {"broadLogId": "4", "externalId": ada, "eventDate": "2099-01-01 00:00:00"},
        SEND | {"broadLogId": "5", "externalId": "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"},
    )  # fmt: skip
    upload(fresh_sandbox, f"/{EXPORTS}/broadlog_1.csv", b"")
    upload(fresh_sandbox, f"/{EXPORTS}/broadlog_2.csv", lines(*rows).encode())
    upload(fresh_sandbox, f"/{EXPORTS}/tracking_1.csv", lines(click).encode())
    fresh_sandbox.control("POST", "/sandbox/counters/reset")
    done = events("preview", "email_events_to_activities")
    assert done.returncode == 0, done.stderr
    for told in (
        "send:1  create  (broadlog_2.csv)",
        "delivery:2  dropped — proof or test profile",
        "send:3  rejected — a delivery",
        "send:4  rejected — happened: the time is in the future",
        "click:7  create  (tracking_1.csv)",
        f"    acs_trackingurl      {url!r}",
        f"→ {url!r}",
        "→ 'Campaign Name: 2026SpringCruise; Delivery Name: DM412'",
        "broadlog_1.csv would be left for once: it is empty, without even a header",
        "6 rows: 2 create, 1 dropped, 3 rejected. Nothing was written, and no file was moved.",
    ):
        assert told in done.stdout, (told, done.stdout)
    plain = events("preview", "email_events_to_activities", "--json", "--key", "send:5", "--key", "click:7")
    assert "broadlog_1.csv would be left" in plain.stderr
    shown = {row["key"]: row for row in json.loads(plain.stdout)}
    assert {key: (row["fate"], row["rule"]) for key, row in shown.items()} == {
        "send:5": ("rejected", "unknown contact"), "click:7": ("create", ""),
    }  # fmt: skip
    assert shown["click:7"]["before"]["url"] == shown["click:7"]["after"]["acs_trackingurl"] == url
    assert names(fresh_sandbox, f"/{EXPORTS}") == ["broadlog_1.csv", "broadlog_2.csv", "tracking_1.csv"]
    assert touched(fresh_sandbox) == []
    with sqlite3.connect(events.home / "campaign_sync" / "ledger.db") as database:
        for table in ("runs", "events", "export_files", "waiting_events", "rejections"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_check_tells_both_kinds_of_mapping_apart(offline: CommandLine) -> None:
    text = (SHIPPED / "email_events_to_activities.yaml").read_text()
    file = offline.mappings / "email_events_to_activities.yaml"
    file.write_text(text)
    good = offline("check")
    assert (good.returncode, good.stdout) == (0, "2 mapping files: 2 good, 0 with problems.\n")
    file.write_text(text.replace("unknown_contacts: 7d", "unknown_contacts: a week"))
    bad = offline("check")
    assert bad.returncode == 1
    assert "load.unknown_contacts: 'a week' is not a time to wait" in bad.stderr


def test_check_names_both_files_that_map_an_opt_out(offline: CommandLine) -> None:
    shutil.copy(SHIPPED / "opt_outs.yaml", offline.mappings)
    assert offline("check").stdout == "2 mapping files: 2 good, 0 with problems.\n"
    offline.edit("  gender:       {", "  blackListFax: donotfax\n  gender:       {")
    bad = offline("check")
    assert (bad.returncode, bad.stdout) == (1, "2 mapping files: 0 good, 2 with problems.\n")
    first, second = sorted(bad.stderr.splitlines())
    assert first.startswith(
        "include/mappings/contacts_to_profiles.yaml:21: map.blackListFax: blackListFax is mapped twice"
    )
    assert "also in include/mappings/opt_outs.yaml:15 (denyListFax)" in first
    assert second.startswith(
        "include/mappings/opt_outs.yaml:15: pairs.denyListFax: denyListFax is mapped twice"
    )
    assert "opt_outs keeps consent in step, and has no preview" in offline("preview", "opt_outs").stderr


@pytest.mark.airflow
@pytest.mark.sandbox
def test_a_wrong_secret_is_one_sentence_and_no_traceback(online: CommandLine, fresh_sandbox: Sandbox) -> None:
    given = json.loads(online.environment["AIRFLOW_CONN_DATAVERSE_DEFAULT"])
    given["password"] = "sWrongSecret~never.tell"
    online.environment["AIRFLOW_CONN_DATAVERSE_DEFAULT"] = json.dumps(given)
    done = online.start("setup", "dynamics")
    assert done.returncode == 1
    assert "the client secret is wrong" in done.stderr
    assert "Traceback" not in done.stderr
    assert "sWrongSecret" not in done.stderr + done.stdout


STORE = {
    "resource": "cusStore",
    "fields": {
        "storeId": {"length": 40},
        "name": {"length": 60, "mandatory": True},
        "customerType": {"type": "byte", "values": {"competitor": 0, "customer": 1, "other": 2}},
        "numberOfEmployees": {"type": "long"},
        "createdOn": {"type": "date"},
    },
    "keys": {"storeKey": {"fields": ["storeId"]}},
}


@pytest.mark.airflow
@pytest.mark.sandbox
def test_new_drafts_a_mapping_that_check_finds_good_and_preview_can_use(
    online: CommandLine, fresh_sandbox: Sandbox
) -> None:
    (online.mappings / "contacts_to_profiles.yaml").unlink()
    people = contacts(fresh_sandbox)
    done = online.start("new", "contact", "profile")
    assert (done.returncode, done.stderr) == (0, "")
    file = online.mappings / "contacts_to_profiles.yaml"
    assert done.stdout.startswith("include/mappings/contacts_to_profiles.yaml: ")
    assert "key: is externalId an identification key of profile?" in done.stdout
    text = file.read_text()
    values = {
        str(row[name]) for row in people.values() for name in ("emailaddress1", "lastname") if row[name]
    }
    assert not [value for value in values if len(value) > 4 and value in text]

    assert online("check", "--live").returncode == 0
    shown = online("preview", "contacts_to_profiles", "--limit", "200", "--json")
    assert "create" in {row["fate"] for row in json.loads(shown.stdout)}
    assert writes(fresh_sandbox) == []


@pytest.mark.airflow
@pytest.mark.sandbox
def test_new_drafts_a_custom_resource_and_the_links_to_it(
    online: CommandLine, fresh_sandbox: Sandbox
) -> None:
    fresh_sandbox.control("POST", "/sandbox/campaign/resources", STORE)
    fresh_sandbox.control(
        "POST",
        "/sandbox/campaign/resources",
        {"resource": "profile", "fields": {"cusStoreId": {"length": 40}}},
    )
    done = online("new", "account", "cusStore")
    assert done.returncode == 0, done.stderr
    text = (online.mappings / "accounts_to_stores.yaml").read_text()
    assert "storeId:" in text
    assert "{from: accountid, key: true}" in text
    assert "1: competitor" in text
    assert online("check").returncode == 0
    (online.mappings / "contacts_to_profiles.yaml").unlink()
    linked = online("new", "contact", "profile", "--print")
    assert "  cusStoreId: {from: parentcustomerid, link: accounts_to_stores}\n" in linked.stdout
    assert not (online.mappings / "contacts_to_profiles.yaml").exists()


@pytest.mark.airflow
@pytest.mark.sandbox
def test_new_overwrites_nothing_and_maps_nothing_twice(online: CommandLine, fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.control("POST", "/sandbox/campaign/resources", STORE)
    shipped = (online.mappings / "contacts_to_profiles.yaml").read_text()
    twice = online("new", "contact", "cusStore")
    assert twice.returncode == 1
    assert "contacts_to_profiles.yaml: contact is mapped already" in twice.stderr
    there = online("new", "account", "cusStore", "--file", "include/mappings/contacts_to_profiles.yaml")
    assert there.returncode == 1
    assert "the file is there already" in there.stderr
    assert (online.mappings / "contacts_to_profiles.yaml").read_text() == shipped
    unknown = online("new", "acount", "cusStore")
    assert unknown.returncode == 1
    assert "Did you mean account" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    assert [file.name for file in online.mappings.iterdir()] == ["contacts_to_profiles.yaml"]
    pair = online("new", "account", "cusStore", "--pair", "name")
    assert "Write --pair firstName=firstname" in pair.stderr


@pytest.mark.airflow
@pytest.mark.sandbox
def test_check_live_finds_pairs_that_the_systems_do_not_have(online: CommandLine) -> None:
    pairs = """\
direction: both
description: What people object to.
extract: {table: contact}
pairs:
  denyListEmail: {column: donotbulkemail, no_is: true}
  denyListPhone: {column: donotcall, no_is: true}
  denyListFax: {column: fullname, no_is: true}
load: {resource: profile}
"""
    file = online.mappings / "opt_outs.yaml"
    file.write_text(pairs)
    done = online("check", "--live", str(file))
    assert done.returncode == 1
    assert "opt_outs.yaml:6: pairs.denyListPhone.column: contact has no column donotcall." in done.stderr
    assert "opt_outs.yaml:7: pairs.denyListFax.column: fullname is no Yes/No column." in done.stderr
