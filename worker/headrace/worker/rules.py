"""The limits of a queue's code as its sessions tell them to Redis: by each claim's own code, so that a changed limit
holds for jobs that wait already."""

from __future__ import annotations

from dataclasses import astuple

import msgspec

from headrace.client.limits import QUEUE_RULE
from headrace.client.queue import Queue


def packed_rules(queue: Queue) -> bytes:
    """msgpack map rule name → [concurrency, interval µs, burst]; empty when nothing is limited."""
    rules = {task.limit.name: task.limit.rule for task in queue.tasks.values() if task.limit is not None}
    if queue.rate is not None:
        rules[QUEUE_RULE] = queue.rate
    if not rules:
        return b""
    return msgspec.msgpack.encode({name: astuple(rule) for name, rule in rules.items()})
