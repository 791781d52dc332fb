"""I12, N1: how pages become batches: small ones at first, and larger ones where a run would have too many."""

from __future__ import annotations

from itertools import repeat

import pyarrow as pa
import pytest
from campaign_sync.hooks.pages import Page
from campaign_sync.run.extract import BATCH_ROWS, GROWTH, in_pieces


def pages(count, rows=1, deleted=0):
    """So many pages of so many rows and deletions."""
    page = Page(pa.record_batch({"key": ["k"] * rows}), ["gone"] * deleted, None, None)
    return repeat(page, count)


def sizes(pages, size=2, most=16):
    return [len(piece.rows) + len(piece.deleted) for piece in in_pieces(pages, size, most=most)]


def test_a_run_of_ordinary_size_has_small_batches():
    assert sizes(pages(5)) == [2, 2, 1]


def test_batches_double_after_an_eighth_and_again_after_a_quarter_of_those_that_may_be():
    assert sizes(pages(4 + 8 + 24)) == [2, 2, 4, 4, 8, 8, 8]


def test_batches_grow_no_further_than_memory_allows():
    assert max(sizes(pages(1000))) == 2 * GROWTH


@pytest.mark.parametrize("most", [1, 2, 7])
def test_a_deployment_that_maps_few_tasks_has_large_batches_soon(most):
    assert sizes(pages(20), most=most)[0] == 2
    assert sum(sizes(pages(20), most=most)) == 20


def test_deletions_count_and_a_page_is_never_cut():
    assert sizes(pages(3, rows=2, deleted=1), size=4) == [3, 3, 3]
    assert sizes(pages(1, rows=9)) == [9]


def test_fifty_million_rows_pass_with_the_shipped_settings():
    most = 1024
    growth = [min(GROWTH, 2 ** (8 * made // most)) for made in range(most)]
    assert BATCH_ROWS * sum(growth) > 50_000_000
    assert sizes(pages(sum(growth)), size=1, most=most) == growth
