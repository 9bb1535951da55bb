"""Verbs that other packages add to the command, by the entry-point group `headrace.commands`. Loaded only when used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points

from headrace.errors import UsageError

GROUP = "headrace.commands"
_HELP = {
    "worker": "Run the tasks of an application.",
    "drain": "Let a worker finish its jobs and claim no more (the preStop hook).",
    "profile": "Sample the stacks of a running worker, for a flame graph.",
    "dev": "Run a whole fleet on this machine from its YAML, without Kubernetes.",
}


def help_lines() -> Mapping[str, str]:
    """Verb → one line, of all verbs that the typer app does not have itself. Imports none of them."""
    added = {entry.name: f"From {entry.module}." for entry in entry_points(group=GROUP)}
    return {**added, **{verb: text for verb, text in _HELP.items() if verb in added or verb != "dev"}}


def find_external(verb: str) -> Callable[[Sequence[str]], int] | None:
    """The `main(argv) -> int` of that verb. Raises UsageError when packages that it needs are not installed."""
    for entry in entry_points(group=GROUP, name=verb) if verb else ():
        try:
            main: Callable[[Sequence[str]], int] = entry.load()
        except ModuleNotFoundError as error:
            raise UsageError(f"{verb}: {error}; `pip install headrace[dev]` brings what it needs") from error
        return main
    return None
