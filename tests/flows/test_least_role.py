"""The role that `setup dynamics` prints is enough for every flow, and none of its rights can be spared.

The sandbox allows nothing else, per table, verb and depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from campaign_sync.errors import RefusedError, SyncError
from campaign_sync.run.role import ORGANISATION, USER, VERBS, Privilege, role_of

from tests.events.exports import OPEN, SEND, lines
from tests.flows.mailing import Mailing
from tests.flows.mailing import walk as walk_events
from tests.flows.objecting import A_WHILE, EMAIL, Objecting
from tests.flows.on_foot import walk as walk_rows
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow]

PRIVILEGES = "/sandbox/dataverse/privileges"
Grant = Callable[[list[Privilege]], None]


@pytest.fixture
def grant(systems: Systems) -> Iterator[Grant]:
    """Gives the application user these privileges and no others."""

    def role(privileges: list[Privilege]) -> None:
        systems.control("PUT", PRIVILEGES, {"reset": True})
        nothing = {verb.replace(" ", "").lower(): "none" for verb in (*VERBS, "Delete")}
        systems.control("PUT", PRIVILEGES, {"table": "*", **nothing})
        for each in privileges:
            table = {"Activity": "activitypointer"}.get(each.table, each.table)
            verb = each.verb.replace(" ", "").lower()
            systems.control("PUT", PRIVILEGES, {"table": table, verb: each.depth.lower()})

    yield role
    systems.control("PUT", PRIVILEGES, {"reset": True})


def lessened(role: list[Privilege]) -> Iterator[tuple[Privilege, list[Privilege]]]:
    """The role with one right less, for each; and with one to read that reaches less far.

    The sandbox's rows are the application user's own, so that a right to write them reaches far enough in any case.
    """
    for each in role:
        others = [other for other in role if other != each]
        yield each, others
        if (each.verb, each.depth) == ("Read", ORGANISATION):
            yield each, [*others, each._replace(depth=USER)]


def assert_refused(walk: Callable[[], object], missing: Privilege) -> None:
    with pytest.raises(RefusedError) as caught:
        walk()
    assert caught.value.status == 403, f"without {missing}: {caught.value}"
    assert "setup dynamics" in str(caught.value) or "role" in str(caught.value), f"without {missing}"


def test_rows_need_to_be_read_and_nothing_else(
    airflow: RealAirflow, systems: Systems, grant: Grant, no_waiting: None
) -> None:
    from campaign_sync.mapping.file import load_mapping

    mapping = airflow.mappings / "contacts_to_profiles.yaml"
    role = role_of([load_mapping(mapping)], [])
    for number, (missing, less) in enumerate(lessened(role)):
        grant(less)
        assert_refused(lambda: walk_rows(mapping, f"less {number}"), missing)  # noqa: B023
    grant(role)
    assert walk_rows(mapping, "enough")["tally"]["created"] > 0


def test_opt_outs_need_to_be_read_and_written(
    airflow: RealAirflow, systems: Systems, grant: Grant, no_waiting: None
) -> None:
    from campaign_sync.consent.file import load_opt_outs

    objecting = Objecting(airflow, systems)
    objecting.walk("first")
    objecting.later(A_WHILE)
    role = role_of([], [], [load_opt_outs(objecting.mapping)])
    for number, (missing, less) in enumerate(lessened(role)):
        who = objecting.people[number]
        objecting.campaign(who, **{EMAIL: True})
        objecting.export()
        grant(less)
        with suppress(RefusedError):  # a right that reaches less far may cost single people, not the run
            objecting.walk(f"less {number}")
        assert objecting.said()[who][0] is False, f"told without {missing}"
    grant(role)
    objecting.later(A_WHILE)
    objecting.walk("enough")
    assert sum(here for here, _ in objecting.said().values()) == len(list(lessened(role)))


def test_events_need_their_activities_and_contacts(
    airflow: RealAirflow, systems: Systems, grant: Grant, no_waiting: None
) -> None:
    from campaign_sync.events.file import load_events

    mailing = Mailing(airflow, systems)
    mailing.drop_checks()
    role = role_of([], [load_events(mailing.mapping)])

    def run(number: int) -> None:
        """A run with events of a new person, and of one whom Dynamics does not know."""
        known, stranger = {"externalId": mailing.contacts[number]}, {"externalId": STRANGER}
        sends = [SEND | {"broadLogId": f"{number}1"} | known, SEND | {"broadLogId": f"{number}2"} | stranger]
        mailing.put(f"broadlog_{number}.csv", lines(*sends))
        mailing.put(f"tracking_{number}.csv", lines(CLICK | {"trackingLogId": f"{number}3"} | known))
        walk_events(mailing, f"run {number}")

    def count(table: str) -> int:
        return len(systems.control("GET", f"/sandbox/dataverse/rows?table={table}&limit=5000")["rows"])

    def done() -> tuple[int, int]:
        return count("acs_emailsend"), count("acs_emailclick")

    grant(role)
    run(0)
    assert done() == (1, 1)
    for number, missing in enumerate(role, start=1):
        grant([each for each in role if each != missing])
        refused = False
        try:
            run(number)
        except SyncError:
            refused = True
        assert refused or done() != (number + 1, number + 1), f"all was done without {missing}"
    grant(role)
    run(len(role) + 1)
    assert done()[0] == len(role) + 2


STRANGER = "99999999-0000-4000-8000-000000000000"
CLICK = OPEN | {"urlType": "1", "url": "https://alder.example/bow"}
