"""campaign.md §8.2: export files as they should not be. What people read of it, and that all the others arrive."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.events.exports import OPEN, SEND, lines
from tests.flows.mailing import ASIDE, DONE, EXPORTS, Mailing
from tests.flows.real_airflow import RealAirflow, Run
from tests.flows.systems import Systems

LABELS = "untick “Export labels instead of internal values” in Extract file"
FORM = "the time cannot be read as YYYY-MM-DD HH:mm:SS, or does not exist: set that form in Extract file, or extract.d"
QUOTES = 'set " as string delimiter in Extract file'
LONGER = "make the column longer in Dynamics, and export the time again"
FUTURE = (
    "the time is in the future, if the files are in UTC: set the files' own time zone as extract.time_zone"
)


@pytest.fixture
def mailing(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Mailing:
    made = Mailing(airflow, systems)
    made.drop_checks()
    return made


def notes(run: Run) -> list[str]:
    """What the report says; its text in the log of reconcile says the same."""
    assert run.report is not None
    for note in run.report["notes"]:
        assert f"\n  {note}" in run.log
    return list(run.report["notes"])


def send(mailing: Mailing, number: int, **changes: str) -> dict[str, str]:
    return SEND | {"broadLogId": str(number), "externalId": mailing.contacts[number % 20]} | changes


def test_each_workflow_that_is_built_wrong_has_a_line_of_its_own_in_the_report(mailing: Mailing) -> None:
    mailing.sent(
        *mailing.contacts[:3], delivery={"name": "DM412", "label": "Bäume", "campaign": {"name": "C"}}
    )
    mailing.build("broadlog")
    (good,) = mailing.export("broadlog")
    said = {}
    for wrong, line in (
        ({"separator": "\t"}, "is not separated by ';' but by '\\t': set that separator in Extract file, or extract.d"),
        ({"encoding": "latin-1"}, "is not utf-8: choose that encoding in Extract file, or set extract.encoding"),
        ({"labels": True}, f"has no row that can be read: status is not a number: {LABELS}"),
        ({"date_format": "DD.MM.YYYY HH:mm:SS"}, f"has no row that can be read: {FORM}"),
        ({"time_zone": "Asia/Tokyo"}, f"has no row that can be read: {FUTURE}"),
    ):  # fmt: skip
        mailing.build("broadlog", **wrong)
        (name,) = mailing.export("broadlog")
        said[name] = line
    run = mailing.run()
    assert run.state == "failed"
    assert (
        f"5 of 6 files cannot be used and were set aside: {next(iter(said))} is not separated" in run.errors
    )
    assert f"correct the mapping, and move them back from {ASIDE} to {EXPORTS}" in run.errors
    told = notes(run)
    for name, line in said.items():
        (note,) = [each for each in told if each.startswith(name)]
        assert note.startswith(f"{name} was set aside in {ASIDE}: it {line}")
    assert run.tally == {"extracted": 3, "created": 3}
    assert mailing.files() == []
    assert [name.partition(".")[0] for name in mailing.files(DONE)] == [good.partition(".")[0]]
    assert len(mailing.files(ASIDE)) == 5


def test_files_that_were_damaged_on_their_way_have_a_line_each_and_the_others_go_on(mailing: Mailing) -> None:
    good = lines(send(mailing, 1))
    mailing.put("broadlog_1_fine.csv", good)
    mailing.put("broadlog_2_bom.csv", b"\xef\xbb\xbf" + lines(send(mailing, 2)).encode())
    mailing.put("broadlog_3_crlf.csv", lines(send(mailing, 3)).replace("\n", "\r\n"))
    mailing.put("broadlog_4_header.csv", good.split("\n")[0] + "\n")
    url = 'https://alder.example/?a=1;b="2";c=3'
    click = OPEN | {"externalId": mailing.contacts[4], "urlType": "1", "url": url}
    mailing.put("tracking_1_quoted.csv", lines(click))
    aside = {
        "broadlog_5_quotes.csv": (
            good.replace('"DM412"', '"DM412'),
            'has a quote that is never closed: set " as string delimiter in Extract file',
        ),
        "broadlog_6_twice.csv": (good.replace("mirrorUrl", "status"), "names a column twice: status"),
        "broadlog_7_other.csv": (
            lines({"Number": "1", "Name": "x"}), "has no column broadLogId, externalId, eventDate",
        ),
    }  # fmt: skip
    left = {
        "broadlog_8_empty.csv": ("", "is empty, without even a header"),
        "broadlog_9_cut.csv.gz": (
            gzip.compress(good.encode())[:-12],
            "has a gzip that is cut off or damaged",
        ),
        "broadlog_9_half.csv": (good[:-15], "is cut off: its last line has no end"),
    }
    for name, (content, _) in (aside | left).items():
        mailing.put(name, content)
    run = mailing.run()
    told = notes(run)
    for name, (_, line) in aside.items():
        assert any(each.startswith(f"{name} was set aside in {ASIDE}: it {line}") for each in told), told
    for name, (_, line) in left.items():
        assert (
            f"{name} was left: it {line}. It may still be written; if not, the next run sets it aside" in told
        )
    assert "3 of 11 files cannot be used" in run.errors
    assert run.tally == {"extracted": 4, "created": 4}
    assert mailing.activities()["click"][0]["acs_trackingurl"] == url
    assert mailing.files() == sorted(left)
    assert len(mailing.files(DONE)) == 5

    again = mailing.run()
    told = notes(again)
    for name, (_, line) in left.items():
        assert any(each.startswith(f"{name} was set aside in {ASIDE}: it {line}") for each in told), told
    assert len(mailing.files(ASIDE)) == 6


def test_rows_that_cannot_be_used_are_told_by_file_rule_and_remedy_and_the_others_arrive(
    mailing: Mailing, systems: Systems
) -> None:
    (log,) = mailing.sent(mailing.contacts[0])
    long, too_long = (f"https://alder.example/{'x' * (size - 22)}" for size in (10_000, 20_001))
    mailing.tracked(log, "click", url=long)
    mailing.tracked(log, "click", url=too_long)
    _, tracking = mailing.export()
    mailing.put(
        "broadlog_other.csv",
        lines(
            send(mailing, 101), send(mailing, 102, eventDate="2099-01-01 00:00:00"),
            send(mailing, 103, eventDate="2099-01-02 00:00:00"), send(mailing, 104, eventDate="12.04.2026 08:00:03"),
            send(mailing, 105, broadLogId="1.000.001"), send(mailing, 106, deliveryLabel="a\0b"),
        ),
    )  # fmt: skip
    row = OPEN | {"externalId": mailing.contacts[1]}
    unknown = [row | {"trackingLogId": str(n), "urlType": str(n)} for n in (97, 98, 99)]
    mailing.put("tracking_other.csv", lines(row, *unknown) + f"9;{mailing.contacts[1]};too;few\n")
    run = mailing.run()
    assert run.ok, run.errors
    told = notes(run)
    for rows, rule, file, reason in (
        ("2 rows", "happened", "broadlog_other.csv", FUTURE),
        ("1 row", "happened", "broadlog_other.csv", FORM),
        (
            "1 row",
            "log_id",
            "broadlog_other.csv",
            "delivery: the row has no number, or one that is not digits only",
        ),
        (
            "1 row",
            "columns",
            "broadlog_other.csv",
            "a cell holds a NUL byte: the file is damaged; export its time again",
        ),
        ("3 rows", "url_type", "tracking_other.csv", "no such type of URL is known: 97. Please report it"),
        (
            "1 row",
            "columns",
            "tracking_other.csv",
            f"the line has more or fewer cells than the header: {QUOTES}",
        ),
        ("1 row", "url", tracking, f"url: 20,001 characters, and acs_trackingurl takes 20,000: {LONGER}"),
    ):
        line = f"{rows} rejected by {rule} ({file}): {reason}"
        assert any(each.startswith(line) for each in told), (line, told)
    assert run.tally == {"extracted": 14, "rejected": 10, "created": 4}
    assert mailing.counts() == {"send": 2, "open": 1, "click": 1}
    assert mailing.activities()["click"][0]["acs_trackingurl"] == long
    assert mailing.files() == []
    returned = mailing.airflow.returned(run, "reconcile")
    assert returned["notes"] == told
    assert "alder.example" not in json.dumps(returned)


def test_a_file_that_grows_between_two_looks_is_left_and_taken_whole_later(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.hooks.pace import Pace

    whole = lines(send(mailing, 1), send(mailing, 2))
    mailing.put("broadlog_1.csv", lines(send(mailing, 3)))
    mailing.put("broadlog_2.csv", whole[: whole.rindex("\n", 0, -1) + 1])  # the first of its rows, to its end
    with monkeypatch.context() as while_it_waits:
        while_it_waits.setattr(Pace, "sleep", lambda seconds: mailing.put("broadlog_2.csv", whole))
        run = mailing.run()
    assert run.ok, run.errors
    assert "broadlog_2.csv still grows: it is left for the next run" in notes(run)
    assert run.tally == {"extracted": 1, "created": 1}
    assert mailing.files() == ["broadlog_2.csv"]
    assert mailing.run().tally == {"extracted": 2, "created": 2}


def test_a_file_that_was_set_aside_is_taken_when_the_mapping_was_corrected_and_it_was_moved_back(
    mailing: Mailing,
) -> None:
    rows = lines(send(mailing, 1, eventDate="12.04.2026 10:00:03"))
    mailing.put("broadlog_1.csv", rows)
    assert "has no row that can be read" in mailing.run().errors
    mailing.edit("extract:\n", 'extract:\n  datetime: "DD.MM.YYYY HH:mm:SS"\n  time_zone: Europe/Paris\n')
    mailing.put("broadlog_1.csv", rows)
    run = mailing.run()
    assert run.tally == {"extracted": 1, "created": 1}
    assert mailing.activities()["send"][0]["acs_sentdate"] == "2026-04-12T08:00:03Z"
