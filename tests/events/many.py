"""Many e-mail events for tests and measurements: rows of export files, and what must be in Dynamics after them.

Says by itself what each row means (campaign.md §12.1): it shares no code with the package.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

#: What the id of an activity is made of, written down once more: a change of it would double every activity.
NAMESPACE = uuid.UUID("6f2d1c0b-52a7-5e0e-9d57-0c7a2f6f9e11")

DELIVERY = (
    "broadLogId", "externalId", "eventDate", "status", "failureType", "failureReason", "deliveryType", "deliveryName",
    "campaignName", "isProof",
)  # fmt: skip
TRACKING = ("trackingLogId", "externalId", "logDate", "urlType", "url", "deliveryName", "campaignName")
LOGS = {"broadlog": ("send", "bounce", "soft"), "tracking": ("open", "click", "mirror")}
URL_TYPES = {"open": "2", "click": "1", "mirror": "6"}
OUTCOMES = {"send": ("1", "0", "0"), "bounce": ("2", "2", "1"), "soft": ("2", "1", "5")}

#: `soft` and `mirror` are rows that are no events.
SHARES = {"send": 0.50, "open": 0.28, "click": 0.15, "mirror": 0.01, "bounce": 0.04, "soft": 0.02}
NO_EVENTS = ("soft", "mirror")
REPEATED, LATE, UNKNOWN = 0.10, 0.02, 0.02  # with the bounces, one row in twenty is late


class Event(NamedTuple):
    """One event, as Campaign knows it."""

    kind: str
    log_id: int
    contact: str
    happened: datetime
    delivery: int
    late: bool  # exported days after the others

    @property
    def key(self) -> str:
        """The name of the event (campaign.md §12.1)."""
        return f"{self.kind}:{self.log_id}"

    @property
    def activity(self) -> str:
        """The id of its activity."""
        return str(uuid.uuid5(NAMESPACE, self.key))

    def cells(self) -> tuple[str, ...]:
        """Its row in the log's export."""
        when = f"{self.happened:%Y-%m-%d %H:%M:%S}"
        named = (f"DM{self.delivery}", f"Cruise{self.delivery % 7}")
        if self.kind in URL_TYPES:
            url = f"https://alder.example/{self.log_id % 97};a" if self.kind == "click" else ""
            return (str(self.log_id), self.contact, when, URL_TYPES[self.kind], url, *named)
        return (str(self.log_id), self.contact, when, *OUTCOMES[self.kind], "0", *named, "0")


class Mails(NamedTuple):
    """Events, and the contacts among theirs that Dynamics does not know."""

    events: list[Event]
    unknown: set[str]

    def known(self) -> list[Event]:
        """The events that become activities."""
        return [each for each in self._real() if each.contact not in self.unknown]

    def waiting(self) -> set[str]:
        """The names of the events that wait for their contact."""
        return {each.key for each in self._real() if each.contact in self.unknown}

    def files(self, *, late: bool, each: int, seed: int = 1) -> Iterator[tuple[str, str]]:
        """Name and content of export files, rows and files in no order, a tenth of the rows in there twice.

        :param late: the files that come days later; they hold some rows of before once more.
        """
        luck = random.Random(seed + late)
        rows = [event for event in self.events if event.late == late]
        before = [event for event in self.events if not event.late] if late else rows
        rows = rows + luck.sample(before, min(len(before), int(len(rows) * REPEATED)))
        luck.shuffle(rows)
        stamps = [f"{'2' if late else '1'}{number:05d}" for number in range(len(rows) // each + 2)]
        luck.shuffle(stamps)
        for log, kinds in LOGS.items():
            some = [event for event in rows if event.kind in kinds]
            for start in range(0, len(some), each):
                header = DELIVERY if log == "broadlog" else TRACKING
                yield (
                    f"{log}_20260412_{stamps[start // each]}.csv",
                    written(header, some[start : start + each]),
                )

    def _real(self) -> Iterator[Event]:
        return (each for each in self.events if each.kind not in NO_EVENTS)


def written(header: Sequence[str], events: Sequence[Event]) -> str:
    """An export file: a header, and a quoted line for each event."""
    rows = ('"' + '";"'.join(event.cells()) + '"' for event in events)
    return "\n".join([";".join(header), *rows]) + "\n"


def mails(number: int, contacts: Sequence[str], *, deliveries: int = 40, seed: int = 1) -> Mails:
    """So many events of contacts, of which a few are strangers to Dynamics.

    Every bounce is of a row of the log that was a send before, and most come late, as bounces do.
    """
    luck = random.Random(seed)
    strangers = [
        str(uuid.UUID(int=luck.getrandbits(128), version=4)) for _ in range(max(1, len(contacts) // 20))
    ]
    start = datetime(2026, 4, 1, tzinfo=UTC)
    events: list[Event] = []
    counts = {kind: int(number * share) for kind, share in SHARES.items()}
    sends = [
        Event(
            "send", 1_000_000 + n, luck.choice(strangers if luck.random() < UNKNOWN else contacts),
            start + timedelta(seconds=luck.randrange(86_400)), luck.randrange(deliveries), False,
        )
        for n in range(counts["send"])
    ]  # fmt: skip
    tracked = [kind for kind in LOGS["tracking"] for _ in range(counts[kind])]
    for log, kind in enumerate(tracked):
        send = luck.choice(sends)
        later = send.happened + timedelta(seconds=luck.randrange(5 * 86_400))
        late = luck.random() < LATE
        events.append(send._replace(kind=kind, log_id=5_000_000 + log, happened=later, late=late))
    failed = luck.sample(sends, counts["bounce"] + counts["soft"])
    for number_of, send in enumerate(failed):
        later = send.happened + timedelta(seconds=luck.randrange(7 * 86_400))
        kind = "bounce" if number_of < counts["bounce"] else "soft"
        events.append(send._replace(kind=kind, happened=later, late=True))
    return Mails([*sends, *events], set(strangers))
