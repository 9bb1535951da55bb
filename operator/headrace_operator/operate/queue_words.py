"""Which `headrace` command line a verb means on a WorkerQueue: its queues put where the verb takes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headrace.errors import UsageError

OF_ALL: Final = ("stats", "top")
"""Verbs that take any number of queues."""
OF_ONE: Final = ("enqueue", "jobs", "show", "cancel", "pause", "resume", "limit", "purge", "audit")
GROUPS: Final = ("dlq",)
"""The verb that takes a queue is the word behind them."""
_NOT_HERE: Final = {
    "--redis-url": "the WorkerQueue says where its queues are",
    "--out": "a file would be in the operator's pod: send what is printed to one",
}


def command_line(queues: Sequence[str], chosen: str | None, words: Sequence[str]) -> list[str]:
    """The arguments for `headrace`. `queues`: all of the WorkerQueue; `chosen`: the one that is meant.

    Raises UsageError.
    """
    for word in words:
        if (why := _NOT_HERE.get(word.partition("=")[0])) is not None:
            raise UsageError(f"{word.partition('=')[0]} is not for here: {why}")
    if list(words[:2]) == ["dlq", "import"] and "-" not in words:
        raise UsageError("a file would be one in the operator's pod: write - for it, and send it to stdin")
    if chosen is not None and chosen not in queues:
        raise UsageError(f"it has no queue {chosen!r}, only {', '.join(queues)}")
    match list(words):
        case [verb, *rest] if verb in OF_ALL:
            return [verb, *([chosen] if chosen else queues), *rest]
        case [verb, *rest] if verb in OF_ONE:
            return [verb, _one(queues, chosen), *rest]
        case [group, verb, *rest] if group in GROUPS and not verb.startswith("-"):
            return [group, verb, _one(queues, chosen), *rest]
        case [group, *_] if group in GROUPS:
            return [group]
        case [verb, *_]:
            raise UsageError(f"no verb {verb!r} here; there is {', '.join((*OF_ALL, *OF_ONE, *GROUPS))}")
        case _:
            raise UsageError(f"name a verb: {', '.join((*OF_ALL, *OF_ONE, *GROUPS))}")


def _one(queues: Sequence[str], chosen: str | None) -> str:
    if chosen is not None:
        return chosen
    if len(queues) > 1:
        raise UsageError(f"it has several queues, name one with --queue: {', '.join(queues)}")
    return queues[0]
