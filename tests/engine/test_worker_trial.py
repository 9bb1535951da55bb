"""A real worker whose version is on trial: what it fails is nobody's dead letter, and it doesn't say so either."""

from __future__ import annotations

import pytest

from support.apps import hooked
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


async def test_a_worker_on_trial_makes_no_dead_letters_and_calls_no_hook_for_them(lab: Lab) -> None:
    lab.use(hooked.fleet)
    control = lab.admin("jobs").control
    await control.put_on_trial(["new"])
    worker = await lab.start("hooked", HEADRACE_VERSION="new")
    job = await hooked.work.options(max_retries=0).enqueue("fail")
    await eventually(lambda: worker.lines("job failed on trial, given back"))
    await eventually(lambda: returned(lab))
    assert await lab.dead() == {}
    assert list((await lab.stats("jobs")).failures["new"]) == ["ValueError"]
    assert worker.lines("job is a dead letter") == []
    await control.put_on_trial([])
    await eventually(lab.dead)
    assert [note["name"] for note in lab.notes("hook") if note.get("job") == job.id][-1] == "on_dead"
    assert [note["name"] for note in lab.notes("hook") if note["name"] == "on_dead"] == ["on_dead"]
    assert len(worker.lines("job is a dead letter")) == 1


async def returned(lab: Lab) -> bool:
    versions = (await lab.stats("jobs")).versions
    return "new" in versions and versions["new"].returned > 0
