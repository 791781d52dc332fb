"""Makes the secrets of docker-compose.yaml that nobody has to choose, one file each, in secrets/.

Runs on a bare Python: the standard library only. A file that is there stays as it is, so put your own in its place to
use a Postgres or Redis of your own.
"""

import base64
import json
import secrets
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "secrets"


def write_secrets(folder: Path) -> list[str]:
    """Write what is missing; return the names of what was written.

    The folder is for its owner only; the files in it are not, as users of containers have other ids than the owner.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    postgres, redis = (_made(folder, name) for name in ("postgres_password", "redis_password"))
    at_postgres = f"postgresql+psycopg2://airflow:{postgres}@postgres"
    texts = {
        "database_url": f"{at_postgres}/airflow",
        "result_backend": f"db+{at_postgres}/airflow",
        "broker_url": f"redis://:{redis}@redis:6379/0",
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "api_secret_key": secrets.token_urlsafe(64),
        "jwt_secret": secrets.token_urlsafe(96),
        # Airflow's connections that stand in no database; more of them may (README, "Real systems").
        "connections.json": json.dumps({"campaign_sync_ledger": f"{at_postgres}/ledger"}, indent=1) + "\n",
    }
    written = [name for name, text in texts.items() if _write(folder / name, text)]
    return sorted(written)


def _made(folder: Path, name: str) -> str:
    """A password that may stand in a URL: the one that is there, or a new one."""
    _write(folder / name, secrets.token_hex(24))
    return (folder / name).read_text().strip()


def _write(path: Path, text: str) -> bool:
    if path.exists():
        return False
    path.write_text(text)
    path.chmod(0o644)
    return True


if __name__ == "__main__":
    made = write_secrets(FOLDER)
    print(f"Made in {FOLDER}: {', '.join(made)}." if made else f"All of them are in {FOLDER} already.")
    sys.exit(0)
