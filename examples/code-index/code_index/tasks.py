"""The queue and its two tasks, the same for both versions but for how one file is indexed."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable

from code_index.discover import SourceFile, source_files
from code_index.ledger import Ledger
from headrace import Fleet

log = logging.getLogger(__name__)


def build_fleet(index_one: Callable[[SourceFile], None]) -> Fleet:
    """A fleet whose queue `code-index` has the tasks `scan` and `index_file`, which calls `index_one`."""
    fleet = Fleet()
    queue = fleet.queue("code-index")

    # A file that fails once fails again: one quick retry tells that apart from a Redis that was away.
    @queue.task(max_retries=1, retry_base=0.2, timeout=60)
    def index_file(path: str, module: str) -> None:
        index_one(SourceFile(path, module))

    @queue.task(timeout=60)
    async def scan() -> None:
        files = await asyncio.to_thread(source_files)
        calls = ({"path": file.path, "module": file.module} for file in files)
        # A file's id is its job's, so that a scan that runs again enqueues nothing twice.
        await index_file.enqueue_many(calls, job_ids=(file.id for file in files))
        log.info("enqueued %d files", len(files))

    @fleet.on_start
    async def hush() -> None:
        # From Python 3.12 on, parsing warns of invalid escapes, but in files that are not ours to mend.
        warnings.simplefilter("ignore", SyntaxWarning)

    if ledger := Ledger.from_environment():
        fleet.middleware(ledger.record)
        fleet.on_shutdown(ledger.close)
    return fleet
