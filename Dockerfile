# The same environment as `make venv`, as an image: Airflow, the package, the DAGs and the mappings.
FROM python:3.11.15-slim-bookworm

RUN useradd --create-home --uid 50000 airflow \
 && mkdir -p /opt/airflow /opt/storage && chown airflow /opt/airflow /opt/storage
WORKDIR /opt/campaign_sync

COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt

COPY --chown=airflow plugins ./plugins
COPY --chown=airflow dags ./dags
COPY --chown=airflow include ./include

ENV PYTHONPATH=/opt/campaign_sync/plugins \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/campaign_sync/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/campaign_sync/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__CORE__MP_FORKSERVER_PRELOAD=campaign_sync.preload \
    AIRFLOW__SCHEDULER__MP_START_METHOD=forkserver \
    AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME=0.2 \
    AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL=1 \
    AIRFLOW__CAMPAIGN_SYNC__STORAGE=file:///opt/storage \
    GX_ANALYTICS_ENABLED=false
USER airflow
ENTRYPOINT ["airflow"]
CMD ["version"]
