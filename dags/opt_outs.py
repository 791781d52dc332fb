"""One Airflow DAG per mapping file that has `pairs`: what people object to, in both directions.

Add a YAML file to include/mappings, or to the folder that `[campaign_sync] mappings` names; see
include/mappings/README.md for the words.
"""

from __future__ import annotations

from pathlib import Path

from campaign_sync.consent.flow import opt_outs_dags_in
from campaign_sync.settings import mappings_folder

MAPPINGS = Path(__file__).resolve().parent.parent / "include" / "mappings"

for dag in opt_outs_dags_in(mappings_folder(MAPPINGS)):
    globals()[dag.dag_id] = dag
