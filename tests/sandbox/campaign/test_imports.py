"""campaign.md §8.1 and B18: what becomes of the rows of a file, from Transfer file to End."""

from __future__ import annotations

import re

import pytest

from tests.sandbox.campaign.conftest import EXT, Api
from tests.sandbox.campaign.importing import (
    FOLDER,
    HARSH,
    PEOPLE,
    declare,
    get,
    profiles,
    put,
    rejects,
    result,
    run,
    state,
)
from tests.sandbox.sftp_session import connected, download, names

pytestmark = [pytest.mark.sandbox, pytest.mark.rule("campaign.md 13.2/B18")]


def test_a_file_is_imported_and_its_counts_can_be_read_back(api: Api) -> None:
    declare(api)
    put(
        api,
        "010_a.csv.gz",
        "U;a;mirela;mirela@alder.example;female;1987/03/09;2;1",
        'U;b;"O""Hara; Bo";;;;;0',
    )
    done = run(api)
    assert (done["state"], state(api)) == ("finished", "started")
    shown = get(api, "a")
    assert (shown["firstName"], shown["gender"], shown["birthDate"]) == ("Mirela", "female", "1987-03-09")
    assert (shown["cusChildren"], shown["blackListEmail"]) == (2, True)
    assert shown["lastModified"] == shown["created"] <= shown["blackListEmailLastModified"]
    assert shown["title"] == "Mirela (mirela@alder.example)"
    assert get(api, "b")["firstName"] == 'O"Hara; Bo'.title()
    assert result(api, "010_a.csv.gz") == {
        "file": "010_a.csv.gz", "read": "2", "rejected": "0", "duplicates": "0", "inserted": "2", "updated": "0",
        "deleted": "0", "missing": "0", "ignored": "0", "unlinked": "0",
    }  # fmt: skip
    assert rejects(api, "010_a.csv.gz") == []
    assert names(api.sandbox, FOLDER) == []
    assert api.counter("engine_calls") == 2  # the two GETs above
    assert api.counter("imported_rows") == 2


def test_rows_without_a_difference_are_not_written(api: Api) -> None:
    declare(api)
    put(api, "a.csv.gz", "U;a;Ada;a@alder.example;female;;1;0", "U;b;Bo;;;;;")
    run(api)
    before = profiles(api)
    api.advance(601)
    put(api, "b.csv.gz", "U;a;Ada;a@alder.example;female;;1;0", "U;b;Bob;;;;;")
    done = run(api)
    after = profiles(api)
    assert (done["files"][0]["unchanged"], done["files"][0]["updated"]) == (1, 1)
    assert after["a"] == before["a"]
    assert after["b"]["lastModified"] > before["b"]["lastModified"]
    assert after["b"]["created"] == before["b"]["created"]
    assert result(api, "b.csv.gz")["updated"] == "2"  # Campaign does not tell the difference


def test_the_operation_column_decides_between_writing_and_deleting(api: Api) -> None:
    api.seed("profile", [{"externalId": key, "firstName": "Old"} for key in "abc"])
    declare(api)
    put(api, "a.csv.gz", "U;a;New;;;;;", "D;b;;;;;;", "D;nobody;;;;;;", "X;c;New;;;;;")
    run(api)
    assert {key: row["firstName"] for key, row in profiles(api).items()} == {"a": "New", "c": "Old"}
    counts = result(api, "a.csv.gz")
    assert [counts[c] for c in ("read", "updated", "deleted", "missing", "ignored")] == [
        "4",
        "1",
        "1",
        "1",
        "1",
    ]


@pytest.mark.parametrize(
    ("operation", "left", "refused"),
    [
        ("insert_or_update", {"known": "New", "new": "New"}, 0),
        ("update", {"known": "New"}, 0),
        ("insert", {"known": "Old", "new": "New"}, 1),
        ("delete", {}, 0),
    ],
)
def test_there_are_four_operations(api: Api, operation: str, left: dict[str, str], refused: int) -> None:
    api.seed("profile", [{"externalId": "known", "firstName": "Old"}])
    declare(api, columns=["externalId", "firstName"], operation_column="", operation=operation)
    put(api, "a.csv.gz", "known;New", "new;New", header="externalId;firstName")
    run(api)
    assert {key: row["firstName"] for key, row in profiles(api).items()} == left
    assert result(api, "a.csv.gz")["rejected"] == str(refused)


def test_an_empty_cell_blanks_a_filled_field(api: Api) -> None:
    api.seed("profile", [{"externalId": "a", "firstName": "Ada", "phone": "1", "cusChildren": 3}])
    declare(api)
    put(api, "a.csv.gz", "U;a;;;;;;")
    run(api)
    row = profiles(api)["a"]
    assert (row["firstName"], row["cusChildren"], row["phone"]) == ("", 0, "1")


def test_fields_may_be_written_on_insert_only(api: Api) -> None:
    api.seed("profile", [{"externalId": "a", "firstName": "Ada"}])
    declare(api, insert_only=["firstName"])
    put(api, "a.csv.gz", "U;a;Bo;a@alder.example;;;;", "U;b;Bo;;;;;")
    run(api)
    assert {k: (r["firstName"], r["email"]) for k, r in profiles(api).items()} == {
        "a": ("Ada", "a@alder.example"),
        "b": ("Bo", ""),
    }


def test_the_rules_for_values_are_those_of_the_rest_api(api: Api) -> None:
    declare(api)
    put(
        api,
        "a.csv.gz",
        "U;a;in der maur;;;;;",
        "U;b;Bo;not an address;;;;",
        "U;c;Cy;;femal;;;",
        "U;d;Di;;;09/03/1987;;",
        "U;e;Ed;;;1987/02/30;;",
        "U;f;Fay;;;;two;",
        "U;g;Gus;;;;;2",
        f"U;h;{'h' * 31};;;;;",
        "U;i;Ida;;",
    )
    run(api)
    assert {key: row["firstName"] for key, row in profiles(api).items()} == {"a": "In Der Maur"}
    lines = rejects(api, "a.csv.gz")
    assert lines[0] == "line;reason;op;externalId;firstName;email;gender;birthDate;cusChildren;blackListEmail"
    assert [re.sub(r"^(\d+);([^;]*);U;(.).*", r"\1 \3 \2", line) for line in lines[1:]] == [
        "3 b refused without a reason",
        "4 c column gender: not in the list of remapped values",
        "5 d column birthDate: not a date of the form YYYY/MM/DD",
        "6 e column birthDate: not a date",
        "7 f column cusChildren: not an integer",
        "8 g BAS-010040 Cannot convert '2' (type text) to boolean type (BAS-010011 Invalid value).",
        "9 h column firstName: longer than 30",
        "10 i 5 columns instead of 8",
    ]
    assert result(api, "a.csv.gz")["rejected"] == "8"


def test_only_stored_values_of_enumerations_are_known_without_remapping(api: Api) -> None:
    columns = [{"name": "externalId"}, {"name": "gender"}]
    declare(
        api, HARSH, load_file={"columns": columns, "keep_rejects": True, "separator": ";"},
        fields={"externalId": "externalId", "gender": "gender"},
    )  # fmt: skip
    put(api, "a.csv", "a;2", "b;female", header="externalId;gender")
    run(api, "WKF91", "a.csv")
    assert {key: row["gender"] for key, row in profiles(api).items()} == {"a": "female"}
    assert "is not valid for the 'nms:recipient:gender' enumeration" in rejects(api, "a.csv")[1]


def test_of_several_rows_with_one_key_one_is_kept(api: Api) -> None:
    declare(api)
    put(api, "a.csv.gz", "U;a;One;;;;;", "U;b;Two;;;;;", "U;a;Three;;;;;")
    run(api)
    assert {key: row["firstName"] for key, row in profiles(api).items()} == {"a": "Three", "b": "Two"}
    assert result(api, "a.csv.gz")["duplicates"] == "1"
    api.advance(601)
    declare(api, deduplicate="first")
    put(api, "a.csv.gz", "U;a;One;;;;;", "U;a;Three;;;;;")
    run(api)
    assert profiles(api)["a"]["firstName"] == "One"


def test_links_lead_to_existing_rows_only(api: Api) -> None:
    """Reconciliation: a link to nobody is blank, and nobody is told unless the workflow looks."""
    api.declare(
        "cusStore",
        fields={"storeId": {"type": "string"}, "name": {"type": "string"}},
        keys={"storeKey": {"fields": ["storeId"]}},
        links={"owner": {"target": "profile", "cardinality": "0..1"}},
    )
    api.seed("profile", [{"externalId": "a"}])
    stores = {
        **PEOPLE,
        "resource": "cusStore",
        "key": "storeId",
        "columns": ["storeId", "name", "owner.externalId"],
    }
    declare(api, stores)
    put(
        api,
        "s.csv.gz",
        "U;1;One;a",
        "U;2;Two;nobody",
        "U;3;Three;",
        header="op;storeId;name;owner.externalId",
    )
    run(api)
    owner = profiles(api)["a"]["@id"]
    assert {r["storeId"]: r["owner"] for r in api.rows("cusStore")} == {"1": owner, "2": None, "3": None}
    assert result(api, "s.csv.gz")["unlinked"] == "1"
    declare(api, stores, unlinked="reject")
    put(api, "s.csv.gz", "U;1;One;nobody", "U;4;Four;nobody", header="op;storeId;name;owner.externalId")
    run(api)
    assert [r["owner"] for r in api.rows("cusStore")] == [owner, None, None]
    assert [line.split(";")[1] for line in rejects(api, "s.csv.gz")[1:]] == [
        "link owner: there is no such profile"
    ] * 2


@pytest.mark.rule("campaign.md 13.2/B13")
def test_children_of_nobody_are_hidden_and_stay_out_of_reach(api: Api) -> None:
    api.declare(
        "cusTicket",
        fields={"ticketId": {"type": "string"}, "subject": {"type": "string"}, "contact": {"type": "string"}},
        keys={"ticketKey": {"fields": ["ticketId"]}},
        links={"person": {"target": "profile", "cardinality": "1", "joins": {"contact": "externalId"}}},
    )
    tickets = {
        **PEOPLE,
        "resource": "cusTicket",
        "key": "ticketId",
        "columns": ["ticketId", "subject", "contact"],
    }
    declare(api, tickets)
    header = "op;ticketId;subject;contact"
    put(api, "t.csv.gz", "U;1;Bag;a", header=header)
    run(api)
    assert result(api, "t.csv.gz")["inserted"] == "1"
    assert [row["@hidden"] for row in api.rows("cusTicket")] == [True]
    assert api.get(f"{EXT}/cusTicket/1").status_code == 404
    declare(api, tickets)
    put(api, "t.csv.gz", "U;1;Bags;a", "D;1;;", header=header)
    run(api)  # the last of the two rows is kept: the deletion finds nothing
    assert (result(api, "t.csv.gz")["missing"], len(api.rows("cusTicket"))) == ("1", 1)
    declare(api, tickets)
    put(api, "t.csv.gz", "U;1;Bags;a", header=header)
    run(api)
    assert "PGS-220000" in rejects(api, "t.csv.gz")[1]
    api.profile(externalId="a")
    declare(api, tickets)
    put(api, "t.csv.gz", "U;1;Bags;a", header=header)
    run(api)
    assert api.get(f"{EXT}/cusTicket/1").json()["subject"] == "Bags"


def test_source_files_stay_unless_told_otherwise_and_are_imported_again(api: Api) -> None:
    """T18."""
    declare(api, delete_after=False)
    put(api, "a.csv.gz", "U;a;Ada;;;;;")
    run(api)
    assert names(api.sandbox, FOLDER) == ["a.csv.gz"]
    api.advance(601)
    assert run(api)["files"][0]["unchanged"] == 1


def test_the_order_of_files_is_nobodys_promise_unless_they_are_sorted(api: Api) -> None:
    """T18."""
    for sort, last in ((True, "Two"), (False, "One")):
        declare(api, sort_files=sort)
        put(api, "010.csv.gz", "U;a;One;;;;;")
        put(api, "020.csv.gz", "U;a;Two;;;;;")
        assert len(run(api)["files"]) == 2
        assert profiles(api)["a"]["firstName"] == last


def test_a_wildcard_takes_what_it_matches(api: Api) -> None:
    declare(api)
    for name in ("010_a.csv.gz", "020_b.csv.gz", "010_c.csv.gz.part"):
        put(api, name, f"U;{name};;;;;;")
    assert [file["file"] for file in run(api, in_file="010_?.csv.gz")["files"]] == ["010_a.csv.gz"]
    assert names(api.sandbox, FOLDER) == ["010_c.csv.gz.part", "020_b.csv.gz"]


@pytest.mark.parametrize("in_file", ["nothing.csv.gz", "", "../../state.csv", "[0-9].csv.gz"])
def test_nothing_found_is_an_error(api: Api, in_file: str) -> None:
    declare(api)
    put(api, "0.csv.gz", "U;a;;;;;;")
    done = run(api, in_file=in_file)
    assert (done["state"], state(api), profiles(api)) == ("failed", "error", {})


def test_a_new_folder_without_group_rights_blocks_the_workflow_not_the_uploader(api: Api) -> None:
    """T18."""
    connected(api.sandbox, lambda sftp: sftp.mkdir(f"{FOLDER}/ours"))
    put(api, "ours/a.csv.gz", "U;a;Ada;;;;;")
    declare(api)
    done = run(api, in_file="ours/*.csv.gz")
    assert done["log"] == ["permission denied: the workflow's user may not read ours"]
    assert state(api) == "error"
    connected(api.sandbox, lambda sftp: sftp.chmod(f"{FOLDER}/ours", 0o770))
    declare(api)
    assert run(api, in_file="ours/*.csv.gz")["state"] == "finished"
    assert download(api.sandbox, "/d365_loads/done/a.csv.gz.result.csv")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"resource": "cusNothing"}, "no resource is called cusNothing"),
        ({"key": "email"}, "email is not an identification key"),
        ({"columns": ["externalId", "age"]}, "age is no field of profile that an import can write"),
        ({"columns": ["externalId", "orgUnit.label"]}, "label is not a key of orgUnitBase"),
        ({"load_file": {"encodng": "utf-8"}}, "load_file has no setting encodng"),
        ({"deduplicate": "newest"}, "deduplicate is one of"),
        ({"tenant": "alderleaf-mkt-stage"}, "has no SFTP area"),
        ({"load_file": {"time_zone": "Mars/Crater"}}, "cannot be understood"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(
    api: Api, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        declare(api, **changes)
