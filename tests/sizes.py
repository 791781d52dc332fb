"""How large tests are that have two sizes: `TEST_SIZE=nightly` makes them as large as what they prove is promised."""

from __future__ import annotations

import os

NIGHTLY = os.environ.get("TEST_SIZE") == "nightly"
