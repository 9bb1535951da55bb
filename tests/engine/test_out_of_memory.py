"""What the kernel's kill for want of memory costs, in a container's kind of limit."""

from __future__ import annotations

from support.apps import greedy
from support.lab import Lab
from support.memory_cgroup import MemoryCgroup
from support.polling import eventually

PATIENCE = 60.0
LIMIT = 256 * greedy.MEBIBYTE


async def test_a_child_that_takes_all_memory_costs_its_own_run_only(lab: Lab) -> None:
    lab.use(greedy.fleet)
    with MemoryCgroup(LIMIT) as cgroup:
        worker = await lab.start("greedy", WORKER_COUNT="2")
        cgroup.hold(worker.pid)
        bad = await greedy.unlimited.options(max_retries=0).enqueue(1024)
        await eventually(lab.dead, within=PATIENCE)
        good = await greedy.unlimited.enqueue(10)
        await eventually(lab.idle, within=PATIENCE)
        letters, seen = await lab.dead(), await lab.stats()
        assert cgroup.kills == 1
        assert worker.running
        assert await worker.stop() == 0
    assert {job: (letter.reason, letter.record.crashes) for job, letter in letters.items()} == {
        bad.id: ("ChildDiedError", 0)
    }
    assert [note["size"] for note in lab.notes("allocated")] == [10 * greedy.MEBIBYTE]
    assert good.id not in letters
    assert seen.crashed == 0
