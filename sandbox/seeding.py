"""Fills Dataverse at the start with generated people, tables from CSV files, or both.

The rows without which a platform does not work (users, currency …) are the platform's own.
"""

from __future__ import annotations

import csv
import gzip
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sandbox.seeds import TableSeed
from sandbox.seeds.csv_files import csv_tables
from sandbox.seeds.generated import generated_tables
from sandbox.world import World

PEOPLE = 200


class SeedRefused(Exception):
    """The data directory cannot be read."""


def seed(
    world: World,
    systems: dict[str, ModuleType],
    data: Path | None,
    people: int | None,
    number: int,
    say: Callable[[str], None],
) -> None:
    """Fill the systems that take seeds; the same arguments always give the same data."""
    if "dataverse" not in systems:
        return say("no Dataverse to seed")
    if people is None:
        people = PEOPLE if data is None else 0
    try:
        systems["dataverse"].seed(world, _told(_tables(data, people, number), say))
    except (OSError, csv.Error, gzip.BadGzipFile, EOFError, UnicodeDecodeError, ValueError) as error:
        if data is None:
            raise
        raise SeedRefused(f"data directory {data} cannot be read: {error}") from error


def _tables(data: Path | None, people: int, number: int) -> Iterator[TableSeed]:
    if people:
        yield from generated_tables(people, number)
    if data is not None:
        yield from csv_tables(data)


def _told(tables: Iterable[TableSeed], say: Callable[[str], None]) -> Iterator[TableSeed]:
    """Count the rows as they go by and say a line per table once the next one is asked for."""
    for table in tables:
        begun, rows = time.monotonic(), _Counted(table.rows)
        yield TableSeed(table.table, rows, table.columns)
        say(f"seeded {table.table}: {rows.count:,} rows in {time.monotonic() - begun:.1f} s")


class _Counted:
    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            self.count += 1
            yield row
