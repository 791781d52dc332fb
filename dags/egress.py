"""One Airflow DAG per mapping file that says `direction: to_dynamics`: Adobe Campaign → Dynamics 365.

What Campaign sent, and what people did with it, becomes activities on the timeline of the contact. Add a YAML file to
include/mappings, or to the folder that `[campaign_sync] mappings` names; see include/mappings/README.md for the words.
"""

from __future__ import annotations

from pathlib import Path

from campaign_sync.events.flow import event_dags_in
from campaign_sync.settings import mappings_folder

MAPPINGS = Path(__file__).resolve().parent.parent / "include" / "mappings"

for dag in event_dags_in(mappings_folder(MAPPINGS)):
    globals()[dag.dag_id] = dag
