"""What a task's or queue's limits are: a rule, and how a job's arguments become its limit key. Pure."""

from __future__ import annotations

import inspect
import math
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.client.uniqueness import MAX_KEY
from headrace.errors import ConfigError, PayloadError

QUEUE_RULE: Final = ""
"""Name of the rule that holds for the whole queue; the others have the names of their tasks."""
MOST: Final = 1_000_000
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*([smhd])\s*")

LimitKey = str | Callable[..., str]


@dataclass(frozen=True)
class Rule:
    """What claims keep to; the order of the fields is that of lua/lib/rate.lua."""

    concurrency: int = 0
    """At most so many at the same time; 0: any."""
    interval_us: int = 0
    """Between two starts on average, microseconds; 0: any rate."""
    burst: int = 0
    """Most that start at once after a rest."""


def parse_rate(what: str, text: str) -> float:
    """Starts per second of `10/s`, `100/m`, `5/h` or `1000/d`. Raises ConfigError."""
    found = _RATE.fullmatch(text) if isinstance(text, str) else None
    per_second = float(found[1]) / _SECONDS[found[2]] if found else 0.0
    if found is None or not 1 / (30 * 86_400) <= per_second <= MOST:
        raise ConfigError(f'{what}: must be a number per s, m, h or d, such as "10/s" or "100/m", got {text!r}')
    return per_second


def default_burst(per_second: float) -> int:
    """A tenth of a second's, at least one: enough for any rate to be reached, little enough for a strict peer."""
    return max(1, math.ceil(per_second / 10))


def _rate(rate_limit: str | None, rate_burst: int | None) -> tuple[int, int]:
    if rate_limit is None:
        if rate_burst is not None:
            raise ConfigError("rate_burst: give rate_limit, too")
        return 0, 0
    per_second = parse_rate("rate_limit", rate_limit)
    return round(1_000_000 / per_second), _count("rate_burst", rate_burst) or default_burst(per_second)


def _count(what: str, value: int | None) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise ConfigError(f"{what}: must be a whole number from 1 to {MOST:,}, got {value!r}")
    return value


def queue_rate(rate_limit: str | None, rate_burst: int | None) -> Rule | None:
    """The rule of a queue; None without a rate. Raises ConfigError."""
    interval_us, burst = _rate(rate_limit, rate_burst)
    return Rule(0, interval_us, burst) if interval_us else None


def task_rule(
    limit_key: LimitKey | None, concurrency_limit: int | None, rate_limit: str | None, rate_burst: int | None
) -> Rule | None:
    """The rule of a task; None without a limit. Raises ConfigError."""
    rule = Rule(_count("concurrency_limit", concurrency_limit), *_rate(rate_limit, rate_burst))
    if rule != Rule():
        return rule
    if limit_key is not None:
        raise ConfigError("limit_key: say what is limited: concurrency_limit, rate_limit or both")
    return None


class Limit:
    """One task's rule and the keys of its jobs."""

    def __init__(self, task: str, rule: Rule, parameters: Sequence[str], key: LimitKey | None) -> None:
        """parameters: the handler's. key: default the task itself. Raises ConfigError for a key they can't make."""
        self.name = task
        self.rule = rule
        self._key = f"task:{task}" if key is None else key
        self._wanted = _parameters_of(task, self._key, parameters) if key is not None else ()

    def needs(self, parameter: str) -> bool:
        """Whether the key is made of that argument."""
        return parameter in self._wanted

    @property
    def constant(self) -> str | None:
        """The key of all jobs, where it is made of no argument and no code."""
        return self._key.format() if isinstance(self._key, str) and not self._wanted else None

    def key_of(self, named: Mapping[str, Any]) -> str:
        """The limit key of a job with these arguments. Raises PayloadError, which never quotes a value."""
        wanted = {name: named[name] for name in self._wanted}
        try:
            key = self._key.format(**wanted) if isinstance(self._key, str) else self._key(**wanted)
        except Exception as error:  # the application's function, or a value's own __format__
            raise PayloadError(f"task {self.name}: its limit_key can't be made: {type(error).__name__}") from error
        if not isinstance(key, str) or not 0 < len(key.encode()) <= MAX_KEY:
            raise PayloadError(f"task {self.name}: its limit_key must be a text of 1 to {MAX_KEY} bytes")
        return key


def _parameters_of(task: str, key: LimitKey, parameters: Sequence[str]) -> tuple[str, ...]:
    """Those of the handler's parameters that the key is made of."""
    wanted = _fields(task, key) if isinstance(key, str) else _arguments(task, key)
    for name in wanted:
        if name not in parameters:
            has = f"it has {', '.join(parameters)}" if parameters else "it has none"
            raise ConfigError(f"task {task}: limit_key names {name!r}, no parameter of the handler; {has}")
    return wanted


def _fields(task: str, template: str) -> tuple[str, ...]:
    try:
        found = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ConfigError(f"task {task}: limit_key {template!r} is no format: {error}") from None
    if not template:
        raise ConfigError(f"task {task}: limit_key must not be empty")
    return tuple(dict.fromkeys(found))


def _arguments(task: str, function: Callable[..., str]) -> tuple[str, ...]:
    if not callable(function):
        raise ConfigError(f"task {task}: limit_key must be a text or a function, got {type(function).__name__}")
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(function).parameters.values()
    if any(parameter.kind not in named for parameter in found):
        raise ConfigError(f"task {task}: limit_key's function must name the parameters that it wants")
    return tuple(parameter.name for parameter in found)
