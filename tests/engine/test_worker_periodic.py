"""E7: periodic tasks on real workers: one run per tick, whatever their clocks say and however they die."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from headrace.cron import Cron
from support.lab import Lab
from support.polling import eventually
from support.worker_process import run_headrace

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


def ticks(lab: Lab) -> Counter[int]:
    return Counter(note["ms"] for note in lab.notes("tick"))


def gaps(lab: Lab) -> list[int]:
    """Ticks between the first and the last that ran which did not."""
    seen = ticks(lab)
    return [ms for ms in range(min(seen), max(seen), 1000) if ms not in seen]


async def test_workers_an_hour_apart_run_each_tick_once_when_it_is_due(lab: Lab) -> None:
    for skew in ("-3600", "3600", "0"):
        await lab.start("periodic", CLOCK_SKEW=skew)
    begun = (await lab.stats()).now_ms
    await eventually(lambda: len(ticks(lab)) >= 8, within=60)
    now = (await lab.stats()).now_ms
    assert set(ticks(lab).values()) == {1}
    assert not gaps(lab)
    assert begun - 30_000 < min(ticks(lab)) <= max(ticks(lab)) <= now


async def test_no_tick_is_lost_when_workers_are_killed_again_and_again(lab: Lab) -> None:
    """Two workers stay while a third is killed with SIGKILL at random moments and started anew; a killed run comes
    again, so a tick may run twice, but never be missed."""
    for _ in range(2):
        await lab.start("periodic", LEASE="2s")
    for _ in range(5):
        victim = await lab.start("periodic", LEASE="2s")
        await asyncio.sleep(random.uniform(0.2, 2))
        victim.kill()
    last = max(ticks(lab))
    await eventually(lambda: max(ticks(lab)) > last + 5_000, within=60)
    assert not gaps(lab)
    ended = lab.ended()
    assert all(ended[f"tick:each_second:{ms}"] >= 1 for ms in ticks(lab) if ms <= last)
    assert (await lab.admin().audit.run()).clean


async def test_a_fleet_that_was_away_runs_the_latest_tick_and_the_next_one_stands_while_nobody_works(lab: Lab) -> None:
    worker = await lab.start("periodic")
    await eventually(lambda: ticks(lab))
    assert await worker.stop() == 0
    stats = await lab.stats()
    due = stats.ticks["each_second"].due_ms
    assert stats.scheduled + stats.due + stats.ready == 2
    assert stats.due + stats.ready or stats.next_due_ms == due
    before = set(ticks(lab)) | ({due} if stats.ready else set())  # one that a worker has looked at runs in any case

    async def missed_several() -> int:
        now = (await lab.stats()).now_ms
        return now if now > due + 4_000 else 0

    returned = await eventually(missed_several)
    await lab.start("periodic")
    await eventually(lambda: len(set(ticks(lab)) - before) >= 2)
    assert min(set(ticks(lab)) - before) >= returned - 1_000  # of what was missed only the latest runs


async def test_another_schedule_in_a_new_version_is_planned_at_its_start(lab: Lab) -> None:
    old = await lab.start("periodic")
    first = (await lab.stats()).ticks["rarely"]
    assert first.schedule == "cron 0 3 1 1 * Europe/Berlin"
    assert first.due_ms == Cron("0 3 1 1 *", "Europe/Berlin").next_after((await lab.stats()).now_ms)
    assert await old.stop() == 0
    await lab.start("periodic", SLOW_CRON="*/2 * * * * *")
    await eventually(lambda: len(lab.notes("rarely")) >= 2)
    assert (await lab.stats()).ticks["rarely"].schedule == "cron */2 * * * * * Europe/Berlin"


async def test_a_worker_that_starts_without_redis_s_answer_plans_when_it_has_one(lab: Lab) -> None:
    """The connection is cut after the start: the plan goes on by itself."""
    await lab.start("periodic")
    await eventually(lambda: ticks(lab))
    await lab.link.request("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    last = max(ticks(lab))
    await eventually(lambda: max(ticks(lab)) > last + 3_000)
    assert not gaps(lab)


async def test_stats_show_the_next_tick(lab: Lab) -> None:
    worker = await lab.start("periodic")
    assert await worker.stop() == 0
    shown, as_json = [
        (await asyncio.to_thread(run_headrace, "stats", "jobs", *more, environ={"REDIS_URL": lab.url}))[1]
        for more in ((), ("-o", "json"))
    ]
    names, values = (line.split("\t") for line in shown.splitlines())
    cell = dict(zip(names, values, strict=True))["NEXT TICK"]
    assert cell.startswith(("each_second 20", "rarely 20"))  # the first is overdue soon
    assert '"schedule": "every 1"' in as_json
