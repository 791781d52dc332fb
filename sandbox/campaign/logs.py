"""Deliveries and log rows at rest: adding exact ones, and what the database holds at a moment (§8.4, §12.2).

A row may lie in the future: it is there once the clock has reached `committed`. What happens to it later is
kept with it as `turns`, so that time passes without anybody having to write.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.campaign.store import column
from sandbox.campaign.tenant import Tenant, stamp

COPIED_EVERY = 600  # §8.4: tracking is copied into the database every 10 minutes
OPEN_PIXEL = 1  # §8.4: the url id of opens
LOGS = ("broadLogRcp", "trackingLogRcp")
MAKERS = ("at", "committed")  # of a turn: when, and since when the database knows


class Logs:
    """The deliveries and logs of one tenant. Writing needs the lock, and the store to be this thread's."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._store = tenant.store
        if self._store.count(self.table("trackingUrl")) == 0:
            self._store.insert(self.table("trackingUrl"), {"type": "open", "label": "open"})  # OPEN_PIXEL
        self._urls: dict[tuple[str, str], int] = {
            (row.data.get("type", "none"), row.data.get("sourceURL", "")): row.id
            for row in self._store.select(self.table("trackingUrl"))
        }

    def table(self, resource: str) -> str:
        return self._tenant.catalog.table(resource)

    def next_id(self, resource: str) -> int:
        """Return the id that the next new row gets."""
        return self._store.last(self.table(resource)) + 1

    # ---- deliveries ------------------------------------------------------------------------------

    def delivery(self, given: Mapping[str, Any] | str, at: str = "") -> int:
        """Return a delivery's number; one that is not there is made, `DM<n>` unless it has a name.

        `given` is a name or {"name", "label", "messageType", "proof", "parent": <name of the recurring one>,
        "campaign": <name or {"name", "label"}>}.
        """
        said = {"name": given} if isinstance(given, str) else dict(given)
        _only(said, ("name", "label", "messageType", "proof", "parent", "campaign"), "a delivery")
        name = said.get("name") or f"DM{400 + self.next_id('delivery')}"
        found = self._named("delivery", name)
        data = dict(found.data) if found is not None else {"name": name, "mainDate": at}
        if "label" in said or found is None:
            data["label"] = said.get("label") or f"Delivery {name}"
        if "messageType" in said:
            data["messageType"] = self._word("delivery", "messageType", said["messageType"])
        if "proof" in said:
            data["FCP"] = bool(said["proof"])
        if said.get("parent"):
            data["parent"] = self.delivery(said["parent"], at)
        if "campaign" in said:
            data["campaign"] = self._campaign(said["campaign"]) if said["campaign"] else None
        if found is None:
            return self._store.insert(self.table("delivery"), data)
        self._store.update(self.table("delivery"), found.id, data)
        return found.id

    def channel(self, delivery: int) -> str:
        row = self._store.first(self.table("delivery"), "r.id = ?", (delivery,))
        return str(row.data.get("messageType", "email")) if row else "email"

    def name(self, delivery: int) -> str:
        row = self._store.first(self.table("delivery"), "r.id = ?", (delivery,))
        return str(row.data["name"]) if row else ""

    def url(self, type_: str, address: str, label: str = "") -> int:
        """Return the number of a tracked URL; every open has the same (§8.4)."""
        if type_ == "open":
            return OPEN_PIXEL
        if (type_, address) not in self._urls:
            data = {"type": type_, "sourceURL": address, "label": label}
            self._urls[type_, address] = self._store.insert(self.table("trackingUrl"), data)
        return self._urls[type_, address]

    def _campaign(self, given: Mapping[str, Any] | str) -> int:
        said = {"name": given} if isinstance(given, str) else dict(given)
        _only(said, ("name", "label"), "a campaign")
        found = self._named("campaign", said["name"])
        if found is not None:
            return int(found.id)
        data = {"name": said["name"], "label": said.get("label") or f"Campaign {said['name']}"}
        return self._store.insert(self.table("campaign"), data)

    def _named(self, resource: str, name: str) -> Any:
        return self._store.first(self.table(resource), f"{column('name', 'r')} = ?", (name,))

    # ---- exact rows ------------------------------------------------------------------------------

    def add(self, resource: str, rows: list[dict[str, Any]]) -> list[int]:
        """Add rows as they are given and return their ids; an `id` that is there is changed. All or none."""
        ids: list[int] = []
        make = self._broad_log if resource == "broadLogRcp" else self._tracking_log
        with self._store.transaction():
            for row in rows:
                given = dict(row)
                number = int(given.pop("id", 0)) or self.next_id(resource)
                old = self._store.first(self.table(resource), "r.id = ?", (number,))
                self.write(resource, [(number, make(given, dict(old.data) if old is not None else {}))])
                ids.append(number)
        return ids

    def write(self, resource: str, rows: Any) -> None:
        """Write rows with their ids, over those that are there."""
        self._store.replace_many(self.table(resource), rows)

    def _broad_log(self, given: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        now, known = self._tenant.now, self._read("broadLogRcp", given)
        if data:  # a change leaves what it does not say, and forgets what was to come
            data = {name: value for name, value in data.items() if name not in ("turns", "turned")}
            data |= {"lastModified": now, **known}
        else:
            data = {"status": "sent", "contactDate": now, "eventDate": now, **known}
            data.setdefault("lastModified", data["eventDate"])
        return {**data, "committed": known.get("committed", data["lastModified"])}

    def _tracking_log(self, given: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        if given.keys() & {"urlType", "url"} or not data:
            type_ = self._word("trackingUrl", "type", given.pop("urlType", "open"))
            given["url"] = self.url(type_, given.pop("url", ""), given.pop("urlLabel", ""))
        data = {"logDate": self._tenant.now, **data, **self._read("trackingLogRcp", given)}
        if data.get("broadLog"):  # what the delivery-log row says already
            about = self._store.first(self.table("broadLogRcp"), "r.id = ?", (data["broadLog"],))
            data = {**{k: about.data.get(k) for k in ("profile", "delivery")}, **data} if about else data
        if "committed" not in given:
            data["committed"] = copied(seconds(data["logDate"]))
        return data

    def _read(self, resource: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return given values as they are stored."""
        known = self._tenant.catalog.resource(resource)
        _only(given, (*known.fields, *known.links), resource)
        data: dict[str, Any] = {}
        for name, value in given.items():
            if name == "profile":
                data[name] = self._profile(value)
            elif name == "delivery":
                data[name] = self.delivery(value, self._tenant.now)
            elif name in known.links:
                data[name] = int(value)
            elif known.fields[name].res_type == "datetime":
                data[name] = moment(value)
            elif known.fields[name].values:
                data[name] = self._word(resource, name, value)
            else:
                data[name] = value
        return data

    def _profile(self, given: Any) -> int | None:
        """Return the number of the profile with an external id; None for a profile that is gone."""
        if given is None or isinstance(given, int):
            return given
        found = self._store.first(self.table("profile"), f"{column('externalId', 'r')} = ?", (given,))
        if found is None:
            raise ValueError(f"no profile has the externalId {given}; null is one that was deleted")
        return found.id

    def _word(self, resource: str, field: str, given: Any) -> str:
        """Return the name of an enumeration's value, given by name or by number."""
        values = self._tenant.catalog.resource(resource).fields[field].values
        for known in values:
            if str(given) in (known.name, known.value):
                return known.name
        raise ValueError(
            f"{resource} has no {field} {given}: choose one of {', '.join(v.name for v in values)}"
        )


def rows_at(
    tenant: Tenant, resource: str, now: str, where: str = "1", values: tuple[Any, ...] = (), limit: int = -1
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and data of the rows that a table holds at a moment, by number, in the state of then."""
    there = column("committed", "r")
    condition = f"({there} IS NULL OR {there} <= ?) AND ({where})"
    table = tenant.catalog.table(resource)
    for row in tenant.store.select(table, condition, (now, *values), limit=limit):
        yield row.id, as_of(row.data, now)


def as_of(data: dict[str, Any], now: str) -> dict[str, Any]:
    """Return a row after the turns that the database knows of at a moment (§12.2)."""
    for turn in data.get("turns", ()):
        if turn["committed"] <= now:
            changes = {k: v for k, v in turn.items() if k not in MAKERS}
            data = {**data, **changes, "eventDate": turn["at"], "lastModified": turn["at"]}
    return data


def copied(when: float) -> str:
    """Return when an event of the tracking server comes into the database: with the next batch (§8.4)."""
    return stamp(math.ceil(when / COPIED_EVERY) * COPIED_EVERY)


def moment(given: str) -> str:
    """Return a time as Campaign stores it; one without zone is UTC."""
    return stamp(seconds(given))


def seconds(given: str) -> float:
    try:
        when = datetime.fromisoformat(given)
    except (TypeError, ValueError):
        raise ValueError(f"{given!r} is no time: write 2026-04-12T08:00:00Z") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _only(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{what} has no {', '.join(unknown)}; it has {', '.join(known)}")
