"""What happens to a job whose run has failed: pure decisions.

Full jitter after https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/: a uniform share of the
capped delay, so that jobs that failed together don't come back together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from headrace.errors import ConfigError

MAX_DELAY = 365 * 24 * 3600.0
DEFAULT_BASE = 1.0
DEFAULT_CAP = 300.0


class RetryLater(Exception):  # noqa: N818 - a wish, not an error
    """Raised by a handler: run me again in `delay` seconds. Counts as an attempt unless `charge=False`."""

    def __init__(self, delay: float, *, charge: bool = True, why: str = "") -> None:
        super().__init__(why or f"asked to run again in {delay:g} s")
        self.delay = delay
        self.charge = charge


class Bury(Exception):  # noqa: N818 - a wish, not an error
    """Raised by a handler: no retry can help; keep the job as a dead letter with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Backoff(StrEnum):
    """How the delay grows with the attempts."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    FIXED = "fixed"


@dataclass(frozen=True)
class RetryPolicy:
    """When to try again. `max_retries=None` takes the worker's MAX_RETRIES."""

    max_retries: int | None = None
    backoff: Backoff | Callable[[int], float] = Backoff.EXPONENTIAL
    """A Backoff, or a function from the number of failed attempts (1, 2, …) to seconds."""
    base: float | None = None
    """Seconds; the first delay before jitter. None takes the worker's RETRY_BASE."""
    cap: float | None = None
    """Seconds; no delay is longer. None takes the worker's RETRY_CAP."""
    jitter: bool = True
    retry_on: tuple[type[BaseException], ...] = (BaseException,)
    """Only these are retried …"""
    never_retry: tuple[type[BaseException], ...] = ()
    """… and never these."""

    def __post_init__(self) -> None:
        if self.max_retries is not None and self.max_retries < 0:
            raise ConfigError(f"max_retries: must be 0 or more, got {self.max_retries}")
        if (self.base or 0) < 0 or (self.cap or 0) < 0:
            raise ConfigError("retry_base and retry_cap: must be 0 or more seconds")

    def with_defaults(self, base: float, cap: float) -> RetryPolicy:
        """The same, with what the task leaves open."""
        return replace(self, base=base if self.base is None else self.base, cap=cap if self.cap is None else self.cap)


@dataclass(frozen=True)
class Again:
    """Run it once more, `delay` seconds from now."""

    delay: float
    charged: bool
    reason: str


@dataclass(frozen=True)
class GiveUp:
    """Make it a dead letter, filed under `reason`."""

    reason: str


def delay_for(policy: RetryPolicy, failures: int, random: Callable[[], float]) -> float:
    """Seconds to wait after the `failures`-th failed attempt (1 for the first); `random` gives [0, 1)."""
    if callable(policy.backoff):
        return _bounded(policy.backoff(failures))
    base = DEFAULT_BASE if policy.base is None else policy.base
    match policy.backoff:
        case Backoff.EXPONENTIAL:
            delay = base * 2.0 ** min(failures - 1, 60)
        case Backoff.LINEAR:
            delay = base * failures
        case Backoff.FIXED:
            delay = base
    delay = min(delay, DEFAULT_CAP if policy.cap is None else policy.cap)
    return delay * random() if policy.jitter else delay


def after_failure(
    policy: RetryPolicy, error: BaseException, *, failures: int, max_retries: int, random: Callable[[], float]
) -> Again | GiveUp:
    """Decide for a run that raised `error`; `failures` counts the failed attempts including this one."""
    if isinstance(error, Bury):
        return GiveUp(error.reason)
    name = type(error).__name__
    if isinstance(error, RetryLater):
        if error.charge and failures > max_retries:
            return GiveUp(name)
        return Again(_bounded(error.delay), charged=error.charge, reason=str(error))
    retriable = _is_a(error, policy.retry_on) and not _is_a(error, policy.never_retry)
    if not retriable or failures > max_retries:
        return GiveUp(name)
    return Again(delay_for(policy, failures, random), charged=True, reason=name)


def _bounded(delay: float) -> float:
    """0 to MAX_DELAY; what is not a number of seconds is 0."""
    return min(delay, MAX_DELAY) if delay > 0 else 0.0


def _is_a(error: BaseException, classes: tuple[type[BaseException], ...]) -> bool:
    """isinstance, and for an error that crossed from a child process the same by class name."""
    if isinstance(error, classes):
        return True
    names = getattr(error, "class_names", ())
    return any(kind.__name__ in names for kind in classes)
