"""What is made of a handler's words about its progress: checked, cut, packed, read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from headrace import Context, Fleet, current_context
from headrace.brokers.capabilities import EVERY, Capabilities, Feature
from headrace.contract.progress import MOST_JOBS, Progress, Told, decode_kept, encode_told, kept_at
from headrace.errors import ConfigError
from headrace.testing import MemorySource, manual_worker
from headrace.worker.progress import told_by
from headrace.worker.run import Run

SID = "s1"


def running(*contexts: Context) -> dict[str, Run]:
    return {
        context.job_id: cast("Run", SimpleNamespace(id=context.job_id, claim="0.1", context=context))
        for context in contexts
    }


def context_of(job_id: str, sid: str = SID) -> Context:
    return Context(job_id=job_id, queue="q", task="t", sid=sid)


def read(packed: bytes) -> dict[str, Progress]:
    return {job_id: said for (job_id, _), said in decode_kept(kept_at(5000, packed)).items()}


@pytest.mark.parametrize(
    ("fraction", "kept"), [(0, 0.0), (1, 1.0), (0.4, 0.4), (1.0000000000000002, 1.0), (-1e-9, 0.0), (True, 1.0)]
)
def test_fractions(fraction: float, kept: float) -> None:
    context = context_of("a")
    context.progress(fraction)
    assert context.said is not None
    assert (context.said.fraction, type(context.said.fraction)) == (kept, float)


@pytest.mark.parametrize("fraction", [-0.01, 1.01, 40, float("nan"), float("inf")])
def test_what_is_no_fraction_is_refused_and_changes_nothing(fraction: float) -> None:
    context = context_of("a")
    context.progress(0.5, "half")
    with pytest.raises(ValueError, match="use a fraction from 0 to 1"):
        context.progress(fraction)
    assert context.said is not None
    assert context.said.message == "half"


@pytest.mark.parametrize(
    ("message", "kept"), [("x" * 500, "x" * 200), ("a\udcffb", "a?b"), (cast("Any", 17), "17"), ("", "")]
)
def test_any_message_can_be_packed(message: str, kept: str) -> None:
    context = context_of("a")
    context.progress(0.5, message)
    assert read(told_by(running(context), SID))["a"].message == kept


def test_only_runs_of_the_session_that_have_said_something_are_told() -> None:
    silent, other, talking = context_of("silent"), context_of("other", sid="s2"), context_of("talking")
    other.progress(0.1)
    talking.progress(0.1)
    talking.progress(0.2, "latest")
    unstarted = Run("unstarted", b"", "0.1", 0, 0)
    told = told_by({**running(silent, other, talking), "unstarted": unstarted}, SID)
    assert {job_id: said.fraction for job_id, said in read(told).items()} == {"talking": 0.2}
    assert told_by(running(silent, other), SID) == b""


def test_of_too_many_those_that_spoke_last_are_told() -> None:
    contexts = [context_of(f"j{i}") for i in range(MOST_JOBS + 50)]
    for context in contexts:
        context.progress(0.5)
    early = contexts[7]
    assert early.said is not None
    early._said = early.said._replace(at=early.said.at - 60)
    told = read(told_by(running(*contexts), SID))
    assert len(told) == MOST_JOBS
    assert early.job_id not in told


def test_the_time_is_the_broker_s_less_the_age() -> None:
    packed = encode_told([Told("a", "0.7", 0.25, "m", 1200)])
    assert decode_kept(kept_at(5000, packed)) == {("a", "0.7"): Progress(0.25, "m", 3800)}


@pytest.mark.parametrize("kept", [None, b"", b"x", b"12 \xc1", b"x " + encode_told([Told("a", "0.1", 0.1, "", 0)])])
def test_what_can_t_be_read_is_nothing(kept: bytes | None) -> None:
    assert decode_kept(kept) == {}


def test_what_a_newer_worker_adds_is_passed_over() -> None:
    packed = msgspec.msgpack.encode([["a", "0.1", 0.5, "m", 0, "more"]])
    assert read(packed)["a"].fraction == 0.5


def test_a_child_process_gets_a_context_that_has_said_nothing() -> None:
    context = context_of("a")
    context.progress(0.5)
    assert Context(**context.as_dict()).said is None


async def test_a_broker_that_keeps_none_refuses_it_in_one_line() -> None:
    refused: list[str] = []
    fleet = Fleet()

    @fleet.queue("q").task()
    async def work() -> None:
        try:
            current_context().progress(0.5)
        except ConfigError as error:
            refused.append(str(error))

    source = MemorySource(capabilities=Capabilities("small", EVERY - {Feature.PROGRESS, Feature.PROCESSES}))
    async with manual_worker(fleet, broker=source) as worker:
        job = await work.enqueue()
        assert await worker.drain_now() == 1
        with pytest.raises(ConfigError, match=r"^job\.progress\(\) needs progress of running jobs; the small broker"):
            await job.progress()
    assert refused == ["context.progress() needs progress of running jobs; the small broker has none of that"]
