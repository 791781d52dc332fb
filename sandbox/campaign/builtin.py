"""The resources Campaign brings along, as declarations (campaign.md §5), and what the start adds to profiles.

Data only. Extension fields, keys and filters carry `custom`: the plain endpoint does not show them (§2.1).
"""

from __future__ import annotations

from typing import Any

from sandbox.campaign import log_resources
from sandbox.campaign.zones import TIME_ZONES

ENDPOINTS_OF_ALL = ("profile", "service")  # in profileAndServices; everything else needs Ext
OPT_OUTS = ("", "Email", "Fax", "Mobile", "Phone", "PostalMail", "Pushnotification")
# column → column of its change time; push has none, `blackList` has the odd one out (§5)
OPT_OUT_TIMES = {f"blackList{o}": f"blackList{o}LastModified" for o in OPT_OUTS if o != "Pushnotification"}
OPT_OUT_TIMES["ccpaOptOut"] = "ccpaOptOutLastModified"
LANGUAGES = ("none", "en_us", "en_gb", "de_de", "fr_fr", "es_es", "it_it", "nl_nl", "nb_no", "sv_se", "da_dk",
             "fi_fi", "pl_pl", "pt_br", "pt_pt", "ja_jp", "ko_kr", "zh_cn", "zh_tw", "tr_tr")  # fmt: skip


def _text(length: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "length": length, **more}


def _read_only(type_: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "read_only": True, **more}


LOCATION = {
    "address1": _text(80), "address2": _text(80), "address3": _text(80), "address4": _text(80),
    "zipCode": _text(15), "city": _text(50), "stateCode": _text(32), "countryCode": _text(3),
}  # fmt: skip
POSTAL_ADDRESS = {
    **{f"line{n}": _text(200, read_only=True) for n in range(1, 7)},
    "serialized": _read_only("memo"), "addrDefined": _read_only("boolean"),
    "addrErrorCount": _read_only("long"), "addrLastCheck": _read_only("datetime"),
    "addrQuality": _read_only("byte"),
}  # fmt: skip

PROFILE: dict[str, Any] = {
    "schema": "nms:recipient",
    "label": "Profiles",
    "singular": "Profile",
    "title": ["title"],
    "fields": {
        "externalId": _text(100, label="External Resource ID"),
        "acsId": _text(36, read_only=True),
        "cryptedId": _text(255, read_only=True, sortable=False),
        "salutation": _text(20),
        "firstName": _text(30, policy="smartCase", label="First name"),
        "middleName": _text(30, policy="smartCase", label="Middle name"),
        "lastName": _text(50, policy="smartCase", label="Last name"),
        "email": _text(128, policy="email", label="Email"),
        "phone": _text(32), "mobilePhone": _text(32), "fax": _text(32),
        "birthDate": {"type": "date"},
        "age": _read_only("long", sortable=False),
        "gender": {"type": "byte", "values": {"unknown": 0, "male": 1, "female": 2}},
        "emailFormat": {"type": "byte", "values": {"unknown": 0, "text": 1, "html": 2}},
        "preferredLanguage": _text(10, values={name: name for name in LANGUAGES}),
        "timeZone": _text(64, values=TIME_ZONES),
        "title": _text(255, read_only=True),
        "domain": _text(255, read_only=True),
        "thumbnail": _text(255, default="/nl/img/thumbnails/defaultProfil.png", sortable=False),
        "isExternal": {"type": "boolean"},
        "location": {"fields": LOCATION},
        "postalAddress": {"fields": POSTAL_ADDRESS, "read_only": True},
        **{f"blackList{optout}": {"type": "boolean"} for optout in OPT_OUTS},
        "ccpaOptOut": {"type": "boolean"},
        **{column: _read_only("datetime") for column in OPT_OUT_TIMES.values()},
        "blackListAllLastModified": _read_only("datetime"),
    },
    "links": {
        "country": {"target": "countries", "joins": {"location.countryCode": "isoA2"}, "read_only": True,
                    "on_delete": "nothing"},
        "stateLink": {"target": "state", "joins": {"location.stateCode": "code"}, "read_only": True,
                      "on_delete": "nothing"},
        "emailStatus": {"target": "addressStatus", "joins": {"email": "address"}, "read_only": True,
                        "on_delete": "nothing"},
    },
    "collections": {
        name: {"resource": "", "link": ""}
        for name in ("appSubscription", "excludeLogs", "logs", "places", "subHisto", "tracking")
    },
    "filters": {
        "byEmail": {"label": "By email", "rules": [{"column": "email", "parameter": "email"}]},
        "byKeysProfile": {"label": "By keys", "rules": [{"column": "email", "parameter": "email"}]},
        "byText": {"label": "By name or email", "kind": "text", "parameters": ["text"]},
        "profile": {"label": "Profile", "kind": "record", "parameters": ["profile"]},
        "subscribers": {"label": "Subscribers", "kind": "subscribers", "parameters": ["service"]},
        **{name: {"kind": "not_imitated", "parameters": ["delivery"]}
           for name in ("hasReceivedDelivery", "hasOpenedDelivery", "hasClickedDelivery")},
        "birthday": {"kind": "not_imitated", "parameters": ["type", "precision", "operator"]},
        "byStaticAudience": {"kind": "not_imitated", "parameters": ["audience"]},
    },
}  # fmt: skip

SERVICE: dict[str, Any] = {
    "schema": "nms:service",
    "label": "Services",
    "singular": "Service",
    "title": ["label", "name"],
    "fields": {
        "name": _text(64, label="ID"),
        "label": _text(128, label="Label"),
        "messageType": {"type": "byte", "values": {"email": 0, "sms": 1}},
        "mode": {"type": "byte", "values": {"newsletter": 0, "viral": 1}},
        "start": {"type": "date"}, "end": {"type": "date"},
        "limitedDuration": {"type": "boolean"}, "validityDuration": {"type": "long"},
        "targetResource": _text(64, default="profile"),
    },
    "keys": {"name": {"fields": ["name"]}},
    "collections": {"history": {"resource": "", "link": ""}},
    "filters": {
        "byChannel": {"label": "By channel", "rules": [{"column": "messageType", "parameter": "channel"}]},
        "byText": {"label": "By text", "kind": "text", "parameters": ["text"]},
        "byTargetResource": {"rules": [{"column": "targetResource", "parameter": "targetResource"}]},
        "byPlanning": {"kind": "not_imitated", "parameters": ["startDate", "endDate"]},
    },
}  # fmt: skip

SUBSCRIPTION: dict[str, Any] = {
    "schema": "nms:subscription",
    "label": "Subscriptions",
    "singular": "Subscription",
    "internal": True,
    "fields": {"created": _read_only("datetime")},
    "audit": False,
    "links": {
        "service": {"target": "service", "reverse": "subscriptions", "on_delete": "delete_referencing"},
        "subscriber": {"target": "profile", "reverse": "subscriptions", "on_delete": "delete_referencing"},
    },
    "keys": {"pair": {"fields": ["service", "subscriber"]}},
}  # fmt: skip

ORG_UNIT: dict[str, Any] = {
    "schema": "xtk:orgUnit",
    "label": "Organizational units",
    "singular": "Organizational unit",
    "title": ["label", "name"],
    "fields": {"name": _text(64), "label": _text(128)},
    "keys": {"name": {"fields": ["name"]}},
}


def _codes(schema: str, label: str, code: str) -> dict[str, Any]:
    """Return a small read-mostly resource that profiles link to by a code."""
    fields = {code: _text(128), "label": _text(128)}
    return {"schema": schema, "label": label, "title": ["label"], "internal": True, "audit": False,
            "fields": fields, "keys": {code: {"fields": [code]}}}  # fmt: skip


HISTORY: dict[str, Any] = {
    "schema": "nms:recipient",
    "label": "Marketing history",
    "internal": True,
    "audit": False,
    "fields": {"title": _text(255, read_only=True)},
    "collections": {"events": {"resource": "", "link": ""}},
}

RESOURCES: dict[str, dict[str, Any]] = {
    "profile": PROFILE,
    "service": SERVICE,
    "orgUnitBase": ORG_UNIT,
    "geoUnitBase": {**ORG_UNIT, "schema": "nms:geoUnit", "label": "Geographical units"},
    "subscriptionRcp": SUBSCRIPTION,
    "countries": _codes("nms:country", "Countries", "isoA2"),
    "state": _codes("nms:state", "States", "code"),
    "history": HISTORY,
    "userBase": _codes("xtk:operator", "Users", "name"),
    "addressStatus": _codes("nms:address", "Address status", "address"),
    **log_resources.RESOURCES,
}

# what an administrator has published before the first sync: a key, a filter, fields to map to, the units
EXTENSION: dict[str, Any] = {
    "fields": {
        "cusFirstSeen": {"type": "datetime"},
        "cusIncomeBand": _text(40),
        "cusChildren": {"type": "integer"},
        "cusTotalPurchase": {"type": "float"},
        "cusHomeOwner": {"type": "boolean"},
        "cusNote": _text(255),
        "cusNickName": _text(40),
    },
    "links": {"orgUnit": {"target": "orgUnitBase", "reverse": "", "on_delete": "nothing"}},
    "keys": {"externalIdKey": {"fields": ["externalId"]}},
    "filters": {
        "byextId": {
            "label": "extId",
            "rules": [{"column": "externalId", "parameter": "externalId_parameter"}],
        }
    },
}

# the import workflow that a careful integrator has built for a flow of contacts (§8.1)
PROFILE_IMPORT: dict[str, Any] = {
    "id": "WKF88",
    "label": "d365 – profiles from files",
    "resource": "profile",
    "key": "externalId",
    "columns": [
        "externalId", "email", "salutation", "firstName", "middleName", "lastName", "birthDate", "gender",
        "phone", "mobilePhone", "location.address1", "location.address2", "location.zipCode", "location.city",
        "location.stateCode", "location.countryCode", "cusFirstSeen",
    ],
    "insert_only": ["cusFirstSeen"],
}  # fmt: skip

# and the exports of opt-outs and events (§8.3, §8.4)
EXPORTS: tuple[dict[str, Any], ...] = (
    {"id": "WKF101", "label": "d365 – opt-outs", "kind": "optout", "columns": "all", "every_minutes": 1440},
    {"id": "WKF102", "label": "d365 – delivery logs", "kind": "broadlog", "columns": "all", "every_minutes": 240},
    {"id": "WKF103", "label": "d365 – tracking logs", "kind": "tracking", "columns": "all", "every_minutes": 240,
     "mode": "window"},
)  # fmt: skip
