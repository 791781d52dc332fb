"""The log generator: a delivery goes out to profiles, and days of bounces, opens and clicks follow (§12, B20).

Everything is worked out at once and lies in the future until the clock gets there. The same seed makes the
same events of the same profiles.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.campaign import links
from sandbox.campaign.logs import OPEN_PIXEL, Logs, copied, seconds
from sandbox.campaign.store import Row, column
from sandbox.campaign.tenant import Tenant, stamp

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
EXHAUSTED = 3.5 * DAY  # §12.2: until retries end
LATEST_BOUNCE = 7 * DAY  # §12.2: asynchronous bounces arrive up to one week later
DEVICES = ("pc", "mobile", "tablet")
REFUSALS = {
    "hard": ("userUnknown", "invalidDomain", "accountDisabled"),
    "soft": ("mailboxFull", "unreachable", "refused"),
}
URLS = (
    "https://www.alder.example/spring",
    "https://www.alder.example/cruise;jsessionid=7A1?from=mail&to=%C3%A5;b",
    'https://www.alder.example/search?q="north cape"&page=1',
    "https://www.alder.example/fjord?utm_source=mail&utm_campaign=spring#top",
)
LONG_URL = "https://www.alder.example/long?q=".ljust(10_000, "x")
SHARES = {  # of all mails; opens to mirrors: of those that arrive; repeats: opens or clicks per person, at most
    "ignored": 0.0, "denied": 0.005, "hard": 0.01, "hard_later": 0.01, "soft": 0.02, "opens": 0.4, "clicks": 0.1,
    "opt_outs": 0.002, "mirrors": 0.01, "late": 0.01, "deleted": 0.0,
}  # fmt: skip
OUTCOMES = ("ignored", "denied", "hard", "hard_later", "soft")


@dataclass(frozen=True)
class Mailing:
    """What one mailing is; times in seconds of the sandbox's clock."""

    at: float
    delivery: int
    channel: str
    shares: Mapping[str, float]
    days: float = 3.0
    repeats: int = 3
    urls: Sequence[str] = URLS
    seed: int = 1
    counts: Counter[str] = field(default_factory=Counter)


def send(tenant: Tenant, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Send a delivery and return its name and what becomes of it, counted; with the lock held.

    Raises ValueError for what makes no sense.
    """
    known = (
        "tenant",
        "delivery",
        "profiles",
        "count",
        "at",
        "shares",
        "days",
        "repeats",
        "urls",
        "long_urls",
        "seed",
    )
    if set(asked) - set(known):
        raise ValueError(f"a mailing has no {', '.join(set(asked) - set(known))}; it has {', '.join(known)}")
    wrong = set(asked.get("shares") or {}) - set(SHARES)
    if wrong:
        raise ValueError(f"shares have no {', '.join(wrong)}; they have {', '.join(SHARES)}")
    logs, store = Logs(tenant), tenant.store
    at = seconds(asked["at"]) if asked.get("at") else tenant.world.clock.timestamp()
    with store.transaction():
        delivery = logs.delivery(asked.get("delivery") or {}, stamp(at))
        mailing = Mailing(
            at=at,
            delivery=delivery,
            channel=logs.channel(delivery),
            shares={**SHARES, **(asked.get("shares") or {})},
            days=float(asked.get("days", 3.0)),
            repeats=int(asked.get("repeats", 3)),
            urls=(*(asked.get("urls") or URLS), *((LONG_URL,) if asked.get("long_urls") else ())),
            seed=int(asked.get("seed", 1)),
        )
        profiles = _profiles(tenant, mailing, asked)
        _write(tenant, logs, mailing, profiles)
        for row in profiles[: round(len(profiles) * mailing.shares["deleted"])]:
            links.delete(tenant, tenant.catalog.resource("profile"), row)
            mailing.counts["deleted"] += 1
    return {"delivery": logs.name(delivery), "counts": dict(mailing.counts)}


def _profiles(tenant: Tenant, mailing: Mailing, asked: Mapping[str, Any]) -> list[Row]:
    """Return the profiles that get the message: those given, or some of all that may be written to (§12.1)."""
    table = tenant.catalog.table("profile")
    if asked.get("profiles") is not None:
        found: dict[str, Row] = {}
        for start in range(0, len(asked["profiles"]), 1000):
            keys = asked["profiles"][start : start + 1000]
            where = f"{column('externalId', 'r')} IN ({', '.join('?' * len(keys))})"
            found |= {row.data["externalId"]: row for row in tenant.store.select(table, where, keys)}
        missing = [key for key in asked["profiles"] if key not in found]
        if missing:
            raise ValueError(f"{len(missing)} of the profiles are not there, {missing[0]} for one")
        return [found[key] for key in asked["profiles"]]
    address, opted_out = _address(mailing.channel)
    where = " AND ".join(
        (f"{column(address, 'r')} IS NOT NULL", *(f"coalesce({column(c, 'r')}, 0) = 0" for c in opted_out))
    )
    rows = list(tenant.store.select(table, where))
    random.Random(mailing.seed).shuffle(rows)
    return rows[: int(asked["count"])] if asked.get("count") is not None else rows


def _address(channel: str) -> tuple[str, tuple[str, ...]]:
    """Return the column with the address of a channel, and the opt-outs that keep it from being used."""
    if channel == "sms":
        return "mobilePhone", ("blackList", "blackListMobile")
    return "email", ("blackList", "blackListEmail")


def _write(tenant: Tenant, logs: Logs, mailing: Mailing, profiles: Sequence[Row]) -> None:
    chance = random.Random(mailing.seed)
    feedback = tenant.world.switches["campaign.feedback_service"]
    public = tenant.world.switches["campaign.mirror_url"] == "public"
    urls = {url: logs.url("click", url, f"link {n}") for n, url in enumerate(mailing.urls, 1)}
    others = {
        "opt_outs": logs.url("optOut", "https://www.alder.example/unsubscribe", "Unsubscribe"),
        "mirrors": logs.url("mirror", "https://m.alder.example/mirror", "Mirror page"),
    }
    first, number = logs.next_id("broadLogRcp"), logs.next_id("trackingLogRcp")
    sent: list[tuple[int, dict[str, Any]]] = []
    tracked: list[tuple[int, dict[str, Any]]] = []
    for broad_log, profile in enumerate(profiles, first):
        row, arrived = _broad_log(mailing, chance, profile, feedback=feedback)
        if public and mailing.channel == "email":
            row["mirrorUrl"] = f"https://m.alder.example/nl/jsp/m.jsp?c={broad_log:x}"
        sent.append((broad_log, row))
        if arrived is None or mailing.channel != "email":
            continue
        for what, url, when in _reactions(mailing, chance, arrived, [*urls.values()], others):
            later = chance.uniform(HOUR, 6 * HOUR) if chance.random() < mailing.shares["late"] else 0.0
            tracked.append((number, {
                "broadLog": broad_log, "profile": profile.id, "delivery": mailing.delivery, "url": url,
                "logDate": stamp(when), "trackedDevice": chance.choice(DEVICES), "committed": copied(when + later),
            }))  # fmt: skip
            number += 1
            mailing.counts[what] += 1
    logs.write("broadLogRcp", sent)
    logs.write("trackingLogRcp", tracked)


def _broad_log(
    mailing: Mailing, chance: random.Random, profile: Row, *, feedback: bool
) -> tuple[dict[str, Any], float | None]:
    """Return a delivery-log row with its turns, and when the message arrived, if it did (§12.2)."""
    at = mailing.at + chance.uniform(0, HOUR)  # 100,000 mails take their time
    outcome, draw = "sent", chance.random()
    for name in OUTCOMES:
        draw -= mailing.shares[name]
        if draw < 0:
            outcome = name
            break
    mailing.counts[outcome] += 1
    row: dict[str, Any] = {
        "profile": profile.id, "delivery": mailing.delivery, "deliveryType": mailing.channel,
        "address": profile.data.get(_address(mailing.channel)[0], ""),
        "contactDate": stamp(mailing.at), "eventDate": stamp(at), "lastModified": stamp(at),
        "committed": stamp(at), "status": "sent",
    }  # fmt: skip
    if chance.random() < mailing.shares["late"]:  # committed late, with the stamp of before
        row["committed"] = stamp(at + chance.uniform(MINUTE, 20 * MINUTE))
    if outcome == "ignored":
        return {**row, "status": "ignored"}, None
    if outcome == "denied":  # no mail left, and the type is that of a hard bounce all the same (§12.1)
        return {**row, "status": "failed", "failureType": "hard", "failureReason": "denylisted"}, None
    turns: list[dict[str, Any]] = []
    if feedback:
        row["status"] = "pending"
    if outcome == "sent":
        if feedback:
            turns.append(_turn(at + chance.uniform(5, 5 * MINUTE), "sent"))
        return _turning(row, turns), at
    kind = "soft" if outcome == "soft" else "hard"
    why = {"failureType": kind, "failureReason": chance.choice(REFUSALS[kind])}
    if outcome == "hard":
        if not feedback:
            return {**row, "status": "failed", **why}, None
        turns.append(_turn(at + chance.uniform(5, MINUTE), "failed", **why))
    elif outcome == "hard_later":
        if feedback:
            turns.append(_turn(at + MINUTE, "sent"))
        turns.append(_turn(at + chance.uniform(HOUR, LATEST_BOUNCE - HOUR), "failed", **why))
    elif feedback:
        turns.append(_turn(at + MINUTE, "failed", **why))
        if chance.random() < 0.5:  # a retry that gets through
            turns.append(
                _turn(at + chance.uniform(HOUR, EXHAUSTED), "sent", failureType="none", failureReason="none")
            )
    else:  # stays Sent, with what was reported; half of them for good
        row |= why
        if chance.random() < 0.5:
            turns.append(_turn(at + EXHAUSTED, "failed", **why))
    return _turning(row, turns), None


def _turn(at: float, status: str, **more: str) -> dict[str, Any]:
    return {"at": stamp(at), "committed": stamp(at), "status": status, **more}


def _turning(row: dict[str, Any], turns: list[dict[str, Any]]) -> dict[str, Any]:
    return {**row, "turns": turns, "turned": turns[-1]["at"]} if turns else row


def _reactions(
    mailing: Mailing, chance: random.Random, arrived: float, urls: list[int], others: Mapping[str, int]
) -> Iterator[tuple[str, int, float]]:
    """Yield what a reader does, with the number of the URL, and when; a click does not make an open (§12.1)."""

    def when() -> float:
        return arrived + chance.uniform(MINUTE, mailing.days * DAY)

    if chance.random() < mailing.shares["opens"]:
        for _ in range(chance.randint(1, max(1, mailing.repeats))):
            yield "opens", OPEN_PIXEL, when()
    if chance.random() < mailing.shares["clicks"]:
        for _ in range(chance.randint(1, max(1, mailing.repeats))):
            yield "clicks", chance.choice(urls), when()
    for what, url in others.items():
        if chance.random() < mailing.shares[what]:
            yield what, url, when()
