"""Dataverse over the wire: metadata, the change feed and the other ways to read, deletions, faults."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.dataverse import DataverseHook, Page
from campaign_sync.hooks.pages import has_rows
from campaign_sync.schema import TableSchema

from tests.hooks.conftest import FakeTime, dataverse_connection
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox

CONTACTS = "^/api/data/v9.2/contacts"
COLUMNS = (
    "fullname",
    "emailaddress1",
    "parentcustomerid",
    "statecode",
    "donotemail",
    "birthdate",
    "creditlimit",
)
Fault = Callable[..., None]


@pytest.fixture
def hook(sandbox: Sandbox, connect: Callable[..., None], clock: FakeTime) -> DataverseHook:
    connect("dataverse_default", **dataverse_connection(sandbox.env))
    return DataverseHook()


@pytest.fixture
def contact(hook: DataverseHook) -> TableSchema:
    return hook.table("contact", COLUMNS)


@pytest.fixture
def mutate(sandbox: Sandbox) -> Iterator[Callable[..., dict[str, Any]]]:
    """Changes contacts, and takes them back after the test."""
    changed = False

    def change(**what: Any) -> dict[str, Any]:
        nonlocal changed
        changed = True
        return sandbox.control("POST", "/sandbox/dataverse/mutate", {"table": "contact", **what})

    yield change
    if changed:
        sandbox.control("POST", "/sandbox/reset")


@pytest.fixture
def switch(sandbox: Sandbox) -> Iterator[Callable[[str, Any], None]]:
    before: dict[str, Any] = {}

    def turn(name: str, value: Any) -> None:
        before.setdefault(name, sandbox.control("GET", f"/sandbox/switches/{name}")["value"])
        sandbox.control("PUT", f"/sandbox/switches/{name}", {"value": value})

    yield turn
    for name, value in before.items():
        sandbox.control("PUT", f"/sandbox/switches/{name}", {"value": value})


def stored(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    page = sandbox.control("GET", "/sandbox/dataverse/rows?table=contact&limit=5000")
    return {row["contactid"]: row for row in page["rows"]}


def rows(pages: list[Page]) -> dict[str, dict[str, Any]]:
    return {row["contactid"]: row for page in pages for row in page.rows.to_pylist()}


def place(pages: Iterator[Page]) -> str:
    """Reads to the end and returns the place in the feed."""
    *_, last = pages
    assert last.delta_link is not None
    return last.delta_link


# metadata


def test_a_table_has_the_types_labels_and_lengths_of_its_metadata(hook: DataverseHook) -> None:
    table = hook.table("contact")
    types = {name: column.type for name, column in table.columns.items()}
    assert (table.set_name, table.key, table.change_tracking) == ("contacts", "contactid", True)
    assert (types["emailaddress1"], types["description"], types["birthdate"]) == (
        "String",
        "Memo",
        "DateOnly",
    )
    assert (types["createdon"], types["creditlimit"], types["address1_latitude"]) == (
        "DateTime",
        "Money",
        "Double",
    )
    assert (types["gendercode"], types["statecode"], types["statuscode"]) == ("Picklist", "State", "Status")
    assert (types["contactid"], types["versionnumber"]) == ("Uniqueidentifier", "BigInt")
    assert table.columns["gendercode"].options == {1: "Male", 2: "Female"}
    assert table.columns["statecode"].options == {0: "Active", 1: "Inactive"}
    assert table.columns["donotemail"].options == {0: "Allow", 1: "Do Not Allow"}
    assert table.columns["firstname"].max_length == 50
    assert table.columns["parentcustomerid"].wire == "_parentcustomerid_value"
    assert "entityimage" not in table.columns


def test_columns_may_be_named_by_logical_name_or_by_property(hook: DataverseHook) -> None:
    by_name, by_property = hook.table("contact", ["ownerid"]), hook.table("contact", ["_ownerid_value"])
    assert by_name.columns == by_property.columns
    assert list(by_name.columns) == ["ownerid"]


@pytest.mark.parametrize(
    ("table", "columns", "words"),
    [
        ("contacts", None, "Did you mean contact"),
        ("Contact", None, "Did you mean contact"),
        ("o'brien", None, "there is no table"),
        ("contact", ["emailadress1"], "Did you mean emailaddress1"),
        ("contact", ["entityimage"], "no readable column"),
    ],
)
def test_a_wrong_name_says_what_was_probably_meant(
    hook: DataverseHook, table: str, columns: list[str] | None, words: str
) -> None:
    with pytest.raises(RefusedError, match=words):
        hook.table(table, columns)


def test_change_tracking_is_required_and_can_be_switched_on(
    hook: DataverseHook, mutate: Any, sandbox: Sandbox
) -> None:
    mutate(touch=0)  # so that the sandbox is reset afterwards
    sandbox.control("PUT", "/sandbox/dataverse/table", {"table": "contact", "change_tracking": False})
    off = hook.table("contact", ["fullname"])
    with pytest.raises(RefusedError, match="Track changes") as caught:
        hook.require_change_tracking(off)
    assert caught.value.code == "0x80072491"
    assert "`python -m campaign_sync setup dynamics --apply`" in caught.value.remedy
    with pytest.raises(RefusedError, match="Track changes") as caught:
        list(hook.changes(off, ["fullname"]))
    assert caught.value.code == "0x80072491"
    hook.enable_change_tracking("contact")
    on = hook.table("contact")
    hook.require_change_tracking(on)
    assert on.columns["gendercode"].options == {1: "Male", 2: "Female"}  # labels survive the PUT
    hook.enable_change_tracking("contact")
    with pytest.raises(RefusedError, match="there is no table"):
        hook.enable_change_tracking("nothing")


# the change feed


def test_the_first_read_has_every_row_once_as_stored(
    hook: DataverseHook, contact: TableSchema, sandbox: Sandbox
) -> None:
    pages = list(hook.changes(contact, COLUMNS, page_size=64))
    found, expected = rows(pages), stored(sandbox)
    assert sum(len(page.rows) for page in pages) == len(expected) == len(found)
    assert [page.delta_link is None for page in pages] == [True] * (len(pages) - 1) + [False]
    for key, row in found.items():
        names = [contact.columns[name].wire for name in COLUMNS if name != "creditlimit"]
        assert {name: row[name] for name in names} == {name: expected[key][name] for name in names}
        assert row["@version"] == expected[key]["versionnumber"]


def test_later_reads_have_what_changed_and_what_is_gone(
    hook: DataverseHook, contact: TableSchema, mutate: Callable[..., dict[str, Any]], sandbox: Sandbox
) -> None:
    before = place(hook.changes(contact, COLUMNS))
    one, two, three = sorted(stored(sandbox))[:3]
    new = mutate(
        update=[{"id": one, "emailaddress1": "new@a.example"}],
        delete=[two, three],
        create=[{"lastname": "N"}],
    )
    pages = list(hook.changes(contact, COLUMNS, before, page_size=1))
    assert set(rows(pages)) == {one, *new["created"]}
    assert rows(pages)[one]["emailaddress1"] == "new@a.example"
    assert sorted(key for page in pages for key in page.deleted) == [two, three]
    after = pages[-1].delta_link
    assert after is not None
    nothing = list(hook.changes(contact, COLUMNS, after))
    assert (rows(nothing), nothing[0].deleted) == ({}, [])
    assert nothing[-1].delta_link is not None


def test_a_row_deleted_and_made_anew_is_not_told_as_deleted(
    hook: DataverseHook, contact: TableSchema, mutate: Callable[..., dict[str, Any]], sandbox: Sandbox
) -> None:
    before, key = place(hook.changes(contact, COLUMNS)), min(stored(sandbox))
    mutate(delete=[key])
    mutate(create=[{"contactid": key, "lastname": "Again"}])
    pages = list(hook.changes(contact, COLUMNS, before))
    assert set(rows(pages)) == {key}
    assert [page.deleted for page in pages] == [[]]


def test_that_something_changed_is_known_without_reading_it(
    hook: DataverseHook, contact: TableSchema, mutate: Callable[..., dict[str, Any]], sandbox: Sandbox
) -> None:
    one, two, three = sorted(stored(sandbox))[:3]
    for change in (
        {"create": [{"lastname": "N"}]},
        {"touch": 50},
        {"delete": [one]},
        {"delete": [two, three]},
    ):
        before = place(hook.changes(contact, COLUMNS))
        assert not hook.has_changes(before)
        mutate(**change)
        sandbox.control("POST", "/sandbox/counters/reset")
        assert hook.has_changes(before)
        assert hook.has_changes(before), "nothing is consumed"
        assert len(sandbox.control("GET", "/sandbox/journal")) == 2
    assert sum(len(page.deleted) for page in hook.changes(contact, COLUMNS, before)) == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"value": null}', b'{"value": {}}', b'{"value": [}'])
def test_what_is_no_page_does_not_say_that_nothing_changed(body: bytes) -> None:
    with pytest.raises(ValueError):
        has_rows(body)


def test_an_expired_place_is_known_by_its_code(
    hook: DataverseHook, contact: TableSchema, mutate: Callable[..., dict[str, Any]], sandbox: Sandbox
) -> None:
    before = place(hook.changes(contact, COLUMNS))
    mutate(touch=1)
    sandbox.control("POST", "/sandbox/dataverse/delta_tokens/expire")
    for read in (lambda: list(hook.changes(contact, COLUMNS, before)), lambda: hook.has_changes(before)):
        with pytest.raises(RefusedError) as caught:
            read()
        assert caught.value.code == "0x80044352"


def test_a_place_made_for_fewer_columns_is_not_read_as_if_they_were_empty(
    hook: DataverseHook, contact: TableSchema
) -> None:
    before = place(hook.changes(contact, ["fullname"]))
    assert hook.covers(before, contact, ["fullname", "contactid"])
    assert not hook.covers(before, contact, COLUMNS)
    with pytest.raises(RefusedError) as caught:
        list(hook.changes(contact, COLUMNS, before))
    assert caught.value.code == "columns changed"


def test_a_place_of_another_environment_gets_no_token(hook: DataverseHook, contact: TableSchema) -> None:
    link = "https://other.crm4.dynamics.com/api/data/v9.2/contacts?$deltatoken=1"
    with pytest.raises(RefusedError, match="another host"):
        list(hook.changes(contact, COLUMNS, link))
    with pytest.raises(RefusedError, match="another host"):
        hook.has_changes(link)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"value": []}, "no place to go on"),
        ({"value": [], "@odata.nextLink": "https://evil.example/x"}, "another host"),
        ({"value": [], "@odata.nextLink": "{DATAVERSE_URL}/api/data/v9.2/contacts?again"}, "in a circle"),
    ],
)
def test_a_strange_answer_is_refused(
    hook: DataverseHook,
    contact: TableSchema,
    sandbox: Sandbox,
    faults: Fault,
    answer: dict[str, Any],
    words: str,
) -> None:
    body = {
        name: value.format(**sandbox.env) if isinstance(value, str) else value
        for name, value in answer.items()
    }
    faults(system="dataverse", path=CONTACTS, times=None, do="status", status=200, body=body)
    with pytest.raises(RefusedError, match=words):
        list(hook.changes(contact, COLUMNS))


# other ways to read


def test_everything_is_read_without_the_feed(
    hook: DataverseHook, contact: TableSchema, sandbox: Sandbox
) -> None:
    pages = list(hook.everything(contact, COLUMNS, page_size=64))
    assert set(rows(pages)) == set(stored(sandbox))
    assert all(page.delta_link is None for page in pages)


@pytest.mark.parametrize("top", [0, 1, 64, 65, 130, 100_000])
def test_everything_stops_at_the_top(
    hook: DataverseHook, contact: TableSchema, sandbox: Sandbox, top: int
) -> None:
    pages = list(hook.everything(contact, COLUMNS, top=top, page_size=64))
    assert sum(len(page.rows) for page in pages) == min(top, len(stored(sandbox)))
    assert pages[-1].link is None


def test_an_interval_has_its_start_and_not_its_end(
    hook: DataverseHook, contact: TableSchema, sandbox: Sandbox
) -> None:
    times = {key: row["modifiedon"] for key, row in stored(sandbox).items()}
    ordered = sorted(times.values())
    since, until = ordered[10], ordered[-10]
    read = hook.modified_between(
        contact, COLUMNS, datetime.fromisoformat(since), datetime.fromisoformat(until), 50
    )
    assert set(rows(list(read))) == {key for key, time in times.items() if since <= time < until}
    never = hook.modified_between(contact, [], datetime(1990, 1, 1, tzinfo=UTC), datetime(1991, 1, 1))
    assert [page.rows.num_rows for page in never] == [0]


def test_rows_are_read_by_their_keys(hook: DataverseHook, contact: TableSchema, sandbox: Sandbox) -> None:
    keys = sorted(stored(sandbox))[:150]
    absent = "99999999-0000-4000-8000-000000000001"
    assert set(rows(list(hook.by_keys(contact, COLUMNS, [*map(str.upper, keys), absent])))) == set(keys)
    assert list(hook.by_keys(contact, COLUMNS, [])) == []
    many = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(2000)]
    assert set(rows(list(hook.by_keys(contact, COLUMNS, [*many, *keys])))) == set(keys)


# faults


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "status", "status": 429, "headers": {"Retry-After": "3"}},
        {"do": "status", "status": 503},
        {"do": "status", "status": 500, "body": {"error": {"code": "0x80044151", "message": "SQL timeout"}}},
        {"do": "html", "status": 200},
        {"do": "html", "status": 502},
        {"do": "reset_before"},
        {"do": "reset_after"},
        {"do": "cut_body"},
        {"do": "revoke_tokens"},
        {
            "do": "status",
            "status": 200,
            "body": '{"value":[{"@odata.etag":"W/',
            "headers": {"Content-Type": "application/json"},
        },
    ],
)
def test_a_passing_fault_in_the_middle_costs_no_row_and_doubles_none(
    hook: DataverseHook, contact: TableSchema, sandbox: Sandbox, faults: Fault, fault: dict[str, Any]
) -> None:
    faults(system="dataverse", path=CONTACTS, after=2, **fault)
    pages = list(hook.changes(contact, COLUMNS, page_size=50))
    assert sum(len(page.rows) for page in pages) == len(stored(sandbox))
    assert len(rows(pages)) == len(stored(sandbox))


def test_a_service_that_stays_away_is_a_transient_error(
    hook: DataverseHook, contact: TableSchema, faults: Fault
) -> None:
    faults(system="dataverse", path=CONTACTS, times=None, do="status", status=503)
    with pytest.raises(TransientError, match="not able to answer"):
        list(hook.changes(contact, COLUMNS))


def test_a_missing_privilege_says_who_must_give_it(
    hook: DataverseHook, contact: TableSchema, mutate: Any, sandbox: Sandbox
) -> None:
    mutate(touch=0)
    for depth in ("user", "none"):
        sandbox.control("PUT", "/sandbox/dataverse/privileges", {"table": "contact", "read": depth})
        with pytest.raises(RefusedError, match="organization-level read") as caught:
            list(hook.changes(contact, COLUMNS))
        assert caught.value.status == 403


def test_a_column_removed_meanwhile_is_named_as_such(hook: DataverseHook, contact: TableSchema) -> None:
    columns = {**contact.columns, "gone": contact.columns["fullname"]._replace(name="gone", property="gone")}
    with pytest.raises(RefusedError, match="a column is not there"):
        list(hook.everything(contact._replace(columns=columns), ["gone"]))
    with pytest.raises(RefusedError, match="the table is not there"):
        list(hook.everything(contact._replace(set_name="gones"), ["fullname"]))
    with pytest.raises(RefusedError, match="unknown columns: nothing"):
        list(hook.everything(contact, ["nothing"]))


def test_no_value_and_no_secret_is_told(
    hook: DataverseHook,
    contact: TableSchema,
    sandbox: Sandbox,
    mutate: Callable[..., dict[str, Any]],
    faults: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mutate(create=[{"lastname": "Planted", "emailaddress1": "planted@person.example"}])
    faults(system="dataverse", path=CONTACTS, after=1, do="revoke_tokens")
    list(hook.changes(contact, COLUMNS, page_size=50))
    message = "A record with 'Planted Person' and planted@person.example exists"
    body = {"error": {"code": "0x1", "message": message}}
    faults(system="dataverse", path=CONTACTS, do="status", status=400, body=body)
    with pytest.raises(RefusedError) as caught:
        list(hook.changes(contact, COLUMNS))
    everything = f"{caught.value} {caught.value!r} {caplog.text}"
    assert "lanted" not in everything
    assert sandbox.env["DATAVERSE_CLIENT_SECRET"] not in everything
    assert hook._bearer.value() not in everything
    assert "Dataverse GET /api/data/v9.2/contacts?$select: 200" in caplog.text


def test_lookups_say_which_tables_they_may_lead_to(hook: DataverseHook) -> None:
    columns = hook.table("contact", ["parentcustomerid", "firstname"], targets=True).columns
    assert columns["parentcustomerid"].targets == ("account", "contact")
    assert columns["firstname"].targets == ()
