"""Who may do what: the application user's role, and the three refusals of dataverse.md §12.2/2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.columns import Table, stable_id
from sandbox.dataverse.errors import Refusal, refuse

if TYPE_CHECKING:
    import sqlite3

    from sandbox.dataverse.org import Org
    from sandbox.dataverse.payload import Payload

VERBS = ("read", "create", "write", "delete", "append", "appendto", "assign")
ACTIVITY = "activitypointer"  # whose privileges all activity tables have (§9.2)
DEPTHS = ("none", "user", "organisation")


@dataclass
class Role:
    """Per table and verb a depth; what neither a table nor `*` names is allowed for the whole organisation."""

    depths: dict[str, dict[str, str]] = field(default_factory=dict)

    def depth(self, table: Table, verb: str) -> str:
        named = (table.name, *([ACTIVITY] if table.activity else []), "*")
        return next(
            (self.depths[each][verb] for each in named if verb in self.depths.get(each, {})), DEPTHS[-1]
        )

    def set(self, table: str, verbs: Mapping[str, Any]) -> None:
        """Set depths; raise ValueError on a word that is none."""
        depths = dict(self.depths.get(table, {}))
        for verb, depth in verbs.items():
            depth = {True: "organisation", False: "none", "organization": "organisation"}.get(depth, depth)
            if verb not in VERBS or depth not in DEPTHS:
                raise ValueError(
                    f"{verb}={depth!r}: verbs are {', '.join(VERBS)}, depths {', '.join(DEPTHS)}"
                )
            depths[verb] = depth
        self.depths[table] = depths


@dataclass(frozen=True)
class Caller:
    """The application user behind a request."""

    id: str
    client_id: str


def identify(org: Org, headers: Mapping[str, str]) -> Caller:
    """Find the caller, or refuse: 401 for the token, 403 for a user the environment does not know (§1.3)."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    claims = (
        org.world.tokens.check(token, org.world.urls.dataverse)
        if scheme.lower() == "bearer" and token
        else None
    )
    if claims is None or org.option("refuse_bearer"):
        raise _unauthorised(org)
    client = str(claims["client_id"]).lower()
    with org.store.read() as db:
        row = db.execute(
            'SELECT systemuserid FROM "t_systemuser" WHERE applicationid = ? AND ifnull(isdisabled, 0) = 0',
            (client,),
        ).fetchone()
    if row is None or not org.option("application_user"):
        raise refuse("UserNotMemberOfOrg")
    for header in ("callerobjectid", "mscrmcallerid"):
        if header in headers:
            raise Refusal("CannotActOnBehalf")
    return Caller(row[0], client)


def _unauthorised(org: Org) -> Refusal:
    where = f"{org.world.urls.entra}/{org.world.config.tenant_id}/oauth2/authorize"
    challenge = f"Bearer authorization_uri={where}"
    if org.option("resource_id_in_401"):
        challenge += f", resource_id={org.world.urls.dataverse}/"
    return Refusal("ExpiredAuthTicket", {}, {"WWW-Authenticate": challenge})


def demand(org: Org, caller: Caller, table: Table, verb: str) -> str:
    """Return the depth of a privilege, or refuse with PrivilegeDenied."""
    if not org.option("privileges"):
        return "organisation"
    depth = org.role.depth(table, verb)
    if depth == "none":
        raise denied(caller, table, verb)
    return depth


def demand_links(org: Org, db: sqlite3.Connection, caller: Caller, table: Table, payload: Payload) -> None:
    """What the lookups in a body need: Append here and Append To there, Assign for another owner (§9.4)."""
    for name, row_id in payload.values.items():
        column = table.columns.get(name)
        if column is None or not column.is_lookup or row_id is None:
            continue
        if name == "ownerid":
            if row_id != caller.id and "user" in (
                demand(org, caller, table, "assign"),
                demand(org, caller, table, "create"),
            ):
                raise denied(caller, table, "assign")
            continue
        target = org.table(payload.kinds.get(name) or column.targets[0])
        demand(org, caller, table, "append")
        if demand(org, caller, target, "appendto") == "user" and target.owned:
            found = db.execute(
                f'SELECT ownerid FROM "t_{target.name}" WHERE "{target.key}" = ?', (row_id,)
            ).fetchone()
            if found is not None and found[0] != caller.id:
                raise denied(caller, target, "appendto")


def denied(caller: Caller, table: Table, verb: str) -> Refusal:
    return refuse(
        "PrivilegeDenied",
        user=caller.id,
        verb={"appendto": "AppendTo"}.get(verb, verb.capitalize()),
        schema=table.schema,
        otc=table.otc,
        privilege=stable_id("privilege", verb, table.name),
        table=table.name,
    )
