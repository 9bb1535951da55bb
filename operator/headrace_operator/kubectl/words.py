"""Takes a command line of `kubectl headrace` apart: verb, name, what is the plugin's own, what is passed on. Pure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from headrace.errors import UsageError

_TO_KUBECTL: Final = (
    *("--context", "--kubeconfig", "--cluster", "--user", "--as", "--as-group", "--server", "--token"),
    *("--certificate-authority", "--tls-server-name", "--request-timeout", "--cache-dir"),
)
_OWN: Final = {"-n": "namespace", "--namespace": "namespace", "--queue": "queue", "--operator-namespace": "operator"}
_EVERYWHERE: Final = ("-A", "--all-namespaces")
GROUPS: Final = ("dlq", "schedules")
"""Their verb is the second word."""


@dataclass(frozen=True)
class Call:
    """One command line."""

    verb: str
    """`stats`, or `dlq list`."""
    name: str | None
    """Of the WorkerQueue or Schedule."""
    rest: tuple[str, ...] = ()
    """All behind the name, in order."""
    namespace: str | None = None
    """None: that of kubectl's context."""
    queue: str | None = None
    """Which of the WorkerQueue's queues; None where there is but one."""
    everywhere: bool = False
    """In all namespaces."""
    operator: str | None = None
    """The operator's namespace."""
    connection: tuple[str, ...] = ()
    """For every call of kubectl."""

    @property
    def named(self) -> str:
        """The name. Raises UsageError without one."""
        if self.name is None:
            raise UsageError(f"name a WorkerQueue: kubectl headrace {self.verb} NAME")
        return self.name

    def forbid_rest(self) -> None:
        """For verbs without options of their own. Raises UsageError."""
        if self.rest:
            raise UsageError(f"{self.verb} takes no {self.rest[0]!r}")


class Options(argparse.ArgumentParser):
    """The options of one verb, behind its name. Raises UsageError, in one line, where argparse would exit."""

    def __init__(self, call: Call) -> None:
        super().__init__(prog=f"kubectl headrace {call.verb}", add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """See argparse."""
        raise UsageError(f"{self.prog.removeprefix('kubectl headrace ')}: {message}")


def read_call(argv: Sequence[str]) -> Call:
    """The plugin's own options and kubectl's may stand anywhere before `--`. Raises UsageError."""
    own: dict[str, str] = {}
    connection: list[str] = []
    words: list[str] = []
    everywhere = False
    left = list(argv)
    while left:
        word = left.pop(0)
        if word == "--":
            words += [word, *left]
            break
        if word in _EVERYWHERE:
            everywhere = True
            continue
        option, equals, value = word.partition("=")
        if option not in _OWN and option not in _TO_KUBECTL:
            words.append(word)
            continue
        if not equals:
            if not left:
                raise UsageError(f"{option} needs a value")
            value = left.pop(0)
        if not value:  # a script's variable that is not set: without the option it might mean more
            raise UsageError(f"{option} needs a value, and got an empty one")
        if option in _OWN:
            own[_OWN[option]] = value
        else:
            connection.append(f"{option}={value}")
    return replace(_call(words, own, connection), everywhere=everywhere)


def _call(words: list[str], own: dict[str, str], connection: list[str]) -> Call:
    length = 2 if words[:1] and words[0] in GROUPS else 1
    verb, rest = words[:length], words[length:]
    if len(verb) < length or any(word.startswith("-") for word in verb):
        said = f"a verb of {words[0]}" if words[:1] and words[0] in GROUPS else "a verb"
        raise UsageError(f"{said} must come first: see kubectl headrace --help")
    named = bool(rest) and not rest[0].startswith("-")
    return Call(
        verb=" ".join(verb),
        name=rest[0] if named else None,
        rest=tuple(rest[named:]),
        namespace=own.get("namespace"),
        queue=own.get("queue"),
        operator=own.get("operator"),
        connection=tuple(connection),
    )
