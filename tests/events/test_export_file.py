"""campaign.md §8.2, §8.4, §12.1: export files, and which of their rows are which events."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from campaign_sync.events.file import load_events
from campaign_sync.events.frames import NO_EVENT
from campaign_sync.events.log_file import LogFile
from campaign_sync.exports.export_file import UnusableFile

from tests.events.exports import ADA, DELIVERY, OPEN, SEND, SHIPPED, TRACKING, export, lines

NOW = datetime(2026, 4, 13, tzinfo=UTC)


def read(file: LogFile) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[str, str]]]:
    """Events and other rows by key, and the rejected rows with rule and reason."""
    file.check()
    kept: dict[str, dict[str, Any]] = {}
    gone: dict[str, tuple[str, str]] = {}
    for frame in file.frames(NOW):
        kept |= {key: dict(row) for key, row in frame.kept.iterrows()}
        gone |= {key: (row["rule"], row["reason"]) for key, row in frame.removed.iterrows()}
    return kept, gone


def refused(file: LogFile) -> UnusableFile:
    """Why a file is set aside."""
    with pytest.raises(UnusableFile) as caught:
        read(file)
    return caught.value


@pytest.mark.parametrize(
    ("changes", "key", "why"),
    [
        ({}, "send:1", None),
        ({"status": "2", "failureType": "2", "failureReason": "1"}, "bounce:1", None),
        (
            {"status": "2", "failureType": "2", "failureReason": "8"},
            "delivery:1",
            "on the denylist, nothing was sent",
        ),
        ({"status": "2", "failureType": "1", "failureReason": "5"}, "delivery:1", "soft bounce"),
        ({"status": "2", "failureType": "0", "failureReason": "6"}, "delivery:1", "soft bounce"),
        ({"status": "3"}, "delivery:1", "status 3: neither sent nor failed"),
        ({"externalId": " "}, "delivery:1", "no externalId"),
        ({"isProof": "true"}, "delivery:1", "proof or test profile"),
        ({"deliveryType": "1"}, "delivery:1", "not an e-mail"),
    ],
)
def test_a_row_of_the_delivery_logs_is_a_send_a_hard_bounce_or_nothing(
    tmp_path: Path, changes: dict[str, str], key: str, why: str | None
) -> None:
    kept, gone = read(export(tmp_path, lines(SEND | changes)))
    assert list(kept) == [key]
    assert (kept[key][NO_EVENT] if why else kept[key]["kind"]) == (why or key.split(":")[0])
    assert not gone


@pytest.mark.parametrize(
    ("kind", "key", "why"),
    [
        ("2", "open:7", None), ("1", "click:7", None), ("10", "click:7", None), ("11", "click:7", None),
        ("3", "tracking:7", "opt-out link"), ("4", "tracking:7", "web page"),
        ("5", "tracking:7", "transaction page"), ("6", "tracking:7", "mirror page"),
    ],
)  # fmt: skip
def test_the_type_of_the_url_tells_opens_from_clicks(
    tmp_path: Path, kind: str, key: str, why: str | None
) -> None:
    kept, _ = read(export(tmp_path, lines(OPEN | {"urlType": kind}), log=TRACKING))
    assert list(kept) == [key]
    assert (kept[key][NO_EVENT] if why else kept[key]["kind"]) == (why or key.split(":")[0])


def test_an_event_carries_what_the_row_says(tmp_path: Path) -> None:
    url = 'https://alder.example/a;b?c="d"' + "x" * 10_000
    file = export(
        tmp_path, lines(OPEN | {"urlType": "1", "url": url, "externalId": ADA.upper()}), log=TRACKING
    )
    kept, gone = read(file)
    click = kept["click:7"]
    assert (click["url"], click["contact"], click["campaign"]) == (url, ADA, "2026SpringCruise")
    assert click["happened"] == datetime(2026, 4, 12, 9, tzinfo=UTC)
    assert not gone


@pytest.mark.parametrize(
    ("log", "changes", "key", "rule", "reason"),
    [
        (DELIVERY, {"broadLogId": "x"}, "broadlog_20260412_040000.csv:row 1", "log_id", "no number"),
        (DELIVERY, {"eventDate": "2026-02-30 00:00:00"}, "send:1", "happened", "does not exist"),
        (DELIVERY, {"eventDate": "12/04/2026 08:00:00"}, "send:1", "happened", "cannot be read"),
        (
            DELIVERY,
            {"eventDate": "2026-04-13 01:00:00"},
            "send:1",
            "happened",
            "in the future, if the files are in UTC",
        ),
        (DELIVERY, {"eventDate": "1752-12-31 23:59:59"}, "send:1", "happened", "before 1753"),
        (DELIVERY, {"status": "Sent"}, "delivery:1", "status", "Export labels"),
        (DELIVERY, {"status": "2", "failureType": "Hard"}, "delivery:1", "failure_type", "Export labels"),
        (TRACKING, {"urlType": "99"}, "tracking:7", "url_type", "no such type of URL is known: 99"),
        (TRACKING, {"urlType": "Open"}, "tracking:7", "url_type", "Export labels"),
        (TRACKING, {"url": "a\nb"}, "open:7", "columns", "line end"),
        (TRACKING, {"url": "a\0b"}, "open:7", "columns", "a NUL byte"),
    ],
)
def test_a_row_that_cannot_be_read_is_rejected_with_its_reason(
    tmp_path: Path, log: str, changes: dict[str, str], key: str, rule: str, reason: str
) -> None:
    base = SEND if log == DELIVERY else OPEN
    good = base | {next(iter(base)): "8"}
    kept, gone = read(export(tmp_path, lines(base | changes, good), log=log))
    assert [key.split(":")[1] for key in kept] == ["8"]
    assert list(gone) == [key]
    assert gone[key][0] == rule
    assert reason in gone[key][1]


def test_a_line_with_too_few_cells_is_rejected_and_the_others_go_on(tmp_path: Path) -> None:
    text = lines(SEND) + "2;half a line\n" + lines(SEND | {"broadLogId": "3"}).split("\n")[1] + "\n"
    kept, gone = read(export(tmp_path, text))
    assert list(kept) == ["send:1", "send:3"]
    assert [rule for rule, _ in gone.values()] == ["columns"]


def test_a_file_of_a_header_and_nothing_else_has_no_rows(tmp_path: Path) -> None:
    header = lines(SEND).split("\n")[0] + "\n"
    assert read(export(tmp_path, header)) == ({}, {})
    kept, gone = read(export(tmp_path, header + "1;2\n"))
    assert (kept, len(gone)) == ({}, 1)


@pytest.mark.parametrize(
    ("content", "reason", "incomplete"),
    [
        (lines(SEND)[:-1], "cut off: its last line", True),
        (lines(SEND)[:-30], "cut off: its last line", True),
        (gzip.compress(lines(SEND).encode())[:-9], "a gzip that is cut off", True),
        (gzip.compress(lines(SEND).encode())[:-8] + b"damaged!", "a gzip that is cut off or damaged", True),
        ("", "is empty", True),
        (lines(SEND, delimiter=","), "not separated by ';'", False),
        (lines(SEND, delimiter="\t"), "not separated by ';'", False),
        (lines({"Number": "1", "Name": "x"}), "has no column broadLogId, externalId", False),
        (lines({k: v for k, v in SEND.items() if k != "isProof"}), "has no column isProof", False),
        (lines(SEND | {"deliveryLabel": "Så"}).encode("latin-1"), "is not utf-8: choose", False),
        (lines(SEND).replace('"DM412"', '"DM412'), "a quote that is never closed", False),
        ("x" * 200_000 + "\n", "is not a table: it has no header", False),
        (lines(SEND).replace("mirrorUrl", "status"), "names a column twice: status", False),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_should_be_gives_one_reason(
    tmp_path: Path, content: str | bytes, reason: str, incomplete: bool
) -> None:
    problem = refused(export(tmp_path, content))
    assert reason in problem.reason
    assert problem.incomplete is incomplete


def test_a_file_may_be_packed_may_begin_with_a_mark_and_may_hold_a_header_only(tmp_path: Path) -> None:
    assert list(read(export(tmp_path, lines(SEND), packed=True))[0]) == ["send:1"]
    assert list(read(export(tmp_path, b"\xef\xbb\xbf" + lines(SEND).encode()))[0]) == ["send:1"]
    assert read(export(tmp_path, lines(SEND).split("\n")[0] + "\n")) == ({}, {})


def test_columns_have_the_headers_and_the_encoding_that_the_mapping_says(tmp_path: Path) -> None:
    extract = load_events(SHIPPED).extract
    named = extract.delivery_logs.model_copy(
        update={"columns": {"contact": "Kontakt", "campaign_label": "Kampanj"}}
    )
    extract = extract.model_copy(
        update={
            "delivery_logs": named,
            "encoding": "latin-1",
            "delimiter": "|",
            "datetime": "DD/MM/YYYY HH:mm:SS",
        }
    )
    row = {"Kontakt" if k == "externalId" else k: v for k, v in SEND.items()} | {
        "eventDate": "12/04/2026 08:00:03"
    }
    content = lines(row | {"Kampanj": "Vår"}, delimiter="|").encode("latin-1")
    kept, _ = read(export(tmp_path, content, extract=extract))
    assert (kept["send:1"]["campaign_label"], kept["send:1"]["contact"]) == ("Vår", ADA)
    without = lines(row, delimiter="|")
    assert "has no column Kampanj" in refused(export(tmp_path, without, extract=extract)).reason


def test_many_rows_come_in_frames_of_bounded_size(tmp_path: Path) -> None:
    rows = [SEND | {"broadLogId": str(number)} for number in range(1, 25_001)]
    sizes = [len(frame.kept) for frame in export(tmp_path, lines(*rows)).frames(NOW)]
    assert sum(sizes) == 25_000
    assert max(sizes) <= 10_000
