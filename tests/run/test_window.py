"""What a run reads, from how it was started."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.ledger.ledger import Place
from campaign_sync.run.window import Window, choose_window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ONE = datetime(2026, 11, 20, 13, tzinfo=UTC)
PLACED = Place("placed", "https://x.example/contacts?$deltatoken=1", "run 1", NOON)
READING = Place("reading", None, "run 1", NOON)
EXPIRED = Place("expired", "https://x.example/contacts?$deltatoken=1", "run 1", NOON)
FORM = {"replay": False, "since": None, "until": None, "limit": None, "dry_run": False}
SPAN = {"since": "2026-11-20T12:00:00Z", "until": "2026-11-20T13:00:00Z"}


def choose(run_type="manual", place=PLACED, interval=(NOON, ONE), empty=False, **params):
    return choose_window(run_type, FORM | params, interval, place, ledger_empty=empty)


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "asset_triggered"])
def test_a_run_without_wishes_follows_the_change_feed_whatever_its_interval(run_type):
    assert choose(run_type) == Window("changes", link=PLACED.delta_link, moves_place=True)


def test_the_first_run_reads_the_feed_from_its_beginning_and_opens_a_place():
    assert choose(place=None, empty=True) == Window("changes", moves_place=True, opens_place=True)


def test_a_run_after_an_unfinished_first_read_starts_the_feed_again():
    assert choose(place=READING, empty=True) == Window("changes", moves_place=True, opens_place=True)


def test_a_run_after_an_unfinished_first_read_looks_for_what_was_deleted_since():
    assert choose(place=READING) == Window("changes", moves_place=True, opens_place=True, compares="keys")


def test_a_lost_place_beside_a_filled_ledger_asks_for_a_replay():
    with pytest.raises(RefusedError, match=r"place in the change feed is lost.* replay switched on"):
        choose("scheduled", place=None)


HEALING = Window("changes", link=EXPIRED.delta_link, moves_place=True, compares="versions")


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "asset_triggered"])
def test_an_expired_place_heals_and_stays_expired_until_it_has(run_type):
    assert choose(run_type, place=EXPIRED) == HEALING
    assert not HEALING.opens_place


def test_an_expired_place_without_a_link_heals_too():
    assert choose(place=EXPIRED._replace(delta_link=None)) == replace(HEALING, link=None)


@pytest.mark.parametrize("wish", [{"limit": 5}, {"dry_run": True}])
def test_a_limited_or_dry_run_compares_and_heals_nothing(wish):
    assert choose(place=EXPIRED, **wish) == replace(HEALING, moves_place=False, **wish)


def test_a_backfill_sends_its_interval_again_and_leaves_the_place_alone():
    assert choose("backfill") == Window("modified", since=NOON, until=ONE, force=True)


def test_a_backfill_works_where_the_place_is_lost_or_expired():
    assert choose("backfill", place=None).kind == choose("backfill", place=EXPIRED).kind == "modified"


@pytest.mark.parametrize("interval", [None, (NOON, NOON)])
def test_a_backfill_without_an_interval_says_that_the_flow_needs_a_schedule(interval):
    with pytest.raises(RefusedError, match=r"no data interval.* Give the flow a schedule"):
        choose("backfill", interval=interval)


def test_since_and_until_send_again_what_was_modified_between_them():
    assert choose(**SPAN) == Window("modified", since=NOON, until=ONE, force=True)


def test_a_time_without_zone_is_utc_and_other_zones_are_converted():
    window = choose(since="2026-11-20T12:00", until="2026-11-20T14:00:00+01:00")
    assert (window.since, window.until) == (NOON, ONE)


def test_a_replay_sends_everything_again_and_keeps_the_place():
    assert choose(replay=True) == Window("everything", force=True)


@pytest.mark.parametrize("place", [None, EXPIRED, READING])
def test_a_replay_without_a_usable_place_takes_a_new_one(place):
    assert choose(replay=True, place=place) == Window(
        "everything", force=True, moves_place=True, opens_place=True, compares="keys"
    )


def test_a_replay_before_the_first_run_has_nothing_to_compare_with():
    assert choose(replay=True, place=None, empty=True).compares == "nothing"


@pytest.mark.parametrize("wish", [{"limit": 5}, {"dry_run": True}])
@pytest.mark.parametrize("place", [PLACED, None, EXPIRED])
def test_a_limited_or_dry_run_never_moves_the_place(wish, place):
    window = choose(replay=True, place=place, **wish)
    assert not window.moves_place
    assert not window.opens_place


def test_a_limited_first_run_leaves_a_place_from_which_the_next_run_starts_over():
    assert choose(place=None, empty=True, limit=5) == Window("changes", limit=5, opens_place=True)


def test_a_dry_first_run_leaves_nothing_behind():
    assert not choose(place=None, empty=True, dry_run=True).opens_place


def test_a_backfill_before_the_first_run_opens_the_place_that_it_does_not_move():
    window = choose("backfill", place=None, empty=True)
    assert window.opens_place
    assert not window.moves_place


@pytest.mark.parametrize(
    "params, message",
    [
        ({"since": SPAN["since"]}, "since is given without until.* Give both"),
        ({"until": SPAN["until"]}, "until is given without since.* Give both"),
        ({"since": SPAN["until"], "until": SPAN["since"]}, "is not before until.* Give an earlier since"),
        ({"since": SPAN["since"], "until": SPAN["since"]}, "is not before until"),
        ({"since": "yesterday", "until": SPAN["until"]}, "since is not a time.* 2026-11-20T06:30:00Z"),
        ({"since": 7, "until": SPAN["until"]}, "since is not a time"),
        ({"replay": True, **SPAN}, "replay and since/until exclude each other.* Choose one"),
        ({"limit": 0}, "limit is not a whole number"),
        ({"limit": "5"}, "limit is not a whole number"),
        ({"limit": True}, "limit is not a whole number"),
        ({"dry_run": "no"}, "dry_run is neither true nor false"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_with_a_way_out(params, message):
    with pytest.raises(RefusedError, match=message):
        choose(**params)


@pytest.mark.parametrize("params", [{"replay": True}, SPAN])
def test_a_backfill_refuses_other_wishes(params):
    with pytest.raises(RefusedError, match="a backfill reads its own data interval"):
        choose("backfill", **params)


@pytest.mark.parametrize(
    "window, text",
    [
        (choose(), "changes since the last run"),
        (choose(place=None, empty=True), "everything, as the start of the change feed"),
        (
            choose(place=EXPIRED),
            "everything, compared with what is known, because the place in the change feed has expired",
        ),
        (choose(replay=True, limit=2000), "everything, sent again, the first 2,000 rows only"),
        (
            choose(dry_run=True, **SPAN),
            "modified between 2026-11-20T12:00:00Z and 2026-11-20T13:00:00Z, sent again, dry run",
        ),
    ],
)
def test_a_window_says_in_words_what_it_reads(window, text):
    assert window.text == text


@pytest.mark.parametrize(
    "window", [choose(), choose(place=EXPIRED), choose(replay=True, limit=3), choose(dry_run=True, **SPAN)]
)
def test_a_window_survives_json(window):
    assert Window.from_dict(json.loads(json.dumps(window.as_dict()))) == window
