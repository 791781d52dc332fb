"""What a new record is born with: the noes of its row, where an opt-outs mapping owns them.

Cheap: imported with every mapping. Not for finding them (``consent/noes.py``) nor for what rows say (``rows/noes.py``).
"""

from __future__ import annotations

from pydantic import BaseModel


class No(BaseModel):
    """One attribute of Campaign that means an objection, and what says so in Dynamics."""

    attribute: str  # denyListEmail
    column: str
    no_is: bool  # the value of the column that objects
    empty_is_no: bool
    path: str  # of the opt-outs mapping …
    line: int  # … and where the pair stands in it
    flow: str  # of the opt-outs mapping
    sha: str  # of its file
