"""Named switches for behaviour that no source confirms, and for behaviour that tests want to choose.

A system declares its switches when imported; a World holds their values. Defaults are the harsher choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Switch:
    """What a switch is called, may be, means, and which line of the reference it comes from."""

    name: str
    default: Any
    choices: tuple[Any, ...] | None
    meaning: str
    source: str

    def read(self, value: Any) -> Any:
        """Return the value in the switch's type, or raise SwitchRefused with the valid choices."""
        value = self._typed(value)
        if self.choices is not None and value not in self.choices:
            valid = ", ".join(repr(choice) for choice in self.choices)
            raise SwitchRefused(f"switch {self.name} cannot be {value!r}: choose one of {valid}")
        return value

    def _typed(self, value: Any) -> Any:
        for choice in self.choices or ():
            if (
                isinstance(value, str)
                and not isinstance(choice, str)
                and str(choice).lower() == value.lower()
            ):
                return choice
        wanted = type(self.default)
        if self.choices is not None or self.default is None or isinstance(value, wanted):
            return value
        try:
            if wanted is bool:
                return {"true": True, "false": False}[str(value).lower()]
            return wanted(value)
        except (KeyError, TypeError, ValueError):
            raise SwitchRefused(f"switch {self.name} takes a {wanted.__name__}, not {value!r}") from None


DECLARED: dict[str, Switch] = {}


class SwitchRefused(ValueError):
    """A switch that does not exist, or a value that it cannot take."""


def declare(
    name: str, default: Any, choices: tuple[Any, ...] | None = None, meaning: str = "", source: str = ""
) -> Switch:
    """Declare a switch, once, at import. Names look like `dataverse.same_value_writes`."""
    if choices is not None and default not in choices:
        raise ValueError(f"switch {name}: default {default!r} is not among its choices")
    if name in DECLARED and DECLARED[name] != Switch(name, default, choices, meaning, source):
        raise ValueError(f"switch {name} is declared twice")
    DECLARED[name] = Switch(name, default, choices, meaning, source)
    return DECLARED[name]


class Switches(Mapping[str, Any]):
    """The values of all declared switches in one World."""

    def __init__(self, start: Mapping[str, Any] | None = None) -> None:
        """`start` holds the values that a reset goes back to, where they are not the defaults."""
        self._start = {name: switch(name).read(value) for name, value in (start or {}).items()}
        self._values: dict[str, Any] = dict(self._start)

    def __getitem__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        return switch(name).default

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(DECLARED))

    def __len__(self) -> int:
        return len(DECLARED)

    def set(self, name: str, value: Any) -> Any:
        """Set one switch; raise SwitchRefused for an unknown one or a wrong value."""
        self._values[name] = switch(name).read(value)
        return self._values[name]

    def reset(self) -> None:
        self._values = dict(self._start)


def switch(name: str) -> Switch:
    """Return a declared switch, or raise SwitchRefused naming those that look alike."""
    if name in DECLARED:
        return DECLARED[name]
    system = name.split(".")[0]
    alike = sorted(other for other in DECLARED if other.startswith(f"{system}.")) or sorted(DECLARED)
    raise SwitchRefused(f"no switch is called {name}; there are: {', '.join(alike)}")


def parse(settings: list[str]) -> dict[str, Any]:
    """Return the values of `name=value` texts; raise SwitchRefused for a wrong one."""
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise SwitchRefused(f"--set takes switch=value, not {setting!r}")
        values[name] = switch(name).read(value)
    return values


def table() -> str:
    """Return all declared switches as a Markdown table."""
    lines = ["| switch | default | choices | meaning | source |", "|---|---|---|---|---|"]
    for name, known in sorted(DECLARED.items()):
        choices = " ".join(f"`{choice}`" for choice in known.choices) if known.choices is not None else ""
        cells = (f"`{name}`", f"`{known.default}`", choices, known.meaning, known.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
