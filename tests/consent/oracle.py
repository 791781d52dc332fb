"""What the rule's text (docs/opt_outs.md §2, §7) allows to be told, judged from what people said and what was read.

No package: it is told what the flow could have read and remembered, and judges every value that is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tests.consent.two_sides import ATTRIBUTES, Row, TwoSides, Word

#: By how much two clocks may differ where a no is taken for our own.
TOLERANCE = timedelta(minutes=2)

Place = tuple[str, str]  # contact, attribute


@dataclass
class Oracle:
    """`settings` of the run that is under way: direction, conflict, whether it repeats, and which opt-ins a person or
    the mapping's guard let through.
    """

    sides: TwoSides
    direction: str = "disabled"
    conflict: str = "record"
    again: bool = False
    allowed: set[Place] = field(default_factory=set)
    filters: bool = False
    reading: dict[str, list[Row]] = field(default_factory=dict)  # what the flow has before it
    seen: dict[Place, int] = field(default_factory=dict)  # the latest row that it remembers
    said: dict[Place, bool | None] = field(default_factory=dict)  # what it remembers of Dynamics
    read: dict[Place, int] = field(default_factory=dict)  # and when that was
    met: dict[Place, tuple[int, int]] = field(default_factory=dict)  # of each side, when both had been heard

    # -- what the flow knows -----------------------------------------------------------------------------------

    def looks_at(self, key: str) -> None:
        """Noes in Dynamics that were cleared before anybody read them are no news to anybody; with `attribute`, neither
        is one where a no was read last.
        """
        for attribute in ATTRIBUTES:
            now, place = self.sides.contacts[key].no[attribute], (key, attribute)
            same = self.conflict == "attribute" and self.said.get(place) and now
            if now is None or same:
                for word in self.sides.said("dynamics", key, attribute):
                    word.hidden |= word.order > self.read.get(place, 0)

    def remembers(self, key: str, attribute: str, *, dynamics: bool) -> None:
        """The flow keeps what it read of an attribute; `dynamics`: of both sides."""
        place = (key, attribute)
        if (latest := self._latest(key, attribute)) is not None:
            self.seen[place] = latest
        no = self.sides.contacts[key].no[attribute]
        if dynamics:
            self.read[place] = self.sides.order
            self.said[place] = no if no is not None else self.said.get(place)
        self._meet(place)

    def made(self, key: str, attribute: str) -> None:
        """The flow of profiles made a profile with a no, and it is remembered."""
        self.seen[key, attribute] = self.sides.order
        self._meet((key, attribute))

    def was_told(self, key: str, attribute: str) -> None:
        """The flow remembers what it told Campaign: what is said there from now on is news."""
        self.met.setdefault((key, attribute), (self.sides.order, self.read[key, attribute]))

    def _meet(self, place: Place) -> None:
        if self.said.get(place) is not None and place in self.seen:
            self.met.setdefault(place, (self.seen[place], self.read.get(place, 0)))

    def profile_goes(self, key: str, exported: Iterable[Row]) -> None:
        """What was said in it and read by nobody, nor stands in a file, nobody will ever know."""
        rows = list(exported)
        for word in self.sides.words:
            if (word.side, word.key) == ("campaign", key):
                known = [row.order for row in rows if _told(row, word.attribute)]
                word.hidden |= word.order > max([*known, self.seen.get((key, word.attribute), 0)])

    def ran_well(self, pairs: Iterable[str]) -> None:
        """A run with these pairs ended well: what is not among them is at first sight when it is paired again."""
        for known in (self.met, self.seen):
            for place in [each for each in known if each[1] not in pairs]:
                del known[place]
        for word in self.sides.words:
            word.lost |= (
                word.side == "campaign"
                and word.attribute not in pairs
                and word.key not in self.sides.profiles
            )

    def _latest(self, key: str, attribute: str) -> int | None:
        """The last row of Campaign that told something of the attribute."""
        rows = [row.order for row in self.reading.get(key, ()) if _told(row, attribute)]
        return max(
            [*rows, *([self.seen[key, attribute]] if (key, attribute) in self.seen else [])], default=None
        )

    def _campaign(self, key: str, attribute: str) -> list[Word]:
        return [word for word in self.sides.said("campaign", key, attribute) if not word.hidden]

    # -- what may be told --------------------------------------------------------------------------------------

    def told_dynamics(self, key: str, noes: Mapping[str, bool]) -> None:
        """Called before the values are there."""
        assert self.direction in ("to_dynamics", "both")
        self._is_ours(key)
        for attribute, no in noes.items():
            if not no:
                self._prove_yes_in_dynamics(key, attribute)
            self.said[key, attribute] = no

    def told_campaign(self, key: str, noes: Mapping[str, bool], told_at: Mapping[str, object]) -> None:
        """`told_at`: when the flow last told the profile something, as far as it remembers."""
        assert self.direction in ("to_campaign", "both")
        self._is_ours(key)
        for attribute, no in noes.items():
            if not no:
                self._prove_yes_in_campaign(key, attribute, told_at.get(attribute))

    def _is_ours(self, key: str) -> None:
        contact = self.sides.contacts[key]
        assert contact.shown, "nobody sees this contact"
        assert contact.passes or not self.filters, "this contact's consent is not ours to keep"

    def _unasked(self, key: str, attribute: str) -> None:
        assert not self.again, "repeated work told a yes"
        assert (key, attribute) in self.allowed, "nobody allowed this opt-in"

    def _prove_yes_in_dynamics(self, key: str, attribute: str) -> None:
        """Campaign's last word that could be read is a yes with a time of its own, later than each no that stands in
        Dynamics; where that stood when both sides were heard first, the yes was said after that. Where no such no
        stands, ours stood for Campaign's own.
        """
        self._unasked(key, attribute)
        assert not self.sides.hides, "a yes without a time"
        latest = self._latest(key, attribute)
        assert latest is not None, "Campaign was never heard"
        words = [word for word in self._campaign(key, attribute) if word.order <= latest]
        assert words, "nobody ever said yes in Campaign"
        # a profile in whose place another stands took its last words along
        said = [word for word in words if not (word.lost and word.no)] if words[-1].lost else words
        assert said, words
        assert said[-1].no is False, words
        for word in standing(self.sides.said("dynamics", key, attribute)):
            assert word.at < said[-1].at, (word, said[-1])
            assert (key, attribute) in self.met, "the two sides were never heard before"
            row, then = self.met[key, attribute]
            assert word.order > then or said[-1].order > row, "the yes is older than what was heard at first"
            word.hidden = True  # it was lifted, for good

    def _prove_yes_in_campaign(self, key: str, attribute: str, told_at: object) -> None:
        """The no in Campaign is one that we wrote, and the last word of a person in Dynamics is a yes."""
        self._unasked(key, attribute)
        assert self.direction == "to_campaign"
        assert self.sides.said("dynamics", key, attribute)[-1].no is False
        profile = self.sides.profiles[key]
        if profile.no[attribute] and not profile.ours[attribute]:
            # a person's, which within the tolerance looks like ours
            assert abs(self.sides.said("campaign", key, attribute)[-1].at - told_at) <= TOLERANCE

    # -- when all is quiet -------------------------------------------------------------------------------------

    def every_no_was_taken_back(self, key: str, attribute: str) -> None:
        """By a later yes on its side; one in Dynamics also by a yes in Campaign with a later time."""
        in_campaign = self._campaign(key, attribute)
        if in_campaign and not in_campaign[-1].lost:
            assert in_campaign[-1].no is False, in_campaign
        for word in standing(self.sides.said("dynamics", key, attribute)):
            assert any(not other.no and other.at > word.at for other in in_campaign), (word, in_campaign)

    def may_wait(self, key: str, attribute: str) -> bool:
        """Whether the sides may differ while nobody has decided: Campaign says yes, later than each no in Dynamics.
        In a file that comes late it may be the yes of a profile that was deleted.
        """
        words = self._campaign(key, attribute)
        noes = standing(self.sides.said("dynamics", key, attribute))
        said_yes = bool(words) and (words[-1].lost or not words[-1].no)
        return said_yes and all(any(not each.no and word.at < each.at for each in words) for word in noes)


def standing(words: list[Word]) -> list[Word]:
    """The noes that were not followed by a yes, as far as anybody could hear them."""
    yes = max((number for number, word in enumerate(words) if not word.no), default=-1)
    return [word for word in words[yes + 1 :] if not word.hidden]


def _told(row: Row, attribute: str) -> bool:
    """An unreadable cell says nothing, and neither does a yes with an unreadable time."""
    unread = row.unread.get(attribute)
    return unread is None or (unread == "time" and row.no[attribute])
