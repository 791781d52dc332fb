"""Both systems as far as two opt-out attributes go, and what people said in them. Plain values, no package.

Each system stamps with a clock of its own. Campaign's export is the incremental query of the reference (≥ last date).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EMAIL, PHONE = ATTRIBUTES = ("denyListEmail", "denyListPhone")


@dataclass
class Word:
    """What a person said. `hidden`: no reading could tell it from an edit of something else. `lost`: it went with its
    profile, in whose place another stands.
    """

    side: str
    key: str
    attribute: str
    no: bool
    at: datetime
    order: int
    hidden: bool = False
    lost: bool = False


@dataclass
class Contact:
    """`passes`: whether the mapping's filter would let it; `shown`: whether Dynamics shows it to us."""

    no: dict[str, bool | None]
    modified: datetime
    version: int = 0
    passes: bool = True
    shown: bool = True


@dataclass
class Profile:
    no: dict[str, bool]
    changed: dict[str, datetime | None]  # the attribute's own time; None: never
    modified: datetime
    ours: dict[str, bool]  # who made the present value


class Row(NamedTuple):
    """A profile in an export file or on a REST page, written when `order` things had happened.

    `unread`: attributes of which the cell, or the time, cannot be read.
    """

    no: Mapping[str, bool]
    changed: Mapping[str, datetime | None]
    modified: datetime
    order: int
    unread: Mapping[str, str] = {}


@dataclass
class TwoSides:
    """`ahead`: seconds that Campaign's clock is ahead; `hides`: Campaign shows no time per attribute."""

    ahead: int
    hides: bool
    now: datetime = datetime(2026, 4, 12, tzinfo=UTC)
    contacts: dict[str, Contact] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)
    feed: list[str] = field(default_factory=list)
    had_profile: set[str] = field(default_factory=set)
    order: int = 0
    exported: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def campaign_now(self) -> datetime:
        return self.now + timedelta(seconds=self.ahead)

    def pause(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def said(self, side: str, key: str, attribute: str) -> list[Word]:
        return [w for w in self.words if (w.side, w.key, w.attribute) == (side, key, attribute)]

    # -- people ------------------------------------------------------------------------------------------------

    def say_in_dynamics(self, key: str, attribute: str, no: bool | None) -> None:
        self._write_contact(key, {attribute: no})
        if no is not None:
            self._heard("dynamics", key, attribute, no, self.now)

    def say_in_campaign(self, key: str, attribute: str, no: bool) -> None:
        """Saying what the profile says already leaves no trace but `lastModified` (B14)."""
        if self.profiles[key].no[attribute] != no:
            self._write_profile(key, attribute, no, ours=False)
            self._heard("campaign", key, attribute, no, self.campaign_now)
        else:
            self.edit_in_campaign(key)

    def edit_in_dynamics(self, key: str, **changes: bool) -> None:
        """`changes`: of what the mapping's filter or our rights depend on."""
        for name, value in changes.items():
            setattr(self.contacts[key], name, value)
        self._write_contact(key, {})

    def edit_in_campaign(self, key: str) -> None:
        self.order += 1
        self.profiles[key].modified = self.campaign_now

    def delete_profile(self, key: str) -> None:
        self.order += 1
        del self.profiles[key]

    # -- what the two interfaces do ----------------------------------------------------------------------------

    def create_contact(self, key: str, no: bool | None) -> None:
        self.contacts[key] = Contact(dict.fromkeys(ATTRIBUTES), self.now)
        for attribute in ATTRIBUTES:
            self.say_in_dynamics(key, attribute, no)

    def create_profile(
        self, key: str, noes: Collection[str] = (), *, ours: bool = False, stamped: bool = False
    ) -> None:
        """`stamped`: with times of the attributes, though nobody changed them (a clock ahead would date it up); not
        where another profile was, as it would look like a person's yes (B14: nothing is stamped that does not change).
        """
        self.order += 1
        if key in self.had_profile:
            self.pause(1)  # as for two changes in one second
        for word in self.words:
            word.lost |= (word.side, word.key) == ("campaign", key) and not (ours and word.attribute in noes)
        stamped &= not self.ahead and key not in self.had_profile
        self.had_profile.add(key)
        changed = {each: self.campaign_now if each in noes or stamped else None for each in ATTRIBUTES}
        self.profiles[key] = Profile(
            {each: each in noes for each in ATTRIBUTES},
            changed,
            self.campaign_now,
            dict.fromkeys(ATTRIBUTES, ours),
        )
        for attribute in () if ours else noes:
            self._heard("campaign", key, attribute, True, self.campaign_now)

    def patch_contact(self, key: str, noes: Mapping[str, bool], version: int) -> bool:
        """False: 412, somebody was quicker."""
        if self.contacts[key].version != version:
            return False
        self._write_contact(key, noes)
        return True

    def patch_profile(self, key: str, noes: Mapping[str, bool]) -> None:
        for attribute, no in noes.items():
            if self.profiles[key].no[attribute] != no:
                self._write_profile(key, attribute, no, ours=True)
        self.edit_in_campaign(key)

    def row(self, key: str, unread: Mapping[str, str] = {}) -> Row:
        profile = self.profiles[key]
        changed = dict.fromkeys(ATTRIBUTES) if self.hides else dict(profile.changed)
        return Row(dict(profile.no), changed, profile.modified, self.order, unread)

    def export(self, *, full: bool, unread: Mapping[str, str] = {}) -> dict[str, Row]:
        since, self.exported = self.exported, self.campaign_now
        return {
            key: self.row(key, unread)
            for key, profile in self.profiles.items()
            if full or profile.modified >= since
        }

    def _heard(self, side: str, key: str, attribute: str, no: bool, at: datetime) -> None:
        self.words.append(Word(side, key, attribute, no, at, self.order))

    def _write_contact(self, key: str, noes: Mapping[str, bool | None]) -> None:
        self.order += 1
        contact = self.contacts[key]
        contact.no |= noes
        contact.modified, contact.version = self.now, contact.version + 1
        self.feed.append(key)

    def _write_profile(self, key: str, attribute: str, no: bool, *, ours: bool) -> None:
        self.order += 1
        profile = self.profiles[key]
        if (
            profile.modified == self.campaign_now
        ):  # which of two changes in one second came first, no file can tell
            self.pause(1)
        profile.no[attribute], profile.changed[attribute] = no, self.campaign_now
        profile.ours[attribute], profile.modified = ours, self.campaign_now
