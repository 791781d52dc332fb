"""Links: where a row's link leads, who leads here, and which rows a missing target hides (campaign.md §6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.campaign.schema import Collection, Link, Resource
from sandbox.campaign.store import Row, column
from sandbox.campaign.tenant import Tenant


def at(data: dict[str, Any], name: str) -> Any:
    """Return a column of a row, `location.city` included; None when unset."""
    head, _, rest = name.partition(".")
    value = data.get(head)
    return value.get(rest) if rest and isinstance(value, dict) else value


def target(tenant: Tenant, link: Link, data: dict[str, Any]) -> Row | None:
    """Return the row that a link of a row leads to."""
    if link.target not in tenant.catalog.published:
        return None
    table = tenant.catalog.table(link.target)
    if tenant.store.count(table) == 0:
        return None
    if not link.joins:
        row = data.get(link.name)
        return tenant.store.first(table, "r.id = ?", (row,)) if row else None
    values = [at(data, local) for local, _ in link.joins]
    if any(value in (None, "") for value in values):
        return None
    where = " AND ".join(f"{column(remote, 'r')} = ?" for _, remote in link.joins)
    return tenant.store.first(table, where, values)


def visible(tenant: Tenant, resource: Resource) -> str:
    """Return the SQL condition for rows (`r`) that reading shows: 1-cardinality is an inner join (§6.2)."""
    conditions = []
    for link in resource.links.values():
        if link.cardinality == "1" and link.target in tenant.catalog.published:
            table = tenant.catalog.table(link.target)
            pairs = [f"{column(remote, 't')} = {column(local, 'r')}" for local, remote in link.joins]
            on = " AND ".join(pairs) or f"t.id = {column(link.name, 'r')}"
            conditions.append(f'EXISTS (SELECT 1 FROM "{table}" t WHERE {on})')
    return " AND ".join(conditions) or "1"


def members(tenant: Tenant, collection: Collection, row: Row) -> tuple[Resource, str, list[Any]] | None:
    """Return a collection's resource and the SQL condition for its rows; None for one always empty here."""
    resource = tenant.catalog.resources().get(collection.resource)
    if resource is None:
        return None
    where, values = referring(resource.links[collection.link], row)
    return resource, where, values


def referring(link: Link, row: Row) -> tuple[str, list[Any]]:
    """Return the SQL condition for rows whose link leads to a row."""
    if not link.joins:
        return f"{column(link.name, 'r')} = ?", [row.id]
    values = [at(row.data, remote) for _, remote in link.joins]
    return " AND ".join(f"{column(local, 'r')} = ?" for local, _ in link.joins), values


def incoming(tenant: Tenant, name: str) -> Iterator[tuple[Resource, Link]]:
    """Yield the links of other resources that lead to one."""
    for resource in tenant.catalog.resources().values():
        for link in resource.links.values():
            if link.target == name:
                yield resource, link


def delete(tenant: Tenant, resource: Resource, row: Row) -> None:
    """Delete a row and do what each link's behaviour on deletion says (§6.2)."""
    table = tenant.catalog.table(resource.name)
    tenant.store.delete(table, row.id)
    for child, link in incoming(tenant, resource.name):
        where, values = referring(link, row)
        if link.on_delete not in ("delete_referencing", "clear") or any(v in (None, "") for v in values):
            continue
        for referrer in list(tenant.store.select(tenant.catalog.table(child.name), where, values)):
            if link.on_delete == "delete_referencing":
                delete(tenant, child, referrer)
            else:
                cleared = {k: v for k, v in referrer.data.items() if k not in _local(link)}
                tenant.store.update(tenant.catalog.table(child.name), referrer.id, cleared)
    for link in resource.links.values():
        if link.on_delete == "delete_unreferenced_target":
            _delete_if_alone(tenant, resource, link, row)


def _delete_if_alone(tenant: Tenant, resource: Resource, link: Link, row: Row) -> None:
    found = target(tenant, link, row.data)
    if found is None:
        return
    where, values = referring(link, found)
    if tenant.store.first(tenant.catalog.table(resource.name), where, values) is None:
        delete(tenant, tenant.catalog.resource(link.target), found)


def _local(link: Link) -> set[str]:
    return {local for local, _ in link.joins} or {link.name}
