"""decide under arbitrary specs and arbitrary pasts: what never happens."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from headrace_operator.api.spec import Queue, Redis, ScaleDown, ScaleUp, Scaling, Worker, WorkerQueueSpec
from headrace_operator.core.breaker import Held
from headrace_operator.core.decide import decide
from headrace_operator.core.decision import Decision
from headrace_operator.core.history import History
from headrace_operator.core.observation import Observation, Stats, Totals, Unavailable, Unknown

DOWN = Unavailable(Unknown.UNREACHABLE, "connection refused")


@st.composite
def specs(draw: st.DrawFn) -> WorkerQueueSpec:
    least = draw(st.integers(0, 12))
    scaling = Scaling(
        min_replicas=least,
        max_replicas=draw(st.integers(max(least, 1), 40)),
        backlog_per_replica=draw(st.integers(1, 200)),
        cooldown_seconds=draw(st.integers(0, 100)),
        stabilization_window_seconds=draw(st.integers(0, 100)),
        tolerance=draw(st.sampled_from([0.0, 0.1, 0.5, 0.9])),
        scale_up=ScaleUp(
            pods=draw(st.integers(1, 6)),
            percent=draw(st.sampled_from([0, 50, 100])),
            period_seconds=draw(st.integers(1, 60)),
        ),
        scale_down=ScaleDown(
            pods=draw(st.integers(1, 6)),
            percent=draw(st.sampled_from([0, 10, 50, 100])),
            period_seconds=draw(st.integers(1, 60)),
        ),
    )
    return WorkerQueueSpec(
        redis=Redis(url="redis://r"),
        queues=(Queue(name="q"),),
        worker=Worker(app="a"),
        scaling=scaling,
        paused=draw(st.booleans()),
    )


totals = st.builds(
    lambda ready, due, leased: Totals(ready=ready, due=due, leased=leased, startable=ready + due),
    st.integers(0, 3000),
    st.integers(0, 300),
    st.integers(0, 300) | st.just(0),
)
sights = st.lists(st.tuples(totals | st.just(Totals()) | st.just(DOWN), st.floats(0, 60)), min_size=1, max_size=25)
rolling = st.booleans()


@dataclass(frozen=True)
class Moment:
    now: float
    seen: Observation
    history: History
    decision: Decision


def lived(spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]) -> list[Moment]:
    """Every decision of a life that began with `current` workers."""
    now = 5000.0
    history = History.begin(now, current)
    moments = []
    for stats, seconds in life:
        now += seconds
        seen = Observation(stats)
        decision = decide(spec, seen, history, now)
        moments.append(Moment(now, seen, history, decision))
        history = history.after(decision, now)
    return moments


@given(specs(), st.integers(0, 50), sights)
def test_bounds_are_kept(spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]) -> None:
    for moment in lived(spec, current, life):
        assert spec.scaling.min_replicas <= moment.decision.desired <= spec.scaling.max_replicas


@given(specs(), st.integers(0, 50), sights)
def test_unknown_lowers_nothing(spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]) -> None:
    for moment in lived(spec, current, life):
        if moment.seen.stats is DOWN:
            before = moment.decision.inputs.current_replicas
            assert moment.decision.desired >= min(before, spec.scaling.max_replicas)
            assert moment.decision.desired in (before, spec.scaling.min_replicas, spec.scaling.max_replicas)


@given(specs(), st.integers(0, 50), sights)
def test_a_leased_job_keeps_a_worker(spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]) -> None:
    for moment in lived(spec, current, life):
        if isinstance(moment.seen.stats, Totals) and moment.seen.stats.leased:
            assert moment.decision.desired >= 1


@given(specs(), st.integers(0, 50), sights)
def test_zero_takes_a_whole_cooldown_of_known_idleness(
    spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]
) -> None:
    idle, before = 0.0, 5000.0
    for moment in lived(spec, current, life):
        elapsed, before = moment.now - before, moment.now
        if moment.decision.inputs.demand == 0:
            idle += elapsed
        elif moment.decision.inputs.demand:
            idle = 0.0
        if moment.decision.desired == 0 < moment.decision.inputs.current_replicas:
            assert idle >= spec.scaling.cooldown_seconds - 1e-6


@given(specs(), st.integers(0, 50), sights, totals, st.integers(0, 500))
def test_more_demand_never_means_fewer_workers(
    spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]], less: Totals, extra: int
) -> None:
    last = lived(spec, current, life)[-1]
    more = Totals(ready=less.ready + extra, due=less.due, leased=less.leased, startable=less.startable + extra)
    fewer, greater = (decide(spec, Observation(stats), last.history, last.now).desired for stats in (less, more))
    assert fewer <= greater


@given(specs(), st.integers(0, 50), sights)
def test_an_open_breaker_takes_growth_away_and_nothing_else(
    spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]
) -> None:
    for moment in lived(spec, current, life):
        broken = decide(spec, moment.seen, moment.history, moment.now, Held("CrashLoop", None))
        before, free = moment.decision.inputs.current_replicas, moment.decision.desired
        if isinstance(moment.seen.stats, Totals):
            assert broken.desired == min(free, max(before, spec.scaling.min_replicas, 1))
        else:
            assert broken == moment.decision
        if broken.desired != free:
            assert (broken.reason, broken.limited_by) == ("BreakerOpen", "scaling.breaker")
        else:
            assert broken.recommendation == moment.decision.recommendation


@given(specs(), st.integers(0, 50), sights)
def test_the_same_questions_get_the_same_answers(
    spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]
) -> None:
    assert lived(spec, current, life) == lived(spec, current, life)


@given(specs(), st.integers(0, 40), sights)
def test_no_period_sees_more_than_its_step(
    spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]
) -> None:
    scaling = spec.scaling
    moments = lived(spec, min(max(current, scaling.min_replicas), scaling.max_replicas), life)
    for moment in moments:
        before, after = moment.decision.inputs.current_replicas, moment.decision.desired
        if after > before:
            start = replicas_at_the_start(moments, moment, scaling.scale_up.period_seconds)
            step = max(scaling.scale_up.pods, math.ceil(start * scaling.scale_up.percent / 100))
            assert after <= start + step
        if after < before:
            start = replicas_at_the_start(moments, moment, scaling.scale_down.period_seconds)
            step = max(scaling.scale_down.pods, math.ceil(start * scaling.scale_down.percent / 100))
            assert after >= start - step


def replicas_at_the_start(moments: list[Moment], last: Moment, period: float) -> int:
    """How many workers there were when the period that ends with `last` began."""
    within = [moment for moment in moments[: moments.index(last) + 1] if last.now - moment.now < period]
    return within[0].decision.inputs.current_replicas


@given(specs(), st.integers(0, 50), sights)
def test_a_change_is_explained(spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]) -> None:
    for moment in lived(spec, current, life):
        decision = moment.decision
        assert decision.message
        assert "\n" not in decision.message
        if decision.recommendation not in (None, decision.desired):
            assert decision.limited_by
        if decision.next_eligible is not None:
            assert decision.next_eligible > moment.now


@given(specs(), st.integers(0, 50), sights)
def test_history_stays_small(spec: WorkerQueueSpec, current: int, life: list[tuple[Stats, float]]) -> None:
    for moment in lived(spec, current, life):
        replicas = [one.replicas for one in moment.history.recommendations]
        assert replicas == sorted(set(replicas), reverse=True)


@given(specs(), totals)
def test_a_steady_demand_is_met_in_the_end(spec: WorkerQueueSpec, seen: Totals) -> None:
    moments = lived(spec, spec.scaling.min_replicas, [(seen, 60.0)] * 60)
    first, last = moments[-2].decision, moments[-1].decision
    assert first.desired == last.desired
    if not spec.paused:
        want = max(spec.scaling.min_replicas, min(last.recommendation or 0, spec.scaling.max_replicas))
        assert last.desired == want or last.reason == "WithinTolerance"
