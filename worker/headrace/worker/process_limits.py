"""What one run may use of memory and CPU, kept by the kernel; for the child processes that run handlers.

Only soft limits are moved, so that the next run of the same child can have others.
"""

from __future__ import annotations

import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limits(*, memory: int, cpu: float) -> Iterator[None]:
    """memory: bytes of the process's own data, the interpreter's included; beyond them allocations fail (MemoryError).

    cpu: seconds of CPU time from now on, all threads, rounded up; beyond them the process ends by SIGXCPU. 0: no limit.
    """
    if memory:
        _set_soft(resource.RLIMIT_DATA, memory)
    if cpu:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _set_soft(resource.RLIMIT_CORE, 0)
        _set_soft(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + cpu))
    try:
        yield
    finally:
        if memory:
            _lift(resource.RLIMIT_DATA)
        if cpu:
            _lift(resource.RLIMIT_CPU)


def _set_soft(which: int, wanted: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _lift(which: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (hard, hard))
