"""The SFTP area over the wire, with a client that pins the host key."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
import pytest

from tests.sandbox.sftp_session import connected, hand_over
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox


def test_the_folders_are_there(sandbox: Sandbox) -> None:
    names = connected(sandbox, lambda sftp: sftp.listdir("/d365_loads"))
    assert {"imports", "exports", "rejects", "done"} <= set(names)


@pytest.mark.rule("campaign.md 13.2/B17")
def test_a_file_goes_up_under_another_name_and_is_renamed(fresh_sandbox: Sandbox) -> None:
    assert connected(fresh_sandbox, hand_over) == b"\x1f\x8b rows"
    fresh_sandbox.control("POST", "/sandbox/reset")
    assert connected(fresh_sandbox, lambda sftp: sftp.listdir("/d365_loads/imports")) == [".", ".."]


def test_nothing_above_the_area_can_be_reached(sandbox: Sandbox) -> None:
    names = connected(sandbox, lambda sftp: sftp.listdir("/../../../.."))
    assert set(names) == {".", "..", "d365_loads"}


@pytest.mark.rule("campaign.md 13.2/B17")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_keys": [asyncssh.generate_private_key("ssh-rsa", key_size=2048)]},
        {"client_keys": None, "password": "alderleaf"},
        {"username": "somebody"},
    ],
    ids=["another key", "a password", "another user"],
)
def test_only_the_key_opens_the_door(sandbox: Sandbox, changes: dict[str, Any]) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        connected(sandbox, lambda sftp: sftp.listdir("/"), **changes)


def test_a_pinned_host_key_is_compared(sandbox: Sandbox) -> None:
    other = asyncssh.generate_private_key("ssh-rsa", key_size=2048).convert_to_public()
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connected(sandbox, lambda sftp: sftp.listdir("/"), known_hosts=([other], [], []))


def test_the_private_key_is_pem_and_for_its_owner_only(sandbox: Sandbox) -> None:
    path = Path(sandbox.env["SFTP_KEY_FILE"])
    assert path.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.airflow
def test_the_hook_of_airflow_checks_the_host_key_it_is_given(
    fresh_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`host_key` is base64 alone, which that hook takes for RSA; `no_host_key_check` must be off."""
    from airflow.providers.sftp.hooks.sftp import SFTPHook

    env = fresh_sandbox.env
    extra = {"key_file": env["SFTP_KEY_FILE"], "host_key": env["SFTP_HOST_KEY"], "no_host_key_check": "false",
             "look_for_keys": "false"}  # fmt: skip
    known = {"conn_type": "sftp", "host": env["SFTP_HOST"], "port": int(env["SFTP_PORT"]),
             "login": env["SFTP_USER"], "extra": extra}  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_CAMPAIGN_FILES", json.dumps(known))
    local, back = tmp_path / "a.csv", tmp_path / "b.csv"
    local.write_bytes(b"x" * 200_000)
    hook = SFTPHook(ssh_conn_id="campaign_files")
    with hook.get_managed_conn() as sftp:
        hook.store_file("/d365_loads/imports/a.csv.part", str(local))
        sftp.rename("/d365_loads/imports/a.csv.part", "/d365_loads/imports/a.csv")
        hook.retrieve_file("/d365_loads/imports/a.csv", str(back))
    assert back.read_bytes() == local.read_bytes()

    other = asyncssh.generate_private_key("ssh-rsa", key_size=2048).public_data
    known["extra"] = {**extra, "host_key": base64.b64encode(other).decode()}
    monkeypatch.setenv("AIRFLOW_CONN_CAMPAIGN_FILES", json.dumps(known))
    with pytest.raises(paramiko.BadHostKeyException):
        SFTPHook(ssh_conn_id="campaign_files", conn_retry_attempts=1).list_directory("/")
