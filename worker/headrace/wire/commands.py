"""Commands as they are sent, and what a new connection begins with."""

from __future__ import annotations

from typing import Any, cast

import hiredis

from headrace.wire.target import Target

Argument = str | bytes | int | float
Reply = Any
"""bytes, int, None or a list of replies."""


def pack(*args: Argument) -> bytes:
    """One command, encoded."""
    packed: bytes = hiredis.pack_command(cast("Any", args))
    return packed


def login_commands(target: Target, name: str) -> list[tuple[Argument, ...]]:
    """What to send on a new connection before anything else."""
    commands: list[tuple[Argument, ...]] = []
    if target.password is not None:
        commands.append(("AUTH", target.username or "default", target.password))
    if target.db:
        commands.append(("SELECT", target.db))
    commands.append(("CLIENT", "SETNAME", name))
    return commands
