"""What an import workflow says of a file, and what of it may be told."""

from __future__ import annotations

import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.run.import_results import Unfit, read_rejects, read_result, require_sums, safe_reason

HEADER = "file;read;rejected;duplicates;inserted;updated;deleted;missing;ignored;unlinked"
GOOD = {
    "read": 10, "rejected": 1, "duplicates": 0, "inserted": 5, "updated": 2, "deleted": 1, "missing": 1, "ignored": 0,
}  # fmt: skip
FIELDS = {"externalId", "email", "location.city", "gender"}


def test_a_result_is_read_by_its_header() -> None:
    assert read_result(f"{HEADER}\na.csv.gz;10;1;0;5;2;1;1;0;3\n".encode()) == {**GOOD, "unlinked": 3}


@pytest.mark.parametrize(
    "text", ["", HEADER, f"{HEADER}\n", f"{HEADER}\na;1;0", f"{HEADER}\na;1;x;0;0;0;0;0;0;0\n"]
)
def test_a_result_that_is_not_whole_is_no_result(text: str) -> None:
    with pytest.raises(Unfit):
        read_result(text.encode())


def test_rejected_lines_are_known_by_their_key_even_if_values_span_lines() -> None:
    text = (
        "line;reason;op;externalId;email;location.city\n"
        '2;column location.city: longer than 6;U;k1;a@b.example;"Møl;le\n""havn"""\n'
        "9;An error has occurred;D;k2;;\n"
    )
    found = list(read_rejects(text.encode(), "externalId", FIELDS))
    assert [(each.key, each.rule, each.reason) for each in found] == [
        ("k1", "refused by Campaign", "location.city: longer than 6 characters"),
        ("k2", "unknown error", "Campaign does not say what is wrong"),
    ]


def test_a_rejected_line_may_hold_a_text_that_is_longer_than_a_cell_is_for_csv() -> None:
    text = f"line;reason;op;externalId;email\n2;7 columns instead of 9;U;k1;{'x' * 200_000}\n"
    assert [each.key for each in read_rejects(text.encode(), "externalId", FIELDS)] == ["k1"]
    assert [each.key for each in read_rejects(b"line;reason;op;externalId\n", "externalId", FIELDS)] == []
    assert [each.key for each in read_rejects(text.encode(), "externalId", FIELDS)] == ["k1"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("column gender: not in the list of remapped values", "gender: not one of the names"),
        (
            "column email: 'ada@alder.example' not a datetime of the form X",
            "email: does not read as a datetime",
        ),
        ("column email: what is ada@alder.example", "email: its value is refused"),
        ("column ada: what is ada@alder.example", "Campaign does not say what is wrong"),
        ("7 columns instead of 9", "the line has 7 columns instead of 9"),
        (
            "The value 'Ada' is not valid for the 'nms:recipient:gender' enumeration of the '@gender' field",
            "the value of gender is not in the enumeration nms:recipient:gender",
        ),
        (
            "A 'Profile' with the same key 'ada@alder.example' already exists. PGS-220000",
            "another record has the same",
        ),
    ],
)
def test_a_reason_holds_no_value(said: str, told: str) -> None:
    _, reason, _ = safe_reason(said, FIELDS)
    assert reason.startswith(told)
    assert "ada" not in reason.lower()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"read": 9}, "it read 9"),
        ({"inserted": 4}, "accounts for 9"),
        ({"rejected": 2, "inserted": 4}, "are they kept in a file"),
        ({"duplicates": 1, "inserted": 4}, "Deduplication must look at the key alone"),
        ({"ignored": 1, "deleted": 0}, "a branch for op U and one for op D"),
        ({"inserted": 7, "deleted": 0, "missing": 0}, "U is insert or update"),
    ],
)
def test_counts_that_do_not_account_for_every_line_are_an_error(wrong: dict[str, int], said: str) -> None:
    require_sums(GOOD, written=8, deleted=2, rejected=1, name="a.csv.gz")
    with pytest.raises(RefusedError, match=said):
        require_sums(GOOD | wrong, written=8, deleted=2, rejected=1, name="a.csv.gz")
