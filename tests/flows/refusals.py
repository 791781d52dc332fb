"""Disasters that never come as far as the guard: the run is refused before it writes anything, and says why.

One small function each, undone by `InStep.undo`.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.flows.harsh_flow import ACTIVE
from tests.flows.in_step import PRIVILEGES, Disaster, InStep, Script

#: Requests that follow the place in the change feed.
DELTA = "deltatoken"

REFUSED: list[Disaster] = []


def refuses(text: str) -> Callable[[Script], Script]:
    """The run is to be refused with an error that says this."""

    def listed(script: Script) -> Script:
        REFUSED.append(Disaster(script, refuses=text))
        return script

    return listed


@refuses("leads to another host")
def the_connection_points_elsewhere(flow: InStep) -> None:
    flow.connect_elsewhere()


@refuses("arrives damaged")
def half_a_page_arrives(flow: InStep) -> None:
    flow.systems.delete(*flow.some(0.5))
    flow.answer(DELTA, '{"value": [{"contactid": "')


@refuses("the answer was cut short")
def every_answer_breaks_off(flow: InStep) -> None:
    flow.systems.delete(*flow.some(0.5))
    flow.answer(DELTA, None, do="cut_body")


@refuses("service is not able to answer")
def dynamics_is_away(flow: InStep) -> None:
    flow.systems.delete(*flow.some(0.5))
    flow.answer(DELTA, None, status=503)


@refuses("a web page instead of data")
def a_proxy_answers_for_dynamics(flow: InStep) -> None:
    flow.answer(DELTA, None, do="html")


@refuses("organization-level read")
def our_role_is_reduced_to_our_own_rows(flow: InStep) -> None:
    flow.expire()
    flow.systems.control("PUT", PRIVILEGES, {"table": "contact", "read": "user"})


@refuses("organization-level read")
def our_role_is_taken_away(flow: InStep) -> None:
    flow.systems.control("PUT", PRIVILEGES, {"table": "contact", "read": "none"})


@refuses("has no column")
def a_filter_names_a_column_that_is_not_there(flow: InStep) -> None:
    flow.edit(ACTIVE, ACTIVE + "    - {column: new_newsleter, equals: true}\n")


@refuses("is none of its choices")
def a_filter_names_a_choice_that_is_not_there(flow: InStep) -> None:
    flow.edit("column: statecode, equals: 0", "column: statecode, equals: Aktiv")


@refuses("the key must be contactid")
def the_key_becomes_another_column(flow: InStep) -> None:
    flow.edit("externalId:   {from: contactid, key: true}", "externalId:   {from: employeeid, key: true}")


@refuses("were rejected")
def a_spreadsheet_is_imported_with_its_columns_shifted(flow: InStep) -> None:
    """Names where addresses should be."""
    rows = {key: flow.contacts[key]["lastname"] for key in flow.people if flow.contacts[key]["lastname"]}
    flow.systems.change(*({"id": key, "emailaddress1": name} for key, name in rows.items()))
