"""An application whose import takes its time in a child process."""

from __future__ import annotations

import os
import sys
import time

from headrace import Fleet
from support.apps.journal import note, recorded

if any("headrace.worker.child" in part for part in sys.orig_argv):
    note("importing", child=os.getpid())
    time.sleep(float(os.environ.get("IMPORT_SECONDS", "0")))

fleet = Fleet()
jobs = fleet.queue("jobs")


@jobs.task(process=True, timeout=1.0, max_retries=0)
def quick() -> None:
    with recorded():
        note("ran", child=os.getpid())
