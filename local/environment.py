"""What Airflow is told on this machine: folders, tuned settings, connections to the sandbox.

Nothing here is read by the package; a deployment sets the same things in its own way (README, "Real systems").
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class LocalError(Exception):
    """Something about this machine stands in the way; the text says what and what to do."""


def read_env_file(path: Path) -> dict[str, str]:
    """The KEY=value lines that the sandbox writes once everything listens."""
    if not path.exists():
        raise LocalError(
            f"{path} is missing: no sandbox is running. Start one with `make sandbox` or `make up`."
        )
    pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def airflow_settings(home: Path, port: int = 8080) -> dict[str, str]:
    """Airflow's own settings: SQLite, LocalExecutor, and the figures that were measured to be fast."""
    own = _secrets(home)
    return {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": f"{ROOT / 'plugins'}{os.pathsep}{ROOT}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # SQLite with the default of 32 deadlocks the scheduler: at most 8 there.
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "8",
        "AIRFLOW__CORE__MP_FORKSERVER_PRELOAD": "campaign_sync.preload",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__FERNET_KEY": own["fernet_key"],
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": own["secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": own["jwt_secret"],
        "AIRFLOW__SCHEDULER__MP_START_METHOD": "forkserver",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__CAMPAIGN_SYNC__STORAGE": f"file://{home / 'storage'}",
        "GX_ANALYTICS_ENABLED": "false",
    }


def connections(sandbox: dict[str, str]) -> dict[str, str]:
    """The three Airflow connections, as the variables in which Airflow looks for them."""
    dataverse = {
        "conn_type": "http",
        "host": sandbox["DATAVERSE_URL"],
        "login": sandbox["DATAVERSE_CLIENT_ID"],
        "password": sandbox["DATAVERSE_CLIENT_SECRET"],
        "extra": {
            "tenant_id": sandbox["TENANT_ID"],
            "authority": sandbox["ENTRA_AUTHORITY"],
            "verify": sandbox["CA_FILE"],
        },
    }
    campaign = {
        "conn_type": "http",
        "host": sandbox["CAMPAIGN_URL"],
        "login": sandbox["CAMPAIGN_CLIENT_ID"],
        "password": sandbox["CAMPAIGN_CLIENT_SECRET"],
        "extra": {
            "ims_url": sandbox["IMS_URL"],
            "scopes": sandbox["CAMPAIGN_SCOPES"],
            "verify": sandbox["CA_FILE"],
            "parallel": 8,
            "calls_per_second": 0,  # the sandbox needs no sparing
        },
    }
    sftp = {
        "conn_type": "sftp",
        "host": sandbox["SFTP_HOST"],
        "port": int(sandbox["SFTP_PORT"]),
        "login": sandbox["SFTP_USER"],
        "extra": {
            "private_key": Path(sandbox["SFTP_KEY_FILE"]).read_text(),
            "host_key": f"ssh-rsa {sandbox['SFTP_HOST_KEY']}",
        },
    }
    return {
        "AIRFLOW_CONN_DATAVERSE_DEFAULT": json.dumps(dataverse),
        "AIRFLOW_CONN_CAMPAIGN_DEFAULT": json.dumps(campaign),
        "AIRFLOW_CONN_CAMPAIGN_SFTP": json.dumps(sftp),
    }


def exports(variables: dict[str, str]) -> str:
    """Shell lines that set the variables."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items()))


def login(home: Path) -> tuple[str, str]:
    """User name and password of the local UI."""
    return "admin", _secrets(home)["password"]


def _secrets(home: Path) -> dict[str, str]:
    """Keys of this one installation, made at the first start and kept readable for its owner only."""
    from cryptography.fernet import Fernet

    path = home / "secrets.json"
    if not path.exists():
        made = {
            "fernet_key": Fernet.generate_key().decode(),
            "secret_key": secrets.token_urlsafe(64),
            "jwt_secret": secrets.token_urlsafe(96),
            "password": secrets.token_urlsafe(9),
        }
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in (("secrets.json", made), ("passwords.json", {"admin": made["password"]})):
            target = home / name
            target.touch(mode=0o600)
            target.write_text(json.dumps(content))
    known: dict[str, str] = json.loads(path.read_text())
    return known
