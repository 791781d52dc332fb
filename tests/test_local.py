"""`make up` and `make demo`: trouble with the machine is a sentence; the demo sees when the two sides differ."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from local.__main__ import main
from local.environment import LocalError, airflow_settings, exports, login, read_env_file
from local.expected import differences, expected
from local.expected_company import campaign
from local.stack import Stack, is_ours, locked, require_free_port, require_space

CONTACT = {
    "contactid": "0C9AC5A0-7c2f-4f0e-8f0e-6d1c7a9b1e01",
    "emailaddress1": " Ada.Wong@Alder.Example ",
    "firstname": "ada",
    "gendercode": 2,
    "address1_country": "Norway",
}
PROFILE = {
    "externalId": "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01",
    "email": "ada.wong@alder.example",
    "firstName": "Ada",
    "gender": "female",
    "location": {"countryCode": "NO"},
}


def test_a_port_in_use_is_a_sentence_that_names_another():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"Port {port} is in use.*PORT={port + 1}"):
            require_free_port(port)


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000_000))
    with pytest.raises(LocalError, match=r"Only 0\.2 GB are free .* Free some space"):
        require_space(tmp_path)


def test_without_a_sandbox_its_env_file_is_asked_for(tmp_path):
    with pytest.raises(LocalError, match="make sandbox"):
        read_env_file(tmp_path / "env")


def test_a_data_folder_that_is_none_is_a_sentence_and_exit_code_2(capsys, tmp_path):
    assert main(["demo", "--data", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_two_at_once_in_one_folder_is_a_sentence(tmp_path):
    with locked(tmp_path), pytest.raises(LocalError, match="at work"), locked(tmp_path):
        pass


def test_the_environment_survives_a_shell():
    lines = exports({"A": "it's", "B": '{"a": "$HOME"}'})
    shown = subprocess.run(
        ["bash", "-c", f'{lines}\nprintf "%s|%s" "$A" "$B"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout == """it's|{"a": "$HOME"}"""


def test_an_installation_keeps_its_secrets_for_its_owner_only(tmp_path):
    home = tmp_path / "airflow"
    first = airflow_settings(home)
    assert airflow_settings(home) == first
    assert login(home)[1]
    assert {path.stat().st_mode & 0o777 for path in home.iterdir()} == {0o600}


def test_stop_ends_what_was_started_and_nothing_else(tmp_path):
    stack = Stack(tmp_path, tmp_path / "sandbox")
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "sandbox"])
    process = stack._spawn("sandbox", [sys.executable, "-c", "import time; time.sleep(60)", "sandbox"], {})
    try:
        assert stack.running() == {"sandbox": process.pid}
        assert stack.stop() == ["sandbox"]
        assert process.wait(timeout=10) != 0
        assert other.poll() is None
        assert is_ours(other.pid, "sandbox")
        assert stack.stop() == []
    finally:
        other.kill()
        other.wait()


def test_the_demos_computation_knows_the_mapping():
    assert expected(CONTACT) == {
        **expected({**CONTACT, "contactid": CONTACT["contactid"].lower()}),
        "externalId": PROFILE["externalId"],
        "email": PROFILE["email"],
        "gender": "female",
        "location.countryCode": "NO",
    }
    assert expected({**CONTACT, "emailaddress1": None}) is None
    assert expected({**CONTACT, "firstname": "x" * 31}) is None


@pytest.mark.parametrize(
    ("profiles", "found"),
    [
        ([PROFILE], set()),
        ([], {PROFILE["externalId"]}),
        ([PROFILE, PROFILE], {PROFILE["externalId"]}),
        ([{**PROFILE, "email": "other@alder.example"}], {PROFILE["externalId"]}),
        ([PROFILE, {**PROFILE, "externalId": "more"}], {"more"}),
    ],
    ids=["the same", "missing", "doubled", "different", "superfluous"],
)
def test_the_demo_sees_when_a_profile_is(profiles, found):
    assert differences([CONTACT], profiles) == found


def test_the_demos_computation_parks_whatever_has_a_parent_that_is_not_there():
    tables = {
        "contact": [CONTACT, {"contactid": "no-address", "emailaddress1": None}],
        "account": [
            {"accountid": "A-1", "name": "Alder", "_primarycontactid_value": CONTACT["contactid"]},
            {"accountid": "a-2", "name": "Birch", "_primarycontactid_value": "no-address"},
            {"accountid": "a-3", "name": "Cedar"},
            {"accountid": "a-4", "name": None},
        ],
        "new_vendor": [
            {"new_vendorid": "v-1", "new_name": "Dale", "new_active": True},
            {"new_vendorid": "v-2", "new_name": "Elm", "new_active": False},
        ],
        "new_purchaseorder": [
            {"new_purchaseorderid": "o-1", "_new_vendorid_value": "v-1"},
            {"new_purchaseorderid": "o-2", "_new_vendorid_value": "v-2"},
            {"new_purchaseorderid": "o-3", "_new_vendorid_value": None},
            {"new_purchaseorderid": "o-4", "_new_vendorid_value": "v-1", "new_status": 9},
        ],
        "new_purchaseorderline": [
            {"new_purchaseorderlineid": f"l-{n}", "_new_purchaseorderid_value": f"o-{n}", "new_quantity": 1}
            for n in (1, 2, 3, 4)
        ],
    }
    assert {name: (set(level.records), level.parked) for name, level in campaign(tables).items()} == {
        "profile": ({PROFILE["externalId"]}, set()),
        "cusStore": ({"a-1", "a-3"}, {"a-2"}),
        "cusVendor": ({"v-1"}, set()),
        "cusPurchaseOrder": ({"o-1"}, {"o-2"}),
        "cusPurchaseOrderLine": ({"l-1"}, {"l-2", "l-3", "l-4"}),
    }
