"""decide as tables: one row, one sentence about scaling. The history of a row is a replay of earlier seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from headrace_operator.api.spec import Queue, Redis, Scaling, Worker, WorkerQueueSpec
from headrace_operator.core.breaker import Held
from headrace_operator.core.decide import decide
from headrace_operator.core.decision import Decision, Reason
from headrace_operator.core.history import History, Recommendation
from headrace_operator.core.observation import Observation, Stats, Totals, Unavailable, Unknown
from headrace_operator.seams.runtime import VersionState

START = 1_000_000.0
DOWN = Unavailable(Unknown.TIMED_OUT, "redis:6379 did not answer in 5 s")


def spec_of(*, replicas: int | None = None, paused: bool = False, **scaling: Any) -> WorkerQueueSpec:
    """A spec with one queue and that scaling, given as in YAML."""
    return WorkerQueueSpec(
        redis=Redis(url="redis://r"),
        queues=(Queue(name="q"),),
        worker=Worker(app="a"),
        scaling=Scaling.model_validate(scaling, by_alias=True),
        replicas=replicas,
        paused=paused,
    )


def jobs(ready: int = 0, *, due: int = 0, leased: int = 0, scheduled: int = 0) -> Totals:
    return Totals(ready=ready, due=due, leased=leased, scheduled=scheduled, startable=ready + due)


@dataclass
class Fleet:
    """Decides again and again, and remembers."""

    spec: WorkerQueueSpec
    history: History
    now: float = START
    breaker: Held | None = None

    def sees(self, stats: Stats, *, after: float = 0, **more: Any) -> Decision:
        self.now += after
        history = self.history.until(self.now)
        decision = decide(self.spec, Observation(stats, **more), history, self.now, self.breaker)
        self.history = history.after(decision, self.now)
        return decision

    def told(self, **change: Any) -> Fleet:
        self.spec = self.spec.model_copy(update=change)
        return self


def fleet(current: int, *, replicas: int | None = None, paused: bool = False, **scaling: Any) -> Fleet:
    """A fleet of `current` workers whose operator has just started."""
    return Fleet(spec_of(replicas=replicas, paused=paused, **scaling), History.begin(START, current))


DEMAND = [
    # name, current workers, what is seen, scaling, desired, reason
    ("nothing to do", 0, jobs(), {}, 0, Reason.IDLE),
    ("one job wakes one worker", 0, jobs(1), {}, 1, Reason.BACKLOG),
    ("a job fallen due counts", 0, jobs(due=1), {}, 1, Reason.BACKLOG),
    ("a job in flight counts", 0, jobs(leased=1), {}, 1, Reason.BACKLOG),
    ("a delayed job does not", 0, jobs(scheduled=1000), {}, 0, Reason.IDLE),
    ("exactly one worker's backlog", 0, jobs(100), {}, 1, Reason.BACKLOG),
    ("one job more", 0, jobs(101), {}, 2, Reason.BACKLOG),
    ("ready, due and leased together", 0, jobs(100, due=100, leased=101), {}, 4, Reason.BACKLOG),
    ("from zero by the step in pods", 0, jobs(5000), {}, 4, Reason.STEP_LIMITED),
    ("by percent where that is more", 6, jobs(5000), {"maxReplicas": 50}, 12, Reason.STEP_LIMITED),
    ("by pods where that is more", 6, jobs(5000), {"scaleUp": {"percent": 10}}, 10, Reason.MAX_REPLICAS),
    ("no more than the maximum", 9, jobs(5000), {}, 10, Reason.MAX_REPLICAS),
    ("at the maximum", 10, jobs(5000), {}, 10, Reason.MAX_REPLICAS),
    ("no fewer than the minimum", 0, jobs(), {"minReplicas": 2}, 2, Reason.MIN_REPLICAS),
    ("the minimum beats the step", 0, jobs(), {"minReplicas": 9}, 9, Reason.MIN_REPLICAS),
    ("the maximum was lowered", 10, jobs(5000), {"maxReplicas": 3}, 3, Reason.MAX_REPLICAS),
    ("a little too much", 10, jobs(1080), {"maxReplicas": 50}, 10, Reason.WITHIN_TOLERANCE),
    ("more than a little", 10, jobs(1120), {"maxReplicas": 50}, 12, Reason.BACKLOG),
    ("a little too few", 30, jobs(2750), {"maxReplicas": 50}, 30, Reason.WITHIN_TOLERANCE),
    ("no tolerance", 10, jobs(1001), {"maxReplicas": 50, "tolerance": 0}, 11, Reason.BACKLOG),
    ("as many as needed", 3, jobs(300), {}, 3, Reason.BACKLOG),
    ("unknown at zero stays at zero", 0, DOWN, {}, 0, Reason.STATS_UNAVAILABLE),
    ("unknown keeps the fleet", 7, DOWN, {}, 7, Reason.STATS_UNAVAILABLE),
    ("unknown obeys the minimum", 0, DOWN, {"minReplicas": 2}, 2, Reason.STATS_UNAVAILABLE),
    ("unknown obeys the maximum", 7, DOWN, {"maxReplicas": 5}, 5, Reason.STATS_UNAVAILABLE),
]


@pytest.mark.parametrize(
    ("name", "current", "seen", "scaling", "desired", "reason"), DEMAND, ids=[row[0] for row in DEMAND]
)
def test_demand(name: str, current: int, seen: Stats, scaling: dict[str, Any], desired: int, reason: Reason) -> None:
    decision = fleet(current, **scaling).sees(seen)
    assert (decision.desired, decision.reason) == (desired, reason), name
    assert decision.inputs.current_replicas == current


def test_the_message_explains_the_numbers() -> None:
    decision = fleet(2).sees(jobs(900, due=20, leased=120))
    assert decision.message == (
        "1040 jobs (900 ready, 20 due, 120 leased) at 100 per worker call for 11 workers; scaleUp allows 6 for now"
    )
    assert decision.limited_by == "scaling.scaleUp"


OPEN = Held("CrashLoop", START + 60)
BROKEN = [
    # name, current workers, what is seen, scaling, desired, reason
    ("no growth", 2, jobs(5000), {}, 2, Reason.BREAKER_OPEN),
    ("from zero one", 0, jobs(5000), {}, 1, Reason.BREAKER_OPEN),
    ("one is all that is called for", 0, jobs(1), {}, 1, Reason.BACKLOG),
    ("and no more", 1, jobs(150), {}, 1, Reason.BREAKER_OPEN),
    ("nobody leaves", 3, jobs(300), {}, 3, Reason.BACKLOG),
    ("but for want of work", 3, jobs(100), {"stabilizationWindowSeconds": 0}, 1, Reason.BACKLOG),
    ("the minimum is stronger", 2, jobs(), {"minReplicas": 5}, 5, Reason.MIN_REPLICAS),
    ("and is all there is", 2, jobs(5000), {"minReplicas": 5}, 5, Reason.BREAKER_OPEN),
    ("nothing more than the maximum was lost", 10, jobs(5000), {}, 10, Reason.MAX_REPLICAS),
    ("the maximum was lowered", 10, jobs(5000), {"maxReplicas": 3}, 3, Reason.MAX_REPLICAS),
    ("within the tolerance", 10, jobs(1080), {"maxReplicas": 50}, 10, Reason.WITHIN_TOLERANCE),
    ("unknown keeps the fleet", 7, DOWN, {}, 7, Reason.STATS_UNAVAILABLE),
]


@pytest.mark.parametrize(
    ("name", "current", "seen", "scaling", "desired", "reason"), BROKEN, ids=[row[0] for row in BROKEN]
)
def test_an_open_breaker(
    name: str, current: int, seen: Stats, scaling: dict[str, Any], desired: int, reason: Reason
) -> None:
    some = fleet(current, **scaling)
    some.breaker = OPEN
    decision = some.sees(seen, after=60)
    assert (decision.desired, decision.reason) == (desired, reason), name
    if reason is Reason.BREAKER_OPEN:
        assert (decision.limited_by, decision.next_eligible) == ("scaling.breaker", START + 60)
        assert decision.message.endswith(f"; the breaker is open (CrashLoop), so no more than {desired}")


def test_a_pin_is_stronger_than_an_open_breaker() -> None:
    pinned = fleet(2, replicas=7)
    pinned.breaker = OPEN
    assert (pinned.sees(jobs(5000)).desired, pinned.sees(jobs()).reason) == (7, Reason.FIXED_REPLICAS)


def test_a_step_that_allows_less_is_named_and_one_that_allows_as_much_is_not() -> None:
    some = fleet(1, maxReplicas=100)
    some.sees(jobs(10_000))
    some.breaker = OPEN
    assert some.sees(jobs(10_000), after=5).reason is Reason.BREAKER_OPEN
    some.breaker = None
    assert some.sees(jobs(10_000)).reason is Reason.STEP_LIMITED


def test_once_it_closes_growth_goes_on_in_steps() -> None:
    some = fleet(1)
    some.breaker = OPEN
    assert some.sees(jobs(5000)).desired == 1
    some.breaker = None
    assert some.sees(jobs(5000), after=100).desired == 5


def test_growth_goes_on_as_periods_pass() -> None:
    many = fleet(1, maxReplicas=100, scaleUp={"pods": 4, "percent": 100, "periodSeconds": 15})
    assert many.sees(jobs(10_000)).desired == 5
    limited = many.sees(jobs(10_000), after=5)
    assert (limited.desired, limited.reason, limited.next_eligible) == (5, Reason.STEP_LIMITED, START + 15)
    assert many.sees(jobs(10_000), after=10).desired == 10
    assert many.sees(jobs(10_000), after=15).desired == 20


def test_the_window_holds_the_highest_call() -> None:
    some = fleet(5, stabilizationWindowSeconds=60)
    some.sees(jobs(500))
    held = some.sees(jobs(100), after=10)
    assert (held.desired, held.reason, held.next_eligible) == (5, Reason.STABILIZING, START + 60)
    some.sees(jobs(300), after=20)
    assert some.sees(jobs(100), after=30).desired == 3
    assert some.sees(jobs(100), after=30).desired == 1


def test_without_window_it_shrinks_at_once() -> None:
    some = fleet(5, stabilizationWindowSeconds=0)
    assert some.sees(jobs(100), after=1).desired == 1


def test_shrinking_in_steps() -> None:
    down = {"pods": 2, "percent": 10, "periodSeconds": 60}
    some = fleet(10, stabilizationWindowSeconds=0, scaleDown=down)
    first = some.sees(jobs(100), after=1)
    assert (first.desired, first.reason) == (10, Reason.STEP_LIMITED)
    assert first.next_eligible == START + 60
    assert some.sees(jobs(100), after=59).desired == 8
    assert some.sees(jobs(100), after=30).desired == 8
    assert some.sees(jobs(100), after=30).desired == 6


def test_the_last_worker_waits_for_the_cooldown() -> None:
    one = fleet(1, cooldownSeconds=30, stabilizationWindowSeconds=0)
    one.sees(jobs(1), after=100)
    held = one.sees(jobs(), after=29)
    assert (held.desired, held.reason, held.next_eligible) == (1, Reason.COOLING_DOWN, START + 130)
    gone = one.sees(jobs(), after=1)
    assert (gone.desired, gone.reason) == (0, Reason.IDLE)


def test_a_cooldown_shorter_than_the_window_decides_the_way_to_zero() -> None:
    some = fleet(5, cooldownSeconds=30, stabilizationWindowSeconds=300)
    some.sees(jobs(500))
    assert some.sees(jobs(), after=29).desired == 5
    assert some.sees(jobs(), after=1).desired == 0


def test_a_minimum_leaves_the_way_down_to_the_window() -> None:
    some = fleet(5, minReplicas=1, cooldownSeconds=30, stabilizationWindowSeconds=300)
    some.sees(jobs(500))
    assert some.sees(jobs(), after=100).desired == 5
    assert some.sees(jobs(), after=200).desired == 1


def test_jobs_in_flight_keep_a_worker() -> None:
    one = fleet(1, cooldownSeconds=0, stabilizationWindowSeconds=0)
    assert one.sees(jobs(leased=1), after=1000).desired == 1
    assert one.sees(jobs(), after=1).desired == 0


def test_an_outage_neither_shrinks_nor_counts_as_idle() -> None:
    one = fleet(3, cooldownSeconds=60, stabilizationWindowSeconds=60)
    one.sees(jobs(300))
    one.sees(jobs(), after=10)
    for _ in range(10):
        assert one.sees(DOWN, after=30).desired == 3
    back = one.sees(jobs(), after=10)
    assert (back.desired, back.reason) == (3, Reason.STABILIZING)
    assert one.sees(jobs(), after=49).desired == 3
    assert one.sees(jobs(), after=1).desired == 0


def test_an_outage_counts_as_unknown_up_to_its_very_end() -> None:
    """Nothing is heard in it, so the last look that knew nothing may be long ago when it ends."""
    some = fleet(1, cooldownSeconds=30, stabilizationWindowSeconds=0)
    some.sees(jobs(), after=10)
    some.sees(DOWN, after=1)
    assert some.sees(jobs(), after=100).reason is Reason.COOLING_DOWN
    assert some.sees(jobs(), after=19).desired == 1
    assert some.sees(jobs(), after=2).desired == 0


def test_a_read_that_fails_now_and_then_does_not_keep_a_fleet_alive() -> None:
    one = fleet(1, cooldownSeconds=60, stabilizationWindowSeconds=0)
    for second in range(0, 150, 5):
        one.sees(DOWN if second % 20 == 0 else jobs(), after=5)
    assert one.sees(jobs(), after=5).desired == 0


def test_a_restarted_operator_assumes_work_until_now() -> None:
    again = fleet(4)
    assert again.sees(jobs(), after=299).desired == 4
    assert again.sees(jobs(), after=1).desired == 0


def test_without_history_what_runs_counts_as_current() -> None:
    running = VersionState(hash="a", desired=6, ready=6, terminating=0)
    decision = decide(spec_of(), Observation(DOWN, versions=(running,)), History.begin(START), START)
    assert decision.desired == 6


def test_a_surge_is_not_taken_for_a_decision() -> None:
    running = VersionState(hash="a", desired=7, ready=7, terminating=0)
    decision = fleet(6).sees(DOWN, versions=(running,))
    assert decision.desired == 6


PINNED: list[tuple[int, Stats]] = [(0, jobs(5, leased=5)), (3, jobs()), (50, jobs(1)), (3, DOWN)]


@pytest.mark.parametrize(("replicas", "seen"), PINNED)
def test_a_pinned_fleet_has_what_was_said(replicas: int, seen: Stats) -> None:
    decision = fleet(2, replicas=replicas).sees(seen)
    assert (decision.desired, decision.reason) == (replicas, Reason.FIXED_REPLICAS)


def test_an_unpinned_fleet_follows_its_work_again() -> None:
    pinned = fleet(9, replicas=9, stabilizationWindowSeconds=60)
    pinned.sees(jobs(200))
    assert pinned.told(replicas=None).sees(jobs(200), after=60).desired == 2


def test_paused_it_neither_grows_nor_counts_waiting_jobs() -> None:
    some = fleet(2, paused=True, cooldownSeconds=30, stabilizationWindowSeconds=0)
    assert some.sees(jobs(9000, leased=900)).desired == 2
    draining = some.sees(jobs(9000, leased=1), after=10)
    assert (draining.desired, draining.reason) == (1, Reason.PAUSED)
    assert some.sees(jobs(9000), after=29).reason is Reason.COOLING_DOWN
    empty = some.sees(jobs(9000), after=1)
    assert (empty.desired, empty.reason) == (0, Reason.PAUSED)


def test_paused_keeps_the_minimum() -> None:
    decision = fleet(5, paused=True, minReplicas=2, stabilizationWindowSeconds=0).sees(jobs(9), after=1)
    assert (decision.desired, decision.reason) == (2, Reason.PAUSED)


def test_a_queue_paused_in_redis_calls_for_nobody() -> None:
    paused = Totals(ready=900, startable=0, paused=("q",))
    assert fleet(0).sees(paused).reason is Reason.PAUSED
    one_of_two = spec_of().model_copy(update={"queues": (Queue(name="q"), Queue(name="r"))})
    half = Totals(ready=1000, startable=100, paused=("q",))
    decision = decide(one_of_two, Observation(half), History.begin(START, 0), START)
    assert (decision.desired, decision.inputs.demand) == (1, 100)


def test_a_fleet_shrinks_only_after_the_rollout() -> None:
    old = VersionState(hash="old", desired=4, ready=4, terminating=0)
    new = VersionState(hash="new", desired=1, ready=0, terminating=0)
    some = fleet(5, cooldownSeconds=0, stabilizationWindowSeconds=0)
    held = some.sees(jobs(), after=1, versions=(old, new), target="new")
    assert (held.desired, held.reason) == (5, Reason.ROLLING_OUT)
    stuck = replace(new, failing="crash loop")
    assert some.sees(jobs(), after=1, versions=(old, stuck), target="new").desired == 0


def test_a_fleet_grows_during_a_rollout() -> None:
    old = VersionState(hash="old", desired=4, ready=4, terminating=0)
    decision = fleet(4).sees(jobs(700), versions=(old,), target="new")
    assert decision.desired == 7


def test_a_queue_of_somebody_else_changes_nothing() -> None:
    decision = fleet(0, minReplicas=2).sees(jobs(500), owned_by="prod/default/mail")
    assert (decision.desired, decision.reason) == (0, Reason.OWNED_ELSEWHERE)
    assert "prod/default/mail" in decision.message


def test_recommendations_stay_few() -> None:
    some = fleet(1, maxReplicas=10_000)
    for demand in [5, 900, 300, 300, 200, 800, 100, 100]:
        some.sees(jobs(demand), after=1)
    assert some.history.recommendations == (
        Recommendation(START + 2, 9),
        Recommendation(START + 6, 8),
        Recommendation(START + 8, 1),
    )
