"""What all processes share about limits: changed by one after the other, read by all, waited for by nobody."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from campaign_sync.errors import SyncError
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.ledger.rates import FILE, Rates


def counted(state: str, now: float) -> tuple[str, float, bool, float]:
    return str(int(state or "0") + 1), 0.0, False, now


def test_what_two_change_at_once_is_changed_by_one_after_the_other(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        times = [now for now, _ in pool.map(lambda _: Rates(url).change("a", counted), range(40))]
    assert Rates(url).change("a", lambda state, _: (state, 0.0, False, state))[0] == "40"
    assert Rates(url).change("b", lambda state, _: (state, 0.0, False, state))[0] == ""
    assert max(times) - min(times) < 600  # of one clock, in seconds


def test_news_is_seen_by_all(url: str) -> None:
    mine, its = Rates(url), Rates(url)
    seen = its.look("news")[0]
    assert mine.change("news", lambda state, _: (state, 0.0, False, None))[1] == seen
    assert (
        mine.change("news", lambda state, _: (state, 0.0, True, None))[1] == its.look("news")[0] == seen + 1
    )


def test_for_how_long_all_are_held_is_seen_by_all(url: str) -> None:
    Rates(url).change("pause", lambda state, now: (state, now + 600, True, None))
    assert 500 < Rates(url).look("pause")[1] <= 600
    Rates(url).change("pause", lambda state, now: (state, now - 1, True, None))
    assert Rates(url).look("pause")[1] == 0


def test_a_long_transaction_of_the_ledger_holds_nobody(url: str) -> None:
    ledger, began, over = Ledger(url), threading.Event(), threading.Event()

    def write() -> None:
        with ledger._database.write():
            began.set()
            over.wait(60)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        began.wait(60)
        Rates(url).change("held", counted)
        over.set()
        writing.result()


def test_it_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    Rates(f"sqlite:///{tmp_path}/state/ledger.db").change("a", counted)
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////dev/null/ledger.db",
        "postgresql://nobody@127.0.0.1:1/none",
        "mysql://nobody@127.0.0.1/none",
    ],
)
def test_a_ledger_that_cannot_be_reached_is_an_error_of_ours(url: str) -> None:
    with pytest.raises(SyncError):
        Rates(url).change("a", counted)
