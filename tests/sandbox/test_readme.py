"""The sandbox's README keeps up with the sandbox."""

from __future__ import annotations

import re

import pytest

from sandbox.faults import DEEDS
from sandbox.server import load_systems
from sandbox.switches import table
from tests.sandbox_process import ROOT, Sandbox

README = (ROOT / "sandbox" / "README.md").read_text()


def test_the_table_of_switches_is_what_the_command_prints() -> None:
    load_systems()
    printed = README.partition("<!-- switches -->\n")[2].partition("<!-- /switches -->")[0]
    assert printed == table(), "put the output of 'python -m sandbox --switches' between the switches marks"


def test_every_fault_is_explained() -> None:
    assert [deed for deed in DEEDS if f"| `{deed}` |" not in README] == []


@pytest.mark.sandbox
def test_every_control_of_the_frame_is_shown(sandbox: Sandbox) -> None:
    paths = [control["path"] for control in sandbox.control("GET", "/sandbox/")["controls"]]
    frame = [path.removeprefix("/sandbox/").partition("/")[0] for path in paths if path.count("/") == 2]
    assert [name for name in frame if name and not re.search(rf"sandbox [A-Z]+ +'?{name}", README)] == []
