"""O1–O7: seeded histories of people, files, faults and settings against the sandbox; no yes that nobody said.

TEST_SIZE=nightly runs more and longer ones; TEST_SEED=number replays one.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from campaign_sync.errors import QualityError, ReconcileError

from tests.airflow_home import HOME
from tests.flows.objecting import DONE, EMAIL, EXPORTS, MAPPING, PHONE, Objecting, OnFoot
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.sandbox.sftp_session import download

NIGHTLY = os.environ.get("TEST_SIZE") == "nightly"
SEEDS = [int(os.environ["TEST_SEED"])] if "TEST_SEED" in os.environ else range(1, 13) if NIGHTLY else [1]
PEOPLE, ROUNDS = (40, 80) if NIGHTLY else (24, 3)
COLUMNS = (EMAIL, PHONE)
PAIR = "  denyListPhone: {column: donotphone, no_is: true}\n"
DIRECTIONS = ("both", "both", "both", "to_dynamics", "to_campaign")
ANSWERS = {"approved": True, "refused": False}
RUNS = (
    "",
    "",
    "",
    "killed",
    "killed while telling",
    "answers lost",
    "replay",
    "approved",
    "approved",
    "refused",
)


class Word(NamedTuple):
    """What a person said; the later in the list, the later by both systems' clock."""

    side: str
    key: str
    column: str
    no: bool


class History:
    """People at both systems, and the flow between them."""

    def __init__(self, objecting: Objecting, seed: int) -> None:
        self.objecting, self.chance = objecting, random.Random(seed)
        self.words: list[Word] = []
        self.happened: Counter[str] = Counter()
        self.direction, self.runs = "both", 0
        self.conflict, self.paired, self.unasked = "record", True, True
        self.anew: set[str] = set()  # who has another profile than the one in which they spoke
        self.objecting.edit("pairs:\n", "conflict: record\npairs:\n")
        self.now = self.objecting.all_said(*COLUMNS)

    def round(self) -> None:
        """Some people speak or are edited, perhaps a file comes, perhaps a setting changes; the flow runs."""
        said = {column: dict(values) for column, values in self.now.items()}
        for _ in range(self.chance.randrange(2, 7)):
            self.somebody_speaks(said)
        if self.chance.random() < 0.4:
            self.objecting.systems.change({"id": self._anybody(), "jobtitle": f"Surveyor {self.runs}"})
            self.happened["edit"] += 1
        if self.chance.random() < 0.7:
            self.objecting.export()
            self.happened["export"] += 1
        if self.chance.random() < 0.2:
            self.an_old_file_comes_again()
        if self.chance.random() < 0.25:
            self.turn(self.chance.choice(DIRECTIONS))
        if self.chance.random() < 0.3:
            self.change_the_mapping()
        if self.chance.random() < 0.15:
            self.a_profile_is_made_anew()
        self.objecting.later()
        self.now = self.objecting.all_said(*COLUMNS)
        self.run(self.chance.choice(RUNS))
        self.objecting.later()

    def somebody_speaks(self, said: dict[str, dict[str, Any]]) -> None:
        key, column = self._anybody(), self.chance.choice([EMAIL, PHONE])
        dynamics, campaign = said[column][key]
        self.objecting.later(5)
        if self.chance.random() < 0.5:
            word = Word("dynamics", key, column, not dynamics)
            self.objecting.dynamics(**{column: {key: word.no}})
        else:
            word = Word("campaign", key, column, not campaign)
            self.objecting.campaign(key, **{column: word.no})
        said[column][key] = (word.no, campaign) if word.side == "dynamics" else (dynamics, word.no)
        self.words.append(word)
        self.happened[f"{word.side} {'no' if word.no else 'yes'}"] += 1

    def an_old_file_comes_again(self) -> None:
        if done := self.objecting.files(DONE):
            name = self.chance.choice(done)
            content = download(self.objecting.systems.sandbox, f"/{DONE}/{name}").decode()
            self.objecting.put(f"optout_19990101_{self.runs:06d}.csv", content)
            self.happened["file again"] += 1

    def turn(self, direction: str) -> None:
        self.objecting.edit(f"direction: {self.direction}\n", f"direction: {direction}\n")
        self.direction = direction
        self.happened[direction] += 1

    def change_the_mapping(self) -> None:
        """What a conflict compares, a pair, or how many may be opted in unasked."""
        what = self.chance.choice(["conflict", "pair", "unasked"])
        if what == "conflict":
            old, self.conflict = self.conflict, "attribute" if self.conflict == "record" else "record"
            self.objecting.edit(f"conflict: {old}", f"conflict: {self.conflict}")
        elif what == "pair":
            self.pair(not self.paired)
        else:
            old, self.unasked = self.unasked, not self.unasked
            self.objecting.edit(f"opt_ins: {1000 * old}", f"opt_ins: {1000 * self.unasked}")
        self.happened[what] += 1

    def pair(self, there: bool) -> None:
        if there != self.paired:
            self.objecting.edit(*("load: {", f"{PAIR}load: {{") if there else (PAIR, ""))
        self.paired = there

    def a_profile_is_made_anew(self) -> None:
        """Without what was said in it."""
        key = self._anybody()
        self.objecting.delete_profile(key)
        self.objecting.later(5)
        self.objecting.make_profiles(key)
        self.anew.add(key)
        self.happened["profile anew"] += 1

    def run(self, how: str = "") -> None:
        """One run, perhaps with a fault or a question; what it told is proved lawful."""
        before = self.now
        self.runs += 1
        self.happened[how or "run"] += 1
        if how == "answers lost":
            for system in ("dataverse", "campaign"):
                self.objecting.systems.fault(system=system, method="PATCH|POST", path="/", do="reset_after")
        form = {"replay": True} if how == "replay" else {"decide": True} if how in ANSWERS else {}
        foot = OnFoot(self.objecting.mapping, f"run-{self.runs}", **form)
        foot.read()
        with suppress(QualityError):  # refused
            asked = foot.guard(ANSWERS.get(how))
            self.happened["asked"] += asked is not None
            if how != "killed":
                foot.load()
        if not how.startswith("killed"):
            try:
                tally = Counter(foot.reconcile()["tally"])
                assert tally["extracted"] == tally.total() - tally["extracted"]
            except (QualityError, ReconcileError):
                self.happened["red"] += 1
        self.objecting.systems.heal()
        self.now = self.objecting.all_said(*COLUMNS)
        self.prove(before, how, paired=COLUMNS if self.paired else (EMAIL,))

    def prove(self, before: dict[str, dict[str, Any]], how: str, paired: Collection[str]) -> None:
        """A no became a yes for a lawful reason only, and on no side that the direction does not write."""
        for column, was in before.items():
            for key, now in self.now[column].items():
                told_dynamics, told_campaign = (a != b for a, b in zip(was[key], now, strict=True))
                assert column in paired or not (told_dynamics or told_campaign), key
                if (told_dynamics and not now[0]) or (told_campaign and now[1] is False):
                    assert self.unasked or how == "approved", key
                assert not (told_dynamics and self.direction == "to_campaign"), key
                assert not (told_campaign and self.direction == "to_dynamics"), key
                if told_dynamics and now[0] is False:
                    assert how != "replay"
                    assert self.taken_back(key, column), self.said_of(key, column)
                    self.happened["told yes to dynamics"] += 1
                if told_campaign and now[1] is False:
                    assert (self.direction, how != "replay") == ("to_campaign", True)
                    assert key in self.anew or not self.objects_in_campaign(key, column)
                    assert self._words("dynamics", key, column)[-1].no is False
                    self.happened["told yes to campaign"] += 1

    def taken_back(self, key: str, column: str) -> bool:
        """Whether each no that was said in Dynamics was taken back there, or later in Campaign."""
        noes = [n for n, w in enumerate(self.words) if w == Word("dynamics", key, column, True)]
        return not noes or any(w[1:] == (key, column, False) for w in self.words[noes[-1] :])

    def said_of(self, key: str, column: str) -> list[Word]:
        return [word for word in self.words if (word.key, word.column) == (key, column)]

    def end(self) -> None:
        """All goes quiet and what waits is approved: both sides agree, every no was taken back or stands, and nothing
        comes back as news.
        """
        self.pair(True)
        if self.direction != "both":
            self.turn("both")
        # a changed direction is no change of a contact
        self.objecting.systems.change(*({"id": key, "jobtitle": "Emeritus"} for key in self.objecting.people))
        for how in ("", "approved"):
            self.objecting.later()
            self.objecting.export()
            self.run(how)
        self.objecting.later()
        self.objecting.export()
        self.objecting.systems.forget()
        self.run()
        assert not self.objecting.writes()
        for column, said in self.now.items():
            for key, (dynamics, campaign) in said.items():
                if campaign is None:
                    continue
                assert dynamics == campaign, self.said_of(key, column)
                if not dynamics:
                    assert key in self.anew or not self.objects_in_campaign(key, column)
                    assert self.taken_back(key, column), self.said_of(key, column)

    def objects_in_campaign(self, key: str, column: str) -> bool:
        """Whether the last that was said there is a no."""
        return any(each.no for each in self._words("campaign", key, column)[-1:])

    def _words(self, side: str, key: str, column: str) -> list[Word]:
        return [word for word in self.said_of(key, column) if word.side == side]

    def _anybody(self) -> str:
        """Few are restless, so that what they say meets."""
        return self.chance.choice(self.objecting.people[: self.chance.choice([3, PEOPLE])])


@pytest.fixture
def airflow(
    systems: Systems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> RealAirflow:
    """Without the metadata database that only its own loop needs: all is on foot here."""
    return RealAirflow(HOME, tmp_path, monkeypatch, systems.sandbox.env, capfd)


@pytest.fixture
def one_clock(systems: Systems, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The sandbox's clock is the package's too, and starts so far back that no file is of the future."""
    from campaign_sync.run import clock

    def now() -> datetime:
        return datetime.fromisoformat(systems.control("GET", "/sandbox/clock")["now"])

    systems.control("POST", "/sandbox/clock", {"set": (now() - timedelta(days=2)).isoformat()})
    monkeypatch.setattr(clock, "now", now)
    yield
    systems.control("POST", "/sandbox/clock", {"reset": True})


@pytest.mark.timeout(3600 if NIGHTLY else 300)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_nobody_is_opted_in_against_their_word(
    seed: int, airflow: RealAirflow, systems: Systems, one_clock: None, no_waiting: None
) -> None:
    history = History(Objecting(airflow, systems, MAPPING, PEOPLE), seed)
    print(f"TEST_SEED={seed}")
    history.run()
    for _ in range(ROUNDS):
        history.round()
    history.end()
    print(", ".join(f"{count} {what}" for what, count in sorted(history.happened.items())))
    assert history.objecting.files(EXPORTS) == []
