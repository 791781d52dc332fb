"""Campaign's SFTP area through the hook: whose server it is, what a full or dropped one says (campaign.md §9)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import asyncssh
import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.campaign_files import IMPORTS, CampaignFilesHook

from local.environment import connections
from tests.hooks.conftest import FakeTime
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox
Connect = Callable[..., None]


@pytest.fixture
def area(fresh_sandbox: Sandbox, connect: Connect, clock: FakeTime) -> Callable[..., CampaignFilesHook]:
    """area(extra=…, **changes): the hook over the sandbox's connection."""
    whole = json.loads(connections(fresh_sandbox.env)["AIRFLOW_CONN_CAMPAIGN_SFTP"])

    def hook(extra: dict[str, Any] | None = None, **changes: Any) -> CampaignFilesHook:
        given = {**whole, **changes, "extra": {**whole["extra"], **(extra or {})}}
        connect("campaign_sftp", **given)
        return CampaignFilesHook()

    return hook


def test_a_file_goes_up_under_a_temporary_name_and_comes_back(area, fresh_sandbox: Sandbox) -> None:
    with area().session() as files:
        files.upload(IMPORTS, "a.csv.gz", b"x" * 300_000)
        files.upload(IMPORTS, "a.csv.gz", b"y" * 10)
        assert files.names(IMPORTS, "a") == {"a.csv.gz": 10}
        assert files.read(IMPORTS, "a.csv.gz") == b"y" * 10
        files.remove(IMPORTS, "a.csv.gz")
        files.remove(IMPORTS, "a.csv.gz")
        assert files.names(IMPORTS, "") == {}
    journal = fresh_sandbox.control("GET", "/sandbox/journal?system=sftp")
    assert {each["path"] for each in journal if each["method"] == "open"} >= {f"{IMPORTS}/a.csv.gz.part"}
    assert fresh_sandbox.control("GET", "/sandbox/counters")["sftp.sessions"] == 1


@pytest.mark.parametrize("extra", [{"host_key": ""}, {"host_key": None, "no_host_key_check": "true"}])
def test_a_connection_without_a_host_key_is_refused(area, extra) -> None:
    with pytest.raises(RefusedError, match="no host_key") as refused:
        area(extra)
    assert "ssh-keyscan" in refused.value.remedy


@pytest.mark.parametrize("extra", [{}, {"no_host_key_check": "true"}, {"allow_host_key_change": "true"}])
def test_another_servers_key_is_refused_whatever_the_extra_says(area, extra) -> None:
    other = base64.b64encode(asyncssh.generate_private_key("ssh-rsa", key_size=2048).public_data).decode()
    with pytest.raises(RefusedError, match="another host key"):
        with area({"host_key": f"ssh-rsa {other}", **extra}).session() as files:
            files.names(IMPORTS, "")


def test_a_connection_without_a_private_key_and_a_missing_one_are_refused(area, connect: Connect) -> None:
    with pytest.raises(RefusedError, match="no private key"):
        area({"private_key": ""})
    with pytest.raises(RefusedError, match="does not exist"):
        CampaignFilesHook("campaign_sftp_of_nobody")


def test_a_key_that_is_not_accepted_names_the_control_panel(area, fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches", {"sftp.password_expired": True})
    with pytest.raises(RefusedError, match="key is not accepted") as refused:
        with area().session() as files:
            files.names(IMPORTS, "")
    assert "Control Panel" in refused.value.remedy


def test_a_server_that_resets_is_tried_again_and_then_points_to_the_allow_list(
    area, fresh_sandbox: Sandbox, clock: FakeTime
) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches", {"sftp.allow_list": "192.0.2.0/24"})
    with pytest.raises(TransientError, match="allow-list"):
        with area().session() as files:
            files.names(IMPORTS, "")
    assert len(clock.slept) == 3


@pytest.mark.parametrize("how", ["truncate", "fail"])
def test_a_full_area_is_noticed_and_leaves_nothing_behind(area, fresh_sandbox: Sandbox, how: str) -> None:
    fresh_sandbox.control("PUT", "/sandbox/switches", {"sftp.quota_bytes": 100, "sftp.full_disk": how})
    with area().session() as files:
        with pytest.raises(RefusedError, match=r"disk is full|no space"):
            files.upload(IMPORTS, "a.csv.gz", b"x" * 1000)
        assert "a.csv.gz" not in files.names(IMPORTS, "a")


def test_an_upload_that_drops_in_the_middle_is_whole_in_the_end(area, faults) -> None:
    faults(system="sftp", method="write", path="[.]part$", after=3, do="cut_body", times=2)
    with area().session() as files:
        files.upload(IMPORTS, "a.csv.gz", bytes(range(256)) * 2000)
        assert files.read(IMPORTS, "a.csv.gz") == bytes(range(256)) * 2000
        assert files.names(IMPORTS, "") == {"a.csv.gz": 512_000}
