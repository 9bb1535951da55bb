"""Describes the machine and the server, so that figures are never read without them."""

from __future__ import annotations

import datetime
import os
import platform
import tempfile
import time
from pathlib import Path
from statistics import median

SYNCS = 100


def describe(server: str, repeats: int, load: float) -> dict[str, object]:
    """The `machine` of results.json. `load`: the machine's own before the run began."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "server": server,
        "fsync_ms": _fsync_ms(),
        "load": load,
        "repeats": repeats,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def load() -> float:
    """How many processes want to run, on average over the last minute."""
    return round(os.getloadavg()[0], 2)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _fsync_ms() -> float:
    """Of a small append where the server keeps its file: what `appendfsync always` can't be faster than."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(SYNCS):
            start = time.perf_counter()
            os.write(file.fileno(), b"." * 200)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return round(median(taken) * 1000, 3)
