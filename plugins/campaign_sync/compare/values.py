"""Whether Campaign holds what it should, value by value, although it rewrites some (campaign.md §4.3). Pure.

Only what is documented is forgiven: the rest is a difference. Not for reading values (``hooks/campaign_records.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from campaign_sync.rows.cells import arrow, as_text
from campaign_sync.schema import Field

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def differing(wanted: pd.Series[Any], found: pd.Series[Any], field: Field) -> NDArray[np.bool_]:
    """Where two columns of equal length, what should be there and what is there, are not the same.

    - An empty cell is what clears the field: "", 0 or false (campaign.md §4.2).
    - A field with a data policy is compared without regard to upper and lower case: `smartCase` writes
      capitals, `email` may write small letters, and how exactly is not documented.
    - `float` is compared with the seven digits that single precision keeps, `double` with twelve.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if field.type == "float":
        digits = 1e-6 if field.technical == "float" else 1e-12
        numbers = pc.fill_null(arrow(wanted).cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        same: NDArray[np.bool_] = np.isclose(numbers, found.to_numpy(dtype=np.float64), rtol=digits, atol=0.0)
        return ~same
    should, is_ = _texts(wanted, field), pc.fill_null(arrow(found).cast(pa.string()), "")
    differs: NDArray[np.bool_] = pc.not_equal(should, is_).to_numpy(zero_copy_only=False).copy()
    if field.policy:
        for at in np.flatnonzero(differs):
            differs[at] = should[at].as_py().casefold() != is_[at].as_py().casefold()
    return differs


def _texts(column: pd.Series[Any], field: Field) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    blank = {"integer": "0", "boolean": "false"}.get(field.type, "")
    text = as_text(arrow(column))
    return pc.fill_null(text.cast(pa.string()), blank)
