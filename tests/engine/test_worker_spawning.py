"""Jobs enqueued by jobs; ids of one's own; the correlation id that all of one origin share."""

from __future__ import annotations

import pytest

from headrace.errors import ConfigError
from support.apps import spawning
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
PARENTS = (spawning.many_leaves, spawning.leaves_by_thread, spawning.leaves_by_process)


@pytest.mark.parametrize("parent", PARENTS, ids=lambda task: task.name)
async def test_handlers_enqueue_and_the_correlation_id_goes_along(lab: Lab, parent: spawning.AnyTask) -> None:
    lab.use(spawning.fleet)
    await lab.start("spawning")
    first = await parent.options(correlation_id="request-9", meta={"tenant": "a"}).enqueue(20)
    await eventually(lambda: len(lab.notes("leaf")) == 40)
    assert sorted(note["number"] for note in lab.notes("leaf")) == list(range(40))
    assert {note["correlation"] for note in lab.notes("leaf")} == {"request-9"}
    assert {len(note["meta"]) for note in lab.notes("leaf")} == {0}
    second = await parent.enqueue(1)
    await eventually(lambda: len(lab.notes("leaf")) == 42)
    assert {note["correlation"] for note in lab.notes("leaf")[40:]} == {second.id}
    await eventually(lab.idle)
    assert first.id != second.id


async def test_a_worker_told_by_option_where_redis_is_tells_its_children(lab: Lab) -> None:
    lab.use(spawning.fleet)
    worker = lab.worker("spawning", "--redis-url", lab.url)
    worker.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"
    await worker.start()
    await spawning.leaves_by_process.enqueue(1)
    await eventually(lambda: len(lab.notes("leaf")) == 2)


async def test_a_child_s_bad_payload_is_its_parent_s_error_not_its_parent_s_payload(lab: Lab) -> None:
    lab.use(spawning.fleet)
    await lab.start("spawning")
    job = await spawning.bad_child.enqueue()
    await eventually(lab.dead)
    assert (await lab.dead())[job.id].reason == "PayloadError"


async def test_an_id_of_one_s_own_enqueues_once(lab: Lab) -> None:
    lab.use(spawning.fleet)
    task = spawning.leaf.options(job_id="order-1")
    assert [(await task.enqueue(n)).created for n in (1, 2)] == [True, False]
    await lab.start("spawning")
    await eventually(lambda: lab.notes("leaf"))
    await eventually(lab.idle)
    assert not (await task.enqueue(3)).created, "also after it is done"
    ids = await spawning.leaf.enqueue_many([{"number": 4}, {"number": 5}], job_ids=["order-1", "order-2"])
    assert ids == ["order-1", "order-2"]
    await eventually(lambda: len(lab.notes("leaf")) == 2)
    await eventually(lab.idle)
    assert [note["number"] for note in lab.notes("leaf")] == [1, 5]
    with pytest.raises(ConfigError, match="give job_ids"):
        await task.enqueue_many([{"number": 6}])
