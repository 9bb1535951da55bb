"""LocalRuntime: the Runtime whose workers are processes of this machine."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headrace_operator.api.names import QueueKey
from headrace_operator.runtimes.local.environment import worker_environment
from headrace_operator.runtimes.local.worker import BACKOFF_BASE, LocalWorker, Recipe
from headrace_operator.seams.errors import VersionNotFoundError
from headrace_operator.seams.runtime import VersionSpec, VersionState, WorkerPhase, WorkerState

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """Where and how local workers run."""

    redis_url: str
    """For all of them, whatever their specs say."""
    folder: Path
    """Their working directory, importable."""
    sockets: Path
    """A private folder for control sockets; its path must be short."""
    environ: Mapping[str, str]
    """What they inherit."""


@dataclass
class _Version:
    spec: VersionSpec
    created: float
    desired: int = 0


@dataclass
class _Fleet:
    versions: dict[str, _Version] = field(default_factory=dict)
    workers: list[LocalWorker] = field(default_factory=list)
    """Oldest first."""


class LocalRuntime:
    """Its processes live in the task group that it is given, and never longer than this process."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        settings: LocalSettings,
        *,
        code_of: Callable[[str], Sequence[Path]] = lambda _version: (),
    ) -> None:
        """`code_of`: folders to import a version's code from, before the working directory."""
        self.on_change: Callable[[QueueKey], None] = lambda _key: None
        """Hears that a worker's phase has changed, or that it is gone."""
        self.on_line: Callable[[QueueKey, str, str], None] = lambda _key, _worker, _line: None
        """Hears each line that a worker prints."""
        self._group = group
        self._settings = settings
        self._code_of = code_of
        self._fleets: dict[QueueKey, _Fleet] = {}
        self._numbers = itertools.count(1)

    async def versions(self, key: QueueKey) -> list[VersionState]:
        """See Runtime."""
        fleet = self._fleet(key)
        return [_state(fleet, version) for version in fleet.versions.values()]

    async def workers(self, key: QueueKey) -> list[WorkerState]:
        """See Runtime."""
        return [worker.state for worker in self._fleet(key).workers]

    async def ensure(self, key: QueueKey, version: VersionSpec) -> None:
        """See Runtime."""
        self._fleet(key).versions.setdefault(version.hash, _Version(version, time.time()))

    async def aim(self, key: QueueKey, workers: Collection[str]) -> None:
        """See Runtime."""
        for worker in self._fleet(key).workers:
            worker.aimed = worker.state.id in workers

    async def scale(self, key: QueueKey, version: str, replicas: int) -> None:
        """See Runtime."""
        fleet = self._fleet(key)
        found = fleet.versions.get(version)
        if found is None:
            raise VersionNotFoundError(f"{key} has no version {version}")
        found.desired = replicas
        self._level(key, fleet, found)

    async def protect(self, key: QueueKey, workers: Collection[str]) -> None:
        """See Runtime. Nobody clears this machine."""

    async def limit_disruption(self, key: QueueKey, most: int | str | None) -> None:
        """See Runtime. Nobody clears this machine."""

    async def remove(self, key: QueueKey, version: str) -> None:
        """See Runtime."""
        fleet = self._fleet(key)
        found = fleet.versions.pop(version, None)
        if found is not None:
            found.desired = 0
            self._level(key, fleet, found)

    async def remove_all(self, key: QueueKey) -> None:
        """See Runtime."""
        for version in list(self._fleet(key).versions):
            await self.remove(key, version)

    async def stop(self) -> None:
        """Drain all workers of all WorkerQueues and wait until they are gone."""
        for key in self._fleets:
            await self.remove_all(key)
        while any(fleet.workers for fleet in self._fleets.values()):
            await asyncio.sleep(0.02)

    def hurry(self) -> None:
        """End all workers now; their jobs are given back."""
        for fleet in self._fleets.values():
            for worker in fleet.workers:
                worker.hurry()

    def _fleet(self, key: QueueKey) -> _Fleet:
        return self._fleets.setdefault(key, _Fleet())

    def _level(self, key: QueueKey, fleet: _Fleet, version: _Version) -> None:
        """Add or take away workers until as many live as are asked for."""
        live = _live(fleet, version.spec.hash)[::-1]

        def rank(worker: LocalWorker) -> tuple[bool, bool]:
            return worker.state.phase is WorkerPhase.READY, not worker.aimed

        for worker in sorted(live, key=rank)[: max(len(live) - version.desired, 0)]:
            worker.stop()
        for _ in range(version.desired - len(live)):
            worker = LocalWorker(self._recipe(key, version.spec))
            fleet.workers.append(worker)
            self._group.create_task(self._keep(key, fleet, worker))

    async def _keep(self, key: QueueKey, fleet: _Fleet, worker: LocalWorker) -> None:
        try:
            while True:
                try:
                    await worker.run()
                    return
                except Exception:
                    log.exception("worker %s failed in an unforeseen way and is started again", worker.state.id)
                await asyncio.sleep(BACKOFF_BASE)
        finally:
            fleet.workers.remove(worker)
            self.on_change(key)

    def _recipe(self, key: QueueKey, version: VersionSpec) -> Recipe:
        spec, settings = version.spec, self._settings
        code = (*self._code_of(version.hash), settings.folder)

        def socket(worker_id: str) -> Path:
            return settings.sockets / f"{worker_id.rpartition('-')[2]}.sock"

        def environment(worker_id: str) -> Mapping[str, str]:
            return worker_environment(
                spec,
                base=settings.environ,
                redis_url=settings.redis_url,
                worker_id=worker_id,
                version=version.hash,
                socket=socket(worker_id),
                code=code,
            )

        return Recipe(
            app=spec.worker.app,
            version=version.hash,
            grace=float(spec.drain.grace_seconds),
            new_name=lambda: f"{key.name}-{version.hash}-{next(self._numbers)}",
            socket=socket,
            environment=environment,
            folder=settings.folder,
            on_line=lambda worker, line: self.on_line(key, worker, line),
            on_change=lambda: self.on_change(key),
        )


def _live(fleet: _Fleet, version: str) -> list[LocalWorker]:
    """Workers of a version that aren't on their way out."""
    states = [(worker, worker.state) for worker in fleet.workers]
    return [
        worker for worker, state in states if state.version == version and state.phase is not WorkerPhase.TERMINATING
    ]


def _state(fleet: _Fleet, version: _Version) -> VersionState:
    own = [worker.state for worker in fleet.workers if worker.state.version == version.spec.hash]
    live = [state for state in own if state.phase is not WorkerPhase.TERMINATING]
    ready = sum(state.phase is WorkerPhase.READY for state in live)
    failed = next((state.message for state in live if state.phase is WorkerPhase.FAILED), None)
    return VersionState(
        hash=version.spec.hash,
        desired=version.desired,
        ready=ready,
        terminating=len(own) - len(live),
        failing=failed if ready == 0 else None,
        created=version.created,
        app=version.spec.spec.worker.app,
        image=version.spec.spec.worker.image or "",
    )
