"""E19: a handler in a child process gets no more memory and CPU time than its task allows, and costs nobody else."""

from __future__ import annotations

import pytest

from headrace import Fleet
from headrace.errors import ConfigError
from support.apps import greedy
from support.lab import Lab
from support.polling import eventually

PATIENCE = 60.0


async def test_memory_beyond_the_limit_is_a_memory_error(lab: Lab) -> None:
    lab.use(greedy.fleet)
    await lab.start("greedy")
    good, bad = await greedy.allocate.enqueue(50), await greedy.allocate.enqueue(400)
    await eventually(lab.dead, within=PATIENCE)
    await eventually(lab.idle, within=PATIENCE)
    dead = await lab.dead()
    assert {job: letter.reason for job, letter in dead.items()} == {bad.id: "MemoryError"}
    assert good.id not in dead
    assert [note["size"] for note in lab.notes("allocated")] == [50 * greedy.MEBIBYTE]


async def test_the_limit_is_the_task_s_and_not_the_child_s(lab: Lab) -> None:
    lab.use(greedy.fleet)
    await lab.start("greedy", WORKER_COUNT="1")
    await greedy.allocate.enqueue(50)
    await greedy.unlimited.enqueue(400)
    await eventually(lambda: len(lab.notes("allocated")) == 2, within=PATIENCE)
    first, second = lab.notes("allocated")
    assert (first["pid"], second["size"]) == (second["pid"], 400 * greedy.MEBIBYTE), "one child, two limits"


async def test_cpu_time_beyond_the_limit_ends_the_child_only(lab: Lab) -> None:
    lab.use(greedy.fleet)
    worker = await lab.start("greedy", WORKER_COUNT="1")
    bad = await greedy.compute.enqueue(10**11)
    await greedy.compute.enqueue(10)
    await eventually(lambda: lab.notes("computed"), within=PATIENCE)
    await eventually(lab.idle, within=PATIENCE)
    dead = await lab.dead()
    assert {job: letter.reason for job, letter in dead.items()} == {bad.id: "CpuLimitError"}
    assert len({note["child"] for note in lab.notes("computing")}) == 2
    assert worker.running


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"memory_limit": 2**30}, "only with process=True"),
        ({"cpu_limit": 5}, "only with process=True"),
        ({"process": True, "memory_limit": -1}, "must be more than 0"),
    ],
)
def test_bad_limits_are_refused(options: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Fleet().queue("q").task(**options)  # type: ignore[call-overload]
