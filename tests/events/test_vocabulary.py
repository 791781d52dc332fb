"""The vocabulary of mappings that bring events to Dynamics: closed, with line and remedy for every mistake."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml
from campaign_sync.errors import MappingError
from campaign_sync.events.file import json_schema, load_events
from campaign_sync.events.vocabulary import (
    DELIVERY_COLUMNS,
    EVENT_COLUMNS,
    OPTIONAL_COLUMNS,
    TRACKING_COLUMNS,
)
from campaign_sync.mapping.file import load_mapping, mapping_files

from tests.events.exports import SHIPPED, mapping


def test_the_shipped_mapping_brings_all_four_kinds_and_waits_a_week() -> None:
    shipped = load_events(SHIPPED)
    assert list(shipped.map.kinds) == ["send", "open", "click", "bounce"]
    assert shipped.load.waits == timedelta(days=7)
    assert shipped.name == "email_events_to_activities"


def test_the_direction_tells_the_two_kinds_of_mapping_apart_even_in_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "events.yaml").write_text('direction: "to_dynamics"\nmap: [\n')
    (tmp_path / "rows.yaml").write_text("description: |\n  direction: to_dynamics\n")
    assert mapping_files(tmp_path) == [tmp_path / "rows.yaml"]
    assert mapping_files(tmp_path, "events") == [tmp_path / "events.yaml"]


def test_the_schema_is_fresh_and_takes_the_shipped_mapping() -> None:
    stored = json.loads(SHIPPED.with_name("events.schema.json").read_text("utf-8"))
    assert stored == json_schema(), "run make schema"
    jsonschema.Draft202012Validator.check_schema(stored)
    assert SHIPPED.read_text().startswith("# yaml-language-server: $schema=events.schema.json\n")
    jsonschema.validate(yaml.safe_load(SHIPPED.read_text()), stored)


def test_a_misspelt_direction_is_an_error_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "events_to_activities.yaml"
    file.write_text(SHIPPED.read_text().replace("to_dynamics", "to_dynamic"))
    with pytest.raises(MappingError, match="yaml:2: direction: unknown key"):
        load_mapping(file)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            ("  unknown_contacts: 7d", "  unknown_contact: 7d"),
            "load.unknown_contact: unknown key. Did you mean unknown_contacts?",
        ),
        (
            ("  unknown_contacts: 7d", "  unknown_contacts: soon"),
            "load.unknown_contacts: 'soon' is not a time to wait",
        ),
        (
            ("acs_trackingurl: url", "acs_trackingurl: uri"),
            "map.click.columns.acs_trackingurl: events have no uri",
        ),
        (
            ('{delivery}"', '{deliveries}"'),
            "map.subject: events have no 'deliveries' for a subject. Did you mean delivery",
        ),
        (('{delivery}"', '{delivery"'), "map.subject: a brace too many or too few"),
        (('{delivery}"', '{delivery.upper}"'), "map.subject: events have no 'delivery.upper'"),
        (
            ("files: broadlog_*.csv", "files: broadlog.csv"),
            "extract.delivery_logs.files: 'broadlog.csv' is not a pattern",
        ),
        (
            ("{files: tracking_*.csv}", "{files: t_*.csv, columns: {urll: u}}"),
            "columns.urll: urll is not a column of this log. Did you mean url",
        ),
        (("extract:", "extract:\n  done: ../.."), "extract.done: '../..' is not a folder of the SFTP area"),
        (
            ("extract:", "extract:\n  datetime: YYYY-MM-DD"),
            "extract.datetime: 'YYYY-MM-DD' is not a form of a time",
        ),
        (
            ("extract:", "extract:\n  time_zone: Europe/Pari"),
            "yaml:7: extract.time_zone: there is no time zone 'Europe/Pari'. Did you mean Europe/Paris",
        ),
        (("extract:", "extract:\n  time_zone: CEST"), "extract.time_zone: there is no time zone 'CEST'"),
        (
            ("extract:", "extract:\n  time_zone: localtime"),
            "extract.time_zone: there is no time zone 'localtime'",
        ),
        (
            ("extract:", "extract:\n  expected_every: daily"),
            "extract.expected_every: 'daily' is not a time to wait. Write hours or days",
        ),
        (
            ("column: delivery}", "column: deliverie}"),
            "check[1].column: events have no deliverie. Did you mean delivery",
        ),
        (
            ("owner: crm-team", "filter: {all: [{column: adress, present: true}]}"),
            "filter.all[1].column: events have no adress",
        ),
        (
            ("owner: crm-team", "filter: {all: [{column: url, present: true}], filtered_out: delete}"),
            "activities are never taken back",
        ),
        (("acs_emailclick", "acs_emailclick\n    only: last"), "map.click.only: "),
        (("acs_emailsend", "acs_emailsend\n    only: first"), "map.send.only: unknown key"),
        (("owner: crm-team", "tasks: {clik: {subject: x}}"), "tasks.clik: unknown key. Did you mean click"),
        (
            ("owner: crm-team", "tasks: {click: {subject: '{who}'}}"),
            "tasks.click.subject: events have no 'who'",
        ),
        (("owner: crm-team", "replace: {kind: {send: sent}}"), "replace.kind: kind cannot be replaced"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_remedy(
    tmp_path: Path, edit: tuple[str, str], said: str
) -> None:
    with pytest.raises(MappingError) as caught:
        mapping(tmp_path, edit)
    assert said in str(caught.value)
    assert caught.value.line > 0


def test_the_page_on_export_workflows_names_every_column_that_is_read() -> None:
    page = Path("docs/export_workflows.md").read_text("utf-8")
    headers = {*DELIVERY_COLUMNS.values(), *TRACKING_COLUMNS.values(), *OPTIONAL_COLUMNS.values()}
    assert {name for name in headers if f"`{name}`" not in page} == set()
    words = Path("include/mappings/README.md").read_text("utf-8")
    assert {name for name in EVENT_COLUMNS if f"`{name}`" not in words} == set()
