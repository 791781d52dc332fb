"""Ninety days of a company's contacts: what people, imports and nightly scripts do to them. The same for one seed.

Not for running flows (``test_ninety_days.py``). Shares are of the contacts there are; each has its reason beside it.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tests.flows.systems import Systems

#: Days with something that is not every day's.
IMPORT, WAVE, SPELLING = 18, range(55, 66), 70
MONTHS = 30

FIRST = ("Nora", "Tove", "Liv", "Omar", "Ada", "Jun", "Mirela", "Pavel", "Ines", "Kofi")
LAST = ("Alm", "Berg", "Castro", "Dahl", "Eriksen", "Fofanah", "Geller", "Horn", "Ito", "Jansen")
CITIES = ("Bergen", "Møllehavn", "Graz", "Lyon", "Cork", "Gdańsk", "Porto", "Uppsala")


class NormalLife:
    """What happens day by day; `happened` counts it."""

    def __init__(self, systems: Systems, seed: int) -> None:
        self.systems = systems
        self.chance = random.Random(seed)
        self.alive = sorted(systems.contacts())
        self.ended: list[str] = []
        self.born = 0
        self.happened: Counter[str] = Counter()

    def day(self, number: int) -> None:
        """One day; the seventh of each week is a Sunday."""
        sunday, wave = number % 7 == 0, number in WAVE
        # People write to us, move, change their telephone, four times as many in the season.
        busy = 4 if wave else 0.2 if sunday else 1
        self._create("new", self._share(0.003 * busy))
        self._edit("edited", self._share(0.015 * busy))
        # Activities, owners, scores: a row's version moves with every column, not only with the mapped ones.
        self._write("touched", self._some(0.03), jobtitle=f"Surveyor {number}")
        self._write_same("written as it was", self._some(0.01))
        self._delete("left", self._some(0.001))
        if sunday:  # addresses that bounced
            self._write("dead addresses", self._some(0.01), emailaddress1=None)
        if number % MONTHS == 3:  # people who ask to be forgotten
            self._delete("privacy", self._some(0.004))
        if number % MONTHS == 0:  # contracts that ended; some are renewed later
            self.ended = self._some(0.025)
            self._write("deactivated", self.ended, statecode=1, statuscode=2)
        if number % MONTHS == 12:
            renewed = [key for key in self.ended[::2] if key in self.alive]
            self._write("reactivated", renewed, statecode=0, statuscode=1)
        if number % MONTHS == 10:  # what may be kept no longer
            self._write("birthdays cleared", self._some(0.05), birthdate=None)
        if number == IMPORT:  # a trade fair
            self._create("imported", 300)
        if number == IMPORT + 5:  # half of it was there already, says the clean-up
            self._delete("import cleaned", self.alive[-40:])
        if number == SPELLING:  # a mass update of mapped values, not of empty ones
            self._write("spelled anew", self._some(0.3), address1_stateorprovince="Vestland")

    def _create(self, what: str, count: int) -> None:
        rows = []
        for _ in range(count):
            self.born += 1
            key = f"00000000-0000-4000-8000-{self.born:012d}"
            rows.append(
                {
                    "contactid": key,
                    "firstname": self.chance.choice(FIRST),
                    "lastname": self.chance.choice(LAST),
                    "emailaddress1": f"n{self.born}@alder.example" if self.chance.random() > 0.03 else None,
                    "address1_city": self.chance.choice(CITIES),
                    "birthdate": "1987-03-09" if self.chance.random() > 0.4 else None,
                    "mobilephone": f"+47 555 {self.born:05d}" if self.chance.random() > 0.3 else None,
                }
            )
            self.alive.append(key)
        self._mutate(what, create=rows)

    def _edit(self, what: str, count: int) -> None:
        """Mapped columns; one edit in ten takes a value away."""
        updates = []
        for key in self.chance.sample(self.alive, count):
            column, values = self.chance.choice(
                [
                    ("address1_city", CITIES),
                    ("lastname", LAST),
                    ("mobilephone", [f"+47 555 {self.chance.randrange(100_000):05d}"]),
                    ("emailaddress1", [f"e{self.chance.randrange(10**9)}@alder.example"]),
                ]
            )
            value = self.chance.choice(values) if self.chance.random() > 0.1 else None
            updates.append({"id": key, column: value})
        self._mutate(what, update=updates)

    def _write(self, what: str, keys: list[str], **values: Any) -> None:
        self._mutate(what, update=[{"id": key, **values} for key in keys])

    def _write_same(self, what: str, keys: list[str]) -> None:
        self._mutate(what, touch=keys)

    def _delete(self, what: str, keys: list[str]) -> None:
        gone = set(keys)
        self.alive = [key for key in self.alive if key not in gone]
        self._mutate(what, delete=list(keys))

    def _some(self, share: float) -> list[str]:
        return self.chance.sample(self.alive, self._share(share))

    def _share(self, share: float) -> int:
        wanted = share * len(self.alive)
        return int(wanted) + (self.chance.random() < wanted % 1)

    def _mutate(self, what: str, **changes: list[Any]) -> None:
        (rows,) = changes.values()
        if rows:
            self.systems.mutate(**changes)
            self.happened[what] += len(rows)
