"""What `@queue.task` takes: its names for type checkers, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict

from headrace.client.limits import LimitKey
from headrace.client.task import Middleware, TaskSettings
from headrace.contract.protocol import CHUNK
from headrace.errors import ConfigError
from headrace.retry import MAX_DELAY, Backoff

LONGEST_WAIT = 10.0
"""Seconds that a job may wait for others to share its batch."""


class TaskOptions(TypedDict, total=False):
    """What `@queue.task` takes, with or without batch; explained there."""

    max_retries: int | None
    timeout: float
    backoff: Backoff | str | Callable[[int], float]
    retry_base: float | None
    retry_cap: float | None
    retry_jitter: bool
    retry_on: tuple[type[BaseException], ...]
    never_retry: tuple[type[BaseException], ...]
    process: bool
    memory_limit: int
    cpu_limit: float
    result_ttl: float
    result_keep: int
    codec: str | None
    middleware: tuple[Middleware, ...]
    limit_key: LimitKey | None
    concurrency_limit: int | None
    rate_limit: str | None
    rate_burst: int | None


def batched(settings: TaskSettings, batch: int, wait: float) -> TaskSettings:
    """With batches of up to `batch` jobs, of which the first waits `wait` seconds. Raises ConfigError."""
    if not 1 <= batch <= CHUNK:
        raise ConfigError(f"batch: must be 1 to {CHUNK:,} jobs, got {batch:,}")
    if not 0 <= wait <= LONGEST_WAIT:
        raise ConfigError(f"batch_wait: must be 0 to {LONGEST_WAIT:g} seconds, got {wait:g}")
    if settings.process:
        raise ConfigError("batch: not with process=True; a plain def runs in a thread")
    return replace(settings, batch=batch, batch_wait=wait)


def check_process_limits(process: bool, memory: int, cpu: float) -> None:
    """memory: bytes, cpu: seconds; 0: no limit. Raises ConfigError."""
    if memory < 0 or cpu < 0:
        raise ConfigError("memory_limit and cpu_limit: must be more than 0, or 0 for no limit")
    if (memory or cpu) and not process:
        raise ConfigError(
            "memory_limit and cpu_limit: only with process=True; the kernel keeps them for whole processes"
        )


def check_retention(ttl: float, keep: int) -> None:
    """ttl: seconds, keep: results; 0: none, and no bound. Raises ConfigError."""
    if ttl and not 0.001 <= ttl <= MAX_DELAY:
        raise ConfigError(f"result_ttl: must be 0.001 to {MAX_DELAY:,.0f} seconds, or 0 to keep none, got {ttl:g}")
    if not 0 <= keep <= 1_000_000:
        raise ConfigError(f"result_keep: must be 1 to 1,000,000, or 0 for no bound, got {keep:,}")
    if keep and not ttl:
        raise ConfigError("result_keep: give result_ttl as well, the seconds that each of them stays")
