"""Limits as real workers keep them: several of them, over crashes and restarts of Redis."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from support.apps import limited
from support.lab import Lab
from support.polling import eventually
from support.servers import RedisServer


async def all_done(lab: Lab, queue: str = "jobs") -> None:
    async def done() -> bool:
        stats = await lab.stats(queue)
        return stats.demand + stats.scheduled + stats.parked + stats.held == 0

    await eventually(done, within=60)


def most_at_once(lab: Lab) -> Counter[str]:
    """Per customer, by the notes' own order in the one file that all workers append to."""
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for line in lab.notes():
        if line["what"] in ("serving", "served"):
            running[line["customer"]] += 1 if line["what"] == "serving" else -1
            most[line["customer"]] = max(most[line["customer"]], running[line["customer"]])
    return most


async def test_two_workers_together_keep_to_the_limit_of_a_key(lab: Lab) -> None:
    lab.use(limited.fleet)
    for _ in range(2):
        await lab.start("limited", WORKER_COUNT="20")
    # All at once, and none so short that it is over before its neighbour has begun, however slow the machine is.
    served = ({"customer": customer, "seconds": 0.1} for _ in range(15) for customer in ("ada", "bob", "eve"))
    ids = [*await limited.serve.enqueue_many(served), *await limited.plain.enqueue_many([{}] * 20)]
    await all_done(lab)
    assert lab.ended() == Counter(ids)
    assert most_at_once(lab) == {"ada": 2, "bob": 2, "eve": 2}
    assert (await lab.admin().audit.run()).clean
    assert await lab.link.request("KEYS", "*:k[cwt]:customer*") == [], "nothing is left of a key without jobs"


async def test_a_busy_key_keeps_no_other_waiting(lab: Lab) -> None:
    lab.use(limited.fleet)
    await limited.serve.enqueue_many({"customer": "greedy", "seconds": 30} for _ in range(3_000))
    await limited.serve.enqueue("modest")
    await limited.plain.enqueue()
    await lab.start("limited", WORKER_COUNT="4")
    await eventually(lambda: lab.notes("plain") and [n for n in lab.notes("served") if n["customer"] == "modest"])
    stats = await lab.stats()
    assert (stats.parked, stats.leased, stats.demand) == (2_998, 2, 2)


async def test_a_killed_worker_s_slots_come_back(lab: Lab) -> None:
    lab.use(limited.fleet)
    first = await lab.start("limited", LEASE="1s")
    held = [await limited.serve.enqueue("ada", 60) for _ in range(2)]
    waiting = await limited.serve.enqueue("ada")
    await eventually(lambda: len(lab.notes("serving")) == 2)

    async def is_parked() -> bool:
        return (await lab.stats()).parked == 1

    await eventually(is_parked)
    first.signal(signal.SIGKILL)
    for job in held:
        await job.cancel()
    await lab.start("limited", LEASE="1s")
    await eventually(lambda: lab.events(waiting.id) == ["start", "end"], within=40)
    await all_done(lab)
    assert (await lab.admin().audit.run()).clean


async def test_parked_jobs_survive_a_restart_of_redis(tmp_path: Path) -> None:
    with RedisServer(aof="always") as server:
        lab = Lab(server.url, tmp_path)
        try:
            lab.use(limited.fleet)
            await lab.start("limited", LEASE="2s")
            jobs = [await limited.serve.enqueue("ada", 0.3) for _ in range(12)]
            await eventually(lambda: len(lab.notes("serving")) >= 3)
            server.kill()
            server.start()
            await all_done(lab)
            assert set(lab.ended()) == {job.id for job in jobs}
            assert most_at_once(lab)["ada"] == 2
            assert (await lab.admin().audit.run()).clean
        finally:
            await lab.close()


async def test_a_key_s_rate_over_two_workers(lab: Lab) -> None:
    lab.use(limited.fleet)
    for _ in range(2):
        await lab.start("limited")
    for _ in range(8):
        await limited.call.enqueue("ada")
    await all_done(lab)
    times = sorted(line["time"] for line in lab.notes("called"))
    assert len(times) == 8
    assert times[-1] - times[0] > 0.5, "seven pauses of 0.1 s, less what the machine was late with the first"


async def test_a_queue_s_rate_over_two_workers(lab: Lab) -> None:
    lab.use(limited.fleet)
    for _ in range(2):
        await lab.start("limited", HEADRACE_QUEUES="paced")
    await limited.tick.enqueue_many({} for _ in range(22))
    await all_done(lab, "paced")
    times = sorted(line["time"] for line in lab.notes("tick"))
    assert len(times) == 22
    assert times[-1] - times[0] > 0.8, "twenty pauses of 0.05 s after a burst of two"


async def test_a_worker_s_own_rate(lab: Lab) -> None:
    lab.use(limited.fleet)
    await lab.start("limited", WORKER_RATE="20/s")
    await limited.plain.enqueue_many({} for _ in range(22))
    await all_done(lab)
    times = sorted(line["time"] for line in lab.notes("plain"))
    assert len(times) == 22
    assert times[-1] - times[0] > 0.8, "twenty pauses of 0.05 s after a burst of two"
