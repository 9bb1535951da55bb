"""A fleet on the rig that is in the middle of a trial, with workers of each version played by the test."""

from __future__ import annotations

from typing import Any

from headrace_operator.api.names import QueueKey
from headrace_operator.api.status import RolloutStatus
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.seams.runtime import VersionState
from support.fleet_rig import GATED, Rig, until
from support.queue_driver import QueueDriver

LASTING = {"gate": {"jobs": 5, "timeoutSeconds": 300}}
NO_PATIENCE = {"gate": {"jobs": 5, "timeoutSeconds": 1}, "progressDeadlineSeconds": 1}


class Trial:
    """A fleet of `count` workers of one version, and whatever replaces it."""

    def __init__(self, url: str) -> None:
        self.rig = Rig(url, GATED)
        self.queue = QueueDriver(self.rig.link)
        self.key = QueueKey("default", "emails")
        self.jobs = 0

    def apply(self, release: str, *, rollout: dict[str, Any] | None = None, **spec: Any) -> None:
        self.key = self.rig.apply(worker={"app": release}, rollout=rollout or LASTING, **spec)

    async def begun(self, *, replicas: int = 3) -> None:
        """The first version serves, the second is on trial."""
        self.apply("one", replicas=replicas)
        await self.rig.reason(self.key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        self.apply("two", replicas=replicas)
        await self.rig.reason(self.key, ConditionType.PROGRESSING, ConditionReason.CANARY)
        await self.has(one=replicas, two=1)

    async def version(self, app: str) -> VersionState | None:
        found = await self.rig.runtime.versions(self.key)
        return next((one for one in found if one.app == app), None)

    async def hash_of(self, app: str) -> str:
        found = await self.version(app)
        assert found is not None
        return found.hash

    async def counts(self) -> dict[str, int]:
        return {one.app: one.desired for one in await self.rig.runtime.versions(self.key)}

    async def has(self, **counts: int) -> None:
        """Wait for so many workers of each version that exists."""

        async def is_so() -> bool:
            return await self.counts() == counts

        await until(f"the versions are {counts}", is_so)

    async def work(self, app: str, count: int, kind: str = "done", sid: str = "") -> None:
        """So many new jobs are run by a worker of that version, one after the other."""
        version = await self.hash_of(app)
        sid = sid or f"s-{version}"
        await self.queue.join(sid, version=version)
        for _ in range(count):
            self.jobs += 1
            job_id = f"j{self.jobs}"
            await self.queue.enqueue([job_id])
            got = await self.queue.exchange(sid, 1, version=version)
            assert got.ids == (job_id,)
            match kind:
                case "done":
                    await self.queue.exchange(sid, done=got.done, version=version)
                case "bury":
                    bury = ("bury", job_id, got.claim, "t", "ValueError", "record", "print", "traceback", 1)
                    await self.queue.exchange(sid, others=[bury], version=version)
                case "crash":
                    await self.queue.run("reap_session", sid)
                    await self.queue.join(sid, version=version)
                    await self.queue.cancel(job_id)

    async def rollout(self) -> RolloutStatus:
        status = self.rig.status(self.key)
        assert status is not None
        assert status.rollout is not None
        return status.rollout

    async def rolled_back(self) -> RolloutStatus:
        await self.rig.reason(self.key, ConditionType.PROGRESSING, ConditionReason.ROLLED_BACK)
        return await self.rollout()

    async def marked(self) -> tuple[str, ...]:
        return (await self.rig.admin().stats()).trial

    async def unmarked(self) -> None:
        async def is_so() -> bool:
            return not await self.marked()

        await until("no version is on trial", is_so)

    @property
    def told(self) -> list[str]:
        return [event.reason for event in self.rig.objects.events]
