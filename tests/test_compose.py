"""docker-compose.yaml is one that Compose reads, and keeps our own rules: pinned, watched, limited, no secret in it."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys

import pytest
import yaml
from cryptography.fernet import Fernet

from local.compose_secrets import write_secrets
from local.environment import ROOT

FILE = ROOT / "docker-compose.yaml"
COMPOSE = yaml.safe_load(FILE.read_text())
SERVICES = COMPOSE["services"]
by_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def test_it_obeys_the_schema_of_the_compose_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_docker_compose_reads_it():
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    command = [docker, "compose", "--profile", "*", "--file", str(FILE), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@by_service
def test_what_is_not_built_here_has_a_version(service):
    assert "build" in service or re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z]+", service["image"])


def test_the_image_is_built_on_a_version():
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", bases[0])
    assert set(bases[1:]) == {"airflow"}


@by_service
def test_what_stays_is_watched(service):
    assert "test" in service["healthcheck"] or service["restart"] == "no"


@by_service
def test_nothing_takes_all_of_the_machine(service):
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_no_secret_stands_in_it():
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET_KEY|JWT|FERNET|SQL_ALCHEMY|BROKER_URL|RESULT_BACKEND", name):
                assert name.endswith(("_FILE", "_CMD")), name
            assert not re.search(r"://[^/]*:[^/]*@", str(value)), name


def test_every_secret_is_a_file_that_make_secrets_makes(tmp_path):
    folder = tmp_path / "secrets"
    write_secrets(folder)
    declared = {name: each["file"] for name, each in COMPOSE["secrets"].items()}
    assert declared == {path.name: f"secrets/{path.name}" for path in folder.iterdir()}
    used = {name for service in SERVICES.values() for name in service.get("secrets", ())}
    assert used == set(declared)


def test_secrets_are_made_once_fit_together_and_are_nobody_elses(tmp_path):
    folder = tmp_path / "secrets"
    write_secrets(folder)
    known = {path.name: path.read_text() for path in folder.iterdir()}
    assert write_secrets(folder) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == known
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    Fernet(known["fernet_key"])
    ledger = json.loads(known["connections.json"])["campaign_sync_ledger"]
    for url in (known["database_url"], known["result_backend"], ledger):
        assert f":{known['postgres_password']}@postgres/" in url
    assert f":{known['redis_password']}@redis:" in known["broker_url"]


def test_a_connection_can_be_read_from_the_file_that_was_made(tmp_path):
    from airflow.secrets.local_filesystem import load_connections_dict

    write_secrets(tmp_path)
    found = load_connections_dict(str(tmp_path / "connections.json"))["campaign_sync_ledger"]
    assert found.get_uri().startswith("postgresql+psycopg2://airflow:")


def test_workers_may_be_many():
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["worker"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_runs_airflow_waits_for_its_database(name):
    if SERVICES[name].get("image") == "campaign-sync:local" and name != "migrate":
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_only_this_machine_reaches_what_is_published():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
