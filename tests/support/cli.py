"""Runs `headrace` command lines in the test's own process."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from support.seeding import Seeder


@dataclass(frozen=True)
class Ran:
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]
Seed = Callable[[Callable[[Seeder], Coroutine[Any, Any, None]]], None]


async def three_dead(seeder: Seeder) -> None:
    await seeder.bury("a", "b", task="mail", traceback="Traceback: line 1\nline 2")
    await seeder.bury("c", task="scan", reason="OSError")
