"""Enqueues through an engine's app and prints one JSON object. The same in JavaScript is inside/node/producer.js.

    producer.py bulk N               N jobs in the engine's fastest documented way
    producer.py awaited N SECONDS    single enqueues, each awaited, by 100 coroutines, until N or SECONDS
    producer.py single N SECONDS     one job at a time for a worker that is idle, until N or SECONDS

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

PATIENCE = 10.0
"""Seconds to wait for one job to start."""
WARM_UP = 100
"""Jobs of a bulk that open connections and load scripts before the clock starts."""
COROUTINES = 100


async def bulk(app: Any, jobs: int) -> dict[str, object]:
    """Enqueue exactly `jobs` jobs."""
    await app.enqueue_bulk(WARM_UP)
    start = time.perf_counter()
    await app.enqueue_bulk(jobs - WARM_UP)
    return {"jobs": jobs - WARM_UP, "seconds": time.perf_counter() - start}


async def awaited(app: Any, jobs: int, most: float) -> dict[str, object]:
    """What a busy web application does: many callers, each waits for its own enqueue."""
    await asyncio.gather(*(app.enqueue_one() for _ in range(COROUTINES)))
    start = time.perf_counter()
    sent = await asyncio.gather(*(_call_often(app, jobs // COROUTINES, start + most) for _ in range(COROUTINES)))
    return {"jobs": sum(sent), "seconds": time.perf_counter() - start}


async def _call_often(app: Any, jobs: int, end: float) -> int:
    for number in range(jobs):
        if time.perf_counter() > end:
            return number
        await app.enqueue_one()
    return jobs


async def single(app: Any, jobs: int, most: float) -> dict[str, object]:
    """ns from before the enqueue to the handler's first line, for each job after ten that don't count."""
    pulses = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    pulses.bind(("127.0.0.1", int(os.environ["BENCH_PULSE"])))
    pulses.setblocking(False)
    loop = asyncio.get_running_loop()
    end = time.monotonic() + most
    latencies: list[int] = []
    for number in range(jobs + 10):
        sent = time.monotonic_ns()
        await app.enqueue_one()
        pulse = await asyncio.wait_for(loop.sock_recv(pulses, 8), PATIENCE)
        if number >= 10:
            latencies.append(struct.unpack("<q", pulse)[0] - sent)
        if latencies and time.monotonic() > end:
            break
        await asyncio.sleep(random.uniform(0.001, 0.005))  # the worker goes back to waiting
    return {"latencies_ns": latencies}


async def main(mode: str, *numbers: str) -> None:
    """One mode, one line of JSON."""
    app = importlib.import_module("app")
    await app.open_producer()
    if mode == "bulk":
        result = await bulk(app, int(numbers[0]))
    elif mode == "awaited":
        result = await awaited(app, int(numbers[0]), float(numbers[1]))
    else:
        result = await single(app, int(numbers[0]), float(numbers[1]))
    print(json.dumps(result))
    await app.close_producer()


if __name__ == "__main__":
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop").install()
    asyncio.run(main(*sys.argv[1:]))
