"""For tests of applications: a worker that works when it is told to, and a clock that is moved by hand; for those who
bring a broker of their own: what it has to pass.

    from headrace.testing import manual_worker, run_inline

Names are imported on first use: pytest imports this package at every start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.brokers.memory.clock import VirtualClock
    from headrace.brokers.memory.source import MemorySource
    from headrace.testing.inline import run_inline
    from headrace.testing.manual import ManualWorker, manual_worker

_HOMES = {
    "ManualWorker": "headrace.testing.manual",
    "MemorySource": "headrace.brokers.memory.source",
    "VirtualClock": "headrace.brokers.memory.clock",
    "manual_worker": "headrace.testing.manual",
    "run_inline": "headrace.testing.inline",
}

__all__ = ["ManualWorker", "MemorySource", "VirtualClock", "manual_worker", "run_inline"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headrace.testing' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
