"""A command in a fork of this process: a process of its own, which has what it needs imported already."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any


def forked(
    main: Callable[[list[str]], Any], arguments: list[str], folder: Path, environment: Mapping[str, str]
) -> CompletedProcess[str]:
    """Run `main` as a shell would run its command: in a folder, with an environment; what it said and its exit code."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if not child:
            _end(main, arguments, folder, environment, output.fileno(), errors.fileno())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read())
    return CompletedProcess(arguments, code, *said)


def _end(
    main: Callable[[list[str]], Any],
    arguments: list[str],
    folder: Path,
    environment: Mapping[str, str],
    output: int,
    errors: int,
) -> None:
    """Be the command to its end: nothing of the tests around it may go on in this process."""
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(errors, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        os.environ.clear()
        os.environ |= environment
        warnings.simplefilter("ignore")
        logging.root.handlers = [logging.StreamHandler(sys.stderr)]
        logging.root.handlers[0].setLevel(logging.WARNING)  # as `main` has Airflow log
        code = int(main(arguments) or 0)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
