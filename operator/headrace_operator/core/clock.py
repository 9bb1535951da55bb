"""Times as Kubernetes writes them. Reads no clock."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """Unix time as RFC 3339 in UTC, whole seconds, rounded down: `2030-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def optional_timestamp(seconds: float | None) -> str | None:
    """The same, for a time that may not exist."""
    return None if seconds is None else timestamp(seconds)


def seconds(timestamp: str) -> float:
    """Unix time from a timestamp; raises ValueError for what isn't one."""
    return datetime.fromisoformat(timestamp).timestamp()
