"""One Airflow DAG per mapping file that compares Dynamics 365 and Adobe Campaign in full, and mends on request.

Run by hand, or from a DAG of your own on a schedule of your own.
"""

from __future__ import annotations

from pathlib import Path

from campaign_sync.compare.flow import comparing_dags_in
from campaign_sync.settings import mappings_folder

MAPPINGS = Path(__file__).resolve().parent.parent / "include" / "mappings"

for dag in comparing_dags_in(mappings_folder(MAPPINGS)):
    globals()[dag.dag_id] = dag
