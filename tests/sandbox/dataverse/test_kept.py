"""Large pages that are kept: by question and state, and never at the price of an answer."""

from __future__ import annotations

from pathlib import Path

from sandbox.dataverse.kept import SMALLEST, KeptPages, Page


def page(text: str, count: int = SMALLEST) -> Page:
    return Page(text.encode(), count, "first", "last", ("last",), more=True)


def test_a_page_is_found_by_its_question_in_the_state_it_was_made_in(tmp_path: Path) -> None:
    kept = KeptPages(tmp_path)
    kept.keep(1, "a", page("rows of a"))
    kept.keep(1, "b", page("rows of b"))
    assert kept.find(1, "a") == page("rows of a")
    assert kept.find(1, "b") == page("rows of b")
    assert kept.find(1, "c") is None
    assert kept.find(2, "a") is None
    kept.close()


def test_another_state_forgets_all_pages(tmp_path: Path) -> None:
    kept = KeptPages(tmp_path)
    kept.keep(1, "a", page("before"))
    kept.keep(2, "b", page("after"))
    assert kept.find(1, "a") is None
    assert kept.find(2, "a") is None
    assert kept.find(2, "b") == page("after")
    kept.close()


def test_small_pages_are_not_kept(tmp_path: Path) -> None:
    kept = KeptPages(tmp_path)
    kept.keep(1, "a", page("rows", SMALLEST - 1))
    assert kept.find(1, "a") is None


def test_a_disk_that_takes_nothing_keeps_nothing(tmp_path: Path) -> None:
    kept = KeptPages(tmp_path / "missing")
    kept.keep(1, "a", page("rows"))
    assert kept.find(1, "a") is None
