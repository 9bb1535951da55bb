"""The engines: where each lives, how its worker starts, which options it gets and why. Pure data.

An engine's own settings stand in engines/<directory>/app.py, the options of its command line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
OURS: Final = "headrace"
CEILING: Final = "headrace-ceiling"


@dataclass(frozen=True)
class Engine:
    """One contestant. `worker` is what follows its environment's python; `{concurrency}` is filled in."""

    name: str
    distribution: str
    """Whose version is quoted."""
    worker: tuple[str, ...]
    trial: int
    """Jobs of the first, uncounted run, from which the length of the others follows."""
    own_environment: bool = True
    has_worker: bool = True
    """False: nothing waits for jobs, so there is no latency to measure."""
    language: str = "Python"

    @property
    def directory(self) -> Path:
        """Where its app and its lock are."""
        return HERE / "engines" / self.name.replace("-", "_")


# One process; its default of two would be two workers.
TASKIQ_OPTIONS: Final = ("--workers", "1", "--max-async-tasks", "{concurrency}", "--log-level", "WARNING")

ENGINES: Final = (
    Engine(OURS, "headrace", ("-m", "headrace", "worker", "app"), 50_000, own_environment=False),
    # Its command line sets the log level: without -v, warnings.
    Engine("saq", "saq", ("-m", "saq", "app.settings"), 3_000),
    Engine(
        "taskiq",
        "taskiq",
        ("-m", "taskiq", "worker", "app:broker", *TASKIQ_OPTIONS),
        3_000,
    ),
    # --custom-log-dict: its default prints two lines for each job.
    Engine("arq", "arq", ("-m", "arq", "app.WorkerSettings", "--custom-log-dict", "app.LOG"), 3_000),
    Engine(CEILING, "headrace", ("app.py",), 50_000, own_environment=False, has_worker=False),
)


def engine_named(name: str) -> Engine | None:
    """None for a name that is not there."""
    return next((engine for engine in ENGINES if engine.name == name), None)
