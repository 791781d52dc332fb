"""Keeps Microsoft Dynamics 365 and Adobe Campaign Standard in step: Airflow flows from mapping files."""

__version__ = "0.1.0"
