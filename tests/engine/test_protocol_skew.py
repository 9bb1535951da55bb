"""K20 on the engine's side: who may join whom, what each side understands of the other, and how a refusal reads."""

from __future__ import annotations

import re

import msgspec
import pytest

from headrace.admin.queue_admin import stats_many
from headrace.contract.protocol import PROTOCOL, SKEW
from headrace.contract.replies import Presence, decode_stats, encode_presence
from headrace.contract.scripts import read_lua
from headrace.contract.stats import QueueStats
from headrace.errors import ProtocolError
from headrace.wire.link import Link
from support.apps import slow
from support.lab import Lab
from support.polling import eventually
from support.queue_driver import QueueDriver

NEXT = PROTOCOL + 1
PRESENCE = Presence("emails-1", "v1", 10, 3, False, PROTOCOL, 5, 1234)


def test_both_languages_mean_the_same_skew() -> None:
    assert re.findall(r"^local SKEW = (\d+)$", read_lua("lib/protocol.lua"), re.MULTILINE) == [str(SKEW)]


async def joined(queue: QueueDriver, presence: bytes) -> QueueStats:
    """What the operator reads of a worker that has told `presence`."""
    await queue.run("join", "s", 30_000, presence, PROTOCOL)
    return await queue.stats()


async def test_a_shorter_presence_is_an_older_worker_s(queue: QueueDriver) -> None:
    told: list[object] = msgspec.msgpack.decode(encode_presence(PRESENCE))
    [worker] = (await joined(queue, msgspec.msgpack.encode(told[:7]))).workers
    assert (worker.worker, worker.protocol, worker.started_ms, worker.busy_ms) == ("emails-1", PROTOCOL, 5, None)


async def test_a_longer_presence_is_a_newer_worker_s(queue: QueueDriver) -> None:
    told: list[object] = msgspec.msgpack.decode(encode_presence(PRESENCE))
    [worker] = (await joined(queue, msgspec.msgpack.encode([*told, "zone-b", {"gpu": True}]))).workers
    assert (worker.worker, worker.running, worker.busy_ms) == ("emails-1", 3, 1234)


@pytest.mark.parametrize("told", [["w"], ["w", "v1", "ten", 0, False, 1, 0]], ids=str)
async def test_a_presence_beyond_understanding_is_a_mismatch_of_that_queue_alone(
    queue: QueueDriver, link: Link, told: object
) -> None:
    with pytest.raises(ProtocolError, match=r"worker session s .*upgrade the older side"):
        await joined(queue, msgspec.msgpack.encode(told))
    found = await stats_many(link, ["q", "other"])
    assert isinstance(found["q"], ProtocolError)
    assert isinstance(found["other"], QueueStats)


async def test_numbers_that_an_older_script_does_not_tell_have_defaults(queue: QueueDriver) -> None:
    told = await queue.run("stats")
    at = told.index(b"protocol")
    assert told[at + 2] == b"least_protocol"
    older = decode_stats("q", [*told[:at], *told[at + 4 :], b"yet_another", 7])
    assert (older.protocol, older.least_protocol) == (0, 0)


async def test_a_queue_remembers_the_highest_protocol_that_has_joined(queue: QueueDriver) -> None:
    assert (await queue.stats()).protocol == 0
    await queue.join("new", protocol=NEXT)
    await queue.join("old")
    await queue.leave("new")
    stats = await queue.stats()
    assert (stats.protocol, stats.least_protocol) == (NEXT, NEXT - SKEW)


async def test_a_worker_too_far_behind_is_refused(queue: QueueDriver) -> None:
    await queue.join("new", protocol=5)
    assert await queue.join("old", protocol=3) == [b"UPGRADE", 4]
    assert await queue.join("before", protocol=4) == [b"OK", queue.now_ms]
    assert {worker.protocol for worker in (await queue.stats()).workers} == {4, 5}


async def test_a_floor_above_the_skew_holds(queue: QueueDriver) -> None:
    await queue.link.request("HSET", queue.key("meta"), "min_proto", 7)
    await queue.join("new", protocol=7)
    assert await queue.join("old", protocol=6) == [b"UPGRADE", 7]
    assert (await queue.stats()).least_protocol == 7


async def test_a_worker_too_far_ahead_waits_until_the_old_ones_have_ended(queue: QueueDriver) -> None:
    await queue.join("old", protocol=3)
    assert await queue.join("new", protocol=5) == [b"AHEAD", 3]
    assert (await queue.stats()).protocol == 3, "a refusal leaves no trace"
    await queue.leave("old")
    assert await queue.join("new", protocol=5) == [b"OK", queue.now_ms]


async def test_a_dead_worker_s_past_keeps_nobody_out(queue: QueueDriver) -> None:
    await queue.join("old", protocol=3)
    await queue.advance(31_000)
    assert (await queue.join("new", protocol=5))[0] == b"OK"


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
async def test_neighbours_work_side_by_side(lab: Lab) -> None:
    lab.use(slow.fleet)
    await lab.start("slow")
    await lab.start("versioned", TEST_PROTOCOL=str(NEXT))
    jobs = [await slow.hold.enqueue(0.2) for _ in range(250)]
    await eventually(lab.idle, within=30)
    assert {lab.ended()[job.id] for job in jobs} == {1}
    stats = await lab.stats()
    assert {(worker.worker, worker.protocol) for worker in stats.workers} == {("w0", PROTOCOL), ("w1", NEXT)}
    assert len({line.worker for line in lab.runs()}) == 2, "both took part"


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
@pytest.mark.parametrize(
    ("there", "comes", "says"),
    [
        (4, 2, "queue jobs takes protocol 3 or newer, this worker speaks 2; upgrade headrace in the worker's image"),
        (2, 4, "queue jobs has workers of protocol 2, this one speaks 4; upgrade those to protocol 3 first, or wait"),
    ],
)
async def test_a_worker_that_may_not_join_says_why_in_one_line_and_ends(
    lab: Lab, there: int, comes: int, says: str
) -> None:
    await lab.start("versioned", TEST_PROTOCOL=str(there))
    refused = lab.worker("versioned", TEST_PROTOCOL=str(comes))
    lab.workers.remove(refused)  # its last line is for people
    try:
        assert await refused.launch().exit_code() == 3
    finally:
        refused.kill()
    assert refused.output().splitlines()[-1].startswith(f"headrace worker: {says}")
    assert "Traceback" not in refused.output()
    assert [worker.protocol for worker in (await lab.stats()).workers] == [there]


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
async def test_a_running_worker_that_may_not_join_again_ends_in_the_same_way(lab: Lab) -> None:
    worker = await lab.start("slow", LEASE="1s")
    lab.workers.remove(worker)
    try:
        [session] = (await lab.stats()).workers
        await lab.link.request("HSET", "hr:{jobs}:meta", "min_proto", NEXT)
        await lab.admin().control.reap_session(session.sid)
        assert await worker.exit_code() == 3
    finally:
        worker.kill()
    assert worker.output().splitlines()[-1].startswith(f"headrace worker: queue jobs takes protocol {NEXT} or newer")
    assert "Traceback" not in worker.output()


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
@pytest.mark.parametrize("task", [slow.hold, slow.hold_thread, slow.block_the_loop], ids=lambda task: str(task.name))
async def test_a_worker_tells_how_long_its_oldest_job_has_run(lab: Lab, task: slow.AnyTask) -> None:
    lab.use(slow.fleet)
    await lab.start("slow", LEASE="1s", LOOP_BLOCK_LIMIT="60s")

    async def busy_ms() -> int:
        [worker] = (await lab.stats()).workers
        assert worker.busy_ms is not None
        return worker.busy_ms

    assert await busy_ms() == 0
    job = await task.enqueue(3)
    await eventually(lambda: lab.events(job.id) == ["start"])

    async def is_long() -> bool:
        return await busy_ms() >= 1000

    await eventually(is_long)
    assert await busy_ms() < 60_000
    await eventually(lab.idle)

    async def rests() -> bool:
        return await busy_ms() == 0

    await eventually(rests)
