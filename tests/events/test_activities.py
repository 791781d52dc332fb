"""E1–E3, campaign.md §12.3: what becomes of events on their way to activities."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from campaign_sync.events.activities import (
    body_of,
    filter_events,
    map_events,
    name_firsts,
    plain_events,
    replace_texts,
)
from campaign_sync.events.kinds import activity_id

from tests.events.exports import ADA, OPEN, SEND, TIMELINES, TRACKING, export, lines, mapping

NOW = datetime(2026, 4, 13, tzinfo=UTC)
BOUNCE = SEND | {"status": "2", "failureType": "2", "failureReason": "1"}


def events(folder: Path, *rows: dict[str, str], log: str = "delivery_logs") -> Any:
    """The frame of some rows."""
    (frame,) = export(folder, lines(*rows), log=log).frames(NOW)
    return frame.kept


def rules(removed: Any) -> dict[str, str]:
    return dict(zip(removed.index, removed["rule"], strict=True))


def test_an_event_always_has_the_same_activity() -> None:
    assert activity_id("send:4711") == "63fe02e6-6d80-5560-900d-0c789c794f60"
    assert UUID(activity_id("send:4711")).version == 5
    assert len({activity_id(f"{kind}:{n}") for kind in ("send", "bounce") for n in range(100)}) == 200


def test_what_is_no_event_or_switched_off_or_repeated_or_filtered_out_is_dropped(tmp_path: Path) -> None:
    text = "filter: {all: [{name: no trials, column: delivery, not_in: [DM1, DM2]}]}\n\nload:\n  unknown"
    chosen = mapping(tmp_path, ("\nload:\n  unknown", f"\n{text}"))
    chosen = chosen.model_copy(update={"map": chosen.map.model_copy(update={"bounce": None})})
    rows = [
        SEND, SEND, BOUNCE | {"broadLogId": "2"}, SEND | {"broadLogId": "3", "deliveryName": "DM2"},
        SEND | {"broadLogId": "4", "externalId": ""}, SEND | {"broadLogId": "5"},
    ]  # fmt: skip
    kept, removed = filter_events(events(tmp_path, *rows), chosen, NOW)
    assert list(kept.index) == ["send:1", "send:5"]
    assert rules(removed) == {
        "send:1": "repeated in the export", "bounce:2": "bounce: switched off", "send:3": "no trials",
        "delivery:4": "no externalId",
    }  # fmt: skip
    assert set(removed["fate"]) == {"dropped"}


def test_sent_and_bounced_are_two_events_of_one_row_of_the_log(tmp_path: Path) -> None:
    kept, removed = filter_events(events(tmp_path, SEND, BOUNCE), mapping(tmp_path), NOW)
    assert list(kept.index) == ["send:1", "bounce:1"]
    assert removed.empty


def test_of_opens_and_clicks_only_the_first_of_a_contact_and_delivery_may_be_wanted(tmp_path: Path) -> None:
    chosen = mapping(tmp_path, ("table: acs_emailclick", "table: acs_emailclick\n    only: first"))
    click = OPEN | {"urlType": "1", "url": "https://a"}
    rows = [
        click | {"trackingLogId": "1", "logDate": "2026-04-12 11:00:00"},
        click | {"trackingLogId": "2", "logDate": "2026-04-12 10:00:00"},
        click | {"trackingLogId": "3", "deliveryName": "DM413"}, click | {"trackingLogId": "4", "deliveryName": ""},
        click | {"trackingLogId": "5", "deliveryName": ""}, click | {"trackingLogId": "6", "externalId": "A-17"},
        OPEN | {"trackingLogId": "7"}, OPEN | {"trackingLogId": "8"},
    ]  # fmt: skip
    frame = name_firsts(events(tmp_path, *rows, log=TRACKING), chosen)
    kept, removed = filter_events(frame, chosen, NOW)
    one = f"click:{ADA}:DM412"
    assert list(kept.index) == [
        one,
        f"click:{ADA}:DM413",
        "click:4",
        "click:5",
        "click:6",
        "open:7",
        "open:8",
    ]
    assert kept["happened"].iloc[0] == datetime(2026, 4, 12, 10, tzinfo=UTC)
    assert rules(removed) == {one: "click: not the first"}


def test_of_a_repeated_event_the_filter_takes_the_earliest_that_it_lets_pass(tmp_path: Path) -> None:
    chosen = mapping(
        tmp_path,
        ("table: acs_emailclick", "table: acs_emailclick\n    only: first"),
        ("\nload:\n  unknown", "\nfilter: {all: [{column: url, not_equals: https://x}]}\n\nload:\n  unknown"),
    )
    rows = [
        OPEN | {"trackingLogId": str(n), "urlType": "1", "url": url}
        for n, url in enumerate(["https://x", "https://a"])
    ]
    kept, _ = filter_events(name_firsts(events(tmp_path, *rows, log=TRACKING), chosen), chosen, NOW)
    assert list(kept["url"]) == ["https://a"]


def test_the_subject_is_campaign_and_delivery_to_the_letter(tmp_path: Path) -> None:
    frame, _ = filter_events(
        events(tmp_path, SEND, SEND | {"broadLogId": "2", "campaignName": ""}), mapping(tmp_path), NOW
    )
    kept, _ = map_events(frame, mapping(tmp_path), TIMELINES)
    assert list(kept["subject"]) == [
        "Campaign Name: 2026SpringCruise; Delivery Name: DM412", "Campaign Name: ; Delivery Name: DM412",
    ]  # fmt: skip


def test_an_event_that_names_no_contact_or_does_not_fit_is_rejected(tmp_path: Path) -> None:
    rows = [OPEN | {"urlType": "1", "trackingLogId": str(n)} for n in range(1, 5)]
    rows[0]["externalId"] = "A-17"
    rows[1]["url"] = "u" * 10_000
    rows[2]["campaignName"] = "é" * 65
    frame, _ = filter_events(events(tmp_path, *rows, log=TRACKING), mapping(tmp_path), NOW)
    kept, removed = map_events(frame, mapping(tmp_path), TIMELINES)
    assert list(kept.index) == ["click:4"]
    assert rules(removed) == {"click:1": "contact", "click:2": "url", "click:3": "campaign"}
    assert list(removed["reason"])[1] == (
        "url: 10,000 characters, and acs_trackingurl takes 2,000: "
        "make the column longer in Dynamics, and export the time again"
    )


def test_a_replaced_name_stands_in_the_subject_too_and_is_measured(tmp_path: Path) -> None:
    said = f"replace:\n  campaign: {{2026SpringCruise: Spring, Long: {'x' * 65}, otherwise: reject}}\n"
    chosen = mapping(tmp_path, ("\nload:\n  unknown", f"\n{said}\nload:\n  unknown"))
    rows = [
        SEND,
        SEND | {"broadLogId": "2", "campaignName": "Other"},
        SEND | {"broadLogId": "3", "campaignName": "Long"},
    ]
    frame, _ = filter_events(events(tmp_path, *rows), chosen, NOW)
    kept, removed = replace_texts(map_events(frame, chosen, TIMELINES).kept, chosen, TIMELINES)
    assert list(kept["subject"]) == ["Campaign Name: Spring; Delivery Name: DM412"]
    assert rules(removed) == {"send:2": "campaign", "send:3": "campaign"}


@pytest.mark.parametrize("kind", ["open", "click"])
def test_an_activity_carries_every_attribute(tmp_path: Path, kind: str) -> None:
    row = OPEN | {
        "urlType": "2" if kind == "open" else "1",
        "url": "https://alder.example/x",
        "mirrorUrl": "https://m",
    }
    frame, _ = filter_events(events(tmp_path, row, log=TRACKING), mapping(tmp_path), NOW)
    ((key, event),) = plain_events(map_events(frame, mapping(tmp_path), TIMELINES).kept)
    moment = "2026-04-12T09:00:00Z"
    expected = {
        "activityid": activity_id(key), "subject": "Campaign Name: 2026SpringCruise; Delivery Name: DM412",
        "actualstart": moment, "actualend": moment, "scheduledend": moment, "acs_campaignname": "2026SpringCruise",
        "acs_deliveryname": "DM412", "acs_mirrorpageurl": "https://m",
        "acs_openeddate" if kind == "open" else "acs_clickeddate": moment,
        f"regardingobjectid_contact_acs_email{kind}@odata.bind": f"/contacts({ADA})",
    }  # fmt: skip
    if kind == "click":
        expected["acs_trackingurl"] = "https://alder.example/x"
    assert body_of(event, mapping(tmp_path), TIMELINES[kind], key) == expected
