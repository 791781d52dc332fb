"""The vocabulary of mappings of opt-outs: closed, with line and remedy for every mistake."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml
from campaign_sync.consent import rule
from campaign_sync.consent.file import OptOutMapping, json_schema, load_opt_outs, one_per_table, two_owners
from campaign_sync.consent.rule import Known, Said, decide
from campaign_sync.consent.vocabulary import Empty, Extract, Load, OptOutVocabulary, Pair
from campaign_sync.errors import MappingError
from campaign_sync.events.vocabulary import ExportFiles, LogFiles
from campaign_sync.mapping.file import check_together, load_mapping, mapping_files
from campaign_sync.mapping.kinds import kind_of
from campaign_sync.mapping.limits import OptOutGuard, Reconcile
from campaign_sync.schema import OPT_OUTS

FOLDER = Path("include/mappings")
SHIPPED = FOLDER / "opt_outs.yaml"
PAGE = Path("docs/opt_outs.md").read_text("utf-8")
EMAIL = "denyListEmail:      {column: donotbulkemail, no_is: true}"


def write(folder: Path, *edits: tuple[str, str], name: str = "opt_outs.yaml") -> Path:
    text = SHIPPED.read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / name).write_text(text)
    return folder / name


def rows(folder: Path, line: str, name: str = "contacts_to_profiles.yaml"):
    (folder / name).write_text(
        "description: Contacts become profiles.\nextract: {table: contact}\nload: {resource: profile}\n"
        f"map:\n  externalId: {{from: contactid, key: true}}\n  {line}\n"
    )
    return load_mapping(folder / name)


def test_the_shipped_mapping_pairs_four_attributes_and_opts_nobody_in_unasked():
    shipped = load_opt_outs(SHIPPED)
    assert {name: (pair.column, pair.no_is) for name, pair in shipped.pairs.items()} == {
        "denyListEmail": ("donotbulkemail", True),
        "denyListPhone": ("donotphone", True),
        "denyListPostalMail": ("donotpostalmail", True),
        "denyListFax": ("donotfax", True),
    }
    assert (shipped.direction, shipped.conflict, shipped.watch) == ("both", "record", "10s")
    assert shipped.extract.alarm == timedelta(hours=26)
    assert shipped.guard.allows("opt_ins", 0, 1_000_000)
    assert not shipped.guard.allows("opt_ins", 1, 1_000_000)
    assert shipped.guard.allows("opt_outs", 500, 10)
    assert not shipped.guard.allows("opt_outs", 501, 10_000)


def test_the_schema_is_fresh_and_takes_the_shipped_mapping():
    stored = json.loads(SHIPPED.with_name("opt_outs.schema.json").read_text("utf-8"))
    assert stored == json_schema(), "run make schema"
    jsonschema.Draft202012Validator.check_schema(stored)
    assert SHIPPED.read_text().startswith("# yaml-language-server: $schema=opt_outs.schema.json\n")
    jsonschema.validate(yaml.safe_load(SHIPPED.read_text()), stored)


@pytest.mark.parametrize(
    "edit",
    [
        ("no_is: true}\n  denyListPhone", "yes_is: true}\n  denyListPhone"),
        ("denyListFax:", "denyListFaxes:"),
        ("direction: both", "direction: neither"),
        ("load:", "replace: {denyListFax: {empty: yes}}\nload:"),
    ],
)
def test_the_schema_refuses_in_the_editor_what_the_loader_refuses(tmp_path, edit):
    file = write(tmp_path, edit)
    with pytest.raises(MappingError):
        load_opt_outs(file)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.load(file.read_text(), yaml.BaseLoader), json_schema())


@pytest.mark.parametrize(
    "edit, line, said",
    [
        (
            ("donotfax, no_is: true", "donotfax, no_is: false"),
            15,
            "pairs.denyListFax.no_is: donotfax is true where the person objects. Write no_is: true",
        ),
        (("donotfax, no_is: true", "donotfax"), 15, "pairs.denyListFax.no_is: missing. Add no_is"),
        (("donotfax, no_is: true", "donotfax, no_iss: true"), 15, "no_iss: unknown key. Did you mean no_is?"),
        (("denyListFax:", "denyListFaxes:"), 15, "denyListFaxes is not an opt-out attribute of a profile. Did you"),
        (("denyListFax:", "blackListEmail:"), 15, "blackListEmail is denyListEmail, which is there already"),
        (("column: donotfax", "column: donotphone"), 15, "donotphone is paired twice, also with denyListPhone"),
        (("direction: both", "direction: twoway"), 2, "'twoway' is not one of disabled, to_campaign"),
        (("resource: profile", "resource: cusStore"), 18, "load.resource: 'cusStore' is not one of profile"),
        (("opt_ins: 0", "opt_ins: few"), 22, "guard.opt_ins: 'few' is not a limit"),
        (("opt_ins: 0", "optins: 0"), 22, "guard.optins: unknown key. Did you mean opt_ins?"),
        (("owner: crm-team", "replace: {denyListFax: {empty: yes}}"), 4, "stands for no, or for nothing"),
        (("owner: crm-team", "replace: {denyList: {empty: no}}"), 4, "replace.denyList: denyList has no pair"),
        (
            ("owner: crm-team", "check: [{expect: column_values_to_not_be_null, column: blackListFax}]"),
            4,
            "check[1].column: blackListFax has no pair. Did you mean denyListFax?",
        ),
        (
            (
                "owner: crm-team",
                "check: [{expect: column_values_to_not_be_null, column: denyListFax, otherwise: reject}]",
            ),
            4,
            "check[1].otherwise: 'reject' is not one of stop, warn",
        ),
        (
            ("owner: crm-team", "filter: {all: [{column: statecode, equals: 0}], filtered_out: delete}"),
            4,
            "filter.filtered_out: consent is never taken back",
        ),
        (("expected_every: 26h", "expected_every: daily"), 9, "'daily' is not a time to wait"),
        (("files: optout_*.csv", "files: optout_*.csv, columns: {blackListFox: x}"), 8, "blackListFox is not a column"),
        (("owner: crm-team", "schedule: ~\nwatch: 5s"), 5, "a flow without a schedule runs only by hand"),
        (("owner: crm-team", "map: {}"), 4, "map: unknown key"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_a_remedy(tmp_path, edit, line, said):
    with pytest.raises(MappingError) as caught:
        load_opt_outs(write(tmp_path, edit))
    assert said in str(caught.value)
    assert caught.value.line == line


def test_without_pairs_nothing_is_kept_in_step(tmp_path):
    text = SHIPPED.read_text()
    (tmp_path / "opt_outs.yaml").write_text(
        text[: text.index("pairs:")] + "pairs: {}\nload: {resource: profile}\n"
    )
    with pytest.raises(MappingError, match="nothing is paired"):
        load_opt_outs(tmp_path / "opt_outs.yaml")


def test_either_spelling_is_the_same_attribute_and_keeps_its_line(tmp_path):
    header = "{files: optout_*.csv, columns: {blackListFax: Fax, externalId: Kontakt, blackListFaxLastModified: F}}"
    mapping = load_opt_outs(
        write(tmp_path, ("denyListFax:", "blackListFax:"), ("{files: optout_*.csv}", header))
    )
    assert list(mapping.pairs)[-1] == "denyListFax"
    assert mapping.line("pairs", "denyListFax", "column") == 15
    assert mapping.headers()["denyListFax"] == ("Fax",)
    assert mapping.headers()["externalId"] == ("Kontakt",)
    assert mapping.headers()["denyListPhone"] == ("blackListPhone", "denyListPhone")
    assert mapping.times()["denyListFaxLastModified"] == ("F",)
    assert OptOutMapping.model_validate(mapping.model_dump(mode="json", by_alias=True)) == mapping


def test_one_column_may_belong_to_two_attributes_where_it_is_only_read(tmp_path):
    edits = (("column: donotfax", "column: donotphone"), ("direction: both", "direction: to_campaign"))
    assert load_opt_outs(write(tmp_path, *edits)).pairs["denyListFax"].column == "donotphone"


def test_a_column_of_ones_own_may_say_yes(tmp_path):
    edit = (EMAIL, "denyListEmail: {column: new_newsletter, no_is: false}")
    assert load_opt_outs(write(tmp_path, edit)).pairs["denyListEmail"].no_is is False


@pytest.mark.parametrize(
    "text, kind",
    [
        ("direction: to_dynamics\npairs:\n  denyList: {", "opt_outs"),
        ('"pairs":\n  denyList: {', "opt_outs"),
        ("\ufeff  pairs:\r\n    a: b\r\n  direction: to_dynamics\r\n", "opt_outs"),
        ("# a remark\n{direction: to_dynamics, pairs: {denyList: {column: a, no_is: true}}}", "opt_outs"),
        ('{\n  "direction": "to_dynamics",\n  "pairs": {}\n}', "opt_outs"),
        ("direction: both\nmap: [\n", "rows"),
        ("direction: both\n", "opt_outs"),
        ("direction: to_dynamics\npair:\n  denyListEmail:\n", "opt_outs"),
        ("direction: to_dynamics\nmap:\n  pairs: x\n", "events"),
        ("description: |\n  pairs: all\nmap:\n  pairs: x\n", "rows"),
        ("", "rows"),
    ],
)
def test_the_kinds_are_told_apart_even_in_broken_files(tmp_path, text, kind):
    file = tmp_path / "some.yaml"
    file.write_bytes(text.encode())
    assert kind_of(file) == kind
    assert mapping_files(tmp_path, kind) == [file]
    assert [each for each in ("rows", "events", "opt_outs") if mapping_files(tmp_path, each)] == [kind]


@pytest.mark.parametrize("theirs", ["denyListEmail", "blackListEmail"])
@pytest.mark.parametrize("ours", ["denyListEmail", "blackListEmail"])
def test_an_attribute_has_one_owner_in_whichever_spelling(tmp_path, ours, theirs):
    opt_outs = write(tmp_path, ("denyListEmail:", f"{ours}:"))
    mapping = rows(tmp_path, f"{theirs}: donotbulkemail")
    with pytest.raises(MappingError) as caught:
        check_together([mapping])
    assert (caught.value.file, caught.value.line, caught.value.key) == (mapping.path, 6, f"map.{theirs}")
    assert f"{opt_outs}:12 ({ours})" in caught.value.problem
    (other,) = two_owners([load_opt_outs(opt_outs)])
    assert (other.file, other.line, other.key) == (str(opt_outs), 12, f"pairs.{ours}")
    assert f"{mapping.path}:6 ({theirs})" in other.problem


def test_an_owner_is_known_also_from_a_file_with_mistakes(tmp_path):
    write(tmp_path, ("direction: both", "direction: everywhere"))
    mapping = rows(tmp_path, "blackListFax: {from: donotfax}")
    with pytest.raises(MappingError, match="blackListFax is mapped twice"):
        check_together([mapping])


def test_attributes_that_differ_have_different_owners(tmp_path):
    opt_outs = load_opt_outs(write(tmp_path))
    check_together([rows(tmp_path, "blackListMobile: donotsendmm")])
    assert list(two_owners([opt_outs])) == []


def test_no_shipped_mapping_of_rows_maps_consent():
    check_together(map(load_mapping, mapping_files(FOLDER)))
    assert list(two_owners([load_opt_outs(SHIPPED)])) == []
    for path in mapping_files(FOLDER):
        assert not set(load_mapping(path).map) & {
            *OPT_OUTS,
            *(each.replace("deny", "black") for each in OPT_OUTS),
        }


def test_a_table_has_one_mapping_of_opt_outs(tmp_path):
    one, two = (load_opt_outs(write(tmp_path, name=name)) for name in ("one.yaml", "two.yaml"))
    problems = one_per_table([one, two])
    assert list(problems) == [Path(two.path)]
    (problem,) = {
        each.problem for each in problems[Path(two.path)].one_by_one() if each.key == "extract.table"
    }
    assert problem == f"the opt-outs of contact have a mapping already: {one.path}"


class TestThePage:
    @pytest.mark.parametrize(
        "model",
        [OptOutVocabulary, Pair, Empty, Extract, LogFiles, Load, OptOutGuard, Reconcile],
        ids=lambda model: model.__name__,
    )
    def test_has_every_word(self, model):
        words = set(model.model_fields) - (set(ExportFiles.model_fields) if model is Extract else set())
        absent = {
            each
            for each in words
            if not any(mark in PAGE for mark in (f"`{each}`", f"`{each}.", f".{each}`", f"{{{each}"))
        }
        assert absent - {"column"} == set()
        assert all(field.description for field in model.model_fields.values())

    def test_has_every_attribute_and_every_reason(self):
        spelt = {*OPT_OUTS, *(each.replace("deny", "black") for each in OPT_OUTS)}
        assert {each for each in spelt if f"`{each}`" not in PAGE} == set()
        assert {each for each in rule.REASONS if each not in PAGE} == set()

    def test_has_an_example_that_loads(self, tmp_path):
        (tmp_path / "opt_outs.yaml").write_text(PAGE.split("```yaml\n")[1].split("```")[0])
        mapping = load_opt_outs(tmp_path / "opt_outs.yaml")
        assert mapping.pairs["denyList"].no_is is False
        assert mapping.columns() == ("donotbulkemail", "donotphone", "new_maywecontact", "statecode")

    def test_has_the_rule_as_it_is(self):
        noon, later = (datetime(2026, 5, 4, hour, tzinfo=UTC) for hour in (12, 18))
        words = {"no": [True], "yes": [False], "nothing": [None], "yes or nothing": [False, None]}
        lines = PAGE.split("<!-- rule -->\n")[1].split("\n<!-- end -->")[0].splitlines()
        directions = [each.strip(" `") for each in lines[0].split("|")[3:-1]]
        assert directions == ["both", "to_campaign", "to_dynamics"]
        for line in lines[2:]:
            dynamics, campaign, *told = [each.strip() for each in line.split("|")[1:-1]]
            campaign, _, when = campaign.partition(", ")
            for d in words[dynamics]:
                for c in words[campaign]:
                    theirs = Said(c, later if when == "later" else noon)
                    # Campaign had agreed to what Dynamics says; an ordinary change since.
                    known = Known(Said(d, noon), Said(True, noon), agreed=d, ours=False)
                    for direction, expected in zip(directions, told, strict=True):
                        decision = decide(direction, Said(d, noon), theirs, known)
                        assert said(decision) == expected.split(",")[0].replace("*", ""), (line, direction)


def said(decision):
    sides = (("Campaign", decision.tell_campaign), ("Dynamics", decision.tell_dynamics))
    told = [f"{side}: {'no' if value else 'yes'}" for side, value in sides if value is not None]
    return " ".join(told) or "—"
