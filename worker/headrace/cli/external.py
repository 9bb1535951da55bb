"""Verbs that other packages add to the command, by the entry-point group `headrace.commands`. Loaded only when used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Final

from headrace.cli.verbs import GROUPS, VERBS
from headrace.errors import UsageError

GROUP = "headrace.commands"
Main = Callable[[Sequence[str]], int]
_HELP: Final = {
    "worker": "Run the tasks of an application.",
    "drain": "Let a worker finish its jobs and claim no more (the preStop hook).",
    "profile": "Sample the stacks of a running worker, for a flame graph.",
    "dev": "Run a whole fleet on this machine from its YAML, without Kubernetes.",
    "replay": "Replay dead letters in the fleet that dev runs, or call that off.",
    "schedules next": "Show when the Schedules of a YAML are due next.",
    "schedules run": "Run a Schedule of the fleet that dev runs once, now.",
    "schedules pause": "Say how a Schedule of dev's YAML is paused.",
    "schedules resume": "Say how it goes on.",
}
_OWN: Final = ("worker", "drain", "profile")
"""There whatever is installed."""


def help_lines() -> Mapping[str, str]:
    """Verb → one line, of all verbs that the typer app does not have itself. Imports none of them; ours go first."""
    taken = {*map(" ".join, VERBS), *GROUPS}
    added = {entry.name: f"From {entry.module}." for entry in entry_points(group=GROUP) if entry.name not in taken}
    return {**added, **{verb: text for verb, text in _HELP.items() if verb in added or verb in _OWN}}


def find_external(arguments: Sequence[str]) -> tuple[Main, Sequence[str]] | None:
    """The `main(argv) -> int` of the verb that a line with words begins with, one or two, and the words behind it.

    Raises UsageError when packages that it needs are not installed.
    """
    for count in (2,) if arguments[0] in GROUPS else (2, 1):
        name = " ".join(arguments[:count])
        for entry in entry_points(group=GROUP, name=name) if len(arguments) >= count else ():
            try:
                main: Main = entry.load()
            except ModuleNotFoundError as error:
                raise UsageError(f"{name}: {error}; `pip install headrace[dev]` brings what it needs") from error
            return main, arguments[count:]
    return None
