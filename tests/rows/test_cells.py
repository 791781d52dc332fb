"""Cells of a column: their type, and what is said when they do not have it."""

from __future__ import annotations

import traceback

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.errors import SyncError
from campaign_sync.rows.cells import cells
from campaign_sync.schema import Column


def test_a_cell_of_the_wrong_type_is_told_by_its_column_and_never_quoted():
    frame = pd.DataFrame({"numberofchildren": pd.array(["planted"], dtype=pd.ArrowDtype(pa.string()))})
    with pytest.raises(SyncError, match="numberofchildren holds something that is no Integer") as caught:
        cells(frame, Column("numberofchildren", "Integer"))
    assert "planted" not in "".join(traceback.format_exception(caught.value))  # as a task's log has it
