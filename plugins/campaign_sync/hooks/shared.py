"""Where all processes have their shares of what a system allows in common: the ledger's database.

Not for how they are shared out (shares.py), nor for the database (ledger/rates.py)."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING

from campaign_sync.hooks.shares import Lease, Report, Shares, Terms

if TYPE_CHECKING:
    from campaign_sync.ledger.rates import Rates

log = logging.getLogger(__name__)


class InLedger:
    """The shares of one credential; those who have another do not count."""

    def __init__(self, rates: Rates, *credential: str) -> None:
        """:param credential: what a system counts calls by, such as host and client id; no secret"""
        self._rates = rates
        self._credential = sha256("\0".join(credential).encode()).hexdigest()[:32]

    @classmethod
    def of(cls, *credential: str) -> InLedger | None:
        """In this deployment's ledger; None where nothing says which that is, such as a command without an Airflow."""
        from campaign_sync.ledger.rates import Rates
        from campaign_sync.settings import ledger_url

        try:
            url = ledger_url()
        except Exception as error:  # noqa: BLE001 - whatever Airflow says: a call needs no ledger
            log.info("limits are kept by this process alone: %s", type(error).__name__)
            return None
        return cls(Rates(url), *credential)

    def share(self, name: str, report: Report, terms: Terms, lasts: float) -> tuple[Lease, int]:
        """A lease for a worker's report, and the number of the latest news."""

        def change(state: str, now: float) -> tuple[str, float, bool, Lease]:
            shares = Shares(state)
            lease, news = shares.share(now, name, report, terms, lasts)
            return shares.keep(), max(0.0, shares.rate.resume_at), news, lease

        return self._rates.change(self._credential, change)

    def look(self) -> tuple[int, float]:
        """The number of the latest news, and for how many seconds nobody may call."""
        return self._rates.look(self._credential)
