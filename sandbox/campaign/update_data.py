"""Reconciliation and Update data: loaded rows against a table, a batch at a time (campaign.md §8.1).

The rules for values are those of the REST API, from the same declaration; the price is not: nothing here is
an engine call.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sandbox.campaign import errors, links, values, writing
from sandbox.campaign.import_declaration import Import, Target
from sandbox.campaign.load_file import Line, Reject
from sandbox.campaign.schema import Field, Resource
from sandbox.campaign.store import DuplicateKey, Row, column
from sandbox.campaign.tenant import Tenant

BOOLEANS = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True}
Found = dict[Any, Row]


class UpdateData:
    """Writes the rows of one import, and counts what became of them."""

    def __init__(self, tenant: Tenant, work: Import) -> None:
        self._tenant = tenant
        self._import = work
        self._resource = tenant.catalog.resource(work.resource)
        self._key = next(t for t in work.targets if t.path == work.key)
        self._fields = [t for t in work.targets if t.link is None]
        self._links = [t for t in work.targets if t.link is not None]
        first_only = set(work.insert_only)
        self._all = [self._step(t) for t in self._fields]
        self._later = [self._step(t) for t in self._fields if t.path not in first_only]
        self._later_links = {t.path for t in self._links} - first_only
        self._mandatory = any(f.mandatory for f in self._resource.fields.values())
        self._now = ""
        self.counts: Counter[str] = Counter()

    def key(self, line: Line) -> Any:
        """Return what a row is identified by, as far as that can be read; "" is no key."""
        value = line.cells[self._key.column]
        return "" if value is None else value

    def operation(self, line: Line) -> str | None:
        """Return the branch that Segmentation sends a row to; None for no branch at all."""
        if not self._import.operation_column:
            return self._import.operation
        return self._import.operations.get(str(line.cells[self._import.operation_column]))

    def write(self, lines: Sequence[Line]) -> list[Reject]:
        """Apply one batch in one transaction and return the rows that were refused."""
        rejects: list[Reject] = []
        self._now = self._tenant.now
        found = self._identify(lines)
        linked = [(target, self._link_targets(target, lines)) for target in self._links]
        with self._tenant.store.transaction():
            for line in lines:
                try:
                    self._apply(line, found.get(self.key(line)), linked)
                except errors.Refusal as refusal:
                    reason = (
                        refusal.text.removeprefix(errors.RST_360011).strip() or "refused without a reason"
                    )
                    rejects.append(Reject(line.number, line.source, reason))
        self.counts["refused"] += len(rejects)
        return rejects

    def _identify(self, lines: Iterable[Line]) -> Found:
        """Find the records that rows are; a hidden one is not found, here as in the API (§6.3)."""
        return self._look_up(self._resource, self._key, {self.key(line) for line in lines})

    def _link_targets(self, target: Target, lines: Iterable[Line]) -> Found:
        resource = self._tenant.catalog.resource(target.link.target)  # type: ignore[union-attr]
        return self._look_up(resource, target, {line.cells[target.column] for line in lines})

    def _look_up(self, resource: Resource, target: Target, keys: set[Any]) -> Found:
        wanted = [key for key in keys if key not in ("", None)]
        if not wanted:
            return {}
        marks = ", ".join("?" * len(wanted))
        where = f"{column(target.field.column, 'r')} IN ({marks}) AND {links.visible(self._tenant, resource)}"
        rows = self._tenant.store.select(self._tenant.catalog.table(resource.name), where, wanted)
        return {row.data[target.field.column]: row for row in rows}

    def _apply(self, line: Line, known: Row | None, linked: list[tuple[Target, Found]]) -> None:
        operation = self.operation(line)
        match operation, known:
            case None, _:
                self.counts["ignored"] += 1
            case "delete", None:
                self.counts["missing"] += 1
            case "delete", Row():
                links.delete(self._tenant, self._resource, known)
                self.counts["deleted"] += 1
            case "update", None:
                self.counts["missing"] += 1
            case "insert", Row():
                raise errors.Refusal(500, "the record exists")
            case _:
                self._upsert(line, known, linked)

    def _upsert(self, line: Line, known: Row | None, linked: list[tuple[Target, Found]]) -> None:
        changes = self._changes(line, known, linked)
        old = known.data if known is not None else {}
        new = writing.merged(self._resource, old, changes)
        if known is not None and new == old:
            self.counts["unchanged"] += 1
            return  # §8.1: only rows with at least one difference are written
        if self._mandatory:
            writing.refuse_missing(self._tenant, self._resource, new)
        if known is None and "created" in self._resource.fields:
            new["created"] = self._now
        if "lastModified" in self._resource.fields:
            new["lastModified"] = self._now
        if self._resource.name == "profile":
            writing.stamp_opt_outs(self._tenant, old, new)
            writing.derive(new)
        self._store(known, new)
        self.counts["inserted" if known is None else "updated"] += 1

    def _store(self, known: Row | None, new: dict[str, Any]) -> None:
        table = self._tenant.catalog.table(self._resource.name)
        try:
            if known is None:
                self._tenant.store.insert(table, new)
            else:
                self._tenant.store.update(table, known.id, new)
        except DuplicateKey as error:
            raise writing.duplicate(self._resource, self._resource.keys[error.index], new) from None

    def _step(self, target: Target) -> tuple[str, str, str, Callable[[Any], Any]]:
        """Return where a cell is, which column and which part of an item it goes to, and how it is read."""
        item, _, part = target.path.partition(".")
        read = reader(target.field, self._resource.schema, self._tenant.world.switches)
        return target.column, self._resource.fields[item].column, part, read

    def _changes(self, line: Line, known: Row | None, linked: list[tuple[Target, Found]]) -> dict[str, Any]:
        """Return the columns that a row changes and their values, items as dicts of parts."""
        changes: dict[str, Any] = {}
        cells = line.cells
        for name, column_, part, read in self._all if known is None else self._later:
            if part:
                changes.setdefault(column_, {})[part] = read(cells[name])
            else:
                changes[column_] = read(cells[name])
        for target, found in linked:
            if known is None or target.path in self._later_links:
                changes.update(self._link(target, found, cells[target.column]))
        return changes

    def _link(self, target: Target, found: Found, key: Any) -> dict[str, Any]:
        """Return what a link's key changes: links lead to existing rows only, others are blank (§8.1)."""
        link = target.link
        assert link is not None
        row = found.get(key) if key not in ("", None) else None
        if row is None and key not in ("", None):
            self.counts["unlinked"] += 1
            if self._import.unlinked == "reject":
                raise errors.Refusal(500, f"link {link.name}: there is no such {link.target}")
        if not link.joins:
            return {link.name: None if row is None else row.id}
        return {local: None if row is None else links.at(row.data, remote) for local, remote in link.joins}


def reader(field: Field, schema: str, switches: values.Switches) -> Callable[[Any], Any]:
    """Return what makes a loaded value one of a field: NULL unsets, enumerations are stored values (T11)."""
    default = field.default

    if field.values:
        names = {known.value: known.name for known in field.values}

        def read(value: Any) -> Any:
            if value is None:
                return default
            if str(value) not in names:
                raise errors.bad_enumeration(value, schema, field.name)
            return names[str(value)]

    elif field.res_type == "boolean":

        def read(value: Any) -> Any:
            if value is None:
                return default
            if value not in BOOLEANS:
                raise errors.cannot_convert(value, "text", "boolean")
            return BOOLEANS[value]

    elif field.res_type in ("string", "memo"):
        plain = -1 if field.policy else field.length or sys.maxsize

        def read(value: Any) -> Any:
            if value is None:
                return default
            if type(value) is str and len(value) <= plain:
                return value  # what `values.read` would say, without asking: most cells are like this
            return values.read(field, str(value), schema, switches)

    else:

        def read(value: Any) -> Any:
            return default if value is None else values.read(field, value, schema, switches)

    return read
