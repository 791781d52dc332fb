"""Mapping files: what is read, and a table of what is refused with line and remedy."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from campaign_sync.errors import MappingError
from campaign_sync.mapping.file import Mapping, check_together, load_mapping, mapping_files

from tests.mappings.wrong import PLAIN, WRONG

SHIPPED = mapping_files(Path("include/mappings"))


def write(folder: Path, text: str | bytes, name: str = "contacts_to_profiles.yaml") -> Path:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def load(folder: Path, text: str | bytes, name: str = "contacts_to_profiles.yaml") -> Mapping:
    return load_mapping(write(folder, text, name))


def test_a_plain_mapping_has_defaults_for_everything_else(tmp_path):
    mapping = load(tmp_path, PLAIN)
    assert (mapping.name, mapping.owner) == ("contacts_to_profiles", "airflow")
    assert (mapping.schedule, mapping.watch) == ("@daily", "10s")
    assert mapping.looks_every == timedelta(seconds=10)
    assert (mapping.extract.picklists, mapping.extract.deletes, mapping.filter) == ("label", "ignore", None)
    assert mapping.map["email"].source == "emailaddress1"
    assert mapping.map["email"].updates
    assert mapping.key_field == "externalId"
    assert mapping.reconcile.allows(1_000_000, 1_000_000)


@pytest.mark.parametrize(
    ("words", "every"),
    [
        ("watch: 2m", 120),
        ("watch: 1 s", 1),
        ("watch: off", None),
        ("schedule: ~", None),
        ("schedule: ~\nwatch: off", None),
        ("schedule: '@hourly'", 10),
    ],
)
def test_a_flow_is_watched_unless_it_says_off_or_runs_by_hand_only(tmp_path, words, every):
    mapping = load(tmp_path, f"{PLAIN}{words}\n")
    assert (mapping.looks_every and mapping.looks_every.total_seconds()) == every
    again = Mapping.model_validate(mapping.model_dump(mode="json", by_alias=True))  # as a run keeps it
    assert again.looks_every == mapping.looks_every


def test_the_columns_are_those_of_map_and_filter_once_each_and_sorted(tmp_path):
    text = (
        PLAIN
        + "filter: {all: [{column: statecode, equals: 0}, {any: [{column: emailaddress1, present: true}]}]}"
    )
    assert load(tmp_path, text).columns() == ("contactid", "emailaddress1", "statecode")
    assert load(tmp_path, PLAIN).sources() == {"externalId": "contactid", "email": "emailaddress1"}


def test_the_hash_follows_every_byte_of_the_file(tmp_path):
    first, second = load(tmp_path, PLAIN).sha, load(tmp_path, PLAIN + "# a comment\n").sha
    assert first != second
    assert len(first) == len(second) == 12


def test_a_mapping_survives_json_with_its_words_and_lines(tmp_path):
    text = PLAIN + (
        "filter: {any: [{column: statecode, in: [0, 1]}, {all: [{column: fax, present: false}]}]}\n"
        "replace: {email: {1: a, true: b, ~: c, otherwise: reject}}\n"
        "check: [{expect: column_values_to_match_regex, column: email, regex: x}]\n"
    )
    mapping = load(tmp_path, text)
    assert Mapping.model_validate(mapping.model_dump(mode="json")) == mapping
    assert Mapping.model_validate_json(mapping.model_dump_json()) == mapping


def test_a_mapping_cannot_be_changed(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path, PLAIN).description = "another"


def test_norway_stays_norway_and_numbers_with_a_leading_zero_or_plus_stay_text(tmp_path):
    text = PLAIN + (
        "filter: {all: [{column: a, in: [NO, yes, off, 01234, +47, 2026-01-31, 1:30]},"
        " {column: b, in: [1, -2, 2.5, true]}]}\nreplace: {email: {NO: Norway, on: off}}\n"
    )
    mapping = load(tmp_path, text)
    (_, texts), (_, others) = mapping.conditions()
    assert texts.operand == ("NO", "yes", "off", "01234", "+47", "2026-01-31", "1:30")
    assert others.operand == (1, -2, 2.5, True)
    assert mapping.replace["email"].values == {"NO": "Norway", "on": "off"}


def test_replaced_values_are_matched_by_their_text(tmp_path):
    replacement = load(tmp_path, PLAIN + "replace: {email: {1: a, true: b, 2.50: c, ~: d, x: ~}}").replace[
        "email"
    ]
    assert replacement.values == {"1": "a", "true": "b", "2.5": "c", "": "d", "x": None}
    assert replacement.otherwise == "keep"


@pytest.mark.parametrize(
    ("limit", "rejected", "of", "good"),
    [
        ("100", 100, 1000, True),
        ("100", 101, 1000, False),
        ("5%", 50, 1000, True),
        ("5%", 51, 1000, False),
        ("2.5 %", 26, 1000, False),
        ("100 or 5%", 100, 200, True),
        ("100 or 5%", 500, 10_000, True),
        ("100 or 5%", 501, 10_000, False),
        ("0", 1, 10, False),
        ("5%", 0, 0, True),
    ],
)
def test_a_limit_of_rejected_rows_is_a_number_a_share_or_the_larger_of_both(
    tmp_path, limit, rejected, of, good
):
    mapping = load(tmp_path, PLAIN + f"reconcile: {{rejected_at_most: {limit}}}")
    assert mapping.reconcile.allows(rejected, of) is good


@pytest.mark.parametrize(
    ("words", "harm", "count", "present", "good"),
    [
        ("", "deletes", 500, 600, True),
        ("", "deletes", 501, 600, False),
        ("", "deletes", 5_000, 100_000, True),
        ("", "deletes", 5_001, 100_000, False),
        ("", "blanks", 20_000, 100_000, True),
        ("", "blanks", 20_001, 100_000, False),
        ("guard: {deletes: 5%}", "deletes", 6, 100, False),
        ("guard: {deletes: 5%}", "blanks", 500, 600, True),
        ("guard: {blanks: 0}", "blanks", 1, 1_000_000, False),
    ],
)
def test_the_guard_allows_so_many_of_the_records_in_campaign(tmp_path, words, harm, count, present, good):
    assert load(tmp_path, PLAIN + words).guard.allows(harm, count, present) is good


@pytest.mark.parametrize(
    ("words", "hours"), [("", 24), ("guard: {waits: 90m}", 1.5), ("guard: {waits: 7 d}", 168)]
)
def test_a_person_may_take_so_long(tmp_path, words, hours):
    assert load(tmp_path, PLAIN + words).guard.patience.total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("change", "line", "key", "problem", "remedy"), [row[1:] for row in WRONG], ids=[r[0] for r in WRONG]
)
def test_a_wrong_mapping_is_an_error_with_line_key_and_remedy(tmp_path, change, line, key, problem, remedy):
    old, new = change
    assert old in PLAIN
    file = write(tmp_path, PLAIN.replace(old, new, 1) if old else PLAIN + new + "\n")
    with pytest.raises(MappingError) as caught:
        load_mapping(file)
    error = caught.value
    assert (error.file, error.line, error.key) == (str(file), line, key)
    assert problem in error.problem
    assert remedy in error.remedy
    assert error.others == ()
    assert str(error).startswith(f"{file}:{line}: {key}")


def test_all_problems_of_a_file_are_told_at_once_the_first_heading(tmp_path):
    text = PLAIN.replace("table: contact", "table: contact, deletes: never").replace("key: true", "kee: true")
    with pytest.raises(MappingError) as caught:
        load(tmp_path, text + "chekc: []\n")
    error = caught.value
    assert (error.line, error.key) == (2, "extract.deletes")
    assert [(each.line, each.key) for each in error.others] == [(4, "map.externalId.kee"), (7, "chekc")]
    assert "And 2 more problems in this file:" in str(error)
    assert "Did you mean check?" in str(error)


@pytest.mark.parametrize(
    ("raw", "line", "problem"),
    [
        (b"", 1, "the file is empty"),
        (b"# only a comment\n", 1, "the file is empty"),
        (b"- a\n- b\n", 1, "not a mapping"),
        (b"just words\n", 1, "not a mapping"),
        (b"description: x\nowner: Mu\xdfler\n", 2, "not UTF-8"),
        (b"description: a\x00b\n", 1, "a control character"),
        (b"a: " + b"[" * 100_000, 1, "nested deeper than 20 levels"),
        (b"a: " + b"{a: " * 400 + b"1" + b"}" * 400, 1, "nested deeper than 20 levels"),
        (b"a: [" + b"lol, " * 200_000 + b"]", 1, "bytes"),
    ],
    ids=["empty", "comment", "list", "text", "latin 1", "nul", "brackets", "deep", "huge"],
)
def test_a_file_that_is_no_mapping_is_a_clear_error(tmp_path, raw, line, problem):
    with pytest.raises(MappingError) as caught:
        load(tmp_path, raw)
    assert problem in caught.value.problem
    assert caught.value.line in (line, line + 1)
    assert caught.value.remedy


def test_a_file_that_unfolds_to_gigabytes_is_refused_at_its_first_alias(tmp_path):
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(MappingError, match=r"\(\*\)"):
        load(tmp_path, "\n".join(lines))


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path):
    assert load(tmp_path, b"\xef\xbb\xbf" + PLAIN.encode()).description == "Contacts become profiles."


def test_a_missing_file_and_an_impossible_name_are_mapping_errors(tmp_path):
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping(tmp_path / "absent.yaml")
    with pytest.raises(MappingError, match="cannot be called 'Contacts-2'"):
        load(tmp_path, PLAIN, "Contacts-2.yaml")


def test_two_fields_may_read_one_column(tmp_path):
    mapping = load(
        tmp_path, PLAIN.replace("email: emailaddress1", "email: emailaddress1\n  cusMail: emailaddress1")
    )
    assert mapping.sources()["cusMail"] == mapping.sources()["email"]


def test_a_table_or_a_resource_mapped_by_two_files_is_an_error(tmp_path):
    one = load(tmp_path, PLAIN, "one.yaml")
    other = load(
        tmp_path,
        PLAIN.replace("table: contact", "table: account").replace(": profile}", ": cusSite}"),
        "other.yaml",
    )
    check_together([one, other])
    again = load(tmp_path, PLAIN, "again.yaml")
    with pytest.raises(MappingError) as caught:
        check_together([one, other, again])
    error = caught.value
    assert (error.file, error.line, error.key) == (again.path, 2, "extract.table")
    assert one.path in error.problem
    assert [each.key for each in error.others] == ["load.resource"]


def test_a_workflow_imports_for_one_mapping_only(tmp_path):
    plain = PLAIN.replace(": profile}", ": profile, import_workflow: WKF88}")
    one = load(tmp_path, plain, "one.yaml")
    other = plain.replace("table: contact", "table: account").replace(": profile,", ": cusSite,")
    with pytest.raises(MappingError, match="imports for two mappings") as caught:
        check_together([one, load(tmp_path, other, "other.yaml")])
    assert caught.value.key == "load.import_workflow"


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("", None),
        ("bulk_from: never", None),
        ("import_workflow: WKF88", 5000),
        ("import_workflow: WKF88, bulk_from: 70", 70),
        ("import_workflow: WKF88, bulk_from: always", 1),
        ("import_workflow: WKF88, bulk_from: never", None),
    ],
)
def test_files_are_used_from_a_number_of_rows(tmp_path, words, rows):
    mapping = load(tmp_path, PLAIN.replace(": profile}", f": profile, {words}}}" if words else ": profile}"))
    assert mapping.load.files_from == rows


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_mapping_loads(path):
    assert load_mapping(path).name == path.stem


def test_the_modules_of_a_dag_file_import_nothing_heavy():
    heavy = ("pandas", "pyarrow", "numpy", "great_expectations", "airflow", "requests", "sqlalchemy")
    modules = [
        "errors",
        "schema",
        "mapping.file",
        "rows.transform",
        "rows.checks",
        "rows.fitting",
        "run.report",
    ]
    imports = "; ".join(f"import campaign_sync.{module}" for module in modules)
    code = f"import sys; {imports}; print([m for m in {heavy!r} if m in sys.modules])"
    environment = {"PYTHONPATH": "plugins"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == "[]"
