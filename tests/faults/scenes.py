"""One scene for each kind of flow: both systems with something of every kind to do, a run, and what must come of it.

What must come of it is computed without the package. Not for what goes wrong meanwhile (``test_*.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import pytest

from tests.faults.comparing_on_foot import walk_comparison
from tests.flows import mailing, objecting
from tests.flows.importing import Imports
from tests.flows.levels import Levels
from tests.flows.mailing import Mailing
from tests.flows.objecting import EMAIL, PHONE, Objecting
from tests.flows.on_foot import Returned, Task, execute, walk
from tests.flows.people import contact
from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems

#: More than the field takes: the row is rejected.
TOO_LONG = "x" * 300


#: How the tasks of a flow's run are executed.
How = Callable[[str, str], Task]


def once(flow: str, run_id: str) -> Task:
    """Each task once."""
    return execute


class Scene(ABC):
    """A kind of flow in the middle of its life."""

    name: ClassVar[str]

    def __init__(self, airflow: RealAirflow, systems: Systems, patch: pytest.MonkeyPatch) -> None:
        self.airflow, self.systems, self.patch = airflow, systems, patch
        self.prepare()

    def again(self) -> None:
        """Everything as it was before the run, in an Airflow that has never run it."""
        self.systems.control("POST", "/sandbox/reset")
        self.airflow.start_afresh()
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Bring both systems to the moment before the run."""

    @abstractmethod
    def more(self) -> None:
        """Something more to do, after the run."""

    @abstractmethod
    def walk(self, run_id: str, how: How = once) -> None:
        """One run of all flows of the scene.

        :param how: how each task of each flow is executed.
        """

    @abstractmethod
    def wrong(self) -> Any:
        """What is not as it should be after the run: empty if all is."""

    def writes(self) -> list[str]:
        """What has been written to either system since the last `forget`."""
        return [each for each in self.systems.writes() if " sftp " not in each]


class Contacts(Scene):
    """Contacts that came, changed, went, or cannot be written, and go by REST."""

    name = "contacts"

    def prepare(self) -> None:
        self.airflow.deletes("apply")
        self.airflow.drop_checks()
        self.edit()
        self.walk("begin")
        self.change()

    def edit(self) -> None:
        """What a kind of load changes in the mapping."""

    def change(self) -> None:
        """People work in Dynamics."""
        one, two, three, four, *_ = sorted(self.systems.profiles())
        self.systems.change({"id": one, "address1_city": "Møllehavn"}, {"id": two, "address1_city": "Oxford"})
        self.systems.delete(three, four)
        new = [contact(f"00000000-0000-4000-8000-{number:012}", lastname="Nora") for number in range(3)]
        self.systems.mutate(
            create=[*new, contact("00000000-0000-4000-8000-00000000000f", firstname="x" * 31)]
        )

    def more(self) -> None:
        one, _, three, *_ = sorted(self.systems.profiles())
        self.systems.change({"id": one, "address1_city": "Bath"}, {"id": three, "address1_city": "Wells"})
        self.systems.delete(sorted(self.systems.profiles())[1])

    def walk(self, run_id: str, how: How = once) -> None:
        assert walk(self.airflow.mapping, run_id, task=how(FLOW, run_id))["balanced"]

    def wrong(self) -> Any:
        return self.systems.differences()


class ContactsByFile(Contacts):
    """The same by file."""

    name = "contacts by file"

    def edit(self) -> None:
        Imports(self.airflow, self.systems, self.patch).use_files(bulk_from="always")


class Linked(Scene):
    """Three levels: a child that waits for its parent, one that loses it, one that moves, a chain that goes."""

    name = "linked resources"

    def prepare(self) -> None:
        self.airflow.mapping.unlink()
        self.levels = levels = Levels(self.systems.sandbox, self.airflow.mappings)
        levels.declare({1: {}, 2: {1: "1"}, 3: {2: "1"}})
        root, other, going = (levels.add(1) for _ in range(3))
        stays, moves, goes = (levels.add(2, l1=each) for each in (root, root, going))
        self.named, self.childless = stays, moves
        levels.add(3, l2=stays)
        gone = levels.add(3, l2=goes)
        waits = levels.add(2, "waits", l1=levels.add(1, TOO_LONG))
        levels.run_until_quiet()
        levels.change(2, moves, l1=other)
        levels.delete(3, gone)
        levels.delete(2, goes)
        levels.delete(1, going)
        mended = next(key for key, row in levels.rows(1).items() if row["new_name"] == TOO_LONG)
        levels.change(1, mended, name="mended")
        levels.add(3, l2=waits)
        levels.add(3, l2=levels.add(2, TOO_LONG, l1=root))

    def more(self) -> None:
        self.levels.change(2, self.named, name="more")
        self.levels.add(3, l2=self.named)
        self.levels.delete(2, self.childless)

    def walk(self, run_id: str, how: How = once) -> None:
        for level in (3, 2, 1, 2, 3, 2, 1):
            number = self.levels.runs = self.levels.runs + 1
            name = f"{run_id}-{number}"
            task, file = how(self.levels.flow(level), name), self.levels.file(level)
            # Airflow does not go on with a run that had ended before the process was killed
            run = task if how is Returned else execute
            assert run("whole", partial(walk, file, name, task=task))["balanced"]

    def wrong(self) -> Any:
        levels = self.levels
        wanted: dict[int, dict[str, tuple[Any, ...]]] = {0: {}}
        for level in (1, 2, 3):
            parent = f"_new_l{level - 1}id_value"
            wanted[level] = {
                key: (row["new_name"], row.get(parent))
                for key, row in levels.rows(level).items()
                if row["new_name"] != TOO_LONG and (level == 1 or row[parent] in wanted[level - 1])
            }
        found = {
            level: {
                key: (row["name"], row.get(f"l{level - 1}Id")) for key, row in levels.records(level).items()
            }
            for level in (1, 2, 3)
        }
        return levels.hidden() or {
            level: (found[level], wanted[level]) for level in found if found[level] != wanted[level]
        }

    def writes(self) -> list[str]:
        return self.levels.writes()


class Events(Scene):
    """Two export files with sends, a click, opens, a bounce and somebody who is unknown."""

    name = "e-mail events"

    def prepare(self) -> None:
        self.wanted = {"send": 3, "open": 2, "click": 1, "bounce": 1}
        self.mailing = Mailing(self.airflow, self.systems)
        self.mailing.drop_checks()
        one, two, three, self.four = self.mailing.sent(*self.mailing.contacts[:4])
        self.mailing.tracked(one, "open")
        self.mailing.tracked(two, "open")
        self.mailing.tracked(two, "click", url="https://alder.example/a")
        self.mailing.change(three, status="failed", failureReason="invalidDomain", failureType="hard")
        self.mailing.export()

    def more(self) -> None:
        self.mailing.tracked(self.four, "open")
        self.wanted["open"] += 1
        self.mailing.export()

    def walk(self, run_id: str, how: How = once) -> None:
        assert mailing.walk(self.mailing, run_id, task=how(mailing.FLOW, run_id))["balanced"]

    def wrong(self) -> Any:
        found = self.mailing.counts()
        return found if found != self.wanted else []


class OptOuts(Scene):
    """An opt-out in each direction, a conflict, and an export file."""

    name = "opt-outs"

    def prepare(self) -> None:
        self.objecting = Objecting(self.airflow, self.systems)
        one, two, three, four, *_ = self.objecting.people
        self.objecting.walk("begin")
        self.objecting.later()
        self.objecting.dynamics(**{EMAIL: {one: True, four: True}})
        self.objecting.campaign(two, **{PHONE: True})
        self.objecting.campaign(three, **{EMAIL: True})
        self.objecting.dynamics(**{PHONE: {three: True}})
        self.objecting.export()
        self.email, self.phone = {one, three, four}, {two, three}

    def more(self) -> None:
        self.objecting.later()
        five, six = self.objecting.people[4:6]
        self.objecting.dynamics(**{EMAIL: {five: True}})
        self.objecting.campaign(six, **{PHONE: True})
        self.objecting.export()
        self.email.add(five)
        self.phone.add(six)

    def walk(self, run_id: str, how: How = once) -> None:
        assert objecting.walk(self.objecting.mapping, run_id, task=how(objecting.FLOW, run_id))["balanced"]

    def wrong(self) -> Any:
        both = (True, True)
        found = (self.objecting.noes(EMAIL), self.objecting.noes(PHONE))
        wanted = (dict.fromkeys(self.email, both), dict.fromkeys(self.phone, both))
        return (found, wanted) if found != wanted or self.objecting.files() else []


class Comparing(Contacts):
    """The comparison of both systems, which mends what somebody changed and deleted in Campaign."""

    name = "comparison"

    def change(self) -> None:
        one, two, *_ = sorted(self.systems.profiles())
        self._by_hand("DELETE", one)
        self._by_hand("PATCH", two, {"location": {"city": "Elsewhere"}})

    def walk(self, run_id: str, how: How = once) -> None:
        walk_comparison(self.airflow.mapping, run_id, how(f"reconcile_{FLOW}", run_id))
        super().walk(f"{run_id}-mends", how)

    def _by_hand(self, method: str, key: str, body: Any = None) -> None:
        sandbox = self.systems.sandbox
        headers = {
            "Authorization": f"Bearer {sandbox.campaign_token()}",
            "X-Api-Key": sandbox.env["CAMPAIGN_CLIENT_ID"],
        }
        url = f"{sandbox.env['CAMPAIGN_URL']}/profileAndServicesExt/profile/{key}"
        answer = sandbox.http.request(method, url, json=body, headers=headers, timeout=60)
        assert answer.ok, answer.text


SCENES: tuple[type[Scene], ...] = (Contacts, ContactsByFile, Linked, Events, OptOuts, Comparing)
