"""The process: how it starts, refuses to start, keeps its state and stops."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.seeds.awkward import NORWAY
from sandbox.seeds.people import awkward_id
from tests.sandbox_process import ROOT, Sandbox, start_sandbox

pytestmark = pytest.mark.sandbox

NAMES = """
DATAVERSE_URL ENTRA_AUTHORITY TENANT_ID DATAVERSE_CLIENT_ID DATAVERSE_CLIENT_SECRET
CAMPAIGN_URL IMS_URL CAMPAIGN_CLIENT_ID CAMPAIGN_CLIENT_SECRET CAMPAIGN_SCOPES
SFTP_HOST SFTP_PORT SFTP_USER SFTP_KEY_FILE SFTP_HOST_KEY CA_FILE SANDBOX_URL SANDBOX_PID
""".split()  # noqa: SIM905


def refused(*arguments: str) -> str:
    """Start a sandbox that cannot start and return its one sentence."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def test_the_env_file_names_everything_and_is_for_its_owner_only(sandbox: Sandbox) -> None:
    path = sandbox.directory / "env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(sandbox.env) == NAMES
    assert sandbox.env["CAMPAIGN_URL"].endswith("/alderleaf/campaign")
    assert int(sandbox.env["SANDBOX_PID"]) == sandbox.process.pid


def test_clients_on_other_machines_know_it_by_its_name(tmp_path: Path) -> None:
    with start_sandbox(tmp_path / "state", people=1, args=["--host", "sandbox.example"]) as sandbox:
        named = [
            sandbox.env[name] for name in ("DATAVERSE_URL", "ENTRA_AUTHORITY", "CAMPAIGN_URL", "IMS_URL")
        ]
        assert {urlsplit(url).hostname for url in named} == {sandbox.env["SFTP_HOST"]} == {"sandbox.example"}
        port = urlsplit(sandbox.env["DATAVERSE_URL"]).port
        context = ssl.create_default_context(cafile=sandbox.env["CA_FILE"])
        # Any address of this machine that is not 127.0.0.1 stands for another network.
        with (
            socket.create_connection(("127.0.0.2", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="sandbox.example") as session,
        ):
            assert session.version()
    with start_sandbox(tmp_path / "state", people=1) as sandbox:  # its certificate is made anew
        assert sandbox.control("GET", "/sandbox/counters") is not None


def test_the_env_file_can_be_sourced(sandbox: Sandbox) -> None:
    script = f'. "{sandbox.directory}/env" && set'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=10)
    assert told.returncode == 0
    assert told.stderr == ""
    for name, value in sandbox.env.items():
        assert f"{name}='{value}'" in told.stdout or f"{name}={value}" in told.stdout


def test_the_last_line_says_that_it_is_ready(sandbox: Sandbox) -> None:
    ready = [line for line in sandbox.lines if line.startswith("sandbox ready")]
    assert len(ready) == 1
    assert any(line.split() == ["IMS_URL", sandbox.env["IMS_URL"]] for line in sandbox.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_within_two_seconds(tmp_path: Path, number: int) -> None:
    with start_sandbox(tmp_path, people=1) as running:
        idle = socket.create_connection(("127.0.0.1", int(running.env["SANDBOX_URL"].rpartition(":")[2])))
        running.control("GET", "/sandbox/")
        begun = time.monotonic()
        os.kill(running.process.pid, number)
        assert running.process.wait(10) == 0
        assert time.monotonic() - begun < 2
        idle.close()
    assert not (tmp_path / "env").exists()
    assert running.lines[-1] == "sandbox stopped\n"


def test_a_second_start_says_who_holds_the_directory(sandbox: Sandbox) -> None:
    sentence = refused("--state", str(sandbox.directory))
    assert f"a sandbox is already running on {sandbox.directory} (process {sandbox.process.pid})" in sentence


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refused("--state", str(tmp_path), "--port-base", str(port))
    assert f"port {port} for dataverse cannot be used" in sentence


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert f"state directory {tmp_path / 'file' / 'state'}" in refused(
        "--state", str(tmp_path / "file" / "state")
    )


def test_a_wrong_switch_is_named_with_the_right_ones(tmp_path: Path) -> None:
    assert "there are: ims.expires_in" in refused("--state", str(tmp_path), "--set", "ims.lifetime=3")


def test_a_data_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    sentence = refused("--state", str(tmp_path / "state"), "--data", str(tmp_path / "nowhere"))
    assert f"data directory {tmp_path / 'nowhere'} cannot be read" in sentence


def test_a_broken_csv_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "new_thing.csv").write_text("new_thingid,statecode\n1,open\n")
    sentence = refused("--state", str(tmp_path / "state"), "--data", str(tmp_path))
    assert "new_thing.csv line 2 does not hold a value of its column's type" in sentence


def test_a_switch_given_at_the_start_survives_a_reset(tmp_path: Path) -> None:
    with start_sandbox(tmp_path, people=1, args=["--set", "ims.expires_in=60"]) as running:
        running.control("PUT", "/sandbox/switches/ims.expires_in", {"value": 5})
        running.control("POST", "/sandbox/reset")
        assert running.control("GET", "/sandbox/switches/ims.expires_in")["value"] == 60


def test_a_restart_keeps_secrets_and_certificates_but_no_data(tmp_path: Path) -> None:
    left = tmp_path / "sftp" / "d365_loads" / "imports" / "left.csv"
    with start_sandbox(tmp_path, people=1) as running:
        first = {name: running.env[name] for name in ("DATAVERSE_CLIENT_SECRET", "SFTP_HOST_KEY")}
        authority = Path(running.env["CA_FILE"]).read_bytes()
        left.touch()
    with start_sandbox(tmp_path, people=1) as running:
        assert {name: running.env[name] for name in first} == first
        assert Path(running.env["CA_FILE"]).read_bytes() == authority
        assert not left.exists()


def test_a_kept_state_is_gone_on_with(tmp_path: Path) -> None:
    left = tmp_path / "sftp" / "d365_loads" / "imports" / "left.csv"
    gone = awkward_id(NORWAY)
    with start_sandbox(tmp_path, people=30) as running:
        left.touch()
        running.control("POST", "/sandbox/dataverse/mutate", {"table": "contact", "delete": [gone]})
    with start_sandbox(tmp_path, people=30, args=["--keep"]) as running:
        assert any("kept" in line for line in running.lines)
        assert left.exists()
        rows = running.control("GET", "/sandbox/dataverse/rows?table=contact&limit=100")
        assert len(rows["rows"]) == 29
