"""How a task's results are kept or passed on: makes the outcome of such a run, and says which tasks keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from headrace.client.codec import encode_result
from headrace.client.task import Task
from headrace.worker.outcome import Done


@dataclass(frozen=True)
class Keep:
    """Of one task."""

    task: str
    ttl_ms: int
    most: int
    """0: no bound but the time."""
    limit: int
    """Bytes of one encoded result."""

    @classmethod
    def of(cls, task: Task[Any, Any]) -> Keep | None:
        """None when the task keeps no results."""
        settings = task.settings
        if not settings.result_ttl:
            return None
        return cls(task.name, round(settings.result_ttl * 1000), settings.result_keep, task.queue.fleet.max_payload)

    def done(self, result: Any) -> Done:
        """The outcome. Raises PayloadError for a result that can't be kept."""
        return Done(encode_result(self.task, result, self.limit), self.ttl_ms, self.task, self.most)


@dataclass(frozen=True)
class PassOn:
    """What a task's jobs in workflows give to those that wait for them."""

    task: str
    limit: int
    """Bytes of one encoded result."""

    def done(self, result: Any, kept: Done, *, wanted: bool, attempts: int) -> Done:
        """The outcome; wanted: somebody takes the result. Raises PayloadError for one that can't be passed on."""
        if wanted and not kept.ttl_ms:
            kept = Done(encode_result(self.task, result, self.limit), task=self.task)
        return replace(kept, task=self.task, passes=True, attempts=attempts)


def kept_results(tasks: Iterable[Task[Any, Any]]) -> dict[str, int | None]:
    """For how long each keeps results, ms: their jobs' other endings are told from then on, too."""
    keeps = {task.name: Keep.of(task) for task in tasks}
    return {name: keep.ttl_ms if keep else None for name, keep in keeps.items()}
