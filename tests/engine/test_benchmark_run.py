"""One short run of each kind against a real server: the figures' plumbing, not the figures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from benchmarks.catalogue import CEILING, OURS, engine_named
from benchmarks.depth import BESIDE, QUEUE, STATES, costs
from benchmarks.run import Case, measure
from benchmarks.scenarios import Aof, Load, Scenario, Section
from benchmarks.server import Server, running_server
from benchmarks.toolchains import ready

from headrace.contract.keys import key
from headrace.wire.blocking import BlockingConnection
from headrace.wire.target import parse_target

JOBS = 400


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(None) as server:
        yield server


def case(name: str, scenario: Scenario) -> Case:
    engine = engine_named(name)
    assert engine is not None
    return Case(ready(engine), scenario)


def test_a_run_measures_rates_latency_memory_start_and_cpu(server: Server) -> None:
    throughput = case(OURS, Scenario(Section.THROUGHPUT))
    sample = measure(throughput, server, Load(JOBS, JOBS), singles=5, awaited=True)
    assert min(sample.enqueue_per_s, sample.consume_per_s, sample.start_ms, sample.rss_mb, sample.rss_warm_mb) > 0
    assert sample.awaited_per_s
    assert min(sample.worker_us, sample.redis_us) > 0
    assert len(sample.latencies_ms) == 5
    assert min(sample.latencies_ms) > 0


def test_two_workers_measure_their_own_jobs_on_one_queue(server: Server) -> None:
    scaling = case(OURS, Scenario(Section.SCALING, job_ms=10, workers=2))
    assert measure(scaling, server, Load(100 * JOBS, JOBS)).consume_per_s > 0  # enough for the one that starts later


def test_the_ceiling_runs_on_an_append_only_file_which_is_gone_afterwards(server: Server) -> None:
    measure(case(CEILING, Scenario(Section.DURABILITY, aof=Aof.ALWAYS)), server, Load(JOBS, JOBS))
    assert server.info("persistence")["aof_enabled"] == "1"
    server.persist(Aof.OFF)
    assert server.info("persistence")["aof_enabled"] == "0"


def test_depth_has_a_cost_for_each_state_and_loses_nothing(server: Server) -> None:
    found = costs(server, [1_000], lambda _: None)
    assert [cost.state for cost in found] == list(STATES)
    assert all(cost.redis_us > 0 for cost in found)
    with contextlib.closing(BlockingConnection(parse_target(server.url), 5.0, "test")) as connection:
        names = [key(QUEUE, name) for name in ("dead", "ready:default")]
        assert connection.pipeline([("ZCARD", name) for name in names]) == [1_000, BESIDE]
