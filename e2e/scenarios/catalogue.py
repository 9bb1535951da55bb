"""Every scenario by name, with its full count, and how its repetitions add up to one entry of the record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from e2e.scenarios import faults, from_zero, long_jobs, nodes, replays, rollouts, scale_in, upgrade
from e2e.scenarios.stage import Stage

Json = dict[str, Any]
PROSE: Final = ("verdict",)
"""Fields for the eye of whoever looks on; every repetition has its own words."""


class Repetition(Protocol):
    """What one repetition yields: a frozen dataclass of figures that can say whether all was well."""

    @property
    def sound(self) -> bool:
        """Whether it was as it should be."""


@dataclass(frozen=True)
class Scenario:
    """`play(stage, count, seed)` yields the repetitions; `count` is what a soak asks for."""

    name: str
    count: int
    play: Callable[[Stage, int, int], AsyncIterator[Any]]
    operators: int = 2
    """On its stage; 0 where the scenario brings its own."""


SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario("rollouts", 50, lambda stage, count, seed: rollouts.rollouts(stage, count=count, seed=seed)),
        Scenario("broken-versions", 15, lambda stage, count, seed: rollouts.broken(stage, count=count, seed=seed)),
        # Four scale-ins each.
        Scenario("scale-ins", 50, lambda stage, count, seed: scale_in.scale_ins(stage, count=count, seed=seed)),
        Scenario("node-drains", 20, lambda stage, count, seed: nodes.node_drains(stage, count=count, seed=seed)),
        Scenario("evictions", 5, lambda stage, count, seed: nodes.evictions(stage, count=count, seed=seed)),
        Scenario("from-zero", 100, lambda stage, count, seed: from_zero.wakes(stage, count=count, seed=seed)),
        Scenario("from-zero-delayed", 5, lambda stage, count, seed: from_zero.delayed(stage, count=count, seed=seed)),
        Scenario("long-jobs", 6, lambda stage, count, seed: long_jobs.long_jobs(stage, count=count)),
        # Eleven faults on two fleets.
        Scenario("cluster-faults", 22, lambda stage, count, seed: faults.faults(stage, count=count)),
        # 10,000 letters, 20 blows.
        Scenario("replays", 1, lambda stage, count, seed: replays.replays(stage, count=count, seed=seed)),
        Scenario(
            "upgrades", 3, lambda stage, count, seed: upgrade.upgrades(stage, count=count, seed=seed), operators=0
        ),
    )
}


def figures(results: Sequence[Mapping[str, Any]]) -> Json:
    """A figure per field but PROSE: words counted, integers summed (`most…`, `fewest…`: the extreme), or quantiles."""
    names = [name for name in results[0] if name not in PROSE] if results else []
    return {name: _figure(name, [result[name] for result in results]) for name in names}


def _figure(name: str, values: list[Any]) -> Any:
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        if name.startswith("most"):
            return max(values)
        return min(values) if name.startswith("fewest") else sum(values)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        ordered = sorted(values)
        return {"p50": _quantile(ordered, 0.5), "p99": _quantile(ordered, 0.99), "max": ordered[-1]}
    words = [str(value) for value in values]
    return {word: words.count(word) for word in sorted(set(words))}


def _quantile(ordered: list[float], part: float) -> float:
    """The least value that `part` of all don't exceed."""
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]
