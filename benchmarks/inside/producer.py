"""`producer.py bulk N` and `producer.py single N SECONDS`: enqueues through an engine's app, prints one JSON object.

Runs in every engine's own environment: standard library and the engine's `app` module only.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import random
import socket
import struct
import sys
import time
from typing import Any

PATIENCE = 5.0
"""Seconds to wait for one job to start."""


async def bulk(app: Any, jobs: int) -> dict[str, object]:
    """Enqueue `jobs` jobs in the engine's fastest documented way, after a small batch that warms connections up."""
    await app.enqueue_bulk(100)
    start = time.perf_counter()
    await app.enqueue_bulk(jobs - 100)
    return {"jobs": jobs - 100, "seconds": time.perf_counter() - start}


async def single(app: Any, jobs: int, most: float) -> dict[str, object]:
    """Enqueue one job at a time for a worker that is idle; ns from before the enqueue to the handler's first line."""
    pulses = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    pulses.bind(os.environ["BENCH_PULSE"])
    pulses.setblocking(False)
    loop = asyncio.get_running_loop()
    end = time.monotonic() + most
    latencies: list[int] = []
    for number in range(jobs + 10):
        sent = time.time_ns()
        await app.enqueue_one()
        pulse = await asyncio.wait_for(loop.sock_recv(pulses, 8), PATIENCE)
        if number >= 10:
            latencies.append(struct.unpack("q", pulse)[0] - sent)
        if time.monotonic() > end:
            break
        await asyncio.sleep(random.uniform(0.001, 0.005))  # the worker goes back to waiting
    return {"latencies_ns": latencies}


async def main(mode: str, *numbers: str) -> None:
    """One mode, one line of JSON."""
    app = importlib.import_module("app")
    await app.open_producer()
    if mode == "bulk":
        result = await bulk(app, int(numbers[0]))
    else:
        result = await single(app, int(numbers[0]), float(numbers[1]))
    print(json.dumps(result))
    await app.close_producer()


if __name__ == "__main__":
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop").install()
    asyncio.run(main(*sys.argv[1:]))
