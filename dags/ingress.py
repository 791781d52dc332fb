"""One Airflow DAG per mapping file in include/mappings: Dynamics 365 → Adobe Campaign.

Add a YAML file there, or in the folder that `[campaign_sync] mappings` names, and a DAG appears here; see
include/mappings/README.md for the words.
"""

from __future__ import annotations

from pathlib import Path

from campaign_sync.flow import dags_in
from campaign_sync.settings import mappings_folder

MAPPINGS = Path(__file__).resolve().parent.parent / "include" / "mappings"

for dag in dags_in(mappings_folder(MAPPINGS)):
    globals()[dag.dag_id] = dag
