"""What tests of the replay annotation share: letters, and the end of a replay."""

from __future__ import annotations

from typing import Any, Final

from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace_operator.api.names import REPLAY_ANNOTATION, QueueKey
from headrace_operator.api.status import ReplayStatus
from headrace_operator.core.replay_request import ReplayPhase
from support.fleet_rig import Rig, until
from support.seeding import Seeder

RECORD: Final = lua_string(encode_death(DeathRecord("ValueError: again", 1, 0)))
"""Of a job that died again."""
FIXED: Final[dict[str, Any]] = {"replicas": 0}
"""A fleet without workers: replayed jobs stay where they can be counted."""


async def bury(rig: Rig, count: int, reason: str = "ValueError", queue: str = "q") -> None:
    seeder = rig.seeder(queue, sid=f"{queue}-{reason}")
    await seeder.join(slots=1000)
    for start in range(0, count, 500):
        await seeder.bury(*(f"{reason}-{i}" for i in range(start, min(start + 500, count))), reason=reason)


async def succeed(rig: Rig, count: int) -> Seeder:
    """A worker does so many jobs."""
    worker = rig.seeder(sid="w")
    await worker.join()
    ids = await worker.exchange(count)
    await worker.exchange(0, *[["done", one, worker.claim, 0] for one in ids])
    return worker


async def removed(rig: Rig, key: QueueKey) -> None:
    """Wait until the annotation is gone."""

    async def gone() -> bool:
        return REPLAY_ANNOTATION not in rig.objects.get(key).metadata.annotations

    await until("the annotation is removed", gone)


async def over(rig: Rig, key: QueueKey, phase: ReplayPhase = ReplayPhase.COMPLETED) -> ReplayStatus:
    """Wait until the annotation is gone and the replay has ended so."""
    await removed(rig, key)
    status = await rig.says(key, f"replay {phase}", lambda status: bool(status.replay and status.replay.phase == phase))
    assert status.replay is not None
    return status.replay


def reasons(rig: Rig) -> list[str]:
    return [event.reason for event in rig.objects.events if event.reason.startswith("Replay")]
