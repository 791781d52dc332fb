"""Counts that add up, and a report that people and programs can read."""

from __future__ import annotations

import json

from campaign_sync.run.report import SAMPLE, Report, Tally

TALLY = Tally(extracted=10, dropped=1, parked=1, rejected=2, created=3, updated=1, deleted=1, unchanged=1)


def report(**changes):
    stated = {
        "flow": "contacts_to_profiles",
        "run_id": "manual__1",
        "window": "changes since 04:00",
        "tally": TALLY,
        "batches": 2,
        "dropped": {"has an e-mail": 1},
        "rejected": {"firstName": 2},
        "samples": {"firstName": ("id-1", "id-2")},
        "checks": ({"name": "unique", "expect": "x", "rows": 8, "unexpected": 2, "otherwise": "warn"},),
        "notes": ("the place in the change feed had expired",),
    }
    return Report(**stated | changes)


def test_tallies_add_field_by_field():
    total = TALLY + TALLY + Tally()
    assert total.extracted == 20
    assert total.created == 6
    assert total.balanced
    assert sum([TALLY, TALLY], Tally()) == TALLY + TALLY


def test_a_tally_balances_only_when_every_row_has_a_fate():
    assert TALLY.balanced
    assert Tally().balanced
    assert not (TALLY + Tally(extracted=1)).balanced
    assert not (TALLY + Tally(parked=1)).balanced


def test_a_tally_goes_through_xcom_and_back():
    assert Tally.from_dict(json.loads(json.dumps(TALLY.as_dict()))) == TALLY


def test_a_tally_speaks_of_the_fates_that_occurred():
    assert str(Tally(extracted=3, created=2, dropped=1)) == "3 extracted: 1 dropped, 2 created"
    assert str(Tally()) == "0 extracted: nothing"


def test_a_report_is_plain_values_for_programs():
    stored = json.loads(json.dumps(report().to_json()))
    assert stored["balanced"] is True
    assert stored["tally"] == TALLY.as_dict()
    assert stored["samples"] == {"firstName": ["id-1", "id-2"]}


def test_a_report_keeps_a_few_keys_per_rule_only():
    keys = tuple(f"id-{number}" for number in range(100))
    many = report(samples={"firstName": keys}, rejected={"firstName": 100})
    assert many.to_json()["samples"]["firstName"] == list(keys[:SAMPLE])
    assert "id-20" not in many.to_text()
    assert "…" in many.to_text()


def test_the_text_shows_counts_rules_keys_checks_and_notes():
    text = report().to_text()
    for part in (
        "2 batches",
        "extracted",
        "has an e-mail",
        "id-1, id-2",
        "2 of 8 unexpected (warn)",
        "had expired",
    ):
        assert part in text
    assert "NOT BALANCED" not in text
    assert (
        "NOT BALANCED: 11 extracted, 10 accounted for" in report(tally=TALLY + Tally(extracted=1)).to_text()
    )
