"""The page inside Airflow's UI: what flows do, which rows wait or were rejected, and why."""
