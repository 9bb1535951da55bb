"""The operator's audits on real servers: what is broken shows, what only moves does not, a dead one delays nobody."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from headrace.admin.findings import KINDS
from headrace_operator.api.names import QueueKey
from headrace_operator.operate.queue_series import COUNTERS, GAUGES
from support.fleet_rig import FAST, Rig, until
from support.servers import RedisServer
from support.worker_process import run_headrace

AUDITING = replace(FAST, audit_every=0.2)
READ = {series.name: series.read for series in (*GAUGES, *COUNTERS)}
SOUND = dict.fromkeys(KINDS, 0)


@pytest.fixture
async def rig(redis_url: str) -> Rig:
    """That audits again and again."""
    return Rig(redis_url, AUDITING)


def findings(rig: Rig, key: QueueKey) -> Mapping[str, float]:
    """By kind; empty if unknown."""
    return {kind: value for (kind,), value in READ["audit_findings"](rig.controller.records[key])}


def single(rig: Rig, key: QueueKey, name: str) -> float:
    """The one sample of a series; -1 without one."""
    return next((value for _, value in READ[name](rig.controller.records[key])), -1)


async def audited(rig: Rig, key: QueueKey, since: float) -> None:
    """Wait for the end of an audit that began after that Unix time: the second one that ended then did."""

    async def again(after: float) -> bool:
        return key in rig.controller.records and single(rig, key, "audit_ended_timestamp_seconds") > after

    await until("an audit ends", lambda: again(since))
    ended = single(rig, key, "audit_ended_timestamp_seconds")
    await until("the next one ends", lambda: again(ended))


async def test_an_envelope_without_a_place_shows_until_it_is_mended(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headrace_operator")
    seeder = rig.seeder()
    await seeder.enqueue(*(f"j{n}" for n in range(10)))
    key = rig.apply()
    async with rig.running():
        await audited(rig, key, time.time())
        assert findings(rig, key) == SOUND
        looked_at = single(rig, key, "audited_ids")
        assert looked_at >= 20

        await seeder.raw("ZREM", "ready:default", "j3")
        await audited(rig, key, time.time())
        await audited(rig, key, time.time())  # it only reads: what was broken is broken still
        assert findings(rig, key) == {**SOUND, "Orphan": 1}
        assert single(rig, key, "audited_ids") > looked_at

        done = await asyncio.to_thread(run_headrace, "audit", "q", "--repair", environ={"REDIS_URL": rig.url})
        assert done[0] == 1, done
        await audited(rig, key, time.time())
        assert findings(rig, key) == SOUND
        assert (await rig.admin().stats()).ready == 10
    told = [record.getMessage() for record in caplog.records if "its audit" in record.getMessage()]
    where = f"queue q of {rig.url}"
    assert told == [
        f"{where}: its audit found 1 Orphan; see `headrace audit q`",
        f"{where}: its audit finds nothing wrong any more",
    ]


async def test_jobs_that_move_are_no_finding(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    seeder = rig.seeder()
    await seeder.join(lease_ms=600_000)
    key = rig.apply()
    async with rig.running():
        began, number = time.time(), 0
        watching = asyncio.create_task(audited(rig, key, began))
        while not watching.done():
            ids = [f"j{number + n}" for n in range(40)]
            number += len(ids)
            await seeder.enqueue(*ids[:20])
            await seeder.enqueue(*ids[20:], delay_ms=1)
            claimed = await seeder.exchange(40)
            await seeder.exchange(0, *[["done", job, seeder.claim] for job in claimed])
            if number > 40:
                assert not any(findings(rig, key).values())
        await watching
        assert findings(rig, key) == SOUND
    assert "its audit found" not in caplog.text


async def test_a_server_that_hangs_delays_the_audits_of_no_other(redis_url: str) -> None:
    with RedisServer() as server:
        rig = Rig(redis_url, AUDITING)
        well, ill = rig.apply("well"), rig.apply("ill", queue="ill", url=server.url)
        async with rig.running():
            await audited(rig, ill, time.time())
            server.freeze()
            await audited(rig, well, time.time())
            await audited(rig, well, time.time())
            server.thaw()
            await audited(rig, ill, time.time())


async def test_none_are_made_where_they_are_turned_off(rig: Rig) -> None:
    quiet = Rig(rig.url)
    key, other = rig.apply("one", queue="one"), quiet.apply("other", queue="other")
    async with quiet.running():
        await quiet.says(other, "read", lambda status: status.queue is not None)
        async with rig.running():
            await audited(rig, key, time.time())
        assert findings(quiet, other) == {}
        assert single(quiet, other, "audited_ids") == -1
