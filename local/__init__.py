"""Runs the sandbox and a real Airflow on this machine: `make up`, `make down`, `make demo`. Not for production."""
