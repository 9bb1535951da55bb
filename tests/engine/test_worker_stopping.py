"""E18: SIGTERM and `headrace drain`: claim nothing, finish, give back the rest uncharged, exit 0."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from headrace import State
from support.apps import slow
from support.lab import Lab
from support.polling import eventually
from support.servers import RedisServer
from support.worker_process import WorkerProcess, run_headrace

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


async def _busy(lab: Lab, *tasks: slow.AnyTask, seconds: float, **environ: str) -> tuple[WorkerProcess, list[str]]:
    """A worker with a running job of each task."""
    lab.use(slow.fleet)
    worker = await lab.start("slow", **environ)
    jobs = [(await task.enqueue(seconds)).id for task in tasks]
    await eventually(lambda: {line.job for line in lab.runs()} == set(jobs))
    return worker, jobs


async def _drain(worker: WorkerProcess, grace: str) -> tuple[int, str, str]:
    return await asyncio.to_thread(run_headrace, "drain", "--grace", grace, "--socket", str(worker.socket))


async def test_sigterm_lets_running_jobs_finish_and_claims_no_more(lab: Lab) -> None:
    worker, jobs = await _busy(lab, slow.hold, slow.hold_thread, slow.hold_process, seconds=2.5)
    worker.signal(signal.SIGTERM)
    await worker.logged("draining: claiming nothing more")
    waiting = await slow.hold.enqueue(0)
    assert await worker.exit_code() == 0
    assert lab.ended() == dict.fromkeys(jobs, 1)
    assert await waiting.state() is State.READY
    seen = await lab.stats()
    assert (seen.leased, seen.released, seen.crashed, seen.workers) == (0, 0, 0, ())


async def test_what_does_not_finish_in_time_is_given_back_uncharged(lab: Lab) -> None:
    tasks = (slow.hold, slow.hold_thread, slow.hold_process, slow.turn_sour)
    worker, jobs = await _busy(lab, *tasks, seconds=30, SHUTDOWN_TIMEOUT="300ms")
    begun = time.monotonic()
    assert await worker.stop(within=20) == 0
    assert 0.3 <= time.monotonic() - begun < 15, "the jobs would have taken 30 s"
    seen = await lab.stats()
    assert (seen.ready, seen.leased, seen.released, seen.dead) == (4, 0, 4, 0)
    details = [await lab.admin().jobs.locate(job) for job in jobs]
    assert {(detail.attempts, detail.crashes) for detail in details} == {(0, 0)}
    (child,) = (note["pid"] for note in lab.notes("holding"))
    assert not Path(f"/proc/{child}").exists()


async def test_a_handler_that_does_not_listen_is_given_back_all_the_same(lab: Lab) -> None:
    worker, (job,) = await _busy(lab, slow.stubborn, seconds=60, SHUTDOWN_TIMEOUT="0s")
    worker.signal(signal.SIGTERM)
    await eventually(lambda: lab.notes("ignored"))
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code(within=20) == 0
    seen = await lab.stats()
    assert (seen.ready, seen.leased, seen.crashed) == (1, 0, 0)
    assert lab.events(job)[:1] == ["start"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_stops_at_once(lab: Lab, number: signal.Signals) -> None:
    worker, (job,) = await _busy(lab, slow.hold, seconds=60)
    worker.signal(number)
    await worker.logged("draining: claiming nothing more")
    assert worker.running
    begun = time.monotonic()
    worker.signal(number)
    assert await worker.exit_code(within=20) == 0
    assert time.monotonic() - begun < 15, "neither its job nor its shutdown timeout"
    assert lab.events(job) == ["start", "failed"]
    seen = await lab.stats()
    assert (seen.ready, seen.released, seen.crashed) == (1, 1, 0)


async def test_an_idle_worker_stops_at_once_also_when_redis_is_away(lab: Lab) -> None:
    lab.use(slow.fleet)
    worker = await lab.start("slow")
    begun = time.monotonic()
    assert await worker.stop() == 0
    assert time.monotonic() - begun < 15, "not its shutdown timeout"
    with RedisServer() as server:
        other = lab.worker("slow", url=server.url)
        await other.start()
        server.kill()
        other.signal(signal.SIGTERM)
        await other.logged("draining: claiming nothing more")
        other.signal(signal.SIGTERM)
        assert await other.exit_code(within=20) == 0


async def test_stopping_while_redis_was_never_there(lab: Lab) -> None:
    worker = lab.worker("slow", url="redis://127.0.0.1:1/0").launch()
    await worker.logged("Redis can't be reached; trying again")
    assert await worker.stop(within=20) == 0


async def test_drain_waits_for_the_jobs_in_hand_and_claims_no_more(lab: Lab) -> None:
    worker, (job,) = await _busy(lab, slow.hold, seconds=1.5)
    draining = asyncio.create_task(_drain(worker, "20s"))
    await worker.logged("draining: claiming nothing more")
    waiting = await slow.hold.enqueue(0)
    code, out, err = await draining
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "draining, 1 jobs in hand"
    assert out.splitlines()[-1] == "drained"
    assert lab.ended() == {job: 1}
    assert await waiting.state() is State.READY

    async def seen_draining() -> bool:
        return (await lab.stats()).workers[0].draining

    await eventually(seen_draining)
    assert worker.running, "drain only drains; the end is SIGTERM's"
    assert (await _drain(worker, "20s"))[:2] == (0, "drained\n"), "again: nothing new"
    assert await worker.stop() == 0
    assert len(worker.lines("draining: claiming nothing more")) == 1


async def test_drain_gives_up_at_its_grace_and_sigterm_gives_back(lab: Lab) -> None:
    worker, (job,) = await _busy(lab, slow.hold, seconds=60, SHUTDOWN_TIMEOUT="0s")
    begun = time.monotonic()
    code, out, _ = await _drain(worker, "500ms")
    assert code == 0
    assert 0.5 <= time.monotonic() - begun < 20
    assert out.splitlines()[-1] == "gave up after 0.5 s with 1 jobs in hand; SIGTERM will give them back"
    assert lab.events(job) == ["start"]
    assert await worker.stop() == 0
    assert (await lab.stats()).released == 1


async def test_drain_says_so_when_the_worker_goes_away_or_never_was(lab: Lab) -> None:
    worker, _ = await _busy(lab, slow.hold, seconds=60)
    draining = asyncio.create_task(_drain(worker, "20s"))
    await worker.logged("draining: claiming nothing more")
    worker.kill()
    assert await draining == (1, "draining, 1 jobs in hand\n", _complaint(worker, "ended before it had drained"))
    code, _, err = await _drain(worker, "20s")
    assert (code, err) == (1, f"headrace drain: no answer from the worker at {worker.socket}: Connection refused\n")


def _complaint(worker: WorkerProcess, what: str) -> str:
    return f"headrace drain: the worker at {worker.socket} {what}\n"


async def test_drain_finds_the_only_worker_by_itself(lab: Lab) -> None:
    worker = lab.worker("slow", TMPDIR=str(lab.directory))
    del worker.environ["HEADRACE_CONTROL_SOCKET"]
    await worker.start()
    found = await asyncio.to_thread(run_headrace, "drain", environ={"TMPDIR": str(lab.directory)})
    assert found == (0, "drained\n", "")
    assert await worker.stop() == 0
    assert not list(lab.directory.glob("*.sock"))
