"""The engines: where each lives, how its worker starts, which options it gets and why. Pure data.

An engine's own settings stand in engines/<directory>/app.py (app.js, main.go), the options of its command line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
OURS: Final = "headrace"
CEILING: Final = "headrace-ceiling"


class Language(StrEnum):
    """What an engine is written in, which decides how its environment is made."""

    PYTHON = "Python"
    NODE = "Node"
    GO = "Go"


@dataclass(frozen=True)
class Engine:
    """One contestant."""

    name: str
    distribution: str
    """Whose version is quoted."""
    worker: tuple[str, ...]
    """What follows the interpreter (or the program, for Go); `{concurrency}` and `{url}` are filled in."""
    trial: int
    """Jobs of the first, uncounted run, from which the length of the others follows."""
    language: Language = Language.PYTHON
    own_environment: bool = True
    """False: it runs from the environment that runs the benchmark."""
    has_worker: bool = True
    """False: it runs no handlers, so only no-op jobs on one worker can be measured, and no latency."""
    most_at_once: int | None = None
    """Jobs that one process can run at the same time, where that does not follow the concurrency asked for."""

    @property
    def directory(self) -> Path:
        """Where its app and its lock are."""
        return HERE / "engines" / self.name.replace("-", "_")

    @property
    def is_peer(self) -> bool:
        """Neither ours nor our ceiling."""
        return self.name not in {OURS, CEILING}

    def slots(self, concurrency: int) -> int:
        """How many jobs it really runs at once."""
        return min(concurrency, self.most_at_once or concurrency)


# One process; its default of two would be two workers.
TASKIQ_OPTIONS: Final = ("--workers", "1", "--max-async-tasks", "{concurrency}", "--log-level", "WARNING")

# One process (its default is one for each core), with as many threads as the others have slots.
DRAMATIQ_OPTIONS: Final = ("--processes", "1", "--threads", "{concurrency}")

# Of its pools that stay in one process, threads cost the least CPU for each job (gevent 1.7 times as much; solo as
# much, but it runs one at a time). Gossip and heartbeats between workers are off: nobody watches.
CELERY_OPTIONS: Final = (
    *("--pool", "threads", "--concurrency", "{concurrency}", "--loglevel", "WARNING"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)

# Its log lines for each job off; SimpleWorker runs a job without a fork.
RQ_OPTIONS: Final = ("--worker-class", "rq.SimpleWorker", "--quiet", "--disable-job-desc-logging", "--url", "{url}")

ENGINES: Final = (
    Engine(OURS, "headrace", ("-m", "headrace", "worker", "app"), 50_000, own_environment=False),
    # Its command line sets the log level: without -v, warnings.
    Engine("saq", "saq", ("-m", "saq", "app.settings"), 3_000),
    Engine("taskiq", "taskiq", ("-m", "taskiq", "worker", "app:broker", *TASKIQ_OPTIONS), 3_000),
    # --custom-log-dict: its default prints two lines for each job.
    Engine("arq", "arq", ("-m", "arq", "app.WorkerSettings", "--custom-log-dict", "app.LOG"), 3_000),
    # Not its command line, which logs at INFO; run_sync is its other documented way.
    Engine("streaq", "streaq", ("-c", "import app; app.worker.run_sync()"), 1_000),
    Engine("dramatiq", "dramatiq", ("-m", "dramatiq", "app", *DRAMATIQ_OPTIONS), 2_000),
    Engine("celery", "celery", ("-m", "celery", "--app", "app", "worker", *CELERY_OPTIONS), 1_000),
    Engine("rq", "rq", ("-m", "rq.cli", "worker", *RQ_OPTIONS, "bench"), 300, most_at_once=1),
    Engine("bullmq-python", "bullmq", ("app.py",), 2_000),
    Engine("bullmq-node", "bullmq", ("app.js",), 10_000, Language.NODE),
    Engine("asynq", "github.com/hibiken/asynq", ("worker",), 10_000, Language.GO),
    Engine(CEILING, "headrace", ("app.py",), 50_000, own_environment=False, has_worker=False),
)


def engine_named(name: str) -> Engine | None:
    """None for a name that is not there."""
    return next((engine for engine in ENGINES if engine.name == name), None)
