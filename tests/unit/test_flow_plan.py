"""E20: how the steps of a workflow become jobs and gates, as tables and as a law over any workflow."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace import Fleet, Step, group
from headrace.client.flow_plan import MOST_STORED, FlowPlan, plan_workflow
from headrace.client.steps import Chain, Group, Signature

fleet = Fleet()
queue = fleet.queue("q")


@queue.task()
async def t(*values: Any) -> None: ...


def planned(step: Step[Any], limit: int = 1000) -> FlowPlan:
    numbers = count()
    return plan_workflow(step, lambda: f"i{next(numbers)}", limit)


def test_a_call_alone_needs_no_gate() -> None:
    plan = planned(t.s(1))
    assert (len(plan.jobs), plan.gates) == (1, ())
    assert plan.jobs[0].place() == plan.jobs[0].place().__class__()


def test_a_chain_is_a_gate_between_each_two() -> None:
    plan = planned(t.s() | t.s() | t.si())
    (first, second, third), (one, two) = plan.jobs, plan.gates
    assert [(g.many, g.limit, g.starts, g.waits) for g in plan.gates] == [
        (0, 1000, (second.id,), (f"j{first.id}",)),
        (0, -1, (third.id,), (f"j{second.id}",)),
    ]
    assert [(job.takes, job.wanted) for job in plan.jobs] == [(False, True), (True, False), (False, False)]
    assert (second.place().awaits, second.place().feeds) == (one.id, two.id)
    assert plan.ends is third


def test_a_group_in_a_group_is_a_list_in_a_list() -> None:
    plan = planned(group(t.s(), group(t.s(), t.s())) | t.s())
    outer, inner = plan.gates
    a, b, c, last = plan.jobs
    assert (outer.many, outer.waits, outer.starts) == (2, (f"j{a.id}", f"g{inner.id}"), (last.id,))
    assert (inner.many, inner.waits, inner.into, inner.limit) == (2, (f"j{b.id}", f"j{c.id}"), f"{outer.id} 1", 1000)
    assert not any(job.takes for job in (a, b, c))
    assert plan.ends is last


def test_a_group_at_the_end_is_waited_for_by_nobody() -> None:
    plan = planned(t.s() | group(t.s(), t.s() | t.s()))
    assert plan.ends == [plan.jobs[1], plan.jobs[3]]
    assert [gate.many for gate in plan.gates] == [0, 0]


def test_what_is_stored_many_times_may_be_less() -> None:
    limit = 256 * 1024
    assert planned(t.s() | group(t.s() for _ in range(10)), limit).gates[0].limit == limit
    assert planned(t.s() | group(t.s() for _ in range(1000)), limit).gates[0].limit == MOST_STORED // 1000


def combined(children: st.SearchStrategy[Step[Any]]) -> st.SearchStrategy[Step[Any]]:
    several = st.lists(children, min_size=1, max_size=3)
    return several.map(_chained) | several.map(_grouped)


def _chained(parts: list[Step[Any]]) -> Step[Any]:
    return Chain(tuple(_links(parts)))


def _grouped(parts: list[Step[Any]]) -> Step[Any]:
    return Group(tuple(parts))


def _links(parts: list[Step[Any]]) -> list[Step[Any]]:
    return [link for part in parts for link in (part.links if isinstance(part, Chain) else (part,))]


WORKFLOWS = st.recursive(st.sampled_from([t.s(1), t.si(2)]), combined, max_leaves=12)


@given(WORKFLOWS)
def test_whoever_waits_is_started_by_one_gate_and_every_gate_opens_when_all_are_done(step: Step[Any]) -> None:
    plan = planned(step)
    assert [job.call for job in plan.jobs] == list(step.calls())
    gates = {gate.id: gate for gate in plan.gates}
    started = [job for gate in plan.gates for job in gate.starts]
    assert sorted(started) == sorted(job.id for job in plan.jobs if job.awaits)
    fed = [who for gate in plan.gates for who in gate.waits]
    assert sorted(fed) == sorted(
        [f"j{job.id}" for job in plan.jobs if job.feeds] + [f"g{gate.id}" for gate in plan.gates if gate.into]
    )
    done: set[str] = set()
    ready = {job.id for job in plan.jobs if job.awaits is None}
    while ready:
        done |= ready
        came = {f"j{job}" for job in done}
        while (more := {f"g{g.id}" for g in plan.gates if set(g.waits) <= came}) - came:
            came |= more
        ready = {job for gate in gates.values() if f"g{gate.id}" in came for job in gate.starts} - done
    assert done == {job.id for job in plan.jobs}, "all run"


@given(WORKFLOWS)
def test_a_result_is_wanted_where_somebody_takes_it(step: Step[Any]) -> None:
    plan = planned(step)
    for job in plan.jobs:
        gate = next((gate for gate in plan.gates if job.feeds and gate.id == job.feeds.gate.id), None)
        assert job.wanted == (gate is not None and gate.limit >= 0)


def test_steps_are_values() -> None:
    step = t.s(1) | t.s()
    assert planned(step) != planned(step)
    assert [type(link) for link in step.links] == [Signature, Signature]
    assert len((step | step).links) == 4
