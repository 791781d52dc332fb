"""The table of conversions (I5), cell by cell: what arrives, and what is refused, with a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from campaign_sync.rows.cells import as_text
from campaign_sync.rows.conversions import CONVERSIONS, KIND_TITLES
from campaign_sync.rows.convert import convert
from campaign_sync.schema import Field

REFUSED = object()
MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
TIME = pa.timestamp("us", "UTC")
MONEY = pa.decimal128(38, 10)
NAMES = ("unknown", "male", "female")


def field(kind: str, **more) -> Field:
    return Field("target", kind, **more)


CELLS = [
    # text
    (pa.string(), "Åsa 🌻", field("string", length=5), "Åsa 🌻"),
    (pa.string(), "Åsa 🌻", field("string", length=4), REFUSED),
    (pa.string(), "a" * 4000, field("string"), "a" * 4000),
    (pa.string(), "two\r\nlines\tand a tab", field("string", length=99), "two\r\nlines\tand a tab"),
    (pa.string(), "nul\x00", field("string", length=99), REFUSED),
    (pa.string(), "bell\x07", field("string", length=99), REFUSED),
    (pa.string(), "del\x7f", field("string", length=99), REFUSED),
    (pa.string(), "-12", field("integer"), -12),
    (pa.string(), "0", field("integer"), 0),
    (pa.string(), "007", field("integer"), REFUSED),
    (pa.string(), "-0", field("integer"), REFUSED),
    (pa.string(), "1.0", field("integer"), REFUSED),
    (pa.string(), " 1", field("integer"), REFUSED),
    (pa.string(), "99999999999999999999", field("integer", technical="int64"), REFUSED),
    (pa.string(), "12.5", field("float"), 12.5),
    (pa.string(), "1e3", field("float"), 1000.0),
    (pa.string(), "1e999", field("float"), REFUSED),
    (pa.string(), "12,5", field("float"), REFUSED),
    (pa.string(), "nan", field("float"), REFUSED),
    (pa.string(), "true", field("boolean"), True),
    (pa.string(), "yes", field("boolean"), REFUSED),
    (pa.string(), "2004-02-29", field("date"), "2004-02-29"),
    (pa.string(), "1753-01-01", field("date"), "1753-01-01"),
    (pa.string(), "1987-02-30", field("date"), REFUSED),
    (pa.string(), "2003-02-29", field("date"), REFUSED),
    (pa.string(), "01.02.03", field("date"), REFUSED),
    (pa.string(), "0000-01-01", field("date"), REFUSED),
    (pa.string(), "0001-01-01", field("date"), "0001-01-01"),
    (pa.string(), "0000-01-01T00:00:00Z", field("datetime"), REFUSED),
    (TIME, datetime(1, 1, 1, tzinfo=UTC), field("datetime"), "0001-01-01 00:00:00.000Z"),
    (pa.string(), "2026-2-3", field("date"), REFUSED),
    (pa.string(), "2026-02-03T04:05:06Z", field("datetime"), "2026-02-03 04:05:06.000Z"),
    (pa.string(), "2026-02-03T04:05:06.7Z", field("datetime"), "2026-02-03 04:05:06.700Z"),
    (pa.string(), "2026-02-30T04:05:06Z", field("datetime"), REFUSED),
    (pa.string(), "2026-02-03T24:05:06Z", field("datetime"), REFUSED),
    (pa.string(), "2026-02-03T04:05:06", field("datetime"), REFUSED),
    (pa.string(), "female", field("enumeration", values=NAMES), "female"),
    (pa.string(), "Female", field("enumeration", values=NAMES), REFUSED),
    # numbers
    (pa.int64(), 42, field("string", length=2), "42"),
    (pa.int64(), 421, field("string", length=2), REFUSED),
    (pa.int32(), 2**31 - 1, field("integer"), 2**31 - 1),
    (pa.int64(), 2**31, field("integer"), REFUSED),
    (pa.int64(), -(2**31), field("integer", technical="long"), -(2**31)),
    (pa.int64(), -(2**31) - 1, field("integer", technical="long"), REFUSED),
    (pa.int64(), 2**40, field("integer", technical="int64"), 2**40),
    (pa.int64(), 128, field("integer", technical="byte"), REFUSED),
    (pa.int64(), 32767, field("integer", technical="short"), 32767),
    (pa.int64(), 2**53, field("float"), float(2**53)),
    (pa.int64(), 2**53 + 1, field("float"), REFUSED),
    (pa.int64(), 1, field("boolean"), True),
    (pa.int64(), 0, field("boolean"), False),
    (pa.int64(), 2, field("boolean"), REFUSED),
    (pa.int64(), 1, field("enumeration", values=("1", "2")), "1"),
    (pa.int64(), 3, field("enumeration", values=("1", "2")), REFUSED),
    (pa.float64(), 12.5, field("string", length=9), "12.5"),
    (pa.float64(), 12.0, field("string", length=9), "12"),
    (pa.float64(), 12.0, field("integer"), 12),
    (pa.float64(), 12.5, field("integer"), REFUSED),
    (pa.float64(), 1e300, field("integer"), REFUSED),
    (pa.float64(), 59.33258, field("float", technical="double"), 59.33258),
    (pa.float64(), 59.33258, field("float", technical="float"), 59.33258),
    (pa.float64(), 59.332581234, field("float", technical="float"), REFUSED),
    (pa.float64(), float("inf"), field("float"), REFUSED),
    (MONEY, Decimal("1499.9000"), field("string", length=9), "1499.9"),
    (MONEY, Decimal("100.0000"), field("string", length=9), "100"),
    (MONEY, Decimal("1499.9000"), field("float"), 1499.9),
    (MONEY, Decimal("7921040.7300"), field("float"), 7921040.73),
    (MONEY, Decimal("459443.7200"), field("float"), 459443.72),
    (MONEY, Decimal("999999999999.9900"), field("float"), 999999999999.99),
    (MONEY, Decimal("0.0000000001"), field("float"), 1e-10),
    (MONEY, Decimal("9999999999999999999999999999.9"), field("float"), REFUSED),
    (MONEY, Decimal("922337203685477.5807"), field("float"), REFUSED),
    (MONEY, Decimal("12.0000"), field("integer"), 12),
    (MONEY, Decimal("12.5000"), field("integer"), REFUSED),
    # booleans, dates, times
    (pa.bool_(), True, field("string", length=5), "true"),
    (pa.bool_(), False, field("integer"), 0),
    (pa.bool_(), False, field("boolean"), False),
    (TIME, MOMENT, field("string", length=20), "2026-02-03T04:05:06Z"),
    (TIME, MOMENT, field("datetime"), "2026-02-03 04:05:06.000Z"),
    (TIME, MOMENT.replace(microsecond=120_000), field("datetime"), "2026-02-03 04:05:06.120Z"),
    (TIME, MOMENT.replace(microsecond=120_001), field("datetime"), REFUSED),
    # nothing
    (pa.string(), None, field("string", length=5), ""),
    (pa.string(), None, field("date"), ""),
    (TIME, None, field("datetime"), ""),
    (pa.int64(), None, field("integer"), 0),
    (pa.float64(), None, field("float"), 0.0),
    (pa.bool_(), None, field("boolean"), False),
    (pa.string(), "", field("integer"), 0),
    (pa.string(), None, field("enumeration", values=NAMES), "unknown"),
    (pa.string(), None, field("enumeration", values=("none", "en")), "none"),
    (pa.string(), None, field("enumeration", values=("gold", "silver")), REFUSED),
    (pa.string(), None, field("string", mandatory=True), REFUSED),
    (pa.string(), "", field("string", mandatory=True), REFUSED),
]


@pytest.mark.parametrize(("kind", "cell", "target", "wanted"), CELLS)
def test_a_cell_arrives_unharmed_or_is_refused(kind, cell, target, wanted):
    values, refusals = convert(pa.array([cell], kind), target, "source")
    assert values.null_count == 0
    if wanted is REFUSED:
        assert [refusal.positions.tolist() for refusal in refusals][:1] == [[0]]
    else:
        assert refusals == []
        assert values.to_pylist() == [wanted]
        assert type(values.to_pylist()[0]) is type(wanted)


def test_a_reason_names_column_and_lengths_but_not_the_value():
    _, (refusal,) = convert(pa.array(["Ada", "Wolfeschlegel"]), field("string", length=5), "firstname")
    assert refusal.positions.tolist() == [1]
    assert refusal.reasons == ["firstname: 13 characters, target takes 5"]


@pytest.mark.parametrize(("kind", "cell", "target", "wanted"), [each for each in CELLS if each[3] is REFUSED])
def test_no_reason_holds_a_value(kind, cell, target, wanted):
    _, refusals = convert(pa.array([cell], kind), target, "source")
    text = as_text(pa.array([cell], kind)).to_pylist()[0]
    assert all(reason.startswith("source: ") for refusal in refusals for reason in refusal.reasons)
    if text and len(text) > 3:
        assert not any(text in reason for refusal in refusals for reason in refusal.reasons)


def test_one_bad_cell_does_not_touch_its_neighbours():
    dates = pa.array(["2026-01-31", "1987-02-30", None, "soon", "2026-01-30"])
    values, refusals = convert(dates, field("date"), "source")
    assert sorted(each for refusal in refusals for each in refusal.positions.tolist()) == [1, 3]
    assert [values[position].as_py() for position in (0, 2, 4)] == ["2026-01-31", "", "2026-01-30"]


def test_a_time_in_the_year_0_is_refused_though_arrow_reads_it():
    times = pa.array(["0000-12-31T23:59:59Z", None, "0001-01-01T00:00:00Z"]).cast(TIME)
    _, refusals = convert(times, field("datetime"), "source")
    assert [refusal.positions.tolist() for refusal in refusals] == [[0]]


def test_a_slice_of_a_column_is_measured_by_its_own_cells():
    column = pa.array(["far too long for this field", "ok", "fine", "bad\x00"])
    values, refusals = convert(column.slice(1, 2), field("string", length=4), "source")
    assert (values.to_pylist(), refusals) == (["ok", "fine"], [])


def test_empty_columns_convert():
    for target in ("string", "integer", "float", "boolean", "date", "datetime", "enumeration"):
        values, refusals = convert(pa.array([], pa.string()), field(target, values=NAMES, length=3), "source")
        assert (len(values), refusals) == (0, [])


def test_the_table_has_a_word_for_every_pair():
    assert CONVERSIONS.keys() == KIND_TITLES.keys()
    assert len({tuple(ways) for ways in CONVERSIONS.values()}) == 1
