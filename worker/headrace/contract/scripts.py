"""Loads the Lua files: one per transition, shared parts under lua/lib by an `--@include` line, at the top or in the one
function that needs them.

A variant of them, such as `streams`, has a folder under lua with the files that it does otherwise; all others are the
same.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from typing import Final

_LUA: Final = os.path.join(os.path.dirname(__file__), "lua")
"""Plain paths: importlib.resources takes longer to import than every script to read."""
_INCLUDE = re.compile(r"^ *--@include (.+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--[^\n]*\n", re.MULTILINE)

NAMES: Final = (
    "accept_replay",
    "audit_gates",
    "audit_schedules",
    "audit_sessions",
    "audit_slice",
    "cancel",
    "cancel_replay",
    "cordon",
    "dead_page",
    "delete_dead",
    "died_again",
    "edit_dead",
    "enqueue",
    "exchange",
    "fire_tick",
    "forget_schedule",
    "import_dead",
    "join",
    "keep_schedule",
    "leave",
    "locate",
    "look_schedules",
    "mend",
    "mend_counts",
    "mend_key",
    "outcomes",
    "own_queue",
    "pass_ticks",
    "pause",
    "plan",
    "purge",
    "reap_session",
    "renew",
    "replay",
    "resume",
    "run_schedule_now",
    "settle_schedule",
    "sleep",
    "stats",
    "survey_dead",
    "trial",
)
VARIANTS: Final = ("streams",)


@dataclass(frozen=True)
class Script:
    """One Lua script, ready to send; `sha` is what EVALSHA takes."""

    name: str
    source: str
    sha: str


def read_lua(path: str, variant: str = "") -> str:
    """The text of one file under lua/, or of the variant's own."""
    own = os.path.join(_LUA, variant, path)
    with open(own if variant and os.path.isfile(own) else os.path.join(_LUA, path), encoding="utf-8") as file:
        return file.read()


def _included(text: str, variant: str) -> str:
    def parts(match: re.Match[str]) -> str:
        return "".join(_included(read_lua(f"lib/{part.strip()}.lua", variant), variant) for part in match[1].split(","))

    return _INCLUDE.sub(parts, text)


@cache
def script(name: str) -> Script:
    """The script of that name, `<variant>/<name>` of a variant, with its includes in place. Raises FileNotFoundError
    for a wrong name."""
    variant, _, plain = name.rpartition("/")
    source = _COMMENT.sub("", _included(read_lua(f"{plain}.lua", variant), variant))
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
