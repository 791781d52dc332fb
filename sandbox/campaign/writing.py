"""POST, PATCH and DELETE of records: one engine call each, one row each (campaign.md §4).

Uniqueness is decided by the database within the write, so that of many equal POSTs exactly one wins (B12).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sandbox.campaign import builtin, errors, links
from sandbox.campaign.pkeys import RECORD
from sandbox.campaign.schema import Key, Resource
from sandbox.campaign.store import DuplicateKey, Row, column
from sandbox.campaign.tenant import Call, Tenant, stamp
from sandbox.campaign.validation import read_changes


class Found(NamedTuple):
    """A record named in a URI: the row, and the business key it was named by, if it was."""

    row: Row
    key: Key | None


def create(call: Call, resource: Resource, body: dict[str, Any], preset: dict[str, Any] | None = None) -> Row:
    """Store a new record; `preset` holds columns that the address decides, e.g. the owner of a collection."""
    tenant = call.tenant
    changes = read_changes(call, resource, body)
    data = merged(resource, preset or {}, changes)
    # keys and mandatory fields hold on the plain endpoint too, although it does not show extensions
    whole = tenant.catalog.resource(resource.name)
    refuse_missing(tenant, whole, data)
    now = tenant.world.clock.timestamp()
    if "created" in resource.fields:
        data["created"] = stamp(now)
    if "lastModified" in resource.fields:
        # B11: two milliseconds before `created`, seen in real payloads
        data["lastModified"] = stamp(now - 0.002)
    if resource.name == "profile":
        stamp_opt_outs(tenant, {}, data)
        derive(data)
    with _explaining(whole, data):
        row = tenant.store.insert(tenant.catalog.table(resource.name), data)
    return Row(row, data)


def update(call: Call, resource: Resource, found: Found, body: dict[str, Any]) -> None:
    """Change the named fields of a record."""
    tenant, row = call.tenant, found.row
    if body.get("PKey") == tenant.pkeys.seal(RECORD, resource.name, row.id):
        body = {name: value for name, value in body.items() if name != "PKey"}
    if not body:
        return  # §4.1: PATCH {} changes nothing
    changes = read_changes(call, resource, body)
    data = merged(resource, row.data, changes)
    whole = tenant.catalog.resource(resource.name)
    _refuse_key_change(tenant, whole, found, data)
    refuse_missing(tenant, whole, data)
    if "lastModified" in resource.fields:
        data["lastModified"] = tenant.now
    if resource.name == "profile":
        stamp_opt_outs(tenant, row.data, data)
        derive(data)
    with _explaining(whole, data):
        tenant.store.update(tenant.catalog.table(resource.name), row.id, data)


def delete(call: Call, resource: Resource, found: Found) -> None:
    """Delete a record and what its links drag along."""
    links.delete(call.tenant, resource, found.row)


def derive(data: dict[str, Any]) -> None:
    """Set the computed texts of a profile: `First Last (email)` and the domain of the e-mail (§5)."""
    name = " ".join(filter(None, (data.get("firstName"), data.get("lastName"))))
    email = data.get("email", "")
    data["title"] = " ".join(filter(None, (name, f"({email})" if email else "")))
    data["domain"] = email.partition("@")[2]


def merged(resource: Resource, data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a row with changes; unset values are not stored, parts of items are merged (§4.2)."""
    merged = dict(data)
    fields = resource.columns
    for name, value in changes.items():
        field = fields.get(name)
        if field is not None and field.fields:
            parts = {**(merged.get(name) or {}), **value}
            value = {part: v for part, v in parts.items() if v not in ("", None)} or None
        if value is None or (
            field is not None and value == field.default and type(value) is type(field.default)
        ):
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged


def refuse_missing(tenant: Tenant, resource: Resource, data: dict[str, Any]) -> None:
    if tenant.world.switches["campaign.missing_mandatory"] == "accept":
        return
    if any(f.mandatory and data.get(f.column, f.default) == "" for f in resource.fields.values()):
        raise errors.anything()  # U11


def _refuse_key_change(tenant: Tenant, resource: Resource, found: Found, data: dict[str, Any]) -> None:
    """Refuse another value for a key (§3.5): by raw key always; by PKey the duplicate speaks first (§4.4)."""
    for key in resource.keys.values():
        old = [str(found.row.data.get(name, "")) for name in key.fields]
        new = [str(data.get(name, "")) for name in key.fields]
        if old == new or key.of_links:
            continue
        if found.key is None:
            if _taken(tenant, resource, key, data, found.row.id):
                raise duplicate(resource, key, data)
            if old == [""] * len(old) or tenant.world.switches["campaign.key_change_by_pkey"] == "accept":
                continue
        raise errors.key_change(resource.name, ", ".join(old), ", ".join(new))


def _taken(tenant: Tenant, resource: Resource, key: Key, data: dict[str, Any], row: int) -> bool:
    where = " AND ".join(f"{column(name, 'r')} = ?" for name in key.fields)
    values = [*(data.get(name) for name in key.fields), row]
    table = tenant.catalog.table(resource.name)
    return tenant.store.first(table, f"{where} AND r.id <> ?", values) is not None


def stamp_opt_outs(tenant: Tenant, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Set an opt-out attribute's own change time when, and only when, its value changes (B14)."""
    for flag, changed in builtin.OPT_OUT_TIMES.items():
        if old.get(flag, False) != new.get(flag, False):
            new[changed] = tenant.now


def duplicate(resource: Resource, key: Key, data: dict[str, Any]) -> errors.Refusal:
    """Return the PostgreSQL refusal, with table and column spelled as in §4.4: nmsservice_name, (sname)."""
    prefix, _, table = resource.schema.partition(":")
    constraint = f"{prefix}{table}_{'_'.join(key.fields)}".lower()
    columns = [f"{'i' if key.of_links else 's'}{name}".lower() for name in key.fields]
    return errors.duplicate(
        resource.singular, constraint, columns, [str(data.get(name, "")) for name in key.fields]
    )


class _explaining:
    """Turn the database's refusal of a duplicate into Campaign's."""

    def __init__(self, resource: Resource, data: dict[str, Any]) -> None:
        self._resource = resource
        self._data = data

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DuplicateKey):
            raise duplicate(self._resource, self._resource.keys[error.index], self._data) from None
