"""Filters in the path, `byEmail`, `byText`, custom `by<Id>`: SQL conditions (campaign.md §3.4).

An empty or misspelt parameter switches its rule off: then every row matches (T5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.campaign import errors
from sandbox.campaign.pkeys import LINK, RECORD
from sandbox.campaign.schema import NUMBERS, Filter, Resource, Rule, column_field
from sandbox.campaign.store import column
from sandbox.campaign.tenant import Tenant

Condition = tuple[str, list[Any]]
COMPARISONS = {"equal": "=", "greater": ">", "less": "<", "greaterOrEqual": ">=", "lessOrEqual": "<="}
TEXT_FIELDS = {"profile": ("email", "firstName", "lastName"), "service": ("name", "label")}


def condition(tenant: Tenant, resource: Resource, names: list[str], query: Mapping[str, str]) -> Condition:
    """Return the SQL condition (alias `r`) of filters chained in a path: all of them hold."""
    terms, values = [], []
    for name in names:
        for term, given in _terms(tenant, resource, resource.filters[name], query):
            terms.append(f"({term})")
            values += given
    return " AND ".join(terms) or "1", values


def _terms(tenant: Tenant, resource: Resource, filter_: Filter, query: Mapping[str, str]) -> list[Condition]:
    if filter_.kind == "not_imitated":
        raise errors.not_imitated(f"the filter {filter_.name} of {resource.name}")
    if filter_.kind == "text":
        return _text(resource, query)
    if filter_.kind == "record":
        row = tenant.pkeys.open(query.get(filter_.name, ""), (RECORD, LINK), resource.name)
        return [("r.id = ?", [row])] if query.get(filter_.name) else []
    if filter_.kind == "subscribers":
        return _subscribers(tenant, query.get("service", ""))
    return [t for rule in filter_.rules for t in _rule(resource, rule, query.get(rule.parameter, ""))]


def _rule(resource: Resource, rule: Rule, given: str) -> list[Condition]:
    if given == "" and rule.off_when_empty:
        return []
    field = column_field(resource, rule.column)
    value: Any = given
    if field is not None and field.res_type in NUMBERS and not field.values:
        try:
            value = float(given)
        except ValueError:
            raise errors.cannot_convert(given, "text", "integer (32 bit)") from None
    elif field is not None and field.res_type == "boolean":
        value = given.lower() in ("true", "1")
    term = column(rule.column, "r")
    default = field.default if field is not None else ""
    if rule.operator == "startsWith":
        return [(f"substr({term}, 1, ?) = ?", [len(given), given])]
    if rule.operator == "contains":
        return [(f"instr({term}, ?) > 0", [given])]
    if value == default:
        return [(f"{term} IS NULL OR {term} = ?", [value])]
    if not rule.case_sensitive and rule.operator == "equal":
        return [(f"lower({term}) = lower(?)", [value])]
    return [(f"{term} {COMPARISONS[rule.operator]} ?", [value])]


def _text(resource: Resource, query: Mapping[str, str]) -> list[Condition]:
    """Search by prefix, case-sensitive, in name and e-mail or in the one field that filterType names."""
    searched = query.get("filterType", "")
    if not searched:
        columns = TEXT_FIELDS.get(resource.name, ("name", "label"))
        text = query.get("text", "")
    else:
        names = (searched, f"cus{searched}")
        field = next((resource.fields[n] for n in names if n in resource.fields), None)
        if field is None:
            raise errors.unknown_field(searched, resource.name)
        columns, text = (field.column,), query.get(field.name) or query.get("text", "")
    if not text:
        return []
    terms = [f"substr({column(c, 'r')}, 1, ?) = ?" for c in columns]
    return [(" OR ".join(terms), [v for _ in columns for v in (len(text), text)])]


def _subscribers(tenant: Tenant, service: str) -> list[Condition]:
    if not service:
        return []
    resource = tenant.catalog.resource("service")
    row = tenant.pkeys.open(service, (RECORD, LINK), "service")
    if row is None and not service.startswith("@"):
        found = tenant.store.first(tenant.catalog.table("service"), f"{column('name', 'r')} = ?", (service,))
        row = found.id if found else 0
    if row is None:
        raise errors.malformed_pkey(service, resource.label, resource.schema)
    table = tenant.catalog.table("subscriptionRcp")
    inner = f'SELECT {column("subscriber", "s")} FROM "{table}" s WHERE {column("service", "s")} = ?'
    return [(f"r.id IN ({inner})", [row])]
