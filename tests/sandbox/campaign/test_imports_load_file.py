"""campaign.md §8.1: Load file as nobody has set it up, and what each setting changes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.campaign.conftest import Api
from tests.sandbox.campaign.importing import (
    FOLDER,
    HARSH,
    declare,
    profiles,
    put,
    rejects,
    run,
    state,
)
from tests.sandbox.sftp_session import names, upload

pytestmark = [pytest.mark.sandbox, pytest.mark.rule("campaign.md 13.2/B18")]
TABS = "externalId\tfirstName"


def loaded(api: Api, content: bytes, **load_file: Any) -> dict[str, Any]:
    """Import a file through a workflow with some of Load file's settings made; return its profiles."""
    columns = load_file.pop("columns", HARSH["load_file"]["columns"])
    fields = {column["name"]: column["name"] for column in columns}
    declare(api, HARSH, load_file={"columns": columns, **load_file}, fields=fields)
    upload(api.sandbox, f"{FOLDER}/a.csv", content)
    run(api, "WKF91", "a.csv")
    return profiles(api)


def first_names(api: Api, content: bytes, **load_file: Any) -> dict[str, str]:
    return {key: row["firstName"] for key, row in loaded(api, content, **load_file).items()}


@pytest.mark.rule("campaign.md 13.3/U18")
def test_utf_8_is_read_as_latin_1_until_told_otherwise(api: Api) -> None:
    content = "externalId\tfirstName\na\tZoë\n".encode()
    assert first_names(api, content)["a"].lower() == "zoã«"
    assert first_names(api, content, encoding="utf-8")["a"] == "Zoë"


@pytest.mark.rule("campaign.md 13.3/U18")
def test_the_separator_is_a_tab_and_nothing_quotes(api: Api) -> None:
    assert first_names(api, b'externalId\tfirstName\na\t"Ada"\n') == {"a": '"Ada"'}
    assert first_names(api, b'externalId;firstName\nb;"Bo;b"\n', separator=";", quote='"')["b"] == "Bo;B"


@pytest.mark.rule("campaign.md 13.3/U18")
@pytest.mark.parametrize("form", [None, "DD/MM/YYYY", "YYYY-MM-DD"])
def test_a_date_format_nobody_set_is_day_first_and_ignores_what_it_cannot_read(
    api: Api, form: str | None
) -> None:
    column = {"name": "birthDate", "type": "date", **({"format": form} if form else {})}
    rows = loaded(
        api,
        b"externalId\tbirthDate\na\t1987-03-09\nb\t23/05/1989\n",
        columns=[{"name": "externalId"}, column],
    )
    iso = form == "YYYY-MM-DD"
    assert (rows["a"]["birthDate"], rows["b"]["birthDate"]) == (
        ("1987-03-09", "") if iso else ("", "1989-05-23")
    )


def test_datetimes_are_in_the_zone_of_the_activity(api: Api) -> None:
    column = {"name": "cusFirstSeen", "type": "datetime", "format": "YYYY/MM/DD HH:mm:SS"}
    content = b"externalId\tcusFirstSeen\na\t2026/07/12 03:14:58\n"
    columns = [{"name": "externalId"}, column]
    assert loaded(api, content, columns=columns)["a"]["cusFirstSeen"] == "2026-07-12 01:14:58.000Z"
    utc = loaded(api, content, columns=columns, time_zone="UTC")
    assert utc["a"]["cusFirstSeen"] == "2026-07-12 03:14:58.000Z"


def test_a_byte_order_mark_belongs_to_the_first_column(api: Api) -> None:
    assert list(first_names(api, "\ufeffexternalId\tfirstName\na\tAda\n".encode(), encoding="utf-8")) == [""]
    declare(api, HARSH, load_file={**HARSH["load_file"], "encoding": "utf-8", "check_columns": True})
    assert run(api, "WKF91", "a.csv")["log"][-1].startswith("the columns of the file do not match")


def test_columns_are_checked_only_when_asked_for(api: Api) -> None:
    api.seed("profile", [{"externalId": "a", "firstName": "Ada", "phone": "1"}])
    content = b"externalId\tphone\na\t2\n"
    assert first_names(api, content) == {"a": ""}  # the missing column is blank, the unknown one ignored
    assert first_names(api, content, check_columns=True) == {"a": ""}
    assert state(api, "WKF91") == "error"


def test_columns_are_matched_by_name_and_without_header_by_place(api: Api) -> None:
    assert first_names(api, b"firstName\texternalId\nAda\ta\n") == {"a": "Ada"}
    assert first_names(api, b"# x\nb\tBo\n", header=False, ignore_lines=1) == {"a": "Ada", "b": "Bo"}


def test_quoted_line_breaks_split_a_row_until_told_otherwise(api: Api) -> None:
    content = b'externalId;firstName\na;"Ad\na"\nb;Bo\n'
    assert list(first_names(api, content, separator=";", quote='"')) == ["b"]
    both = first_names(api, content, separator=";", quote='"', multiline=True)
    assert both == {"a": "Ad\nA", "b": "Bo"}


@pytest.mark.parametrize(
    ("column", "children"),
    [
        ({"on_error": "ignore"}, {"a": 0, "b": 3}),
        ({"on_error": "reject"}, {"b": 3}),
        ({"on_error": "default", "default": 9}, {"a": 9, "b": 3}),
        ({"remap": {"two": "2"}}, {"a": 2, "b": 3}),
        ({"remap": {"two": "2"}, "unmapped": "reject", "on_error": "reject"}, {"a": 2}),
        ({"remap": {"two": "2"}, "unmapped": "default", "default": 7}, {"a": 2, "b": 7}),
    ],
)
def test_errors_and_remapping_are_a_columns_own_business(
    api: Api, column: dict[str, Any], children: dict[str, int]
) -> None:
    columns = [{"name": "externalId"}, {"name": "cusChildren", "type": "integer", **column}]
    rows = loaded(api, b"externalId\tcusChildren\na\ttwo\nb\t3\n", columns=columns)
    assert {key: row["cusChildren"] for key, row in rows.items()} == children


@pytest.mark.parametrize(
    ("empty", "kept"), [("error_for_numbers", ["text"]), ("null", ["number", "text"]), ("error", [])]
)
def test_an_empty_value_may_be_an_error(api: Api, empty: str, kept: list[str]) -> None:
    columns = [
        {"name": "externalId"},
        {"name": "cusChildren", "type": "integer", "on_error": "reject", "empty": empty},
        {"name": "phone", "on_error": "reject", "empty": empty},
    ]
    rows = loaded(api, b"externalId\tcusChildren\tphone\nnumber\t\t1\ntext\t1\t\n", columns=columns)
    assert sorted(rows) == kept


def test_more_errors_than_allowed_fail_the_activity_and_rows_before_stay(api: Api) -> None:
    lines = [f"{n}\tAda" if n % 10 else "broken" for n in range(1, 2000)]
    content = "\n".join([TABS, *lines, ""]).encode()
    assert len(first_names(api, content)) == 9 * 101  # 100 errors are allowed
    assert state(api, "WKF91") == "error"
    assert names(api.sandbox, "/d365_loads/rejects") == []
    declare(api, HARSH, load_file={**HARSH["load_file"], "max_errors": 1000, "keep_rejects": True})
    assert run(api, "WKF91", "a.csv")["state"] == "finished"
    assert len(profiles(api)) == 1800
    assert len(rejects(api, "a.csv")) == 200


def test_without_kept_rejects_a_row_that_cannot_be_written_fails_the_activity(api: Api) -> None:
    content = f"{TABS}\na\tAda\nb\t{'x' * 31}\nc\tCy\n".encode()
    assert list(first_names(api, content)) == ["a", "c"]
    assert state(api, "WKF91") == "error"


def test_gzip_is_garbage_until_decompression_is_on(api: Api) -> None:
    declare(api, HARSH)
    put(api, "a.csv.gz", "a\tAda", header=TABS)
    run(api, "WKF91", "a.csv.gz")
    assert "a" not in profiles(api)
    declare(api, HARSH, decompress=True)
    assert run(api, "WKF91", "a.csv.gz")["state"] == "finished"
    assert profiles(api)["a"]["firstName"] == "Ada"


def test_half_a_gzip_file_fails_and_loads_nothing(api: Api) -> None:
    import gzip

    whole = gzip.compress(b"externalId\tfirstName\n" + b"".join(b"%d\tAda\n" % n for n in range(5000)))
    upload(api.sandbox, f"{FOLDER}/a.csv.gz", whole[: len(whole) // 2])
    declare(api, HARSH, decompress=True)
    assert run(api, "WKF91", "a.csv.gz")["log"][-1] == "Load file: a.csv.gz is not a whole gzip file"
    assert (state(api, "WKF91"), profiles(api)) == ("error", {})
