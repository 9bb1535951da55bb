"""Schedules with mistakes: those that the API server itself keeps out, and those that only the operator can judge.

Paths as in bad_queues. The good one's WorkerQueue serves the queue `q`, with the tasks of `SCHEMAS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from support.bad_queues import REMOVE, Case, patched

SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "report": {
        "type": "object",
        "properties": {"day": {"type": "string"}, "pages": {"type": "integer", "minimum": 1}},
        "required": ["day"],
        "additionalProperties": False,
    },
}
"""What the workers of the good one's queue publish."""


def good_schedule() -> dict[str, Any]:
    """A Schedule that fires every second."""
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Schedule",
        "metadata": {"name": "nightly", "namespace": "default"},
        "spec": {
            "workerQueue": "emails",
            "queue": "q",
            "cron": "* * * * * *",
            "timeZone": "Europe/Berlin",
            "task": "report",
            "args": ["monday"],
            "kwargs": {"pages": 3},
        },
    }


@dataclass(frozen=True)
class ScheduleCase(Case):
    """A good schedule, changed."""

    def document(self) -> dict[str, Any]:
        """The document, to be written or sent as it is."""
        return patched(good_schedule(), self.patch)


BAD: Final = (
    ScheduleCase("name in capitals", {"metadata.name": "Nightly"}, "metadata.name: must"),
    ScheduleCase("name too long", {"metadata.name": "n" * 64}, "metadata.name: must have at most 63"),
    ScheduleCase("unknown field", {"spec.schedule": "* * * * *"}, "spec.schedule: unknown field"),
    ScheduleCase("field in another case", {"spec.timezone": "UTC"}, "did you mean timeZone?"),
    ScheduleCase("no cron", {"spec.cron": REMOVE}, "spec.cron: is required"),
    ScheduleCase("empty cron", {"spec.cron": ""}, "spec.cron: must have at least 1"),
    ScheduleCase("cron is a number", {"spec.cron": 5}, "spec.cron: must be a string"),
    ScheduleCase("no task", {"spec.task": REMOVE}, "spec.task: is required"),
    ScheduleCase("no worker queue", {"spec.workerQueue": REMOVE}, "spec.workerQueue: is required"),
    ScheduleCase("worker queue in capitals", {"spec.workerQueue": "Emails"}, "spec.workerQueue: must be lower-case"),
    ScheduleCase("queue with a space", {"spec.queue": "a b"}, "spec.queue: must be lower-case"),
    ScheduleCase("args are a mapping", {"spec.args": {"day": "monday"}}, "spec.args: must be a list"),
    ScheduleCase("kwargs are a list", {"spec.kwargs": ["monday"]}, "spec.kwargs: must be a mapping"),
    ScheduleCase("another policy", {"spec.concurrencyPolicy": "Queue"}, "spec.concurrencyPolicy: must be 'Allow',"),
    ScheduleCase("no deadline at all", {"spec.startingDeadlineSeconds": 0}, "startingDeadlineSeconds: must be ≥ 1"),
    ScheduleCase("another catch-up", {"spec.catchUp": "Some"}, "spec.catchUp: must be 'None', 'Latest' or 'All'"),
    ScheduleCase(
        "a bound without All", {"spec.catchUpMax": 5}, "spec.catchUpMax: has a meaning only with catchUp: All"
    ),
    ScheduleCase("catch up too many", {"spec.catchUp": "All", "spec.catchUpMax": 1001}, "catchUpMax: must be ≤ 1000"),
    ScheduleCase("suspended in words", {"spec.suspend": "true"}, "spec.suspend: must be true or false"),
    ScheduleCase("another priority", {"spec.priority": "urgent"}, "spec.priority: must be 'high', 'default' or 'low'"),
    ScheduleCase("fewer tries than none", {"spec.maxRetries": -1}, "spec.maxRetries: must be ≥ 0, got -1"),
    ScheduleCase("tries without end", {"spec.maxRetries": 201}, "spec.maxRetries: must be ≤ 200, got 201"),
    ScheduleCase("no time at all", {"spec.timeoutSeconds": 0}, "spec.timeoutSeconds: must be ≥ 1, got 0"),
    ScheduleCase("a time in words", {"spec.timeoutSeconds": "1m"}, "spec.timeoutSeconds: must be a whole number"),
    ScheduleCase("too much history", {"spec.historyLimit": 51}, "spec.historyLimit: must be ≤ 50, got 51"),
)
"""Refused by the API server and by `headrace dev` alike, in these words here."""

GOOD: Final = (
    ScheduleCase("as it is", {}),
    ScheduleCase("least", {"spec": {"workerQueue": "emails", "cron": "@daily", "task": "t"}}),
    ScheduleCase("any value", {"spec.args": [None, 1.5, "a", [], {"b": None}], "spec.kwargs": {"c": None, "d": [1]}}),
    ScheduleCase("null is absent", {"spec.timeZone": None, "spec.queue": None, "spec.kwargs": None}),
    ScheduleCase("everything", {"spec.catchUp": "All", "spec.catchUpMax": 5, "spec.startingDeadlineSeconds": 60}),
    ScheduleCase("how it runs", {"spec.priority": "low", "spec.maxRetries": 0, "spec.timeoutSeconds": 604_800}),
    ScheduleCase("a status", {"status": {"missed": 3}}),
)
"""At the edge of what is allowed."""


@dataclass(frozen=True)
class Mistake(ScheduleCase):
    """Accepted by the API server, and told in the condition Ready."""

    reason: str = ""
    """Of the condition, and of the event; `says` is part of both's message."""


MISTAKES: Final = (
    Mistake("bad cron", {"spec.cron": "61 * * * *"}, "61 * * * *", "InvalidCron"),
    Mistake("cron that is none", {"spec.cron": "every day"}, "every day", "InvalidCron"),
    Mistake("unknown zone", {"spec.timeZone": "Mars/Olympus"}, "Mars/Olympus", "UnknownTimeZone"),
    Mistake("unknown task", {"spec.task": "rebort"}, "rebort", "UnknownTask"),
    Mistake("argument of another type", {"spec.kwargs": {"pages": "three"}}, "pages", "InvalidPayload"),
    Mistake("argument out of bounds", {"spec.kwargs": {"pages": 0}}, "pages", "InvalidPayload"),
    Mistake("argument missing", {"spec.args": [], "spec.kwargs": {}}, "day", "InvalidPayload"),
    Mistake("argument given twice", {"spec.kwargs": {"day": "tuesday"}}, "day", "InvalidPayload"),
    Mistake("too many arguments", {"spec.args": ["monday", 3, 4], "spec.kwargs": {}}, "at most 2", "InvalidPayload"),
    Mistake("unknown queue", {"spec.queue": "nowhere"}, "nowhere", "QueueNotFound"),
    Mistake("unknown worker queue", {"spec.workerQueue": "nobody"}, "nobody", "WorkerQueueNotFound"),
)
"""One of each kind: nothing fires, nothing crashes, the words say what to mend."""
