"""Whether two values are the same, by what is documented of Campaign's rewriting and nothing else."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.compare.values import differing
from campaign_sync.schema import Field

TEXT = Field("f", "string")
NAME = Field("f", "string", policy="smartCase")
MOMENT = "2026-02-03 04:05:06.000Z"


@pytest.mark.parametrize(
    "field, wanted, found, differs",
    [
        (TEXT, "Bergen", "Bergen", False),
        (TEXT, None, "", False),
        (TEXT, "", "", False),
        (TEXT, "Bergen", "bergen", True),
        (TEXT, "Bergen ", "Bergen", True),
        (TEXT, "Zoe\u0308", "Zo\u00eb", True),
        (NAME, "in der Maur", "In Der Maur", False),
        (NAME, "MCDONALD", "Mcdonald", False),
        (NAME, "straße", "Straße", False),
        (NAME, "ΣΊΣΥΦΟΣ", "Σίσυφος", False),
        (NAME, "İnci", "i̇nci", False),
        (NAME, "Ada", "Bo", True),
        (NAME, "Ada", "", True),
        (Field("f", "string", policy="email"), "a@x.example", "A@X.example", False),
        (Field("f", "integer"), 5, "5", False),
        (Field("f", "integer"), None, "0", False),
        (Field("f", "integer"), 5, "6", True),
        (Field("f", "boolean"), True, "true", False),
        (Field("f", "boolean"), None, "false", False),
        (Field("f", "boolean"), False, "true", True),
        (Field("f", "float", technical="double"), 0.1 + 0.2, 0.3, False),
        (Field("f", "float", technical="double"), 12.3, 12.300000190734863, True),
        (Field("f", "float", technical="float"), 12.3, 12.300000190734863, False),
        (Field("f", "float", technical="float"), 12.3, 12.4, True),
        (Field("f", "float"), None, 0.0, False),
        (Field("f", "float"), 0.0, 1e-9, True),
        (Field("f", "date"), "1987-03-09", "1987-03-09", False),
        (Field("f", "date"), "", "1987-03-09", True),
        (Field("f", "datetime"), MOMENT, MOMENT, False),
        (Field("f", "enumeration"), "female", "male", True),
    ],
)
def test_a_pair_of_values(field: Field, wanted: Any, found: Any, differs: bool) -> None:
    kind = {"integer": pa.int64(), "boolean": pa.bool_(), "float": pa.float64()}.get(field.type, pa.string())
    held = pa.float64() if field.type == "float" else pa.string()
    columns = [
        pd.Series([value] * 2, dtype=pd.ArrowDtype(type)) for value, type in ((wanted, kind), (found, held))
    ]
    assert differing(*columns, field).tolist() == [differs, differs]
