"""Both systems as far as one opt-out attribute goes, and what people said in them. Plain values, no package.

Each system stamps with a clock of its own. Campaign's export is the incremental query of the reference (≥ last date).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple


@dataclass
class Word:
    """What a person said. `hidden`: no reading could tell it from an edit of something else."""

    side: str
    key: str
    no: bool
    at: datetime
    order: int
    hidden: bool = False


@dataclass
class Contact:
    no: bool | None
    modified: datetime
    version: int


@dataclass
class Profile:
    no: bool
    changed: datetime | None  # the attribute's own time; None: never
    modified: datetime
    ours: bool  # who made the present value


class Row(NamedTuple):
    """A profile in an export file or on a REST page, written when `order` things had happened."""

    no: bool
    changed: datetime | None
    modified: datetime
    order: int


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
    order: int = 0
    exported: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def campaign_now(self) -> datetime:
        return self.now + timedelta(seconds=self.ahead)

    def pause(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def said(self, side: str, key: str) -> list[Word]:
        return [word for word in self.words if (word.side, word.key) == (side, key)]

    # -- people ------------------------------------------------------------------------------------------------

    def say_in_dynamics(self, key: str, no: bool | None) -> None:
        self._write_contact(key, no)
        if no is not None:
            self.words.append(Word("dynamics", key, no, self.now, self.order))

    def say_in_campaign(self, key: str, no: bool) -> None:
        """Saying what the profile says already leaves no trace but `lastModified` (B14)."""
        profile = self.profiles[key]
        if profile.no != no:
            self._write_profile(key, no, ours=False)
            self.words.append(Word("campaign", key, no, self.campaign_now, self.order))
        else:
            self.edit_in_campaign(key)

    def edit_in_dynamics(self, key: str) -> None:
        self._write_contact(key, self.contacts[key].no)

    def edit_in_campaign(self, key: str) -> None:
        self.order += 1
        self.profiles[key].modified = self.campaign_now

    # -- what the two interfaces do ----------------------------------------------------------------------------

    def create_contact(self, key: str, no: bool | None) -> None:
        self.contacts[key] = Contact(None, self.now, 0)
        self.say_in_dynamics(key, no)

    def create_profile(self, key: str, no: bool, *, ours: bool = False, stamped: bool = False) -> None:
        """`stamped`: with a time of the attribute, though nobody changed it (a clock ahead would date it up)."""
        self.order += 1
        changed = self.campaign_now if no or (stamped and not self.ahead) else None
        self.profiles[key] = Profile(no, changed, self.campaign_now, ours)
        if no and not ours:
            self.words.append(Word("campaign", key, no, self.campaign_now, self.order))

    def patch_contact(self, key: str, no: bool, version: int) -> bool:
        """False: 412, somebody was quicker."""
        if self.contacts[key].version != version:
            return False
        self._write_contact(key, no)
        return True

    def patch_profile(self, key: str, no: bool) -> None:
        if self.profiles[key].no != no:
            self._write_profile(key, no, ours=True)
        self.edit_in_campaign(key)

    def row(self, key: str) -> Row:
        profile = self.profiles[key]
        return Row(profile.no, None if self.hides else profile.changed, profile.modified, self.order)

    def export(self, *, full: bool) -> dict[str, Row]:
        since, self.exported = self.exported, self.campaign_now
        return {key: self.row(key) for key, p in self.profiles.items() if full or p.modified >= since}

    def _write_contact(self, key: str, no: bool | None) -> None:
        self.order += 1
        contact = self.contacts[key]
        contact.no, contact.modified, contact.version = no, self.now, contact.version + 1
        self.feed.append(key)

    def _write_profile(self, key: str, no: bool, *, ours: bool) -> None:
        self.order += 1
        profile = self.profiles[key]
        if (
            profile.modified == self.campaign_now
        ):  # which of two changes in one second came first, no file can tell
            self.pause(1)
        profile.no, profile.changed, profile.modified, profile.ours = (
            no,
            self.campaign_now,
            self.campaign_now,
            ours,
        )
