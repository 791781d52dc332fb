"""People at work in Dynamics while a flow runs: they create, change, delete and make anew, the same for one seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.flows.systems import Systems


def contact(key: str, **values: Any) -> dict[str, Any]:
    """A contact of this id, who passes the filter; made anew, it keeps its date, which is sent at creation only."""
    long_ago = "2020-01-01T00:00:00Z"
    return {
        "contactid": key,
        "emailaddress1": f"{key}@alder.example",
        "overriddencreatedon": long_ago,
        **values,
    }


class People:
    """People at work in Dynamics: at each call they create, change, delete and make anew."""

    def __init__(self, systems: Systems, seed: int) -> None:
        self.systems, self.chance, self.calls = systems, random.Random(seed), 0
        self.refused: set[str] = set()
        print(f"seed {seed}")

    def new(self, count: int, **values: Any) -> list[str]:
        """Create contacts; their ids."""
        ids = [str(uuid.UUID(int=self.chance.getrandbits(128), version=4)) for _ in range(count)]
        self.systems.mutate(create=[contact(key, **values) for key in ids])
        return ids

    def work(self, count: int = 1) -> None:
        """Change something of every kind, so many times as much of each."""
        self.calls += 1
        contacts = self.systems.contacts()
        some = self.chance.sample(sorted(contacts.keys() - self.refused), 8 * count)
        moved, gone, again = some[: 4 * count], some[4 * count : 6 * count], some[6 * count :]
        self.systems.change(*({"id": key, "address1_city": f"City {self.calls}"} for key in moved))
        self.systems.delete(*gone, *again)
        city = f"Back in {self.calls}"
        back = [
            contact(key, address1_city=city, overriddencreatedon=contacts[key]["createdon"]) for key in again
        ]
        self.systems.mutate(create=back)
        self.new(2 * count)

    def name_too_long(self, count: int) -> None:
        """Create contacts who are rejected; mend one of the earlier ones, delete another."""
        if len(self.refused) > 1:
            mended, gone = self.chance.sample(sorted(self.refused), 2)
            self.systems.change({"id": mended, "firstname": "Nora"})
            self.systems.delete(gone)
            self.refused -= {mended, gone}
        self.refused |= {*self.new(count, firstname="x" * 31)}


def between_pages(patch: pytest.MonkeyPatch, happen: Callable[[], Any], read: str = "changes") -> None:
    """Have something happen after each page of a read: changes, everything, or modified_between."""
    from campaign_sync.hooks.dataverse import DataverseHook

    pages = getattr(DataverseHook, read)

    def eventful(*given: Any, **named: Any) -> Any:
        for page in pages(*given, **named):
            yield page
            happen()

    patch.setattr(DataverseHook, read, eventful)
