"""The name of a machine of this test, as Airflow asks for it: they are folders of one real machine."""

from __future__ import annotations

import os


def name() -> str:
    """`[core] hostname_callable`."""
    return os.environ["MACHINE"]
