"""The plugin as Airflow's processes load it: found in the plugins folder, and cheap."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.environment import ROOT

LOADED = """
import json, sys
from airflow import plugins_manager
before = set(sys.modules)
import campaign_sync_page
more = sorted(set(sys.modules) - before)
plugins, errors = plugins_manager._get_plugins()
views, _ = plugins_manager._get_ui_plugins()
ours = [view for view in views if view["name"] == "Campaign sync"]
print(json.dumps([more, errors, {view["destination"]: view["href"] for view in ours}]))
"""


@pytest.mark.parametrize(
    "base, prefix", [("http://localhost:8080", ""), ("https://acme.example/airflow/", "/airflow")]
)
def test_airflow_finds_a_thin_plugin_with_a_page_in_the_navigation_and_on_dags(
    tmp_path: Path, base: str, prefix: str
) -> None:
    env = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    more, errors, views = json.loads(done.stdout.splitlines()[-1])
    assert more == ["campaign_sync_page"], "every task's process pays for what the plugin imports"
    assert errors == {}
    assert views == {
        "nav": f"{prefix}/campaign-sync/",
        "dag": f"{prefix}/campaign-sync/#/flows/{{DAG_ID}}",
    }
