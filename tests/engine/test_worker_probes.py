"""E21, E22: probes and metrics of a real worker, in good times and bad."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from collections.abc import AsyncIterator

import pytest

from support.apps import failing, kinds, slow
from support.exposition import families, samples, value
from support.lab import Lab
from support.polling import eventually
from support.ports import free_ports
from support.servers import RedisServer
from support.wire_proxy import Faults, WireProxy
from support.worker_process import WorkerProcess

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

NAMES = {
    "worker_jobs_processed",
    "worker_job_duration_seconds",
    "tasks_scheduled",
    "tasks_running",
    "tasks_completed",
    "tasks_failed",
    "tasks_cancelled",
    "task_latency_seconds",
    "queue_depth",
    "retry_count",
    "dead_letters",
    "worker_lease_losses",
    "worker_loop_lag_seconds",
}


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[WireProxy]:
    async with WireProxy(redis_server.port) as running:
        yield running


async def _probe(worker: WorkerProcess, path: str, status: int, *, within: float) -> None:
    async def answers() -> bool:
        return await worker.status(path) == status

    await eventually(answers, within=within)


async def test_a_healthy_worker_answers_every_probe(lab: Lab) -> None:
    worker = await lab.start("kinds")
    await _probe(worker, "/startedz", 200, within=20)
    assert [await worker.status(path) for path in ("/livez", "/readyz")] == [200, 200]
    assert (await worker.http("/nothing")).text == "there are /livez, /readyz, /startedz, /metrics and POST /drain\n"
    assert (await worker.http("/drain")).status == 405


async def test_metrics_have_their_names_and_count(lab: Lab) -> None:
    lab.use(failing.fleet)
    worker = await lab.start("failing")
    await failing.echo.enqueue("x")
    job = await failing.fail_until.options(max_retries=1).enqueue(5)
    await failing.later.options(delay=3600).enqueue(1, True)
    await eventually(lab.dead)
    reply = await worker.http("/metrics")
    assert reply.status == 200
    assert {family.name for family in families(reply.kind, reply.text)} >= NAMES
    found = samples(reply.kind, reply.text)
    assert value(found, "worker_jobs_processed_total", job_type="echo", status="success") == 1
    assert value(found, "worker_jobs_processed_total", job_type="fail_until", status="error") == 2
    assert value(found, "retry_count_total", queue="jobs", task="fail_until") == 1
    assert value(found, "tasks_failed_total", queue="jobs", task="fail_until") == 2
    assert value(found, "worker_job_duration_seconds_count", queue="jobs", task="echo") == 1
    assert value(found, "tasks_scheduled_total") == 3
    assert value(found, "dead_letters", queue="jobs") == 1
    assert value(found, "queue_scheduled", queue="jobs") == 1
    assert job.id not in reply.text
    openmetrics = await worker.http("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.kind.startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


async def test_metrics_ask_for_their_token_and_nothing_else_does(lab: Lab) -> None:
    worker = await lab.start("kinds", METRICS_TOKEN="s3cret")
    await _probe(worker, "/startedz", 200, within=20)
    assert await worker.status("/metrics") == 401
    assert (await worker.http("/metrics", Authorization="Bearer wrong")).status == 401
    assert (await worker.http("/metrics", Authorization="Bearer s3cret")).status == 200
    assert await worker.status("/livez") == 200


async def test_drain_by_http_is_for_loopback(lab: Lab) -> None:
    lab.use(slow.fleet)
    worker = await lab.start("slow", METRICS_HOST="0.0.0.0")
    await _probe(worker, "/startedz", 200, within=20)
    outside = _own_address()
    assert (await worker.http("/livez", host=outside)).status == 200
    if not outside.startswith("127."):
        assert (await worker.http("/drain", "POST", host=outside)).status == 403
        assert await worker.status("/readyz") == 200
    assert (await worker.http("/drain", "POST")).status == 202
    await worker.logged("draining: claiming nothing more")
    assert await worker.status("/readyz") == 503
    assert await worker.status("/startedz") == 200
    assert await worker.stop() == 0


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which address would be used
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


async def test_a_blocked_loop_is_not_alive_and_comes_back(lab: Lab) -> None:
    lab.use(slow.fleet)
    worker = await lab.start("slow", LOOP_BLOCK_LIMIT="1s", LEASE="30s")
    await _probe(worker, "/livez", 200, within=20)
    await slow.block_the_loop.enqueue(8)
    await _probe(worker, "/livez", 503, within=20)
    await _probe(worker, "/livez", 200, within=20)


async def test_an_outage_shows_in_readyz_and_nowhere_else_and_ends_by_itself(lab: Lab) -> None:
    lab.use(kinds.fleet)
    with RedisServer(aof="always") as server:
        worker = await lab.start("kinds", url=server.url)
        await _probe(worker, "/readyz", 200, within=20)
        server.stop()
        stopped = time.monotonic()
        await _probe(worker, "/readyz", 503, within=20)
        assert 3 < time.monotonic() - stopped < 15
        assert [await worker.status(path) for path in ("/startedz", "/livez")] == [200, 200]
        assert await worker.status("/metrics") == 200, "its own numbers, without the queue's"
        server.start()
        await _probe(worker, "/readyz", 200, within=20)
        assert await worker.stop() == 0


async def _consumes(lab: Lab, within: float = 20) -> float:
    """Seconds until a job enqueued now (not through the faulty wire) has run."""
    before, begun = len(lab.ended()), time.monotonic()
    await kinds.in_loop.enqueue("t", 0)
    await eventually(lambda: len(lab.ended()) > before, within=within)
    return time.monotonic() - begun


async def test_consuming_again_after_its_connections_were_cut(lab: Lab, proxy: WireProxy) -> None:
    lab.use(kinds.fleet)
    await lab.start("kinds", url=proxy.url)
    await _consumes(lab)
    for _ in range(3):
        # both lanes; the idle one comes back with its next look, the standing one at once
        await eventually(lambda: proxy.connections >= 2)
        proxy.cut_all()
        await _consumes(lab)


@pytest.mark.parametrize("seconds", [1.0, 7.0])
async def test_consuming_again_after_a_black_hole(lab: Lab, proxy: WireProxy, seconds: float) -> None:
    lab.use(kinds.fleet)
    worker = await lab.start("kinds", url=proxy.url)
    await _consumes(lab)
    proxy.faults = Faults(blackhole=True)
    if seconds > 5:
        await _probe(worker, "/readyz", 503, within=20)
    await asyncio.sleep(seconds if seconds < 5 else 0.5)  # the fault's own length
    proxy.faults = Faults()
    await _consumes(lab)
    await _probe(worker, "/readyz", 200, within=20)


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_consuming_again_after_a_restart_of_redis(lab: Lab, how: str) -> None:
    with RedisServer(aof="always") as server:
        lab.use(kinds.fleet)
        kinds.fleet.connect_to(server.url)
        await lab.start("kinds", url=server.url)
        await _consumes(lab)
        server.stop() if how == "stop" else server.kill()
        server.start()
        await _consumes(lab)


async def test_consuming_again_after_redis_has_forgotten_everything(lab: Lab) -> None:
    """No persistence, or FLUSHALL: sessions and scripts are gone as well."""
    lab.use(kinds.fleet)
    worker = await lab.start("kinds")
    await _consumes(lab)
    await lab.link.request("FLUSHALL")
    await lab.link.request("SCRIPT", "FLUSH")
    await _consumes(lab)
    assert len(worker.lines("the lease was lost; starting a new session")) <= 1


async def test_a_redis_that_is_away_at_start_does_not_look_like_a_dead_worker(lab: Lab) -> None:
    port, nobody = free_ports(2)
    worker = lab.worker("kinds", url=f"redis://127.0.0.1:{nobody}/0", METRICS_PORT=str(port)).launch()

    def ask(path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status

    async def answers() -> bool:
        try:
            return await asyncio.to_thread(ask, "/livez") == 200
        except OSError:
            return False

    await eventually(answers, within=10)
    assert [await asyncio.to_thread(ask, path) for path in ("/startedz", "/readyz")] == [503, 503]
    assert await worker.stop() == 0
