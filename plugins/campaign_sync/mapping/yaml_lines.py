"""YAML as mapping files use it: plain values with the line of each, and only the part of YAML that holds no
surprises.

`NO` is a text, `01234` and `+47` are texts, dates are texts; only `true` and `false` are booleans. Anchors,
aliases and tags are not read at all, which also disposes of loops and of files that unfold to gigabytes.
Not for what the words mean (``vocabulary``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, NamedTuple

import yaml

Path = tuple[str | int, ...]

LARGEST = 512 * 1024  #: bytes; the largest hand-written mapping is a hundred times smaller
DEEPEST = 20  #: levels of nesting
MOST_PROBLEMS = 100  #: of one file that are told; nobody reads more

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


class Problem(NamedTuple):
    """One thing that is wrong in a file."""

    line: int
    key: str
    problem: str
    remedy: str


class Document(NamedTuple):
    """What a file says, the line where each key or list item stands, and what could not be read."""

    content: Any
    lines: dict[Path, int]
    problems: list[Problem]


def read_yaml(raw: bytes) -> Document:
    """The content of a mapping file; a file that cannot be read at all has one problem and no content."""
    if len(raw) > LARGEST:
        remedy = "Split it: one file describes one table and one resource"
        return _unreadable(
            1, f"the file has {len(raw):,} bytes, more than the {LARGEST:,} a mapping may have", remedy
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(raw.count(b"\n", 0, error.start) + 1, "not UTF-8 text", "Save the file as UTF-8")
    reader = _Reader(text)
    try:
        content = reader.document()
    except yaml.YAMLError as error:
        return _unreadable(*_syntax(error, text))
    except _TooDeep as error:
        return _unreadable(error.line, f"nested deeper than {DEEPEST} levels", "Check the brackets")
    if content is None and not reader.problems:
        return _unreadable(1, "the file is empty", "Write a mapping; the README beside it has the words")
    return Document(content, reader.lines, reader.problems)


def canonical(value: Any) -> str:
    """The text that stands for a value wherever values are matched: 1 and "1" are the same, and so are true
    and "true".
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


class _TooDeep(Exception):
    """More nesting than a mapping can have; reading stops, so that no file can exhaust the stack."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Reader:
    """Turns libyaml's events into values and notes the lines. Nodes would be made by recursion in C."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)

    def document(self) -> Any:
        """The content of the only document; None if there is none."""
        next(self._events)  # the stream starts
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        content = self._value(next(self._events), ())
        next(self._events)  # the document ends
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            remedy = "One file holds one mapping: make two files"
            self.problems.append(
                Problem(_line(after), "", "a second document (---) in the same file", remedy)
            )
        return content

    def _value(self, event: Any, path: Path) -> Any:
        self.lines.setdefault(path, _line(event))
        if len(path) > DEEPEST:
            raise _TooDeep(_line(event))
        if isinstance(event, yaml.AliasEvent):
            self._refuse(
                event, path, "an alias (*)", "Write the value out here; anchors and aliases are not read"
            )
            return None
        if event.tag is not None:
            self._refuse(event, path, "a tag (!)", "Write the plain value; quote it if it is text")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            items = takewhile(lambda each: not isinstance(each, yaml.SequenceEndEvent), self._events)
            return [self._value(item, (*path, number)) for number, item in enumerate(items)]
        return _scalar(event)

    def _mapping(self, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(
                    event, path, "a key that is no plain value", "Keys are words, numbers, true or false"
                )
                self._value(event, (*path, "?"))
                self._value(next(self._events), (*path, "?"))
                continue
            key = canonical(_scalar(event))
            here = (*path, key)
            if key in result:
                problem = f"the key is here twice, first in line {self.lines[here]}"
                self._refuse(event, here, problem, "Remove one of the two")
                self._value(next(self._events), (*path, "?"))
                continue
            self.lines[here] = _line(event)
            result[key] = self._value(next(self._events), here)
        return result

    def _refuse(self, event: Any, path: Path, problem: str, remedy: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(_line(event), dotted(path), problem, remedy))


def dotted(path: Path) -> str:
    """A path as people write it: ``map.gender.from``, ``check[2].expect``."""
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.style:  # quoted or a block: text, whatever it looks like
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _syntax(error: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    position = getattr(error, "position", None)
    if position is not None:  # a character that YAML does not allow at all
        return text.count("\n", 0, position) + 1, "a control character", "Remove it; YAML is plain text"
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    problem = str(getattr(error, "problem", None) or error)
    written = text.splitlines()[line - 1] if line <= len(text.splitlines()) else ""
    if "tab" in problem or ("cannot start any token" in problem and "\t" in written):
        return line, "a tab", "Indent with spaces; YAML takes no tabs"
    if "cannot start any token" in problem:
        return (
            line,
            "a value that starts with a character YAML keeps for itself (@, `, %)",
            "Put it in quotes",
        )
    if "mapping values are not allowed" in problem:
        return line, "a colon where none can be", "Check the indentation, or put the text in quotes"
    return (
        line,
        f"not YAML: {problem}",
        "Check brackets, quotes and indentation in this line and the one above",
    )


def _unreadable(line: int, problem: str, remedy: str) -> Document:
    return Document(None, {}, [Problem(line, "", problem, remedy)])
