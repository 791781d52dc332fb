"""Which resources a tenant has: drafts, what is published, under which endpoint (campaign.md §2.1).

Publishing makes drafts real, rebuilds indexes and may move a resource between Ext and /customResources (B5).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.campaign import builtin
from sandbox.campaign.custom_resources import CUSTOM_RESOURCES
from sandbox.campaign.schema import Resource, read_resource
from sandbox.campaign.store import Store

PLAIN, EXT, CUSTOM = "profileAndServices", "profileAndServicesExt", "customResources"
PARTS = ("fields", "links", "keys", "filters")


class Catalog:
    """The declarations of one tenant."""

    def __init__(self, tenant: str, store: Store, switches: Mapping[str, Any], *, extended: bool) -> None:
        self.tenant = tenant
        self._store = store
        self._switches = switches
        self._extended = extended
        self._built: dict[Any, dict[str, Resource]] = {}
        self._plain: dict[Any, Resource] = {}
        self.load()

    def load(self) -> None:
        """Take the declarations from the store, or make the start state."""
        kept = self._store.setting(f"catalog:{self.tenant}")
        self._built.clear()
        self._plain.clear()
        if kept is not None:
            # what was kept may be older than a resource that Campaign brings along
            self.draft = {**copy.deepcopy(builtin.RESOURCES), **kept["draft"]}
            self.published = {**copy.deepcopy(builtin.RESOURCES), **kept["published"]}
            self.ext = kept["ext"]
            self._prepare(self.published)
            return
        self.draft, self.published = copy.deepcopy(builtin.RESOURCES), {}
        self.ext = False
        if self._extended:
            self.declare("profile", builtin.EXTENSION)
            for name, declared in CUSTOM_RESOURCES.items():
                self.declare(name, declared)
        self.publish(ext=self._extended)

    # ---- drafts ----------------------------------------------------------------------------------

    def declare(self, name: str, changes: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Add to a resource's draft, or begin one; a part given as None is taken away."""
        builtin_resource = name in builtin.RESOURCES
        draft = copy.deepcopy(self.draft.get(name, {})) if not fresh or builtin_resource else {}
        if not builtin_resource:
            draft = {"custom": True, "schema": f"cus:{name}", "fields": {}, **draft}
        for part in PARTS:
            for thing, declared in (changes.get(part) or {}).items():
                if declared is None:
                    draft.setdefault(part, {}).pop(thing, None)
                else:
                    there = draft.get(part, {}).get(thing) or {"custom": True}
                    draft.setdefault(part, {})[thing] = {**there, **declared}
                    _default_reverse(name, part, draft[part][thing])
        settings = {
            k: v for k, v in changes.items() if k in ("label", "singular", "title", "hidden", "audit")
        }
        read_resource(name, {**draft, **settings})  # raises ValueError, KeyError or TypeError for nonsense
        self.draft[name] = {**draft, **settings}
        self._save()

    def forget(self, name: str) -> None:
        """Take a custom resource out of the draft."""
        if name not in builtin.RESOURCES:
            self.draft.pop(name, None)
        self._save()

    def publish(self, *, ext: bool | None = None) -> None:
        """Make the drafts real; `ext`: whether the Profiles & Services Ext API exists from now on."""
        self._prepare(self.draft)
        self.published = copy.deepcopy(self.draft)
        self.ext = self.ext if ext is None else ext
        self._built.clear()
        self._plain.clear()
        self._save()

    def _prepare(self, declarations: Mapping[str, Any]) -> None:
        resources = {name: read_resource(name, declared) for name, declared in declarations.items()}
        remote: dict[str, set[str]] = {name: set() for name in resources}
        for resource in resources.values():
            for link in resource.links.values():
                remote.get(link.target, set()).update(column for _, column in link.joins)
        for name, resource in resources.items():
            unique = {key.name: key.fields for key in resource.keys.values()}
            keyed = {key.fields[0] for key in resource.keys.values()}
            plain = resource.looked_up() | remote[name]
            self._store.prepare(self.table(name), unique, {c: (c,) for c in sorted(plain - keyed)})

    def _save(self) -> None:
        kept = {"draft": self.draft, "published": self.published, "ext": self.ext}
        self._store.set(f"catalog:{self.tenant}", kept)

    # ---- what is published -----------------------------------------------------------------------

    def table(self, resource: str) -> str:
        return f"{self.tenant}/{resource}"

    def resources(self) -> dict[str, Resource]:
        """Return all published resources by name, with opt-out attributes named as the switches say (§5)."""
        style, times = self._switches["campaign.opt_out_names"], self._switches["campaign.opt_out_times"]
        if (style, times) not in self._built:
            self._built[style, times] = _connect(self.published, style, times)
        return self._built[style, times]

    def resource(self, name: str) -> Resource:
        return self.resources()[name]

    def view(self, endpoint: str, name: str) -> Resource | None:
        """Return a resource as an endpoint shows it, or None if it is not there."""
        resource = self.resources().get(name)
        if resource is None or resource.internal or resource.hidden:
            return None
        if endpoint == PLAIN:
            return self._without_extensions(resource) if name in builtin.ENDPOINTS_OF_ALL else None
        if endpoint == EXT and not self.ext:
            return None
        return resource if self.endpoint(name) == endpoint else None

    def endpoint(self, name: str) -> str:
        """Return where a resource answers: Ext if links lead from profile or service to it (§2.1)."""
        resources = self.resources()
        if not resources[name].custom:
            return EXT
        # orgUnitBase and the like are everybody's and do not count
        known = {r.name for r in resources.values() if r.custom} | set(builtin.ENDPOINTS_OF_ALL)
        pairs = [(r.name, link.target) for r in resources.values() for link in r.links.values()]
        pairs = [(a, b) for a, b in pairs if {a, b} <= known]
        reached = set(builtin.ENDPOINTS_OF_ALL)
        while more := {n for pair in pairs if reached & set(pair) for n in pair} - reached:
            reached |= more
        return EXT if name in reached else CUSTOM

    def _without_extensions(self, resource: Resource) -> Resource:
        """Return a resource as /profileAndServices shows it: out-of-the-box parts only (§2.1)."""
        key = (resource.name, id(resource))
        if key not in self._plain:
            self._plain[key] = replace(
                resource,
                fields={n: f for n, f in resource.fields.items() if not f.custom},
                links={n: x for n, x in resource.links.items() if not x.custom},
                keys={n: x for n, x in resource.keys.items() if not x.custom},
                filters={n: x for n, x in resource.filters.items() if not x.custom},
                collections={n: x for n, x in resource.collections.items() if not x.custom},
            )
        return self._plain[key]


def _default_reverse(name: str, part: str, declared: dict[str, Any]) -> None:
    """Name the far side of a link as Campaign does: `cusTicket` → `cusTicketslink` (§2.1)."""
    if part == "links":
        declared.setdefault("reverse", f"{name}slink")


def _connect(declarations: Mapping[str, Any], style: str, times: bool) -> dict[str, Resource]:
    """Read all declarations and give each target the collections that links make."""
    collections: dict[str, dict[str, Any]] = {
        name: dict(d.get("collections", {})) for name, d in declarations.items()
    }
    for name, declared in declarations.items():
        for link, settings in declared.get("links", {}).items():
            reverse, target = settings.get("reverse"), settings["target"]
            if reverse and target in collections:
                custom = settings.get("custom", False)
                collections[target][reverse] = {"resource": name, "link": link, "custom": custom}
    built = {}
    for name, declared in declarations.items():
        fields, renamed = dict(declared["fields"]), {}
        if name == "profile":
            dropped = () if times else (*builtin.OPT_OUT_TIMES.values(), "blackListAllLastModified")
            fields = {column: d for column, d in fields.items() if column not in dropped}
            renamed = {c: c.replace("blackList", style) for c in fields if c.startswith("blackList")}
        whole = {**declared, "fields": fields, "collections": collections[name]}
        built[name] = read_resource(name, whole, renamed)
    return built
