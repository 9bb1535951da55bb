"""How often a Schedule is looked at and how long that may take. Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """The defaults are meant for production."""

    rest: float = 10.0
    """Between two looks at a Schedule of which nothing is heard and nothing is due: its jobs may be over, workers may
    have published another task, Redis's clock may have jumped."""
    schemas: float = 10.0
    """How long what workers have published of their tasks is taken for granted."""
    patience: float = 10.0
    """From the start: how long a WorkerQueue that was never heard of may still be on its way."""
    redis_timeout: float = 3.0
    """For one call to Redis."""
    look_timeout: float = 20.0
    """For one look at one Schedule, all its calls together."""
    retry_base: float = 0.5
    """Pause after a look that failed, doubled with each further one …"""
    retry_cap: float = 10.0
    """… up to this."""
    forget_for: float = 300.0
    """How long it is tried to remove the record of a deleted Schedule from a Redis that is away."""
    generations: bool = True
    """`metadata.generation` only ever grows, also from one process to the next."""
