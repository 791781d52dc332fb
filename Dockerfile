# The environment of requirements-cluster.txt as an image: Airflow, the package, the DAGs and the mappings.
FROM python:3.11.15-slim-bookworm AS airflow

RUN useradd --create-home --uid 50000 airflow \
 && mkdir -p /opt/airflow/logs /opt/storage /opt/sandbox \
 && chown -R airflow /opt/airflow /opt/storage /opt/sandbox && chmod 700 /opt/storage /opt/sandbox
WORKDIR /opt/campaign_sync

COPY requirements.txt requirements-cluster.txt ./
RUN pip install --no-cache-dir -r requirements-cluster.txt

COPY plugins ./plugins
COPY dags ./dags
COPY include ./include
# Without compiled files every process pays double for its imports; the user of the containers may not write here.
RUN python -m compileall -q plugins

ENV PYTHONPATH=/opt/campaign_sync/plugins \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/campaign_sync/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/campaign_sync/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__CORE__MP_FORKSERVER_PRELOAD=campaign_sync.preload \
    AIRFLOW__SCHEDULER__MP_START_METHOD=forkserver \
    AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME=0.2 \
    AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL=1 \
    AIRFLOW__CELERY__EXTRA_CELERY_CONFIG='{"imports": ["campaign_sync.preload"]}' \
    AIRFLOW__CAMPAIGN_SYNC__STORAGE=file:///opt/storage \
    GX_ANALYTICS_ENABLED=false
USER airflow
ENTRYPOINT ["airflow"]
CMD ["version"]

# The simulated systems, and what makes Airflow's connections to them.
FROM airflow AS sandbox
COPY sandbox ./sandbox
COPY local ./local
ENTRYPOINT ["python", "-m", "sandbox"]
CMD ["--state", "/opt/sandbox"]

FROM airflow
