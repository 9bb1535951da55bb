"""What a broker can do, and the one line that refuses what it can't. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from headrace.errors import ConfigError


class Feature(Enum):
    """What code may want of a broker beyond passing jobs on; the value is how messages call it."""

    DELAYS = "delayed jobs and retries"
    PRIORITIES = "priorities"
    GIVEN_IDS = "job ids of the caller's"
    UNIQUE = "unique keys"
    IDEMPOTENCY = "idempotency keys"
    LIMITS = "limits of concurrency and rate"
    RESULTS = "kept results"
    CANCEL = "cancellation"
    PERIODIC = "periodic tasks"
    WORKFLOWS = "workflows"
    PROGRESS = "progress of running jobs"
    DEAD_LETTERS = "dead letters and their replay"
    DURABILITY = "a durability per enqueue"
    PROCESSES = "other processes, such as those of process=True"
    OPERATOR = "an operator's commands: trial, cordon, sleep, audit"


EVERY: Final = frozenset(Feature)


@dataclass(frozen=True)
class Capabilities:
    """Of one broker."""

    broker: str
    """Its name in messages, such as `Redis`."""
    features: frozenset[Feature]

    @property
    def lacking(self) -> frozenset[Feature]:
        """Empty for a broker that has all: whoever checks each enqueue asks this first."""
        return EVERY - self.features

    def require(self, feature: Feature, wanted_by: str) -> None:
        """Raises ConfigError, which begins with `wanted_by`."""
        if refusal := self.refusal(feature, wanted_by):
            raise ConfigError(refusal)

    def refusal(self, feature: Feature, wanted_by: str) -> str:
        """What `require` would raise; empty for what the broker has."""
        if feature in self.features:
            return ""
        return f"{wanted_by} needs {feature.value}; the {self.broker} broker has none of that"
