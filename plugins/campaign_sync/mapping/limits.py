"""How much a run may do before it is stopped or red: the words `guard` and `reconcile`.

Cheap: every DAG file imports it. Not for stopping anything (``run/guard.py``, ``run/run.py``).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from campaign_sync.mapping.wording import CLOSED, Wrong, read_limit
from campaign_sync.mapping.yaml_lines import canonical

_WAIT = re.compile(r"([0-9]{1,5}) ?([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

#: Dataverse keeps changes for this long unless told otherwise (dataverse.md §4.5): a flow that waits reads none.
LONGEST_WAIT = timedelta(days=7)


def _a_limit(text: str) -> str:
    if read_limit(text) is None:
        raise Wrong(
            f"{text!r} is not a limit",
            'Write a number of rows ("100"), a share ("5%"), or both ("100 or 5%")',
        )
    return text


def _a_wait(text: str) -> str:
    found = _WAIT.fullmatch(text)
    if not found or not timedelta() < _duration(found) <= LONGEST_WAIT:
        raise Wrong(
            f"{text!r} is not a time to wait", 'Write minutes, hours or days ("30m", "24h"), 7d at most'
        )
    return text


def _duration(found: re.Match[str]) -> timedelta:
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


LimitText = Annotated[
    str, BeforeValidator(canonical, json_schema_input_type=str | int), AfterValidator(_a_limit)
]
WaitText = Annotated[str, BeforeValidator(canonical, json_schema_input_type=str), AfterValidator(_a_wait)]


class Asking(BaseModel):
    """How much a run may do before a person is asked, and how long that person may take."""

    model_config = CLOSED

    waits: WaitText = Field(
        default="24h", description='How long a person may take to answer: "30m", "24h", "7d".'
    )

    def allows(self, harm: str, count: int, present: int) -> bool:
        """Whether that many records, of those that there are, may be harmed in the way of that word unasked."""
        limit = read_limit(getattr(self, harm))
        return limit is not None and limit.allows(count, present)

    @property
    def patience(self) -> timedelta:
        """How long a person may take."""
        found = _WAIT.fullmatch(self.waits)
        assert found
        return _duration(found)

    def at_most(self, waits: str) -> Self:
        """The same, with no longer a wait than this."""
        shorter = self.model_copy(update={"waits": waits})
        return shorter if shorter.patience < self.patience else self


class Guard(Asking):
    """How much harm a run may do before a person is asked. Shares are of the records that are in Campaign."""

    deletes: LimitText = Field(
        default="500 or 5%",
        description='Records a run may delete unasked: "500", "5%", or "500 or 5%" (whichever is more).',
    )
    blanks: LimitText = Field(
        default="500 or 20%", description="Records in which a run may empty a filled field unasked."
    )


class OptOutGuard(Asking):
    """How many people's consent a run may change before a person is asked. Shares are of the known contacts."""

    opt_outs: LimitText = Field(
        default="500 or 5%",
        description='Contacts to which a run may tell a no unasked: "500", "5%", or "500 or 5%" (whichever is more).',
    )
    opt_ins: LimitText = Field(
        default="0",
        description="Contacts to which a run may tell a yes unasked; 0: a person decides about each.",
    )


class Reconcile(BaseModel):
    """When a run that rejected rows is no longer a good run."""

    model_config = CLOSED

    rejected_at_most: LimitText | None = Field(
        default=None,
        description='Rejected rows a run may have: "100", "5%", or "100 or 5%" (whichever is more).',
    )

    def allows(self, rejected: int, extracted: int) -> bool:
        """Whether that many rejected rows are within the limit."""
        limit = read_limit(self.rejected_at_most) if self.rejected_at_most is not None else None
        return limit is None or limit.allows(rejected, extracted)
