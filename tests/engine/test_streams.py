"""Redis Streams under real workers, by their URL, and what is in the streams then."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace import Fleet, QueueFullError, State, group
from headrace.brokers.capabilities import Feature
from headrace.brokers.layout import STREAMS
from headrace.brokers.protocol import Broker
from headrace.brokers.sources import source_of
from headrace.contract.keys import key
from headrace.errors import ConfigError
from headrace.testing.conformance import Seat, entry, presence
from headrace.wire.link import Link
from headrace.worker.settings import load_settings
from support.apps import everything, flows
from support.cli import Cli
from support.polling import eventually
from support.streams_state import ready_lines, streams_url
from support.worker_process import WorkerProcess

LONG = 60.0
ONE = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@pytest.fixture
async def broker(redis_url: str) -> AsyncIterator[Broker]:
    opened = source_of(streams_url(redis_url)).open("test")
    yield opened
    await opened.close()


async def seat(broker: Broker, queue: str = "q") -> Seat:
    sid = secrets.token_hex(8)
    assert (await broker.join(queue, sid, 600_000, presence(), b"")).status == b"OK"
    return Seat(broker, queue, sid)


def worker(app: str, redis_url: str, directory: Path) -> WorkerProcess:
    files = {"TEST_LEDGER": str(directory / "ledger"), "TEST_NOTES": str(directory / "notes")}
    return WorkerProcess(f"support.apps.{app}", streams_url(redis_url), directory / app, **files)


async def used_up(link: Link, queue: str = "jobs") -> bool:
    """No entry and no consumer with any; the index is empty."""
    lines = await ready_lines(link, queue)
    return not any(lines.values()) and not await link.request("EXISTS", key(queue, "streams:at"))


# -- workers


async def test_workers_do_all_that_sorted_sets_can(redis_url: str, link: Link, tmp_path: Path) -> None:
    running = await worker("everything", redis_url, tmp_path).start()
    try:
        async with everything.fleet as fleet:
            fleet.connect_to(streams_url(redis_url))
            doubled = [await everything.double.enqueue(n) for n in range(20)]
            assert [await job.result(LONG) for job in doubled] == [2 * n for n in range(20)]
            served = [await everything.serve.enqueue(n % 2) for n in range(10)]
            lucky = await everything.third_time_lucky.options(priority="high").enqueue()
            late = await everything.only.options(delay=0.2, job_id="mine").enqueue("a")
            doomed = await everything.doomed.enqueue()

            async def all_done() -> bool:
                return {await job.state() for job in (*served, lucky, late)} == {State.DONE}

            await eventually(all_done, within=LONG)
            assert await dead(fleet, doomed.id) == ["ValueError"]
        assert await used_up(link)
        assert await running.stop() == 0
    finally:
        running.kill()


async def dead(fleet: Fleet, job_id: str) -> list[str]:
    async def letters() -> list[str]:
        return [one.reason for one in await fleet.broker.dead_letters("jobs", 10) if one.id == job_id]

    found: list[str] = await eventually(letters, within=LONG)
    return found


@ONE
async def test_steps_of_a_workflow_and_child_processes(redis_url: str, link: Link, tmp_path: Path) -> None:
    running = await worker("flows", redis_url, tmp_path).start()
    try:
        async with flows.fleet as fleet:
            fleet.connect_to(streams_url(redis_url))
            await eventually(lambda: said(link), within=LONG)
            flow = await (flows.number.s(1) | flows.add.s() | flows.in_child.s() | flows.add.s(more=10)).enqueue()
            assert await flow.result(LONG) == 14
            many = await (group(flows.number.s(n) for n in range(5)) | flows.total.s()).enqueue()
            assert await many.result(LONG) == 10
        assert await used_up(link)
    finally:
        running.kill()


async def said(link: Link) -> bool:
    """Which of its tasks keep results."""
    return bool(await link.request("EXISTS", key("jobs", "streams:keep")))


# -- what is in the streams


async def test_sessions_are_consumers_and_leases_are_pending(broker: Broker, link: Link) -> None:
    await broker.enqueue("q", "p", 1, 60_000, [entry(job_id) for job_id in "abc"])
    one, other = await seat(broker), await seat(broker)
    assert await one.ids(2) == ["a", "b"]
    assert await other.ids(2) == ["c"]
    stream = key("q", "streams:ready:default")
    count, _, _, consumers = await link.request("XPENDING", stream, "fleet")
    assert (count, dict(consumers)) == (3, {one.sid.encode(): b"2", other.sid.encode(): b"1"})
    await one.exchange(0, ("done", "a", "0.1"))
    assert await link.request("XLEN", stream) == 2
    assert await broker.leave("q", one.sid) == 1
    assert await other.ids(2) == ["b"]
    consumers = await link.request("XINFO", "CONSUMERS", stream, "fleet")
    assert one.sid.encode() not in {consumer[1] for consumer in consumers}


async def test_stats_know_since_when_the_first_job_waits(broker: Broker) -> None:
    assert (await broker.stats("q")).oldest_ready_ms is None
    await broker.enqueue("q", "p", 1, 60_000, [entry("a")])
    first = (await broker.stats("q")).oldest_ready_ms
    assert first is not None
    await asyncio.sleep(0.01)
    await broker.enqueue("q", "p", 2, 60_000, [entry("b")])
    assert (await broker.stats("q")).oldest_ready_ms == first
    session = await seat(broker)
    reply = await session.exchange(1)
    second = (await broker.stats("q")).oldest_ready_ms
    assert second is not None
    assert second > first
    await session.exchange(0, ("release", "a", "0.1", str(int(reply.ready_us[0])), 0))
    stats = await broker.stats("q")
    assert (stats.ready, stats.oldest_ready_ms) == (2, first)


async def test_what_others_put_into_a_stream_is_thrown_away(broker: Broker, link: Link) -> None:
    stream = key("q", "streams:ready:default")
    await link.request("XADD", stream, "*", "what", "is this")
    await broker.enqueue("q", "p", 1, 60_000, [entry("a")])
    session = await seat(broker)
    assert [await session.ids(1), await session.ids(1)] == [[], ["a"]]
    assert await link.request("XLEN", stream) == 1


async def test_what_others_have_claimed_goes_back_when_the_session_ends(broker: Broker, link: Link) -> None:
    await broker.enqueue("q", "p", 1, 60_000, [entry("a"), entry("b")])
    session = await seat(broker)
    await session.ids(1)
    await link.request("XREADGROUP", "GROUP", "fleet", session.sid, "STREAMS", key("q", "streams:ready:default"), ">")
    await broker.leave("q", session.sid)
    assert await (await seat(broker)).ids(2) == ["a", "b"]


@pytest.mark.parametrize(
    ("command", "again"), [(("XACK", "{}", "fleet", "*"), ["a"]), (("XGROUP", "DESTROY", "{}", "fleet"), ["a", "b"])]
)
async def test_what_others_take_from_the_group_runs_again(
    broker: Broker, link: Link, command: tuple[str, ...], again: list[str]
) -> None:
    await broker.enqueue("q", "p", 1, 60_000, [entry("a"), entry("b")])
    one, other = await seat(broker), await seat(broker)
    assert [await one.ids(1), await other.ids(1)] == [["a"], ["b"]]
    stream = key("q", "streams:ready:default")
    [(first, _), _] = await link.request("XRANGE", stream, "-", "+")
    await link.request(*(first if word == "*" else word.format(stream) for word in command))
    await broker.leave("q", one.sid)
    assert await (await seat(broker)).ids() == again


async def test_a_queue_of_the_same_name_in_sorted_sets_is_another(redis_url: str, broker: Broker) -> None:
    sets = source_of(redis_url).open("test")
    await sets.enqueue("q", "p", 1, 60_000, [entry("a")])
    await broker.enqueue("q", "p", 1, 60_000, [entry("b")])
    assert await (await seat(broker)).ids() == ["b"]
    assert await (await seat(sets)).ids() == ["a"]
    await sets.close()


# -- the URL


@ONE
async def test_a_queue_may_be_no_longer_than_its_url_says_and_nothing_is_trimmed(redis_url: str) -> None:
    async with Fleet(streams_url(redis_url) + "?max_length=3") as fleet:
        task = fleet.queue("q").task(name="t")(everything.only.handler)
        for name in "abc":
            await task.enqueue(name)
        with pytest.raises(QueueFullError) as refused:
            await task.enqueue("d")
        assert (refused.value.limit, refused.value.room) == (3, 0)
        stats = await fleet.broker.stats("q")
        assert (stats.ready, stats.enqueued) == (3, 3)
    async with Fleet(streams_url(redis_url) + "?max_length=0") as fleet:
        await fleet.queue("q").task(name="t")(everything.only.handler).enqueue("d")


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("redis+streams://u:hunter2@h:1/2", "redis+streams://u:***@h:1/2"),
        ("redis+streams://h?max_length=5&db=3", "redis+streams://h:6379/3"),
        ("rediss+streams://h", "rediss+streams://h:6379/0"),
        ("redis+cluster+streams://a,b", "redis+cluster+streams://a:6379,b:6379"),
        ("redis+sentinel+streams://a/m", "redis+sentinel+streams://a:26379/m/0"),
        ("unix+streams:///s", "unix+streams:///s?db=0"),
    ],
)
def test_any_redis_url_may_say_streams(url: str, redacted: str) -> None:
    source = source_of(url)
    assert (source.redacted, source.capabilities) == (redacted, STREAMS.capabilities)
    settings, _ = load_settings({"REDIS_URL": url})
    assert settings.redis_url == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+streams://h?max_length=many", r"REDIS_URL: max_length must be a number of jobs, 0 for any .* 'many'"),
        ("redis+streams://h:x", r"REDIS_URL: the port must be a number from 1 to 65535"),
        ("nats+streams://h", r"REDIS_URL: unknown scheme 'nats'"),
    ],
)
def test_a_wrong_url_gets_one_line(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{says}"):
        load_settings({"REDIS_URL": url})


@ONE
def test_the_operator_s_commands_are_refused_in_one_line(cli: Cli, redis_url: str) -> None:
    assert STREAMS.capabilities.lacking == {Feature.OPERATOR}
    ran = cli("pause", "q", "--redis-url", streams_url(redis_url))
    assert ran.code == 2
    assert "this command needs an operator's commands" in ran.err
    assert "the Redis Streams broker has none of that" in ran.err
