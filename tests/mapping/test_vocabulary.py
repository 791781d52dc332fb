"""The vocabulary page and the JSON Schema say what the models say."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from campaign_sync.mapping.conditions import OPERATORS, Condition, Filter, Group
from campaign_sync.mapping.expectations import Check
from campaign_sync.mapping.file import json_schema, mapping_files
from campaign_sync.mapping.recipes import recipe_table
from campaign_sync.mapping.vocabulary import (
    Example,
    Extract,
    FieldMapping,
    Load,
    Reconcile,
    Replacement,
    Vocabulary,
)
from campaign_sync.mapping.yaml_lines import read_yaml
from campaign_sync.rows.conversions import conversion_table

from tests.mappings.wrong import PLAIN, WRONG

FOLDER = Path("include/mappings")
PAGE = (FOLDER / "README.md").read_text("utf-8")
SCHEMA = json.loads((FOLDER / "mapping.schema.json").read_text("utf-8"))
MODELS = [Vocabulary, Extract, Filter, Group, Condition, FieldMapping, Check, Load, Reconcile, Example]


def content(text: str) -> object:
    return read_yaml(text.encode()).content


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_word_is_on_the_page_and_described_in_the_schema(model):
    for name, field in model.model_fields.items():
        word = field.alias or name
        assert f"`{word}`" in PAGE or f"\n{word}:" in PAGE or f"## {word}" in PAGE or f"`{word}:`" in PAGE, (
            word
        )
        assert field.description, word
    assert "otherwise" in Replacement.model_fields


def test_every_operator_is_on_the_page():
    assert [word for word in OPERATORS if f"`{word}`" not in PAGE] == []


@pytest.mark.parametrize(
    ("mark", "table"), [("conversions", conversion_table()), ("recipes", recipe_table())]
)
def test_generated_passages_of_the_page_are_fresh(mark, table):
    written = PAGE.split(f"<!-- {mark} -->\n")[1].split("\n<!-- end -->")[0]
    assert written == table


def test_the_schema_in_the_folder_is_fresh():
    assert json_schema() == SCHEMA


def test_the_schema_is_a_schema_and_takes_the_shipped_mappings():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for path in mapping_files(FOLDER):
        assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=mapping.schema.json\n")
        jsonschema.validate(read_yaml(path.read_bytes()).content, SCHEMA)


def test_the_schema_takes_the_short_forms():
    text = PLAIN + (
        "filter: {any: [{all: [{column: a, in: [1, x]}]}]}\nreplace: {email: {1: a, ~: b, otherwise: ~}}\n"
        "reconcile: {rejected_at_most: 100}\nschedule: ~\n"
        "check: [{expect: table_row_count_to_equal, value: 1, otherwise: warn}]\n"
    )
    jsonschema.validate(content(text), SCHEMA)


@pytest.mark.parametrize(
    "name",
    [
        "a misspelt key",
        "a missing section",
        "a wrong choice",
        "a misspelt word of a field",
        "an unknown recipe",
        "a misspelt operator",
        "an empty list of values",
        "a value replaced by a list",
        "a field that is a number",
        "a check's wrong consequence",
        "no number of rows",
    ],
)
def test_the_schema_refuses_in_the_editor_what_the_loader_refuses(name):
    old, new = next(row[1] for row in WRONG if row[0] == name)
    text = PLAIN.replace(old, new, 1) if old else PLAIN + new + "\n"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content(text), SCHEMA)


def test_the_examples_of_the_page_are_mappings_that_load(tmp_path):
    from campaign_sync.events.file import load_events
    from campaign_sync.mapping.file import load_mapping

    sections = [block.split("```")[0] for block in PAGE.split("```yaml\n")[2:]]
    (events,) = [each for each in sections if "direction: to_dynamics" in each]
    (tmp_path / "events_to_activities.yaml").write_text(events, encoding="utf-8")
    assert load_events(tmp_path / "events_to_activities.yaml").tasks.click is not None
    body = "".join(each for each in sections if each != events)
    (tmp_path / "contacts_to_profiles.yaml").write_text(
        f"description: The page\nextract: {{table: contact}}\nload: {{resource: profile}}\n{body}",
        encoding="utf-8",
    )
    mapping = load_mapping(tmp_path / "contacts_to_profiles.yaml")
    assert mapping.filter.filtered_out == "delete"
    assert len(mapping.check) == 3
