"""The gate's judgement: a table, and what holds for any evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.stats import QueueStats, VersionCounts, WorkerPresence
from headrace_operator.api.rollout import Gate, Rollout
from headrace_operator.api.status import RunCounts
from headrace_operator.core.evidence import Runs, Work, tally
from headrace_operator.core.gate import Evidence, Failed, GateReason, Passed, Verdict, Waiting, allowed_percent, judge

NOW = 1_900_000_000.0
SPEC = Rollout(gate=Gate(jobs=20, error_percent=10, timeout_seconds=60), progress_deadline_seconds=600)
FLAKY = Runs(completed=700, failed=300)


def seen(candidate: Runs | None = None, **changes: Any) -> Evidence:
    """A canary that has been ready for ten seconds, beside an old version that never fails."""
    given: dict[str, Any] = {"stable": Runs(100), "stable_ever": Runs(10_000), "ready_since": NOW - 10, **changes}
    return Evidence(candidate=candidate or Runs(), **given)


VERDICTS: list[tuple[str, Evidence | None, type[Verdict], GateReason]] = [
    ("nothing is known", None, Waiting, GateReason.STATS_UNAVAILABLE),
    ("at zero", seen(ready_since=None), Waiting, GateReason.NO_WORKER_WANTED),
    ("it starts", seen(ready_since=None, wanted_since=NOW - 599), Waiting, GateReason.CANARY_STARTING),
    ("it never does", seen(ready_since=None, wanted_since=NOW - 600), Failed, GateReason.NEVER_READY),
    ("it runs", seen(Runs(19)), Waiting, GateReason.CANARY_RUNNING),
    ("enough jobs", seen(Runs(20)), Passed, GateReason.JOBS_SUCCEEDED),
    ("a few may fail", seen(Runs(18, 2)), Passed, GateReason.JOBS_SUCCEEDED),
    ("but no more", seen(Runs(17, 3)), Failed, GateReason.JOBS_FAILED),
    ("too many of those to come failed", seen(Runs(0, 3)), Failed, GateReason.JOBS_FAILED),
    ("so far not too many", seen(Runs(0, 2)), Waiting, GateReason.CANARY_RUNNING),
    ("long after the gate", seen(Runs(880, 120)), Failed, GateReason.JOBS_FAILED),
    ("long after the gate, all well", seen(Runs(980, 20)), Passed, GateReason.JOBS_SUCCEEDED),
    ("the old one failed as often", seen(Runs(14, 6), stable_ever=FLAKY), Passed, GateReason.JOBS_SUCCEEDED),
    ("but not that often", seen(Runs(11, 9), stable_ever=FLAKY), Failed, GateReason.JOBS_FAILED),
    ("it fails too by now", seen(Runs(14, 6), stable=Runs(15, 5)), Passed, GateReason.JOBS_SUCCEEDED),
    ("two runs of the old one tell little", seen(Runs(14, 6), stable=Runs(0, 2)), Failed, GateReason.JOBS_FAILED),
    ("it crashes", seen(failing="exit code 2", crashing=True), Failed, GateReason.CRASHING),
    ("it crashes after good work", seen(Runs(50), failing="exit code 2", crashing=True), Failed, GateReason.CRASHING),
    ("a worker died", seen(Runs(5, crashed=1)), Waiting, GateReason.CANARY_RUNNING),
    ("two died", seen(Runs(5, crashed=2)), Failed, GateReason.WORKERS_DIED),
    ("of the old one as many", seen(Runs(5, crashed=2), stable=Runs(crashed=2)), Waiting, GateReason.CANARY_RUNNING),
    ("no traffic", seen(ready_since=NOW - 60), Passed, GateReason.NO_TRAFFIC),
    ("little traffic", seen(Runs(3), ready_since=NOW - 60), Passed, GateReason.NO_TRAFFIC),
    ("little traffic, some failed", seen(Runs(1, 1), ready_since=NOW - 60), Waiting, GateReason.TOO_FEW_JOBS),
    ("none, and one died", seen(Runs(crashed=1), ready_since=NOW - 60), Waiting, GateReason.TOO_FEW_JOBS),
    ("its first job runs", seen(holding=1, ready_since=NOW - 599), Waiting, GateReason.CANARY_RUNNING),
    ("and runs", seen(holding=1, ready_since=NOW - 600), Passed, GateReason.NO_TRAFFIC),
    ("its second runs", seen(Runs(1), holding=1, ready_since=NOW - 60), Passed, GateReason.NO_TRAFFIC),
    ("paused", seen(paused=True, ready_since=NOW - 999), Waiting, GateReason.QUEUES_PAUSED),
    ("paused with enough done", seen(Runs(20), paused=True), Passed, GateReason.JOBS_SUCCEEDED),
]


@pytest.mark.parametrize(("name", "evidence", "kind", "reason"), VERDICTS, ids=[row[0] for row in VERDICTS])
def test_verdict(name: str, evidence: Evidence | None, kind: type[Verdict], reason: GateReason) -> None:
    verdict = judge(SPEC, evidence, NOW)
    assert (type(verdict), verdict.reason) == (kind, reason), name
    assert verdict.message


def test_an_error_percent_of_100_lets_everything_pass() -> None:
    lenient = Rollout(gate=Gate(error_percent=100))
    assert isinstance(judge(lenient, seen(Runs(0, 20)), NOW), Passed)


def test_a_message_says_what_was_counted() -> None:
    assert judge(SPEC, seen(Runs(17, 3)), NOW).message == "3 of 20 runs failed, more than 10 % of 20"
    assert judge(SPEC, seen(Runs(1)), NOW).message == "0 of 1 run failed, judged after 20"
    assert judge(SPEC, seen(Runs()), NOW).message == "no run has ended, judged after 20"


def test_a_version_that_never_got_ready_says_what_kept_it() -> None:
    late = seen(ready_since=None, wanted_since=NOW - 600)
    assert judge(SPEC, late, NOW).message == "not ready within 600 s"
    pulling = replace(late, failing="ErrImagePull: not found")
    assert judge(SPEC, pulling, NOW).message == "not ready within 600 s: ErrImagePull: not found"


counts = st.integers(0, 200)
runs = st.builds(Runs, counts, counts, st.integers(0, 3))
times = st.one_of(st.none(), st.floats(NOW - 2_000, NOW))
specs = st.builds(
    Rollout,
    gate=st.builds(
        Gate, jobs=st.integers(1, 50), error_percent=st.integers(0, 100), timeout_seconds=st.integers(1, 600)
    ),
)
evidences = st.builds(
    Evidence,
    candidate=runs,
    stable=runs,
    stable_ever=runs,
    wanted_since=times,
    ready_since=times,
    failing=st.sampled_from((None, "exit code 1")),
    crashing=st.sampled_from((False, False, True)),
    holding=st.integers(0, 3),
    paused=st.booleans(),
)


@given(specs, evidences)
def test_nothing_passes_that_fails_more_than_is_allowed(spec: Rollout, evidence: Evidence) -> None:
    verdict = judge(spec, evidence, NOW)
    if isinstance(verdict, Passed):
        assert evidence.candidate.failed_percent <= allowed_percent(spec, evidence) + 1e-9
        assert not evidence.crashing


@given(specs, evidences, st.integers(1, 50))
def test_more_failures_never_help(spec: Rollout, evidence: Evidence, more: int) -> None:
    worse = Evidence(
        candidate=Runs(evidence.candidate.completed, evidence.candidate.failed + more, evidence.candidate.crashed),
        stable=evidence.stable,
        stable_ever=evidence.stable_ever,
        wanted_since=evidence.wanted_since,
        ready_since=evidence.ready_since,
        failing=evidence.failing,
        crashing=evidence.crashing,
    )
    if isinstance(judge(spec, evidence, NOW), Failed):
        assert isinstance(judge(spec, worse, NOW), Failed)


@given(specs, evidences, st.floats(0, 100_000))
def test_time_alone_fails_nobody_who_got_ready(spec: Rollout, evidence: Evidence, later: float) -> None:
    if evidence.ready_since is not None and not isinstance(judge(spec, evidence, NOW), Failed):
        assert not isinstance(judge(spec, evidence, NOW + later), Failed)


def stats(queue: str, *, paused: bool = False, leases: int = 0, **versions: VersionCounts) -> QueueStats:
    worker = WorkerPresence(
        sid=queue, worker="w", version="a", slots=1, running=0, draining=False, protocol=1, started_ms=0, leases=leases
    )
    return QueueStats(queue=queue, now_ms=0, paused=paused, versions=versions, workers=(worker,))


def test_the_queues_are_summed_up() -> None:
    one = stats("one", paused=True, leases=2, a=VersionCounts(completed=1, failed=2, crashed=3))
    two = stats("two", leases=1, a=VersionCounts(completed=10), b=VersionCounts(failed=1))
    assert tally([one, two]) == Work({"a": Runs(11, 2, 3), "b": Runs(0, 1)}, {"a": 3}, paused=False)
    assert tally([one]).paused
    assert tally([]) == Work()


@pytest.mark.parametrize(
    ("now", "before", "since"),
    [
        (Runs(5, 3, 1), RunCounts(completed=2, failed=3), Runs(3, 0, 1)),
        (Runs(5, 3, 1), RunCounts(completed=9), Runs(5, 3, 1)),
        (Runs(), RunCounts(completed=9, failed=1, crashed=1), Runs()),
    ],
)
def test_counts_since_a_moment_begin_anew_when_redis_lost_its_data(now: Runs, before: RunCounts, since: Runs) -> None:
    assert now.since(before) == since
    assert now.since(now.counts()) == Runs()
