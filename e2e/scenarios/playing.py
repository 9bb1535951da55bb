"""Plays scenarios on a new stage, a few times each, as the tests do: every repetition must be sound."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from e2e.scenarios.catalogue import Repetition
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.on_cluster import stage_on
from e2e.scenarios.stage import Stage

R = TypeVar("R", bound=Repetition)


async def played(
    cluster: Cluster,
    *scenarios: Callable[[Stage], AsyncIterator[R]],
    operators: int = 2,
    note: Callable[[str], Any] = print,
) -> list[R]:
    """The scenarios one after another: all their repetitions, of which `note` gets a line each.

    At one that isn't sound: AssertionError, and on the standard output what may tell why.
    """
    results = []
    async with stage_on(cluster, operators=operators) as stage:
        for scenario in scenarios:
            async for result in scenario(stage):
                note(f"  {result}")
                assert result.sound, result
                results.append(result)
    return results
