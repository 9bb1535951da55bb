"""Where the applications' handlers write: the ledger of runs, and notes about anything else a test asks for.

Both are files named by TEST_LEDGER and TEST_NOTES, opened on first use, since the test's own process imports the same
applications to enqueue.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from headrace import current_context
from support.ledger import Ledger


@cache
def _ledger() -> Ledger:
    return Ledger(Path(os.environ["TEST_LEDGER"]), os.environ.get("HEADRACE_WORKER_ID", ""))


@contextmanager
def recorded() -> Iterator[None]:
    """Around a handler's work: its start and how it ended."""
    context = current_context()
    with _ledger().run(context.job_id, context.attempt):
        yield


def note(what: str, **fields: Any) -> None:
    """One line, in one write."""
    line = {"what": what, "time": time.time(), "pid": os.getpid(), "thread": threading.get_ident(), **fields}
    descriptor = os.open(os.environ["TEST_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, json.dumps(line).encode() + b"\n")
    os.close(descriptor)
