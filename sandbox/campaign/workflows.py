"""Workflows as the API shows and steers them: state, delayed commands, signals (campaign.md §7).

What an import workflow does inside is `imports`' business. Everything here happens on the sandbox's clock,
worked out when somebody looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COOL_DOWN = 600.0  # §7.3: at most one trigger per 10 minutes, hard-coded
CLEANED_UP_AFTER = 7 * 86400.0  # §7.2: paused or failed for more than 7 days → stopped
AT_ONCE = 20  # §7.4: active executions, others queue
COMMANDS = ("start", "pause", "resume", "stop")
STATES = {  # name → label, number (§7.1)
    "edition": ("Editing", 0),
    "started": ("In progress", 11),
    "warning": ("Warning", 13),
    "finished": ("Finished", 20),
    "error": ("Erroneous", 13),
}


@dataclass
class Workflow:
    """One workflow; `signals` holds the declared parameters and their types by activity."""

    name: str
    label: str
    number: int
    state: str = "edition"
    signals: dict[str, dict[str, str]] = field(default_factory=dict)
    since: float = 0.0
    orders: list[tuple[float, str]] = field(default_factory=list)
    triggered: dict[str, float] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)
    activation: int = 0  # how often it was started from the beginning

    def enter(self, state: str, when: float) -> None:
        if state == "started" and self.state in ("edition", "finished"):
            self.activation += 1
        self.state, self.since = state, when

    def obey(self, command: str, when: float) -> None:
        """Apply a command; one that makes no sense in this state changes nothing."""
        paused = self.state in ("warning", "error")
        if (command == "start" and self.state != "started") or (command == "resume" and paused):
            self.enter("started", when)
        elif command == "pause" and self.state == "started":
            self.enter("warning", when)
        elif command == "stop" and (self.state == "started" or paused):
            self.enter("finished", when)


class Workflows:
    """The workflows of one tenant."""

    def __init__(self) -> None:
        self._by_name: dict[str, Workflow] = {}

    def __iter__(self) -> Any:
        return iter(self._by_name.values())

    def add(
        self, name: str, label: str, signals: Mapping[str, Mapping[str, str]], state: str, now: float
    ) -> Workflow:
        """Make or replace a workflow."""
        if state not in STATES:
            raise ValueError(f"a workflow's state is one of {', '.join(STATES)}, not {state!r}")
        number = max((w.number for w in self), default=0) + 1
        declared = {signal: dict(parameters) for signal, parameters in signals.items()}
        self._by_name[name] = Workflow(name, label, number, state, declared, now)
        return self._by_name[name]

    def clear(self) -> None:
        self._by_name.clear()

    def get(self, name: str, now: float) -> Workflow | None:
        """Return a workflow in the state it has by now."""
        self._settle(now)
        return self._by_name.get(name)

    def number(self, number: int | None, now: float) -> Workflow | None:
        self._settle(now)
        return next((w for w in self if w.number == number), None)

    def order(self, workflow: Workflow, command: str, now: float, delay: float) -> None:
        """Store a command; the engine applies it when it is free (§7.2)."""
        workflow.orders.append((now + delay, command))

    def trigger(self, workflow: Workflow, signal: str, given: dict[str, Any], now: float) -> str | None:
        """Take a signal; return the text that answers one within the cool-down, else None."""
        last = workflow.triggered.get(signal)
        if last is not None and now - last < COOL_DOWN:
            return (
                f"This signal ('{signal}') was triggered less than 10 minutes ago: "
                "it can only be triggered once every 10 minutes."
            )
        workflow.triggered[signal] = now
        if workflow.state == "started":
            workflow.received.append({"signal": signal, "at": now, **given})
        return None

    def _settle(self, now: float) -> None:
        """Apply what is due, oldest first; a start that finds 20 running waits for one of them to end."""
        while waiting := sorted((w.orders[0], w.name) for w in self if w.orders and w.orders[0][0] <= now):
            for (when, command), name in waiting:
                workflow = self._by_name[name]
                self._clean_up(workflow, when)
                if not self._queued(workflow, command):
                    workflow.orders.pop(0)
                    workflow.obey(command, when)
                    break
            else:
                break
        for workflow in self:
            self._clean_up(workflow, now)

    def _queued(self, workflow: Workflow, command: str) -> bool:
        starting = command in ("start", "resume") and workflow.state != "started"
        return starting and sum(w.state == "started" for w in self) >= AT_ONCE

    @staticmethod
    def _clean_up(workflow: Workflow, now: float) -> None:
        if workflow.state in ("warning", "error") and now - workflow.since > CLEANED_UP_AFTER:
            workflow.enter("finished", workflow.since + CLEANED_UP_AFTER)
