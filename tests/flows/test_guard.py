"""C4: a run that would delete or empty more than its mapping allows waits for a person before it writes anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.rows.storage import folder_of, read_document
from campaign_sync.run.setting import GUARD
from campaign_sync.settings import storage_root

from tests.flows.on_foot import OnFoot
from tests.flows.real_airflow import FLOW, RealAirflow, Run
from tests.flows.systems import Systems

#: So little that the tests' 60 contacts are enough to pass it.
STRICT = "\nguard: {deletes: 3, blanks: 3}\n"
TIMEOUT = {"error": "nobody answered", "error_type": "timeout"}


def strict(airflow: RealAirflow, words: str = STRICT) -> None:
    """Give the mapping a guard that is asked soon."""
    text, _, examples = airflow.mapping.read_text().partition("\nreconcile:")
    airflow.mapping.write_text(f"{text}{words}\nreconcile:{examples}")


SLOW = 0.7  # seconds until a person answers


class Person:
    """Reads what is asked in the Required Actions, and answers as the API server and the scheduler would."""

    def __init__(self, answer: str | None, first: Callable[[], None]) -> None:
        self.answer = answer
        self.first = first
        self.asked: list[Any] = []
        self.gone = threading.Event()
        self.trouble: Exception | None = None
        self._seen: dict[Any, float] = {}

    def sit(self) -> None:
        while not self.gone.wait(0.1):
            try:
                self.look(self.reply)
            except Exception as error:  # or the run would wait for ever
                self.trouble = error
                self.look(lambda instance, session: instance.set_state("failed", session=session))

    def look(self, then: Callable[[Any, Any], None]) -> None:
        from airflow.models.taskinstance import TaskInstance  # noqa: TID251 - a test may
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            waiting = select(TaskInstance).where(TaskInstance.state == "awaiting_input")
            for instance in session.scalars(waiting).all():
                # People are slower: before the task's process has ended, an answer makes Airflow try the task again.
                if time.monotonic() - self._seen.setdefault(instance.id, time.monotonic()) > SLOW:
                    then(instance, session)

    def reply(self, instance: Any, session: Any) -> None:
        from airflow._shared.timezones import timezone
        from airflow.models.hitl import HITLDetail  # noqa: TID251 - a test may
        from airflow.models.trigger import handle_event_submit  # noqa: TID251 - a test may
        from airflow.triggers.base import TriggerEvent
        from sqlalchemy import select

        detail = session.scalars(select(HITLDetail).where(HITLDetail.ti_id == instance.id)).one()
        self.asked.append((instance.task_id, detail.subject, detail.body, instance.trigger_timeout))
        self.first()
        event = TIMEOUT
        if self.answer:
            detail.chosen_options, detail.params_input = [self.answer], {}
            detail.responded_at = timezone.utcnow()
            event = detail.as_resume_event_payload()
        handle_event_submit(TriggerEvent(event), task_instance=instance, session=session)


@contextmanager
def person(answer: str | None, first: Callable[[], None] = lambda: None) -> Iterator[Person]:
    """Somebody who answers what the guard asks while a run lasts; nobody, without an answer."""
    someone = Person(answer, first)
    thread = threading.Thread(target=someone.sit, daemon=True)
    thread.start()
    try:
        yield someone
    finally:
        someone.gone.set()
        thread.join(10)
    if someone.trouble:
        raise someone.trouble


@pytest.fixture
def emptied(airflow: RealAirflow, systems: Systems) -> list[str]:
    """A strict flow, all of whose contacts but one are deleted; one is new and one has changed."""
    strict(airflow)
    airflow.begin()
    first, *gone = sorted(systems.profiles())
    systems.delete(*gone)
    systems.change({"id": first, "address1_city": "Bergen"})
    systems.add(emailaddress1="new@alder.example")
    systems.forget()
    return gone


def unchanged(airflow: RealAirflow, systems: Systems, run: Run, place: Any, profiles: Any) -> None:
    """Nothing came of a run."""
    assert run.state == "failed"
    assert run.tasks["guard"] == "failed"
    assert run.tasks["reconcile"] == "failed"
    assert systems.engine_calls() == 0
    assert systems.profiles() == profiles
    assert airflow.place() == place


def test_an_emptied_table_waits_for_a_person_who_is_told_what_would_go(
    airflow: RealAirflow, systems: Systems, emptied: list[str]
) -> None:
    calls = []
    with person("Approve", lambda: calls.append(systems.engine_calls())) as someone:
        run = airflow.run()
    assert run.ok, run.errors
    assert calls == [0], "something was written before the person answered"
    ((task, subject, body, until),) = someone.asked
    count, present = len(emptied), len(emptied) + 1
    assert task == "guard"
    assert subject == f"contacts_to_profiles: {count} deletes?"
    assert f"{count} records would be deleted" in body
    assert f"{100 * count / present:.1f} % of the {present}" in body
    assert "The mapping allows 3" in body
    assert f"{count}: deleted in Dynamics" in body
    shown = [key for key in emptied if key in body]
    assert len(shown) == 20
    assert until is not None


def test_approval_lets_the_whole_run_go(airflow: RealAirflow, systems: Systems, emptied: list[str]) -> None:
    with person("Approve"):
        run = airflow.run()
    assert run.tally == {"extracted": len(emptied) + 2, "created": 1, "updated": 1, "deleted": len(emptied)}
    assert not systems.differences()
    assert run.report is not None
    assert "a person approved" in " ".join(run.report["notes"])
    assert airflow.run().report is not None


@pytest.mark.parametrize(
    "answer, said", [("Reject", "a person refused this"), (None, "nobody decided in time")]
)
def test_without_approval_everything_stays_as_it_was_and_the_run_is_red(
    airflow: RealAirflow, systems: Systems, emptied: list[str], answer: str | None, said: str
) -> None:
    place, profiles = airflow.place(), systems.profiles()
    with person(answer) as someone:
        run = airflow.run()
    unchanged(airflow, systems, run, place, profiles)
    assert said in run.errors
    assert run.tasks["load"] == "upstream_failed"
    with person("Approve") as again:
        assert airflow.run().ok
    assert again.asked[0][1] == someone.asked[0][1], "the next run asks the same again"
    assert not systems.differences()


def test_rows_deleted_after_the_question_are_not_covered_by_its_answer(
    airflow: RealAirflow, systems: Systems, emptied: list[str]
) -> None:
    late = next(key for key in systems.contacts() if key in systems.profiles())
    with person("Approve", lambda: systems.delete(late)):
        assert airflow.run().tally["deleted"] == len(emptied)
    assert late in systems.profiles()
    with person("Reject") as someone:
        assert airflow.run().tally == {"extracted": 1, "deleted": 1}
    assert not someone.asked, "one deletion is within the limit"


def test_an_approved_run_deletes_nothing_that_another_run_has_written_since(
    airflow: RealAirflow, systems: Systems
) -> None:
    """The key of the fifth was not in Campaign when the question was asked, so it was not in the list."""
    strict(airflow)
    airflow.begin()
    *gone, fifth = sorted(systems.profiles())[:5]
    remembered = airflow.ledger().known("contacts_to_profiles", [fifth])
    outcome = remembered[["version", "sent_hash"]].assign(version=None, result="deleted")
    nothing = remembered.iloc[:0].assign(step="", rule="", reason="")
    airflow.ledger().settle("contacts_to_profiles", outcome, nothing, "elsewhere", "sha")
    systems.delete(*gone, fifth)
    systems.forget()

    def another_run() -> None:
        again = remembered[["version", "sent_hash"]].assign(result="updated", version=2**62)
        airflow.ledger().settle("contacts_to_profiles", again, nothing, "elsewhere", "sha")

    with person("Approve", another_run) as someone:
        run = airflow.run()
    assert "4 deletes?" in someone.asked[0][1]
    assert not run.ok
    assert "1 records would be deleted that the guard did not see" in run.errors
    assert systems.engine_calls() == 0


def test_within_the_limit_nobody_is_asked(airflow: RealAirflow, systems: Systems) -> None:
    strict(airflow)
    airflow.begin()
    systems.delete(*sorted(systems.profiles())[:3])
    with person("Reject") as someone:
        run = airflow.run()
    assert run.tally == {"extracted": 3, "deleted": 3}
    assert not someone.asked
    assert not systems.differences()


def test_records_are_counted_only_if_the_number_of_rows_does_not_suffice(
    airflow: RealAirflow, systems: Systems
) -> None:
    strict(airflow, "\nguard: {deletes: 3 or 50%}\n")
    airflow.begin()
    keys, found = sorted(systems.profiles()), []
    for number in (3, 4):
        systems.delete(*keys[:number])
        run_id = f"{number} go"
        OnFoot(airflow.mapping, run_id).walk()
        told = read_document(folder_of(storage_root(), FLOW, run_id), GUARD)
        found.append((told["deletes"], told["state"], told["present"]))
        del keys[:number]
    assert found == [(3, "within limits", 0), (4, "within limits", len(keys) + 4)]


@pytest.mark.usefixtures("smaller_batches")
def test_what_the_run_itself_has_written_is_no_harm_that_another_did(
    airflow: RealAirflow, systems: Systems
) -> None:
    """The first load lists some contacts twice, and their last names were cleared between."""
    systems.delete_rejected()
    named = [key for key, row in systems.contacts().items() if row["lastname"]]
    first = OnFoot(airflow.mapping, "first")
    changes = DataverseHook.changes

    def again(*given: Any, **options: Any) -> Iterator[Any]:
        yield next(iter(changes(*given, **options)))
        systems.change(*({"id": key, "lastname": None} for key in named))
        yield from changes(*given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataverseHook, "changes", again)
        first.read()
    first.guard()
    first.load()
    report = first.reconcile()
    assert report["balanced"]
    assert report["tally"]["updated"]
    assert not systems.differences()


def test_a_filter_that_lets_too_little_pass_is_stopped_too(airflow: RealAirflow, systems: Systems) -> None:
    strict(airflow)
    airflow.begin()
    airflow.edit(
        "column: emailaddress1, present: true}\n",
        "column: emailaddress1, ends_with: .exmaple}\n  filtered_out: delete\n",
    )
    systems.forget()
    with person("Reject") as someone:
        run = airflow.run(replay=True)
    assert run.state == "failed"
    assert systems.engine_calls() == 0
    assert "no longer passes the filter: has an e-mail" in someone.asked[0][2]


def test_a_column_that_was_emptied_is_stopped(airflow: RealAirflow, systems: Systems) -> None:
    strict(airflow)
    airflow.begin()
    named = [key for key, row in systems.profiles().items() if row.get("lastName")][:4]
    systems.change(*({"id": key, "lastname": None} for key in named))
    place, profiles = airflow.place(), systems.profiles()
    systems.forget()
    with person("Reject") as someone:
        run = airflow.run()
    unchanged(airflow, systems, run, place, profiles)
    assert "4 records would be emptied in part" in someone.asked[0][2]
    assert "4: lastName would be empty" in someone.asked[0][2]


def test_a_replay_of_rows_that_have_always_had_empty_fields_asks_nobody(
    airflow: RealAirflow, systems: Systems
) -> None:
    strict(airflow)
    airflow.begin()
    with person("Reject") as someone:
        run = airflow.run(replay=True)
    assert run.ok, run.errors
    assert run.tally["updated"] > 50
    assert not someone.asked


def test_a_dry_run_says_what_it_would_ask_and_waits_for_nobody(
    airflow: RealAirflow, systems: Systems, emptied: list[str]
) -> None:
    with person("Reject") as someone:
        run = airflow.run(dry_run=True)
    assert run.ok, run.errors
    assert not someone.asked
    assert run.tally["deleted"] == len(emptied)
    assert run.report is not None
    assert f"would ask a person: {len(emptied)} of" in " ".join(run.report["notes"])
    assert systems.engine_calls() == 0


@pytest.mark.usefixtures("smaller_batches")
def test_the_batches_of_a_run_are_judged_together(
    airflow: RealAirflow, systems: Systems, emptied: list[str]
) -> None:
    with person("Approve") as someone:
        run = airflow.run()
    assert run.ok, run.errors
    assert len(someone.asked) == 1
    assert f"{len(emptied)} deletes?" in someone.asked[0][1]
    assert run.report is not None
    assert run.report["batches"] > 2
    assert not systems.differences()


def test_a_run_without_changes_has_no_task_for_the_guard(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    run = airflow.run()
    assert run.ok, run.errors
    done = {task for task, state in run.tasks.items() if state != "skipped"}
    assert done == {"extract", "reconcile"}


def test_nobody_in_the_question_is_more_than_a_key(
    airflow: RealAirflow, systems: Systems, emptied: list[str]
) -> None:
    values = {
        str(row[name])
        for row in systems.profiles().values()
        for name in ("email", "lastName")
        if len(str(row.get(name) or "")) > 4
    }
    with person("Reject") as someone:
        run = airflow.run()
    assert len(values) > 20
    assert not [value for value in values if value in someone.asked[0][2] or value in run.log]
