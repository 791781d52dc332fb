"""Rows as Campaign's Load file reads them (campaign.md §8.1)."""

from __future__ import annotations

import csv
import gzip
import io

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.mapping.file import load_mapping
from campaign_sync.rows.import_file import carried, describe, file_bytes, file_columns
from campaign_sync.schema import Field, ResourceSchema

KINDS = {
    "externalId": ("string", pa.string()),
    "lastName": ("string", pa.string()),
    "birthDate": ("date", pa.string()),
    "seen": ("datetime", pa.string()),
    "points": ("integer", pa.int64()),
    "amount": ("float", pa.float64()),
    "owner": ("boolean", pa.bool_()),
    "gender": ("enumeration", pa.string()),
}
RESOURCE = ResourceSchema(
    "profile",
    "profileAndServicesExt/profile",
    {
        name: Field(
            name,
            kind,
            50 if kind == "string" else None,
            ("unknown", "male") if kind == "enumeration" else None,
        )
        for name, (kind, _) in KINDS.items()
    },
)
PLAIN = ("k1", "Wong", "1987-03-09", "2026-04-12 03:14:58.000Z", 7, 12.5, True, "male")


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    file = tmp_path_factory.mktemp("mappings") / "contacts_to_profiles.yaml"
    fields = "".join(f"  {name}: {{from: {name.lower()}}}\n" for name in list(KINDS)[1:])
    fields = fields.replace("from: seen}", "from: seen, updates: false}")
    file.write_text(
        "description: x\nextract: {table: contact}\nmap:\n  externalId: {from: contactid, key: true}\n"
        f"{fields}load: {{resource: profile}}\n"
    )
    return load_mapping(file)


def frame(*rows):
    columns = zip(*rows, strict=True)
    arrays = {
        name: pa.array(cells, kind) for (name, (_, kind)), cells in zip(KINDS.items(), columns, strict=True)
    }
    return pa.table(arrays).to_pandas(types_mapper=pd.ArrowDtype).set_axis([row[0] for row in rows])


def text(mapping, *rows, deleted=()):
    columns = file_columns(mapping, RESOURCE)
    return gzip.decompress(
        file_bytes(frame(*(rows or [PLAIN])), list(deleted), columns, RESOURCE, "externalId")
    ).decode()


def test_a_file_is_what_the_documented_workflow_expects(mapping):
    assert text(mapping, PLAIN, deleted=["k9"]) == (
        "op;externalId;lastName;birthDate;seen;points;amount;owner;gender\n"
        "U;k1;Wong;1987/03/09;2026/04/12 03:14:58;7;12.5;1;male\n"
        "D;k9;;;;;;;\n"
    )


def test_what_is_empty_is_an_empty_cell(mapping):
    assert (
        text(mapping, ("k1", "", "", "", 0, 0.0, False, "unknown")).splitlines()[1] == "U;k1;;;;0;0;0;unknown"
    )


def test_quotes_stand_where_they_are_needed_and_nowhere_else(mapping):
    names = ["a;b", 'Say "hi"', "two\nlines", "", "plain", '"', " blank ", ";", "\n"]
    rows = [(f"k{n}", name, *PLAIN[2:]) for n, name in enumerate(names)]
    told = text(mapping, *rows)
    assert [row[2] for row in csv.reader(io.StringIO(told, newline=""), delimiter=";")][1:] == names
    assert told.count('"') == 2 + 6 + 2 + 4 + 2 + 2


@pytest.mark.parametrize(
    ("number", "cell"),
    [
        (1e20, "100000000000000000000"),
        (1e-7, "0.0000001"),
        (-0.25, "-0.25"),
        (3.0, "3"),
        (1e15, "1000000000000000"),
    ],
)
def test_numbers_have_no_exponent(mapping, number, cell):
    assert text(mapping, (*PLAIN[:5], number, *PLAIN[6:])).splitlines()[1].split(";")[6] == cell
    assert float(cell) == number


@pytest.mark.parametrize(
    ("field", "value"),
    [("lastName", "a\rb"), ("lastName", "a\r\n"), ("seen", "2026-04-12 03:14:58.700Z"), ("points", 10**18)],
)
def test_a_row_that_a_file_does_not_carry_unharmed_is_told_apart(field, value):
    other = tuple(value if name == field else cell for name, cell in zip(KINDS, PLAIN, strict=True))
    assert list(carried(frame(PLAIN, other), RESOURCE)) == [True, False]


def test_the_customer_is_told_type_length_and_format_of_every_column(mapping):
    lines = [line.split() for line in describe(file_columns(mapping, RESOURCE)).splitlines()]
    assert [line[0] for line in lines] == ["column", "op", *KINDS]
    assert lines[2] == ["externalId", "text", "50", "write"]
    assert lines[5] == ["seen", "datetime", "YYYY/MM/DD", "HH:mm:SS", "(UTC)", "insert", "only"]
