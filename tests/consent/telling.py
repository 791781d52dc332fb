"""The flow in little: hears, decides and tells one attribute safely; every telling is proved lawful on the spot."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from campaign_sync.consent.rule import Decision, Known, Said, decide, hear, known_after

from tests.consent.two_sides import Row, TwoSides, Word

TOLERANCE = timedelta(minutes=2)

#: What can go wrong in a telling, and when.
FAULTS = ("killed before", "killed after", "answer lost", "refused", "overtaken by no", "overtaken by yes")


UNTOLD = Decision(no=True, tell_campaign=None, tell_dynamics=None, why="")


class Killed(Exception):
    """The process went; nothing was remembered and no place was moved."""


class Entry(NamedTuple):
    """The ledger's row, and (for the proof only) how much had happened when each side was last read."""

    known: Known
    told_at: datetime | None = None
    read_dynamics: int = 0
    read_campaign: int = 0


class Telling:
    def __init__(self, sides: TwoSides, direction: str, conflict: str) -> None:
        self.sides, self.direction, self.conflict = sides, direction, conflict
        self.ledger: dict[str, Entry] = {}
        self.files: list[tuple[dict[str, Row], bool]] = []  # rows, and whether the file was read before
        self.done: list[dict[str, Row]] = []
        self.parked: set[str] = set()
        self.started = False
        self.writes: list[tuple[str, str, bool]] = []

    # -- runs --------------------------------------------------------------------------------------------------

    def run(self, *, files: str = "in order", changes: int = 99, fault: str | None = None) -> None:
        """One run over what came: export files (where Campaign is read) and `changes` of the feed."""
        if self.direction == "disabled":
            return
        self._fault = fault
        self.sides.pause(1)
        try:
            if not self.started:
                self._read_in_full(again=False)
                self.started = True
            for key in sorted(self.parked & set(self.sides.profiles)):
                self.parked.discard(key)
                self.step(key)
            for key in self.sides.feed[:changes]:
                self.step(key)
                self.sides.feed.remove(key)
            if self.direction != "to_campaign":
                self._read_files(files)
        except Killed:
            pass
        self.sides.pause(1)

    def replay(self, fault: str | None = None) -> None:
        if self.direction != "disabled" and self.started:
            self._fault = fault
            self.sides.pause(1)
            with suppress(Killed):
                self._read_in_full(again=True)
            self.sides.pause(1)

    def _read_in_full(self, *, again: bool) -> None:
        for key in sorted(self.sides.contacts):
            row = self.sides.row(key) if key in self.sides.profiles else None
            self.step(key, row, page=True, again=again)

    def _read_files(self, how: str) -> None:
        files = list(self.files)
        if how == "reversed":
            files.reverse()
        if how == "all but the first":
            files = files[1:]
        for file in files:
            rows, again = file
            for key, row in rows.items():
                self.step(key, row, again=again)
            self.files.remove(file)
            self.done.append(rows)

    # -- one contact -------------------------------------------------------------------------------------------

    def step(self, key: str, row: Row | None = None, *, page: bool = False, again: bool = False) -> None:
        entry = self.ledger.get(key)
        known = entry.known if entry else None
        campaign = self._hear_campaign(entry, row, page)
        while True:
            contact = self.sides.contacts[key]
            version, read = contact.version, self.sides.order
            self._hide(key, entry)
            dynamics = hear(
                known and known.dynamics,
                contact.no,
                fresh(contact.modified, known and known.dynamics),
                record=self.conflict == "record",
            )
            decision = decide(self.direction, dynamics, campaign, known, again=again)
            seen = max(entry.read_campaign if entry else 0, row.order if row else 0)
            telling = (decision.tell_campaign, decision.tell_dynamics)
            if telling != (None, None) and self._strikes("refused"):
                if False not in telling:  # a no is not lost with the file that brought it
                    self._keep_untold(key, entry, dynamics, campaign, read, seen)
                return
            if decision.tell_dynamics is not None:
                if self._strikes("overtaken by no"):
                    self.sides.say_in_dynamics(key, True)
                elif self._strikes("overtaken by yes"):
                    self.sides.say_in_dynamics(key, False)
                if not self._tell_dynamics(key, decision, version, known, again, seen):
                    continue
            break
        told_at = entry.told_at if entry else None
        ours = None
        if decision.tell_campaign is not None:
            if key not in self.sides.profiles:
                self.parked.add(key)
                self._keep_untold(key, entry, dynamics, campaign, read, seen)
                return
            if self._tell_campaign(key, decision.tell_campaign, known, told_at, again):
                told_at = self.sides.now
            else:
                decision, ours = UNTOLD, False
        if self.writes and self._strikes("killed after"):
            raise Killed
        after = known_after(decision, dynamics, campaign, known, written=self.sides.now)
        if ours is not None:
            after = after._replace(ours=ours)
        if entry is None or after != entry.known:
            self.ledger[key] = Entry(after, told_at, read, seen)

    def _keep_untold(
        self, key: str, entry: Entry | None, dynamics: Said, campaign: Said, read: int, seen: int
    ) -> None:
        after = known_after(UNTOLD, dynamics, campaign, entry.known if entry else None)
        self.ledger[key] = Entry(after._replace(ours=False), entry.told_at if entry else None, read, seen)

    def _hear_campaign(self, entry: Entry | None, row: Row | None, page: bool) -> Said:
        before = entry.known.campaign if entry else None
        if row is None:
            return before or hear(None, None, None)
        at = row.changed or (row.modified if row.no else None)
        # A no that is not the echo of ours was said anew: a yes in a file from before it must not lift it.
        anew = row.no and not (entry and entry.told_at and abs(at - entry.told_at) <= TOLERANCE)
        if page:  # read fresh: cannot be late
            at = fresh(at, before) if at else None
        elif before and before.at and not row.no and row.modified <= before.at:
            return before  # a late file
        return hear(before, row.no, at, record=anew)

    # -- telling -----------------------------------------------------------------------------------------------

    def _tell_dynamics(
        self, key: str, decision: Decision, version: int, known: Known | None, again: bool, seen: int
    ) -> bool:
        no = decision.tell_dynamics
        if self._strikes("killed before"):
            raise Killed
        told = self.sides.patch_contact(key, no, version)
        if told:
            self.writes.append(("dynamics", key, no))
            assert self.direction in ("to_dynamics", "both")
            if not no:
                self._prove_yes_in_dynamics(key, known, again, seen)
        return told and not self._strikes("answer lost")

    def _tell_campaign(
        self, key: str, no: bool, known: Known | None, told_at: datetime | None, again: bool
    ) -> bool:
        """Whether what was decided holds; False: the no is not ours."""
        if self._strikes("killed before"):
            raise Killed
        profile = self.sides.profiles[key]
        if not no and profile.no:
            changed = self.sides.row(key).changed
            if told_at is None or changed is None or abs(changed - told_at) > TOLERANCE:
                return False
            self._prove_yes_in_campaign(key, known, told_at, again)
        assert self.direction in ("to_campaign", "both")
        if no or profile.no:
            self.sides.patch_profile(key, no)
            self.writes.append(("campaign", key, no))
            if not no:  # told for the person in Dynamics: their word here as well
                self.sides.words.append(Word("campaign", key, no, self.sides.campaign_now, self.sides.order))
        if self._strikes("answer lost"):
            self.sides.patch_profile(key, no)
        return True

    def _prove_yes_in_dynamics(self, key: str, known: Known | None, again: bool, seen: int) -> None:
        """Campaign's last word that we could have read is a yes, later than each no that stands in Dynamics."""
        assert known is not None
        assert not again
        words = [word for word in self.sides.said("campaign", key) if word.order <= seen]
        assert words, "nobody ever said yes in Campaign"
        assert words[-1].no is False, words
        said = self.sides.said("dynamics", key)
        for number, word in enumerate(said):
            standing = word.no and not word.hidden and all(later.no for later in said[number:])
            assert not standing or word.at < words[-1].at, (word, words[-1])

    def _prove_yes_in_campaign(self, key: str, known: Known | None, told_at: datetime, again: bool) -> None:
        """The no in Campaign is one that we wrote, and the last word of a person in Dynamics is a yes."""
        assert known is not None
        assert not again
        assert self.direction == "to_campaign"
        assert self.sides.said("dynamics", key)[-1].no is False
        if not self.sides.profiles[key].ours:  # a person's, which within the tolerance looks like ours
            assert abs(self.sides.said("campaign", key)[-1].at - told_at) <= TOLERANCE

    # -- for the proof -----------------------------------------------------------------------------------------

    def _strikes(self, fault: str) -> bool:
        """Each run has one fault at most, the first time that it can strike."""
        if self._fault != fault:
            return False
        self._fault = None
        return True

    def _hide(self, key: str, entry: Entry | None) -> None:
        """A no that was cleared before anybody read it; with `conflict: attribute`, a no where no was read last."""
        now = self.sides.contacts[key].no
        same = self.conflict == "attribute" and entry and entry.known.dynamics.no and now
        if now is None or same:
            for word in self.sides.said("dynamics", key):
                word.hidden |= word.order > (entry.read_dynamics if entry else 0)


def fresh(at: datetime, said: Said | None) -> datetime:
    """What was read fresh is not older than what is known."""
    return max(at, said.at) if said and said.at else at
