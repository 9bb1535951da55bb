"""The gate's judgement: a table, and what holds for any evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.stats import QueueStats, VersionCounts, WorkerPresence
from headrace_operator.api.rollout import Gate, Rollout
from headrace_operator.api.status import RunCounts
from headrace_operator.core.evidence import Runs, Work, tally
from headrace_operator.core.gate import Evidence, Failed, GateReason, Passed, Verdict, Waiting, allowed_percent, judge
from headrace_operator.seams.runtime import Exit

NOW = 1_900_000_000.0
SPEC = Rollout(gate=Gate(jobs=20, error_percent=10, timeout_seconds=60), progress_deadline_seconds=600)
FLAKY = Runs(completed=700, failed=300)
STARTING, UNREACHED = GateReason.CANARY_STARTING, GateReason.REDIS_NOT_REACHED


def seen(candidate: Runs | None = None, **changes: Any) -> Evidence:
    """A canary that has been ready and in Redis for ten seconds, beside an old version that never fails."""
    given: dict[str, Any] = {"stable": Runs(100), "stable_ever": Runs(10_000), "ready_since": NOW - 10, **changes}
    given = dict.fromkeys(("ready", "present"), given["ready_since"] is not None) | given
    return Evidence(candidate=candidate or Runs(), **given)


OOM = Exit("emails-1/worker/a", "exit code 137 (OOMKilled)")
AGAIN = Exit("emails-1/worker/b", "exit code 1")
WRONG = Exit("emails-1/worker/a", "exit code 2: headrace worker: REDIS_URL: the port must be a number", final=True)
DOWN: dict[str, Any] = {"ready": False, "failing": "CrashLoopBackOff: exit code 137"}

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
    ("it ended once", seen(exits=(OOM,), ended=1, **DOWN), Waiting, GateReason.CANARY_RUNNING),
    ("before it was ready", seen(exits=(OOM,), ended=1, ready_since=None, wanted_since=NOW), Waiting, STARTING),
    ("twice", seen(exits=(OOM, AGAIN), ended=2, **DOWN), Failed, GateReason.CRASHING),
    ("the first pod is gone", seen(exits=(AGAIN,), ended=2, **DOWN), Failed, GateReason.CRASHING),
    ("twice after good work", seen(Runs(50), exits=(OOM, AGAIN), ended=2, **DOWN), Failed, GateReason.CRASHING),
    ("twice, and another is ready", seen(exits=(OOM, AGAIN), ended=2), Waiting, GateReason.CANARY_RUNNING),
    ("it can't be configured so", seen(exits=(WRONG,), ended=1, **DOWN), Failed, GateReason.CRASHING),
    ("twice, long ago", seen(Runs(50), ended=2), Passed, GateReason.JOBS_SUCCEEDED),
    ("a worker died", seen(Runs(5, crashed=1)), Waiting, GateReason.CANARY_RUNNING),
    ("two died", seen(Runs(5, crashed=2)), Failed, GateReason.WORKERS_DIED),
    ("of the old one as many", seen(Runs(5, crashed=2), stable=Runs(crashed=2)), Waiting, GateReason.CANARY_RUNNING),
    ("ready, not in Redis", seen(ready_since=None, ready=True, wanted_since=NOW - 599), Waiting, UNREACHED),
    ("all the time", seen(ready_since=None, ready=True, wanted_since=NOW - 600), Failed, GateReason.NEVER_IN_REDIS),
    ("no traffic, not in Redis", seen(ready_since=NOW - 60, present=False), Waiting, UNREACHED),
    ("little traffic, then gone", seen(Runs(3), ready_since=NOW - 60, present=False), Waiting, UNREACHED),
    ("enough, then gone", seen(Runs(20), present=False), Passed, GateReason.JOBS_SUCCEEDED),
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


REASONS = [
    ({"ValueError": 2, "KeyError": 1}, "ValueError 2, KeyError 1"),
    ({"b": 1, "a": 1, "c": 5, "d": 1, "e": 1, "other": 7}, "c 5, a 1, b 1, other 9"),
    ({"other": 3}, "other 3"),
]


@pytest.mark.parametrize(("reasons", "named"), REASONS, ids=[row[1] for row in REASONS])
def test_a_message_names_what_the_runs_failed_with_most_often(reasons: dict[str, int], named: str) -> None:
    failing = seen(Runs(0, 3), reasons=reasons)
    assert judge(SPEC, failing, NOW).message == f"3 of 3 runs failed ({named}), more than 10 % of 20"
    assert judge(SPEC, replace(failing, candidate=Runs(1)), NOW).message == "0 of 1 run failed, judged after 20"


CRASHES = [
    (seen(exits=(OOM, AGAIN), ended=2, ready=False), "exit code 1"),
    (seen(exits=(OOM, AGAIN), ended=2, **DOWN), "CrashLoopBackOff: exit code 137"),
    (seen(exits=(WRONG, AGAIN), ended=2, **DOWN), WRONG.why),
]


@pytest.mark.parametrize(("evidence", "why"), CRASHES, ids=[row[1] for row in CRASHES])
def test_a_version_that_crashes_says_how(evidence: Evidence, why: str) -> None:
    assert judge(SPEC, evidence, NOW).message == f"its workers crash: {why}"


def test_a_version_that_is_not_in_redis_says_so() -> None:
    waits = seen(ready_since=None, ready=True, wanted_since=NOW)
    assert judge(SPEC, waits, NOW).message == "none of its workers has reached Redis"
    assert judge(SPEC, waits, NOW + 600).message == "none of its workers reached Redis within 600 s"


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
    ready=st.booleans(),
    present=st.booleans(),
    failing=st.sampled_from((None, "exit code 1")),
    exits=st.sampled_from(((), (), (OOM,), (OOM, AGAIN), (WRONG,))),
    ended=st.integers(0, 2),
    holding=st.integers(0, 3),
    paused=st.booleans(),
)


@given(specs, evidences)
def test_nothing_passes_that_fails_more_than_is_allowed(spec: Rollout, evidence: Evidence) -> None:
    verdict = judge(spec, evidence, NOW)
    if isinstance(verdict, Passed):
        assert evidence.candidate.failed_percent <= allowed_percent(spec, evidence) + 1e-9
        assert evidence.ready or not any(one.final for one in evidence.exits)
        assert evidence.ready or not evidence.exits or evidence.ended < 2


@given(specs, evidences)
def test_nothing_passes_for_want_of_traffic_that_could_not_have_had_any(spec: Rollout, evidence: Evidence) -> None:
    if judge(spec, evidence, NOW).reason == GateReason.NO_TRAFFIC:
        assert evidence.present


@given(specs, evidences, st.floats(0, 100_000))
def test_a_single_exit_for_no_final_reason_fails_nobody(spec: Rollout, evidence: Evidence, later: float) -> None:
    once = replace(evidence, exits=(OOM,), ended=1)
    assert judge(spec, once, NOW + later).reason == judge(spec, replace(once, exits=(), ended=0), NOW + later).reason


@given(specs, evidences, st.integers(1, 50))
def test_more_failures_never_help(spec: Rollout, evidence: Evidence, more: int) -> None:
    runs = evidence.candidate
    worse = replace(evidence, candidate=replace(runs, failed=runs.failed + more))
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
    worker = msgspec.structs.replace(worker, expires_ms=1_001)
    gone = msgspec.structs.replace(worker, sid="gone", version="b", leases=0, expires_ms=1_000)
    return QueueStats(queue=queue, now_ms=1_000, paused=paused, versions=versions, workers=(worker, gone))


def test_the_queues_are_summed_up() -> None:
    one = stats("one", paused=True, leases=2, a=VersionCounts(completed=1, failed=2, crashed=3))
    two = stats("two", leases=1, a=VersionCounts(completed=10), b=VersionCounts(failed=1))
    one = msgspec.structs.replace(one, failures={"b": {"KeyError": 1}})
    two = msgspec.structs.replace(two, failures={"b": {"KeyError": 2, "other": 1}})
    assert tally([one, two]) == Work(
        {"a": Runs(11, 2, 3), "b": Runs(0, 1)},
        {"a": 3, "b": 0},
        paused=False,
        present=frozenset({"a"}),
        failures={"b": {"KeyError": 3, "other": 1}},
    )
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
