"""Which noes a row of Dynamics says, for the record that may be made of it.

They stand beside the mapped fields in a column of their own, so that nothing that is compared, hashed, checked or
written to a known record holds them. Pure. Not for which columns say no (``mapping/noes.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from campaign_sync.rows.cells import cells

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import TableSchema

#: The column: the attributes that the row objects to, joined by commas; missing where it objects to nothing.
NOES = "@noes"


def noes_of(frame: pd.DataFrame, mapping: Mapping, table: TableSchema) -> Any:
    """What each row of a frame objects to, as an Arrow array of texts for the column ``NOES``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    said = []
    for each in mapping.noes:
        column = table.column(each.column)
        assert column is not None, "check_types comes first"
        no = pc.fill_null(pc.equal(cells(frame, column), each.no_is), each.empty_is_no)
        said.append(pc.if_else(no, f"{each.attribute},", ""))
    joined = pc.utf8_rtrim(pc.binary_join_element_wise(*said, ""), characters=",")
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)


def noes_in(text: str | None) -> dict[str, bool]:
    """The attributes of one cell of the column, as what a new record is sent."""
    return dict.fromkeys(text.split(","), True) if text else {}


def objecting(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows of a frame object to anything."""
    import numpy as np

    return frame[NOES].notna().to_numpy(dtype=bool) if NOES in frame else np.zeros(len(frame), dtype=bool)
