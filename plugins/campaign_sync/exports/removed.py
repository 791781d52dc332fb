"""Rows of export files that do not go on, as frames, and their reasons counted.

Not for why a row does not (``events/judging.py``, ``consent/optout_file.py``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from campaign_sync.arrow import one_array
from campaign_sync.rows.transform import VERSION

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def removed_rows(gone: Sequence[tuple[str, str, str]], fate: str = "rejected") -> pd.DataFrame:
    """Rows that do not go on, of key, rule and reason, as ``Sifted`` has them."""
    import pandas as pd
    import pyarrow as pa

    return pd.DataFrame(
        {
            VERSION: as_column(pa.array([0] * len(gone), pa.int64())),
            "fate": text_column([fate] * len(gone)),
            "rule": text_column([rule for _, rule, _ in gone]),
            "reason": text_column([reason for _, _, reason in gone]),
        },
        index=pd.Index([key for key, _, _ in gone], name="event", dtype=object),
    )


def text_column(texts: Iterable[str] | pa.Array) -> Any:
    """Texts as a column of a frame."""
    import pyarrow as pa

    return as_column(one_array(texts, pa.string()))


def as_column(array: pa.Array) -> Any:
    """An array as a column of a frame."""
    import pandas as pd

    return pd.arrays.ArrowExtensionArray(array)


def alike(reasons: Iterable[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How many rows there are of each rule and reason. Reasons that differ in numbers only are one, the first."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for rule, reason in reasons:
        counts[first.setdefault((rule, form(reason)), (rule, reason))] += 1
    return counts


def form(reason: str) -> str:
    """A reason without its numbers."""
    return re.sub(r"[0-9][0-9,]*", "#", reason)
