"""Loads the Lua files: one per transition, shared parts under lua/lib by an `--@include` line, at the top or in the one
function that needs them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_INCLUDE = re.compile(r"^ *--@include (.+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--[^\n]*\n", re.MULTILINE)

NAMES: Final = (
    "accept_replay",
    "audit_gates",
    "audit_sessions",
    "audit_slice",
    "cancel",
    "cordon",
    "dead_page",
    "delete_dead",
    "died_again",
    "enqueue",
    "exchange",
    "join",
    "leave",
    "locate",
    "mend",
    "mend_counts",
    "mend_key",
    "outcomes",
    "own_queue",
    "pause",
    "plan",
    "purge",
    "reap_session",
    "renew",
    "replay",
    "resume",
    "sleep",
    "stats",
    "trial",
)


@dataclass(frozen=True)
class Script:
    """One Lua script, ready to send; `sha` is what EVALSHA takes."""

    name: str
    source: str
    sha: str


def read_lua(path: str) -> str:
    """The text of one file under lua/."""
    return (files("headrace.contract") / "lua" / path).read_text(encoding="utf-8")


@cache
def script(name: str) -> Script:
    """The script of that name with its includes in place. Raises FileNotFoundError for a wrong name."""
    text = _INCLUDE.sub(
        lambda match: "".join(read_lua(f"lib/{part.strip()}.lua") for part in match.group(1).split(",")),
        read_lua(f"{name}.lua"),
    )
    source = _COMMENT.sub("", text)
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
