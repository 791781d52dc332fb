"""Imported once by Airflow's forkserver, so that tasks start with the heavy libraries already in memory.

Set `[scheduler] mp_start_method = forkserver` and `[core] mp_forkserver_preload = campaign_sync.preload`.
It changes speed only: pandas and Great Expectations take seconds to import, and every task is a fork of the
process that imports this.
"""

from __future__ import annotations

import logging
import os

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
# Importing Great Expectations logs more than two hundred lines into every task's log otherwise.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

import airflow.dag_processing.dagbag  # noqa: E402
import airflow.sdk.execution_time.task_runner  # noqa: E402
import great_expectations.expectations  # noqa: E402, F401, TID253
import pandas  # noqa: E402, F401, TID253
import pyarrow.compute  # noqa: E402, TID253
import pyarrow.json  # noqa: E402, TID253
import pyarrow.parquet  # noqa: E402, F401, TID253
from airflow.sdk import DAG, BaseOperator, task_group  # noqa: E402

import campaign_sync.compare.flow  # noqa: E402
import campaign_sync.flow  # noqa: E402
import campaign_sync.hooks.campaign  # noqa: E402
import campaign_sync.hooks.dataverse  # noqa: E402
import campaign_sync.ledger.ledger  # noqa: E402, F401
from campaign_sync.rows.checks import page_view  # noqa: E402

with DAG("preload", schedule=None) as _dag:
    # Building one small DAG loads the parts of the SDK that are imported on first use, and the template
    # environment.
    @task_group
    def _group(batch: object) -> None:
        BaseOperator(task_id="task", doc=str(batch))

    _group.expand(batch=[1])
_dag.get_template_env()
page_view()
airflow.sdk.execution_time.task_runner.get_listener_manager()
