"""A worker's settings: environment variables with well-known names, checked once, each with its source."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from headrace.choice import listed
from headrace.client.fleet import DEFAULT_URL
from headrace.client.limits import parse_rate
from headrace.contract.keys import check_queue_name
from headrace.errors import ConfigError
from headrace.wire.target import parse_target

T = TypeVar("T")

UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("auto", "json", "console")
LOG_JOBS: Final = ("auto", "all", "none")


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """One field per variable; durations in seconds."""

    redis_url: str
    concurrency: int
    queue_size: int
    rate: float
    """Most jobs started a second, on average; 0: any."""
    max_retries: int
    retry_base: float
    retry_cap: float
    shutdown_timeout: float
    startup_timeout: float
    metrics_host: str
    metrics_port: int
    metrics_token: str
    log_level: str
    log_format: str
    log_jobs: str
    lease: float
    loop_block_limit: float
    worker_id: str
    version: str
    control_socket: str
    queues: dict[str, int]
    """Queue → weight; empty: all queues of the application, weight 1."""

    def __repr__(self) -> str:
        return f"WorkerSettings(worker_id={self.worker_id!r})"


@dataclass(frozen=True)
class Variable:
    """How one field is read."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    secret: bool = False


@dataclass(frozen=True)
class Sourced:
    """One line of `--print-config`."""

    name: str
    value: str
    source: str
    help: str


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ConfigError(f"must be a whole number, got {text!r}") from None
        if not least <= value <= most:
            raise ConfigError(f"must be {least:,} to {most:,}, got {value:,}")
        return value

    return parse


def parse_duration(text: str) -> float:
    """Seconds from `30s`, `500ms`, `5m`, `1h` or a bare number of seconds. Raises ConfigError."""
    number = text.strip().rstrip("msh")
    unit = text.strip()[len(number) :]
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        raise ConfigError(f"must be a duration such as 30s, 500ms or 5m, got {text!r}") from None
    if not 0 <= value < 10**7:
        raise ConfigError(f"must be 0 or more and less than 10,000,000 s, got {text!r}")
    return value


def _duration_of(least: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = parse_duration(text)
        if value < least:
            raise ConfigError(f"must be at least {least:g}s, got {text!r}")
        return value

    return parse


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ConfigError(f"must be {listed(choices)}, got {text!r}")
        return text.lower()

    return parse


def _redis_url(text: str) -> str:
    if text.startswith("memory:"):
        raise ConfigError("memory:// is inside one process: nobody could send a job to this worker")
    try:
        parse_target(text, "")
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(": ")) from None
    return text


def parse_weights(text: str) -> dict[str, int]:
    """`emails=3,reports` → {"emails": 3, "reports": 1}. Raises ConfigError."""
    weights: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, weight = part.partition("=")
        check_queue_name(name)
        weights[name] = _whole(1, 1000)(weight) if weight else 1
    return weights


def _rate(text: str) -> float:
    if not text.strip():
        return 0.0
    try:
        return parse_rate("", text)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(": ")) from None


def _worker_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _control_socket() -> str:
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        raise ConfigError("no folder for temporary files can be written; mount one at /tmp or name the path") from None
    return str(Path(folder) / f"headrace-{os.getpid()}.sock")


VARIABLES: Final[dict[str, Variable]] = {
    "redis_url": Variable("REDIS_URL", DEFAULT_URL, _redis_url, "where the queues are", secret=True),
    "concurrency": Variable("WORKER_COUNT", "100", _whole(1, 10_000), "jobs that run at the same time"),
    "queue_size": Variable("QUEUE_SIZE", "1000", _whole(1, 100_000), "most jobs held: running or being settled"),
    "rate": Variable("WORKER_RATE", "", _rate, "most jobs that this worker starts, e.g. 50/s or 100/m; empty: any"),
    "max_retries": Variable("MAX_RETRIES", "3", _whole(0, 200), "for tasks that don't say"),
    "retry_base": Variable("RETRY_BASE", "1s", parse_duration, "first delay before a retry, for tasks that don't say"),
    "retry_cap": Variable("RETRY_CAP", "5m", parse_duration, "longest delay before a retry, for tasks that don't say"),
    "shutdown_timeout": Variable("SHUTDOWN_TIMEOUT", "30s", parse_duration, "time for running jobs after SIGTERM"),
    "startup_timeout": Variable(
        "STARTUP_TIMEOUT",
        "30s",
        parse_duration,
        "how long Redis, a resource, a child process may take to be there",
    ),
    "metrics_host": Variable("METRICS_HOST", "127.0.0.1", str, "address that health and metrics listen on"),
    "metrics_port": Variable("METRICS_PORT", "9090", _whole(0, 65_535), "health and metrics; 0 takes any free port"),
    "metrics_token": Variable("METRICS_TOKEN", "", str, "bearer token that /metrics asks for", secret=True),
    "log_level": Variable("LOG_LEVEL", "info", _one_of(LOG_LEVELS), "least level that is logged"),
    "log_format": Variable("LOG_FORMAT", "auto", _one_of(LOG_FORMATS), "auto: console on a terminal, else JSON"),
    "log_jobs": Variable("LOG_JOBS", "auto", _one_of(LOG_JOBS), "auto: at most 100 job lines a second"),
    "lease": Variable("LEASE", "30s", _duration_of(1), "how long a silent worker keeps its jobs"),
    "loop_block_limit": Variable(
        "LOOP_BLOCK_LIMIT", "120s", _duration_of(1), "how long a blocked event loop keeps them"
    ),
    "worker_id": Variable("HEADRACE_WORKER_ID", "", lambda text: text or _worker_id(), "default host and pid"),
    "version": Variable("HEADRACE_VERSION", "", str, "version hash, set by the operator"),
    "control_socket": Variable(
        "HEADRACE_CONTROL_SOCKET", "", lambda text: text or _control_socket(), "where `headrace drain` calls"
    ),
    "queues": Variable("HEADRACE_QUEUES", "", parse_weights, "queues and weights, e.g. emails=3,reports=1"),
}


def load_settings(
    environ: Mapping[str, str], options: Mapping[str, str] | None = None
) -> tuple[WorkerSettings, list[Sourced]]:
    """Read and check all variables; `options` are command-line values by field name and win.

    Raises ConfigError naming the variable and what it takes.
    """
    values: dict[str, Any] = {}
    sources: list[Sourced] = []
    for field in fields(WorkerSettings):
        variable = VARIABLES[field.name]
        text, source = _look_up(variable, field.name, environ, options or {})
        try:
            values[field.name] = variable.parse(text)
        except ConfigError as error:
            where = source if source != "default" else variable.name
            raise ConfigError(f"{where}: {error}") from None
        sources.append(_sourced(variable, values[field.name], source))
    return WorkerSettings(**values), sources


def _look_up(variable: Variable, field: str, environ: Mapping[str, str], options: Mapping[str, str]) -> tuple[str, str]:
    if field in options:
        return options[field], f"--{field.replace('_', '-')}"
    if environ.get(variable.name, "") != "":
        return environ[variable.name], variable.name
    return variable.default, "default"


def _sourced(variable: Variable, value: Any, source: str) -> Sourced:
    if variable.name == "REDIS_URL":
        shown = parse_target(value).redacted
    elif variable.secret:
        shown = "***" if value else ""
    elif variable.name == "WORKER_RATE":
        shown = f"{value:g}/s" if value else ""
    elif isinstance(value, dict):
        shown = ",".join(f"{name}={weight}" for name, weight in value.items())
    else:
        shown = f"{value:g}s" if isinstance(value, float) else str(value)
    return Sourced(variable.name, shown, source, variable.help)
