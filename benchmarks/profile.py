"""`python -m benchmarks.profile`: where headrace's time goes; writes profile.json and the document's tables.

Several looks at the same work, one after the other, for each would be in the way of the others: an undisturbed run
(rates, CPU of worker and server, the server's own account of its commands), a worker and a producer that py-spy
samples, the bare script calls in batches of several sizes, and the round trips of a single job.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import document, machine, profile_record
from benchmarks.catalogue import CEILING, HERE, OURS, engine_named
from benchmarks.children import Child
from benchmarks.depth import driver_on
from benchmarks.failures import BenchError
from benchmarks.hops import hops
from benchmarks.profile_record import BatchCost, Profile
from benchmarks.run import Case, Sample, enqueue_only, measure
from benchmarks.scenarios import Load, Scenario, Section, jobs_for
from benchmarks.server import Server, running_server
from benchmarks.toolchains import python_environment, ready
from headrace.contract.protocol import CHUNK
from headrace.errors import HeadraceError

SAMPLES_PER_SECOND: Final = 400
SETTLE: Final = 1.0
"""Seconds that a worker needs, at most, from its first script call until it runs as it will go on."""
BATCHES: Final = (1, 10, 50, 100, 500)
BATCH_JOBS: Final = 50_000
SINGLE_JOBS: Final = 5_000
"""In calls of one job."""
FIRST_CALLS: Final = 20
START_PATIENCE: Final = 60.0


def main() -> int:
    """Exit code 0, or 2 with one line that says what is wrong."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Where headrace's time goes.")
    made.add_argument("--seconds", type=float, default=5.0, help="how long the worker is sampled, default 5")
    made.add_argument("--output", type=Path, default=profile_record.FILE, help="default benchmarks/profile.json")
    options = made.parse_args()
    try:
        with running_server(None) as server:
            found = _profile(server, options.seconds)
        profile_record.write(found, options.output)
        if options.output == profile_record.FILE:
            document.write()
    except (BenchError, HeadraceError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    for table in profile_record.tables(found):
        print("\n".join(["", table.name, *table.plain()]))
    return 0


def _profile(server: Server, seconds: float) -> Profile:
    ours, ceiling = _case(OURS), _case(CEILING)
    trial = measure(ours, server, Load(ours.engine.trial, ours.engine.trial))
    jobs = jobs_for(trial.consume_per_s, seconds)
    plain = measure(ours, server, Load(jobs, jobs), beside=lambda _: server.reset_commands())
    commands = profile_record.command_costs(server.commands(), jobs)
    bare: Sample = measure(ceiling, server, Load(jobs, jobs))
    modules, functions = profile_record.shares(_sample_worker(ours, server, trial.consume_per_s, seconds))
    _, producer = profile_record.shares(_sample_producer(ours, server, plain.enqueue_per_s, seconds))
    return Profile(
        machine=machine.describe(server.version(), 1, machine.load()),
        jobs_per_s=round(plain.consume_per_s),
        ceiling_per_s=round(bare.consume_per_s),
        worker_us=round(plain.worker_us, 2),
        redis_us=round(plain.redis_us, 2),
        ceiling_worker_us=round(bare.worker_us, 2),
        ceiling_redis_us=round(bare.redis_us, 2),
        modules=modules,
        functions=functions,
        enqueue_per_s=round(plain.enqueue_per_s),
        producer=producer,
        commands=commands,
        batches=asyncio.run(_batches(server)),
        hops=asyncio.run(hops(server)),
    )


def _case(name: str) -> Case:
    engine = engine_named(name)
    if engine is None:
        raise BenchError(f"no engine {name!r}")
    return Case(ready(engine), Scenario(Section.THROUGHPUT))


def _sample_worker(case: Case, server: Server, rate: float, seconds: float) -> list[str]:
    """Folded stacks of a worker while it works; its queue lasts longer than it is sampled."""
    jobs = jobs_for(rate, 2 * seconds + 5)
    stacks: list[str] = []

    def record(workers: Sequence[Child]) -> None:
        _wait_until_it_works(workers[0], server)
        stacks.extend(_stacks(workers[0].pid, seconds))

    measure(case, server, Load(jobs, jobs), beside=record)
    return stacks


def _sample_producer(case: Case, server: Server, rate: float, seconds: float) -> list[str]:
    """The same of a producer that enqueues in bulk."""
    stacks: list[str] = []

    def record(producer: Child) -> None:
        time.sleep(SETTLE)
        stacks.extend(_stacks(producer.pid, seconds))

    enqueue_only(case, server, jobs_for(rate, 2 * seconds + 2), record)
    return stacks


def _stacks(pid: int, seconds: float) -> list[str]:
    spy = python_environment("py-spy", HERE / "tools" / "profile-requirements.txt").with_name("py-spy")
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as scratch:
        output = Path(scratch) / "stacks"
        to = ("--pid", str(pid), "--output", str(output), "--format", "raw", "--full-filenames")
        how = ("--duration", str(max(1, round(seconds))), "--rate", str(SAMPLES_PER_SECOND), "--nonblocking")
        _run([str(spy), "record", *to, *how], seconds + 60)
        return output.read_text().splitlines()


def _wait_until_it_works(worker: Child, server: Server) -> None:
    server.reset_commands()
    give_up = time.monotonic() + START_PATIENCE
    while server.commands().get("evalsha", (0, 0.0))[0] < FIRST_CALLS:
        worker.check_runs()
        if time.monotonic() > give_up:
            raise BenchError(f"{worker.name} did not begin: {worker.last_words()}")
        time.sleep(0.02)
    time.sleep(SETTLE)


def _run(command: Sequence[str], limit: float) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise BenchError(f"py-spy did not end within {limit:g} s") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "no output").strip().splitlines()[-1]
        raise BenchError(f"py-spy can't sample the worker: {last}") from None


async def _batches(server: Server) -> list[BatchCost]:
    found = []
    for batch in BATCHES:
        server.empty()
        jobs = SINGLE_JOBS if batch == 1 else BATCH_JOBS
        async with driver_on(server) as driver:
            for _ in range(0, jobs, CHUNK):
                await driver.enqueue(CHUNK)
            before = server.cpu_seconds()
            await driver.drain(batch)
            found.append(BatchCost(batch, round((server.cpu_seconds() - before) / jobs * 1e6, 2)))
    return found


if __name__ == "__main__":
    sys.exit(main())
