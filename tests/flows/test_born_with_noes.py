"""O7: who says no in Dynamics gets no profile that does not say so, not even until the opt-outs flow comes round."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from campaign_sync.consent.rule import Known, Said
from campaign_sync.ledger.consent import Kept

from tests.flows import objecting
from tests.flows.importing import Imports
from tests.flows.on_foot import OnFoot, walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.flows.test_comparing import Marketer

OPT_OUTS = """\
direction: to_campaign
description: What people object to.
extract: {table: contact}
pairs:
  denyListEmail: {column: donotbulkemail, no_is: true}
  denyListPhone: {column: donotphone, no_is: true}
load: {resource: profile}
"""
PAIRS = {"blackListEmail": "donotbulkemail", "blackListPhone": "donotphone"}

Bodies = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture
def flow(airflow: RealAirflow, systems: Systems) -> RealAirflow:
    """Both mappings, side by side."""
    systems.delete_rejected()
    airflow.drop_checks()
    opt_outs(airflow)
    return airflow


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> Bodies:
    """What Campaign was sent, as it goes over the wire: method, key in the path, body."""
    from campaign_sync.hooks.rest import Rest

    sent: Bodies = []
    exchange = Rest.exchange

    def heard(self: Rest, method: str, url: str, *rest: Any, **more: Any) -> Any:
        if "/profile" in url and more.get("body"):
            sent.append((method, url.rsplit("/", 1)[1], json.loads(more["body"])))
        return exchange(self, method, url, *rest, **more)

    monkeypatch.setattr(Rest, "exchange", heard)
    return sent


def opt_outs(airflow: RealAirflow, old: str = "", new: str = "") -> None:
    """Put the opt-outs mapping beside the other one, changed in one place."""
    assert not old or OPT_OUTS.count(old) == 1
    (airflow.mappings / "opt_outs.yaml").write_text(OPT_OUTS.replace(old, new) if old else OPT_OUTS)


def noes(record: dict[str, Any]) -> set[str]:
    """What a profile, or the body of a request, says no to; it says nothing else about it."""
    said = {
        name: value for name, value in record.items() if name.startswith(("blackList", "denyList", "ccpa"))
    }
    flags = {name: value for name, value in said.items() if not name.endswith("LastModified")}
    return {name for name, value in flags.items() if value}


def objections(contact: dict[str, Any]) -> set[str]:
    """What a contact says no to."""
    return {name for name, column in PAIRS.items() if contact[column] is True}


def everybody_is_heard(systems: Systems) -> int:
    """Every profile says just the noes of its contact; how many say any."""
    contacts, profiles = systems.contacts(), systems.profiles()
    assert {key: noes(row) for key, row in profiles.items()} == {
        key: objections(contacts[key]) for key in profiles
    }
    return sum(bool(noes(row)) for row in profiles.values())


def born_whole(bodies: Bodies, systems: Systems) -> None:
    """No POST lacked a no of its person, none said a yes, and no PATCH spoke of it."""
    contacts = systems.contacts()
    for method, _, body in bodies:
        flags = {name for name in body if name.startswith(("blackList", "denyList", "ccpa"))}
        if method == "POST":
            assert flags == noes(body) == objections(contacts[body["externalId"]])
        else:
            assert not flags


def someone(systems: Systems, *, says_no: bool = False) -> str:
    """A contact with a profile who says no to e-mail, or to nothing."""
    contacts = systems.contacts()
    return next(
        key
        for key in sorted(systems.profiles())
        if (objections(contacts[key]) == {"blackListEmail"} if says_no else not objections(contacts[key]))
    )


def test_a_first_load_makes_profiles_with_their_noes(
    flow: RealAirflow, systems: Systems, bodies: Bodies
) -> None:
    systems.forget()
    tally = walk(flow.mapping, "first")["tally"]
    assert everybody_is_heard(systems) >= 5
    born_whole(bodies, systems)
    assert systems.campaign_writes() == {"POST": tally["created"]}, "one call for each, as without noes"


def test_an_edit_of_the_flag_alone_sends_nothing(flow: RealAirflow, systems: Systems, bodies: Bodies) -> None:
    flow.begin()
    before = {key: noes(row) for key, row in systems.profiles().items()}
    wavering, objecting = someone(systems), someone(systems, says_no=True)
    systems.change({"id": wavering, "donotbulkemail": True}, {"id": objecting, "donotbulkemail": False})
    systems.forget()
    tally = walk(flow.mapping, "second")["tally"]
    assert (tally["extracted"], tally["unchanged"]) == (2, 2)
    assert systems.engine_calls() == 0
    assert {key: noes(row) for key, row in systems.profiles().items()} == before

    bodies.clear()
    systems.change({"id": wavering, "firstname": "Wave"}, {"id": objecting, "firstname": "Object"})
    assert walk(flow.mapping, "third")["tally"]["updated"] == 2
    assert [method for method, *_ in bodies] == ["PATCH", "PATCH"]
    born_whole(bodies, systems)


def test_an_opt_outs_mapping_that_comes_or_goes_sends_nobody_again(
    flow: RealAirflow, systems: Systems
) -> None:
    (flow.mappings / "opt_outs.yaml").unlink()
    flow.begin()
    assert not any(noes(row) for row in systems.profiles().values())
    opt_outs(flow)
    systems.forget()
    report = walk(flow.mapping, "with pairs")
    assert any("all rows were read again" in note for note in report["notes"])
    assert (report["tally"]["extracted"], systems.engine_calls()) == (len(systems.contacts()), 0)

    systems.add(
        contactid="b0000000-0000-4000-8000-000000000001", emailaddress1="b@alder.example", donotphone=True
    )
    assert walk(flow.mapping, "a birth")["tally"]["created"] == 1
    assert noes(systems.profiles()["b0000000-0000-4000-8000-000000000001"]) == {"blackListPhone"}

    (flow.mappings / "opt_outs.yaml").unlink()
    systems.forget()
    assert walk(flow.mapping, "without pairs")["tally"]["extracted"] == 0
    assert systems.engine_calls() == 0


def test_a_direction_that_does_not_tell_campaign_adds_nothing(
    flow: RealAirflow, systems: Systems, bodies: Bodies
) -> None:
    opt_outs(flow, "direction: to_campaign", "direction: to_dynamics")
    walk(flow.mapping, "limited", limit=25)
    assert len(bodies) > 10
    assert not any(noes(body) for _, _, body in bodies)


def test_an_inverted_column_and_an_empty_cell_say_no_where_the_mapping_says_so(
    flow: RealAirflow, systems: Systems
) -> None:
    opt_outs(
        flow,
        "{column: donotphone, no_is: true}\n",
        "{column: new_newsletter, no_is: false}\nreplace: {denyListPhone: {empty: 'no'}}\n",
    )
    flow.begin()
    contacts, profiles = systems.contacts(), systems.profiles()
    said = {key: contacts[key]["new_newsletter"] for key in profiles}
    assert {True, False, None} == set(said.values())
    assert {key for key, row in profiles.items() if row["blackListPhone"]} == {
        key for key, value in said.items() if value is not True
    }


def test_both_directions_and_the_other_spelling_of_the_instance(flow: RealAirflow, systems: Systems) -> None:
    opt_outs(flow, "direction: to_campaign", "direction: both")
    systems.switch(campaign__opt_out_names="denyList")
    flow.begin()
    contacts, profiles = systems.contacts(), systems.profiles()
    assert sum(row["denyListEmail"] for row in profiles.values()) > 2
    assert all(row["denyListEmail"] == contacts[key]["donotbulkemail"] for key, row in profiles.items())


def test_a_record_that_was_deleted_and_comes_back_is_born_with_its_noes_too(
    flow: RealAirflow, systems: Systems
) -> None:
    flow.edit(
        "    - {name: has an e-mail, column: emailaddress1, present: true}\n",
        "    - {name: has an e-mail, column: emailaddress1, present: true}\n  filtered_out: delete\n",
    )
    flow.begin()
    key = someone(systems, says_no=True)
    address = systems.contacts()[key]["emailaddress1"]
    systems.change({"id": key, "emailaddress1": None})
    assert walk(flow.mapping, "away")["tally"]["deleted"] == 1
    systems.change({"id": key, "emailaddress1": address, "donotphone": True})
    assert walk(flow.mapping, "back")["tally"]["created"] == 1
    assert noes(systems.profiles()[key]) == {"blackListEmail", "blackListPhone"}


@pytest.mark.parametrize(
    ("direction", "by_file"), [("both", False), ("to_campaign", True), ("to_dynamics", False)]
)
def test_a_no_that_nobody_has_heard_yet_outlives_the_record_that_the_filter_deletes(
    flow: RealAirflow,
    systems: Systems,
    monkeypatch: pytest.MonkeyPatch,
    no_waiting: None,
    direction: str,
    by_file: bool,
) -> None:
    """A person unsubscribes, and before the next export the record goes. Deletions in Dynamics need not be asked of."""
    opt_outs(flow, "direction: to_campaign", f"direction: {direction}")
    flow.edit(
        "    - {name: has an e-mail, column: emailaddress1, present: true}\n",
        "    - {name: has an e-mail, column: emailaddress1, present: true}\n  filtered_out: delete\n",
    )
    flow.begin()
    opt_outs_mapping = flow.mappings / "opt_outs.yaml"
    assert objecting.walk(opt_outs_mapping, "first")["balanced"]
    key, deleted = [each for each in sorted(systems.profiles()) if not objections(systems.contacts()[each])][
        :2
    ]
    Marketer(systems).edit(key, blackListEmail=True)
    address = systems.contacts()[key]["emailaddress1"]
    systems.change({"id": key, "emailaddress1": None})
    systems.delete(deleted)
    imports = Imports(flow, systems, monkeypatch) if by_file else None
    if imports:
        imports.use_files(bulk_from="always")
    run = imports.walk if imports else lambda run_id: walk(flow.mapping, run_id)["tally"]
    systems.forget()
    assert run("away")["deleted"] == 2
    assert by_file or systems.engine_calls() == 3
    assert not systems.profiles().keys() & {key, deleted}
    known = flow.ledger().consents.known("opt_outs", [key, deleted])
    assert known[key]["denyListEmail"].known.campaign.no
    assert not any(kept.known.campaign.no for kept in known.get(deleted, {}).values())
    systems.change({"id": key, "emailaddress1": address})
    assert run("back")["created"] == 1
    assert noes(systems.profiles()[key]) == {"blackListEmail"}
    if direction == "both":
        assert objecting.walk(opt_outs_mapping, "second")["told"] == {"dynamics opt-outs": 1}
        assert systems.contacts()[key]["donotbulkemail"] is True


@pytest.mark.parametrize("by_file", [False, True])
def test_a_no_that_a_person_said_in_campaign_outlives_the_record(
    flow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch, no_waiting: None, by_file: bool
) -> None:
    """The opt-outs flow has heard it once; the record it was said about is gone, and Dynamics need not know."""
    if by_file:
        Imports(flow, systems, monkeypatch).use_files(bulk_from="always")
    walk(flow.mapping, "first", limit=1)
    unsubscribed, other = sorted(
        key
        for key, row in systems.contacts().items()
        if not objections(row) and key not in systems.profiles()
    )[:2]
    own_word = Known(Said(False, None), Said(True, None), agreed=True, ours=False)
    no_more = Known(Said(False, None), Said(False, None), agreed=False, ours=False)
    said = [
        (unsubscribed, "denyListEmail", Kept(own_word)),
        (unsubscribed, "ccpaOptOut", Kept(own_word)),  # not, or no longer, a pair of this mapping
        (other, "denyListEmail", Kept(no_more)),
    ]
    flow.ledger().consents.keep("opt_outs", "theirs", "sha", said, datetime.now(UTC), read={})
    run = OnFoot(flow.mapping, "second")
    run.walk()
    profiles = systems.profiles()
    assert [noes(profiles[key]) for key in (unsubscribed, other)] == [{"blackListEmail"}, set()]


def test_an_update_that_finds_nobody_makes_the_record_with_its_noes(
    flow: RealAirflow, systems: Systems, bodies: Bodies
) -> None:
    flow.begin()
    key = someone(systems, says_no=True)
    Marketer(systems).delete(key)
    systems.change({"id": key, "firstname": "Anew"})
    bodies.clear()
    assert walk(flow.mapping, "again")["tally"]["created"] == 1
    assert [method for method, *_ in bodies] == ["PATCH", "POST"]
    born_whole(bodies, systems)
    assert noes(systems.profiles()[key]) == {"blackListEmail"}


def test_a_record_that_is_taken_over_hears_a_no_and_never_a_yes(
    flow: RealAirflow, systems: Systems, bodies: Bodies
) -> None:
    """It stood in Campaign before the flow's first run: nobody has told it anything yet, and it may object itself."""
    contacts = systems.contacts()
    mailable = sorted(key for key, row in contacts.items() if row["emailaddress1"] and row["statecode"] == 0)
    silent = next(key for key in mailable if objections(contacts[key]) == {"blackListEmail"})
    unsubscribed = next(key for key in mailable if not objections(contacts[key]))
    marketer = Marketer(systems)
    marketer.add(externalId=silent, email="s@alder.example")
    marketer.add(externalId=unsubscribed, email="u@alder.example", blackListEmail=True, ccpaOptOut=True)
    flow.begin()
    profiles = systems.profiles()
    assert noes(profiles[silent]) == {"blackListEmail"}
    assert noes(profiles[unsubscribed]) == {"blackListEmail", "ccpaOptOut"}
    taken_over = {key: noes(body) for method, key, body in bodies if method == "PATCH"}
    assert taken_over == {silent: {"blackListEmail"}, unsubscribed: set()}


def test_the_opt_outs_flow_learns_which_noes_were_told_at_birth_and_misses_no_first_sight(
    flow: RealAirflow, systems: Systems
) -> None:
    """It reads both sides in full until it has heard of an attribute: what is kept here must not look like that."""
    contacts = systems.contacts()
    taken_over = next(key for key, row in contacts.items() if objections(row) and row["emailaddress1"])
    Marketer(systems).add(externalId=taken_over, email="t@alder.example")
    consents = flow.ledger().consents
    walk(flow.mapping, "first", limit=20)
    assert consents.is_empty("opt_outs")
    before = systems.profiles()

    heard = Kept(Known(Said(False, None), Said(False, None), agreed=False, ours=False))
    # Of one of them the no was heard before there was a profile to tell it to.
    waiting = next(
        key
        for key, row in contacts.items()
        if "blackListEmail" in objections(row) and key not in {*before, taken_over}
    )
    parked = Kept(
        Known(Said(True, datetime(2026, 1, 1, tzinfo=UTC)), Said(None, None), agreed=True, ours=False)
    )
    said_so_far = [("somebody", "denyListEmail", heard), (waiting, "denyListEmail", parked)]
    consents.keep("opt_outs", "theirs", "sha", said_so_far, datetime.now(UTC), read={})
    walk(flow.mapping, "second")
    born = {key: noes(row) for key, row in systems.profiles().items() if key not in before}
    kept = consents.known("opt_outs", [*born, taken_over])
    wanted = {key for key, said in born.items() if "blackListEmail" in said} - {taken_over}
    assert {key: set(said) for key, said in kept.items()} == {key: {"denyListEmail"} for key in wanted}
    assert len(wanted) > 2
    assert kept[waiting]["denyListEmail"].known.dynamics == parked.known.dynamics
    times = systems.profiles()
    for key, said in kept.items():
        assert (said["denyListEmail"].known.ours, said["denyListEmail"].known.campaign.no) == (True, True)
        told, stamped = said["denyListEmail"].told_at, times[key]["blackListEmailLastModified"]
        assert told is not None
        assert abs(told - datetime.fromisoformat(stamped)) < timedelta(minutes=1)


@pytest.mark.parametrize("way", ["reset_after", "reset_before"])
def test_a_lost_answer_to_a_birth_loses_no_no(
    flow: RealAirflow, systems: Systems, no_waiting: None, way: str
) -> None:
    systems.fault(system="campaign", method="POST", path="profile", do=way, times=2)
    flow.begin()
    assert everybody_is_heard(systems) >= 5


def test_by_file_only_those_go_who_say_no_to_nothing(
    flow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch, no_waiting: None, bodies: Bodies
) -> None:
    """Not even a file could take an objection away that somebody made in Campaign: it has no such column."""
    imports = Imports(flow, systems, monkeypatch)
    imports.use_files(bulk_from="always")
    contacts = systems.contacts()
    unsubscribed = next(
        key
        for key, row in sorted(contacts.items(), reverse=True)
        if row["emailaddress1"] and not objections(row)
    )
    Marketer(systems).add(externalId=unsubscribed, email="u@alder.example", blackListEmail=True)
    tally = imports.walk()
    profiles = systems.profiles()
    assert noes(profiles[unsubscribed]) == {"blackListEmail"}
    heard = {key: noes(row) for key, row in profiles.items() if key != unsubscribed}
    assert heard == {key: objections(contacts[key]) for key in heard}
    saying_no = [key for key, said in heard.items() if said]
    assert len(saying_no) >= 5
    # The first record of a flow's life goes by REST, to prove the key.
    assert tally["created"] + tally["updated"] - imports.counter("campaign.imported_rows") - len(
        saying_no
    ) in (0, 1)
    assert {body["externalId"] for method, _, body in bodies if method == "POST"} >= set(saying_no)


def test_a_file_makes_nobody_anew_who_says_no(
    flow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> None:
    """Updates go by file where every field is updated: an import would make a record that is gone once more."""
    imports = Imports(flow, systems, monkeypatch)
    imports.use_files(bulk_from="always")
    text = flow.mapping.read_text()
    flow.mapping.write_text(text.replace("  cusFirstSeen: {from: createdon, updates: false}\n", ""))
    imports.declare(
        resource="profile",
        key="externalId",
        insert_only=[],
        columns=file_header(flow.mapping),
        state="started",
    )
    imports.walk()
    key = someone(systems, says_no=True)
    Marketer(systems).delete(key)
    systems.change({"id": key, "firstname": "Anew"}, {"id": someone(systems), "firstname": "Else"})
    before = imports.counter("campaign.imported_rows")
    imports.walk("second")
    assert imports.counter("campaign.imported_rows") == before + 1
    assert noes(systems.profiles()[key]) == {"blackListEmail"}


def file_header(mapping_file: Any) -> list[str]:
    from campaign_sync.mapping.file import load_mapping

    return list(load_mapping(mapping_file).map)


def test_who_says_no_between_the_read_and_the_write_is_heard(
    flow: RealAirflow, systems: Systems, bodies: Bodies
) -> None:
    """An update that finds nobody makes a record too, and a yes that came meanwhile takes nothing back."""
    flow.begin()
    gone = someone(systems)
    Marketer(systems).delete(gone)
    new, wavering = (systems.add(emailaddress1=f"{name}@alder.example") for name in ("n", "w"))
    systems.change({"id": gone, "firstname": "Anew"}, {"id": wavering, "donotphone": True})
    run = OnFoot(flow.mapping, "second")
    run.read()
    run.guard()
    systems.change(
        {"id": new, "donotbulkemail": True},
        {"id": gone, "donotbulkemail": True},
        {"id": wavering, "donotphone": False},
    )
    bodies.clear()
    run.load()
    assert run.reconcile()["tally"]["created"] == 3
    profiles = systems.profiles()
    assert [noes(profiles[key]) for key in (new, gone)] == [{"blackListEmail"}] * 2
    assert noes(profiles[wavering]) == {"blackListPhone"}
    assert sorted(method for method, *_ in bodies) == ["PATCH", "POST", "POST", "POST"]


def test_who_says_no_while_a_file_waits_is_left_out_and_born_by_the_next_run(
    flow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> None:
    imports = Imports(flow, systems, monkeypatch)
    imports.use_files(bulk_from="always")
    run = OnFoot(flow.mapping, "first")
    run.read()
    run.guard()
    run.load()
    there, contacts = systems.profiles(), systems.contacts()
    late = [key for key in sorted(contacts) if key not in there and contacts[key]["emailaddress1"]][3:6]
    systems.change(*({"id": key, "donotbulkemail": True} for key in late))
    run.settle()
    assert run.reconcile()["tally"]["unchanged"] == len(late)
    assert not systems.profiles().keys() & set(late)
    assert imports.walk("second")["created"] == len(late)
    assert everybody_is_heard(systems) >= 5 + len(late)


def test_the_preview_shows_what_a_record_would_be_born_with(flow: RealAirflow, systems: Systems) -> None:
    from campaign_sync.__main__ import main

    flow.begin()
    known, contacts = someone(systems, says_no=True), systems.contacts()
    new = systems.add(emailaddress1="n@alder.example", donotbulkemail=True)
    assert known in contacts
    systems.forget()
    flow.output.readouterr()
    assert main(["preview", str(flow.mapping), "--key", new, "--key", known]) == 0
    told = flow.output.readouterr().out
    by_key = {block.split()[0]: block for block in told.split("\n\n") if block.strip()}
    lines = [line.split() for line in by_key[new].splitlines()]
    assert ["denyListEmail", "True", "→", "True,", "as", "the", "record", "is", "made"] in lines
    assert [line[:2] for line in lines if line[0] == "denyListPhone"] == [["denyListPhone", "False"]]
    assert "denyList" not in by_key[known], "a record that is known is told by the opt-outs flow"
    assert systems.writes() == []


def test_a_comparison_does_not_look_at_objections_nor_mend_them(flow: RealAirflow, systems: Systems) -> None:
    flow.begin()
    Marketer(systems).edit(someone(systems), blackListEmail=True)
    Marketer(systems).edit(someone(systems, says_no=True), blackListEmail=False)
    before = {key: noes(row) for key, row in systems.profiles().items()}
    told = compare(flow)
    assert not any(told["differences"].values())
    assert told["others"]["agrees"] == len(before)
    assert {key: noes(row) for key, row in systems.profiles().items()} == before


def compare(flow: RealAirflow) -> dict[str, Any]:
    """The comparison of the flow, without Airflow around it; its report."""
    from campaign_sync.compare import run
    from campaign_sync.rows.steps import STEPS
    from campaign_sync.run.run import step_batch

    comparison = OnFoot(flow.mapping, "comparison")
    context, log = comparison.context, comparison.log
    context["dag"].dag_id = f"reconcile_{comparison.mapping.name}"
    batches = [batch.as_dict() for batch in run.extract_all(comparison.mapping, context, log)]
    for step in STEPS:
        batches = [step_batch(batch, step, log).as_dict() for batch in batches]
    run.read_all(context, log)
    slices = [run.compare_slice(each, context, log) for each in run.slice_all(batches, context, log)]
    return run.report_comparison(slices, context, log)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "no_is: true}\n  denyListPhone",
            "no_is: yes}\n  denyListPhone",
            "this is no attribute with a column and its no_is",
        ),
        ("column: donotbulkemail", "column: donotbulkmail", "contact has no column donotbulkmail"),
        ("column: donotbulkemail", "column: firstname", "firstname holds String, and a no is true or false"),
        ("denyListEmail", "denyListMail", "this is no attribute with a column and its no_is"),
        ("direction: to_campaign", "direction: [", "who said no cannot be read here"),
    ],
)
def test_a_run_reads_nothing_while_it_cannot_be_known_who_said_no(
    flow: RealAirflow, systems: Systems, old: str, new: str, said: str
) -> None:
    from campaign_sync.errors import MappingError

    opt_outs(flow, old, new)
    systems.forget()
    with pytest.raises(MappingError, match=said) as refused:
        walk(flow.mapping, "first")
    assert refused.value.file == str(flow.mappings / "opt_outs.yaml")
    assert refused.value.line > 0
    assert systems.campaign_writes() == {}


def test_another_mistake_in_the_opt_outs_mapping_harms_nobody_here(
    flow: RealAirflow, systems: Systems
) -> None:
    opt_outs(
        flow, "description: What people object to.", "descriptoin: What people object to.\nguard: {x: y}"
    )
    flow.begin()
    assert everybody_is_heard(systems) >= 5
