"""What one enqueue says beyond its arguments: `task.options(…)`, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from headrace.brokers.durability import Durability
from headrace.choice import member_of
from headrace.client.uniqueness import UNIQUE_MS, check_key
from headrace.contract.protocol import Priority
from headrace.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """What one enqueue says beyond the arguments."""

    delay_ms: int = 0
    at_ms: int = 0
    priority: Priority = Priority.DEFAULT
    job_id: str | None = None
    correlation_id: str | None = None
    meta: Mapping[str, str] | None = None
    max_retries: int | None = None
    timeout: float | None = None
    durability: Durability | None = None
    """None: the fleet's."""
    wait_for_room: float | None = None
    """Seconds; None: the fleet's."""
    unique: str = ""
    unique_ms: int = 0
    idempotent: bool = False
    """`job_id` is an idempotency key: with other arguments it is a conflict."""


def changed(
    before: Options,
    *,
    delay: float | timedelta | None,
    at: datetime | None,
    priority: Priority | str | None,
    durability: Durability | str | None,
    job_id: str | None,
    idempotency_key: str | None,
    unique: str | None,
    ttl: float | timedelta | None,
    **plain: Any,
) -> Options:
    """`before` with what is given, None: as before. plain: fields that need no check. Raises ConfigError."""
    changes: dict[str, Any] = {name: value for name, value in plain.items() if value is not None}
    if priority is not None:
        changes["priority"] = member_of(Priority, priority, "options: priority")
    if durability is not None:
        changes["durability"] = member_of(Durability, durability, "options: durability")
    for some in (_time(delay, at), _identity(job_id, idempotency_key), _uniqueness(before, unique, ttl)):
        changes.update(some)
    return replace(before, **changes)


def _time(delay: float | timedelta | None, at: datetime | None) -> Mapping[str, Any]:
    if delay is None and at is None:
        return {}
    if delay is not None and at is not None:
        raise ConfigError("options: give delay or at, not both")
    return {"delay_ms": _delay_ms(delay), "at_ms": _at_ms(at)}


def _identity(job_id: str | None, idempotency_key: str | None) -> Mapping[str, Any]:
    if job_id is not None and idempotency_key is not None:
        raise ConfigError("options: give job_id or idempotency_key, not both: the key becomes the job's id")
    if idempotency_key is not None:
        return {"job_id": check_key("options: idempotency_key", idempotency_key), "idempotent": True}
    if job_id is not None:
        return {"job_id": check_key("options: job_id", job_id), "idempotent": False}
    return {}


def _uniqueness(before: Options, unique: str | None, ttl: float | timedelta | None) -> Mapping[str, Any]:
    if unique is None and ttl is None:
        return {}
    if unique is None and not before.unique:
        raise ConfigError("options: ttl says how long `unique` holds; give unique, too")
    key = before.unique if unique is None else check_key("options: unique", unique)
    return {"unique": key, "unique_ms": UNIQUE_MS if ttl is None else _ttl_ms(ttl)}


def _ttl_ms(ttl: float | timedelta) -> int:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not 0.001 <= seconds < 100 * 365 * 24 * 3600:
        raise ConfigError(f"options: ttl must be more than 0 and less than 100 years of seconds, got {seconds:g}")
    return round(seconds * 1000)


def _delay_ms(delay: float | timedelta | None) -> int:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else (delay or 0.0)
    if not 0 <= seconds < 100 * 365 * 24 * 3600:
        raise ConfigError(f"options: delay must be 0 to 100 years of seconds, got {seconds:g}")
    return round(seconds * 1000)


def _at_ms(at: datetime | None) -> int:
    if at is None:
        return 0
    if at.tzinfo is None:
        raise ConfigError("options: at must be an aware datetime (one with a time zone)")
    return max(0, round(at.timestamp() * 1000))
