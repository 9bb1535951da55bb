"""`headrace dlq edit`: other arguments for a dead letter, before it is replayed."""

from __future__ import annotations

from typing import Any

import msgspec

from headrace.admin.edit import Change
from headrace.cli.output import Format, Printer
from headrace.cli.session import ask_queue
from headrace.errors import UsageError


def edit(
    queue: str,
    job_id: str,
    *,
    args: str | None,
    kwargs: str | None,
    single: list[str],
    unchecked: bool,
    redis_url: str,
    output: Format,
) -> None:
    """`single`: arguments by name, what the letter had of others stays. Raises UsageError."""
    if args is None and kwargs is None and not single:
        raise UsageError("say what to change: --set, --kwargs or --args")
    change = Change(
        args=None if args is None else _json(args, "--args", list, 'a list such as [1, "a"]'),
        kwargs=None if kwargs is None else _json(kwargs, "--kwargs", dict, 'an object such as {"to": "ada"}'),
        set=dict(_single(text) for text in single),
    )
    ask_queue(redis_url, queue, lambda admin: admin.dead_letters.edit(job_id, change, unchecked=unchecked))
    Printer(output).say(f"{job_id} is edited", {"id": job_id, "edited": True})


def _json(text: str, option: str, kind: type[Any], wanted: str) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        raise UsageError(f"{option}: must be {wanted}, as JSON") from None


def _single(text: str) -> tuple[str, Any]:
    """A value that is no JSON is a text: `to=ada` needs no quotes within quotes."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError("--set must name an argument and its value, as in --set to=ada or --set 'ids=[1, 2]'")
    try:
        return name.strip(), msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return name.strip(), value
