"""A fleet whose workers start and end only when told: carries out plans of rollouts, and counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace_operator.core.rollout import Create, Plan, Remove, Scale, Trial, plan_rollout
from headrace_operator.seams.runtime import VersionState


@dataclass
class Workers:
    """One version in the simulation."""

    created: float
    starting: int = 0
    ready: int = 0
    terminating: int = 0
    fails: bool = False

    @property
    def desired(self) -> int:
        return self.starting + self.ready


@dataclass
class Sim:
    """A fleet whose workers start and end only when told; applies plans."""

    most: int
    surge: int
    versions: dict[str, Workers] = field(default_factory=dict)
    born: int = 0

    @property
    def existing(self) -> int:
        return sum(workers.desired + workers.terminating for workers in self.versions.values())

    @property
    def ready(self) -> int:
        return sum(workers.ready for workers in self.versions.values())

    def states(self) -> list[VersionState]:
        return [
            VersionState(
                name,
                workers.desired,
                workers.ready,
                workers.terminating,
                "crash loop" if workers.fails and workers.desired else None,
                workers.created,
            )
            for name, workers in self.versions.items()
        ]

    def plan(self, target: str, desired: int, trial: Trial | None = None) -> Plan:
        return plan_rollout(self.states(), target, desired, max_surge=self.surge, max_replicas=self.most, trial=trial)

    def apply(self, plan: Plan) -> None:
        for step in plan.steps:
            match step:
                case Create(hash):
                    assert hash not in self.versions
                    self.born += 1
                    self.versions[hash] = Workers(created=self.born)
                case Scale(hash, replicas):
                    self.scale(self.versions[hash], replicas)
                case Remove(hash):
                    gone = self.versions.pop(hash)
                    assert gone.desired == gone.terminating == 0

    def scale(self, workers: Workers, replicas: int) -> None:
        assert replicas >= 0
        workers.starting += max(replicas - workers.desired, 0)
        for _ in range(workers.desired - replicas):
            workers.terminating += 1
            if workers.starting:
                workers.starting -= 1
            else:
                workers.ready -= 1

    def start(self, count: int) -> None:
        for workers in self.versions.values():
            started = 0 if workers.fails else min(count, workers.starting)
            workers.starting -= started
            workers.ready += started

    def end(self, count: int) -> None:
        for workers in self.versions.values():
            workers.terminating -= min(count, workers.terminating)
