"""What the operator and people tell a queue and its workers: pause, cordon, sleep, reap, claim ownership."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from headrace.admin.handle import QueueHandle
from headrace.contract.protocol import CHUNK, OWNERSHIP_MS, TRIAL_MS
from headrace.contract.replies import decode_stats
from headrace.errors import ConfigError


class Control:
    """Commands to one queue. Each is idempotent and raises QueueUnavailableError when Redis can't serve."""

    def __init__(self, handle: QueueHandle) -> None:
        self._handle = handle

    async def pause(self) -> bool:
        """Workers claim nothing more; what runs goes on. True when the queue was running."""
        return bool(await self._handle.run("pause"))

    async def resume(self) -> bool:
        """Workers claim again. True when the queue was paused."""
        return bool(await self._handle.run("resume"))

    async def set_limit(self, limit: int | None) -> None:
        """At most so many jobs may wait (ready, scheduled or parked): an enqueue beyond it is refused. None: no limit.

        Retries, replays and what workers give back always find room. Raises ConfigError.
        """
        if limit is None:
            await self._handle.request("HDEL", "meta", "limit")
        elif limit < 1:
            raise ConfigError(f"limit: must be 1 or more jobs, got {limit}; to let nothing run, pause the queue")
        else:
            await self._handle.request("HSET", "meta", "limit", limit)

    async def limit(self) -> int | None:
        """How many jobs may wait; None: any number."""
        kept: bytes | None = await self._handle.request("HGET", "meta", "limit")
        return None if kept is None else int(kept)

    async def purge(self, *, on_progress: Callable[[int], None] | None = None) -> int:
        """Call off every job that waits now, ready, scheduled or parked; says how many. Running and dead jobs stay,
        and so do those of their workflows that wait for them.

        In steps of CHUNK jobs, and no more than waited at the start: producers that go on don't keep it going.
        `on_progress` is told after each step how many are off.
        """
        stats = decode_stats(self._handle.queue, await self._handle.run("stats"))
        waiting = stats.ready + stats.held + stats.due + stats.scheduled + stats.parked + stats.awaiting
        purged = 0
        while purged < waiting:
            removed = int(await self._handle.run("purge", min(CHUNK, waiting - purged)))
            if not removed:
                break
            purged += removed
            if on_progress is not None:
                on_progress(purged)
        return purged

    async def cordon(self, sids: Sequence[str], ttl_ms: int) -> Mapping[str, int]:
        """Give these sessions no more jobs for `ttl_ms` (0: give again); says how many jobs each still holds."""
        if not sids:
            return {}
        leases = await self._handle.run("cordon", ttl_ms, *sids)
        return dict(zip(sids, leases, strict=True))

    async def put_on_trial(self, versions: Sequence[str]) -> None:
        """For TRIAL_MS these versions, and no others, charge no job for a failed run or a crash; none ends it."""
        await self._handle.run("trial", TRIAL_MS if versions else 0, *versions)

    async def sleep(self) -> bool:
        """Ask for a message on the `signal` channel at the next work. False: there is work already."""
        return bool(await self._handle.run("sleep"))

    async def reap_session(self, sid: str) -> int:
        """Take the jobs of a session whose process is known to be gone; says how many were moved."""
        return int(await self._handle.run("reap_session", sid))

    async def claim_ownership(self, owner: str) -> str:
        """Claim the queue for `cluster/namespace/name`, for OWNERSHIP_MS; says who has it after the call."""
        reply: bytes = await self._handle.run("own_queue", owner, "claim", OWNERSHIP_MS)
        return reply.decode()

    async def release_ownership(self, owner: str) -> str:
        """Give the queue up if `owner` has it; says who has it after the call, '' for nobody."""
        reply: bytes = await self._handle.run("own_queue", owner, "release", 0)
        return reply.decode()

    @property
    def signal_channel(self) -> str:
        """The channel to subscribe to, see wire/subscription.py."""
        return self._handle.key("signal")
