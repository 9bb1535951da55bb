"""Workers that exist only as records, for tests, which decide when one gets ready, ends or fails."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from headrace_operator.api.names import QueueKey
from headrace_operator.seams.errors import RuntimeUnavailableError, VersionNotFoundError, VersionRefusedError
from headrace_operator.seams.runtime import Exit, Trouble, VersionSpec, VersionState, WorkerPhase, WorkerState


@dataclass
class _Version:
    spec: VersionSpec
    created: float
    desired: int = 0
    failing: str | None = None
    """Its new workers fail with this."""
    exits: tuple[Exit, ...] = ()
    """How they have ended by themselves."""
    trouble: Trouble | None = None
    """What its failing workers have."""


@dataclass
class _Fleet:
    versions: dict[str, _Version] = field(default_factory=dict)
    workers: dict[str, WorkerState] = field(default_factory=dict)
    limit: int | str | None = None


class MemoryRuntime:
    """A Runtime without processes.

    With `instant`, workers are ready at once and end at once; otherwise start() and end() move them on.
    """

    def __init__(self, *, instant: bool = False) -> None:
        self.instant = instant
        self.now = 0.0
        """Unix time in seconds that new workers and versions get."""
        self.outage: str | None = None
        """While set, every call raises RuntimeUnavailableError with it."""
        self.refusal: str | None = None
        """While set, ensure raises VersionRefusedError with it for versions that don't exist."""
        self.unprotectable: str | None = None
        """While set, protect and limit_disruption raise RuntimeUnavailableError with it."""
        self.calls: list[tuple[str, ...]] = []
        """What was asked for, in order, reads left out."""
        self._fleets: dict[QueueKey, _Fleet] = {}
        self._count = 0

    async def versions(self, key: QueueKey) -> list[VersionState]:
        """See Runtime."""
        fleet = self._fleet(key)
        return [self._state(fleet, version) for version in fleet.versions.values()]

    async def workers(self, key: QueueKey) -> list[WorkerState]:
        """See Runtime."""
        return list(self._fleet(key).workers.values())

    async def ensure(self, key: QueueKey, version: VersionSpec) -> None:
        """See Runtime."""
        fleet = self._fleet(key)
        if version.hash not in fleet.versions:
            if self.refusal is not None:
                raise VersionRefusedError(self.refusal)
            self.calls.append(("ensure", version.hash))
            fleet.versions[version.hash] = _Version(version, created=self.now)

    async def aim(self, key: QueueKey, workers: Collection[str]) -> None:
        """See Runtime."""
        fleet = self._fleet(key)
        changed = [worker for worker in fleet.workers.values() if worker.aimed != (worker.id in workers)]
        if changed:
            self.calls.append(("aim", *sorted(set(workers) & fleet.workers.keys())))
        for worker in changed:
            fleet.workers[worker.id] = replace(worker, aimed=not worker.aimed)

    async def scale(self, key: QueueKey, version: str, replicas: int) -> None:
        """See Runtime."""
        fleet = self._fleet(key)
        found = fleet.versions.get(version)
        if found is None:
            raise VersionNotFoundError(f"{key} has no version {version}")
        if found.desired != replicas:
            self.calls.append(("scale", version, str(replicas)))
        found.desired = replicas
        self._level(fleet, found)

    async def protect(self, key: QueueKey, workers: Collection[str]) -> None:
        """See Runtime."""
        self._check_protection()
        fleet = self._fleet(key)
        for worker in list(fleet.workers.values()):
            marked = worker.id in workers
            if worker.phase is not WorkerPhase.TERMINATING and worker.protected != marked:
                fleet.workers[worker.id] = replace(worker, protected=marked)

    async def limit_disruption(self, key: QueueKey, most: int | str | None) -> None:
        """See Runtime."""
        self._check_protection()
        self._fleet(key).limit = most

    def _check_protection(self) -> None:
        if self.unprotectable is not None:
            raise RuntimeUnavailableError(self.unprotectable)

    def limit(self, key: QueueKey) -> int | str | None:
        """What was last asked of limit_disruption."""
        return self._fleet(key).limit

    async def remove(self, key: QueueKey, version: str) -> None:
        """See Runtime."""
        fleet = self._fleet(key)
        found = fleet.versions.pop(version, None)
        if found is not None:
            self.calls.append(("remove", version))
            found.desired = 0
            self._level(fleet, found)

    async def remove_all(self, key: QueueKey) -> None:
        """See Runtime."""
        for version in list(self._fleet(key).versions):
            await self.remove(key, version)

    def start(self, key: QueueKey, count: int | None = None) -> int:
        """Make `count` starting workers ready, or all of them, but for failing versions; how many it were."""
        fleet = self._fleet(key)
        starting = [
            worker
            for worker in fleet.workers.values()
            if worker.phase is WorkerPhase.STARTING and not self._failing(fleet, worker)
        ]
        return self._advance(fleet, starting[:count], WorkerPhase.READY)

    def end(self, key: QueueKey, count: int | None = None) -> int:
        """Let `count` terminating workers end, or all of them; how many it were."""
        fleet = self._fleet(key)
        ending = [worker for worker in fleet.workers.values() if worker.phase is WorkerPhase.TERMINATING][:count]
        for worker in ending:
            del fleet.workers[worker.id]
        return len(ending)

    def fail(
        self, key: QueueKey, version: str, message: str | None, *exits: Exit, trouble: Trouble | None = None
    ) -> None:
        """Let the workers of a version that aren't ready fail with `message`, having ended so; None heals it."""
        fleet = self._fleet(key)
        fleet.versions[version].failing = message
        fleet.versions[version].exits = exits
        fleet.versions[version].trouble = trouble
        for worker in list(fleet.workers.values()):
            if worker.version == version and worker.phase in (WorkerPhase.STARTING, WorkerPhase.FAILED):
                phase = WorkerPhase.STARTING if message is None else WorkerPhase.FAILED
                fleet.workers[worker.id] = replace(worker, phase=phase, message=message or "", trouble=trouble)

    def lose(self, key: QueueKey, worker: str) -> None:
        """A worker vanishes without drain, as with kill -9, and another takes its place."""
        fleet = self._fleet(key)
        lost = fleet.workers.pop(worker)
        version = fleet.versions.get(lost.version)
        if version is not None:
            self._level(fleet, version)

    def _fleet(self, key: QueueKey) -> _Fleet:
        if self.outage is not None:
            raise RuntimeUnavailableError(self.outage)
        return self._fleets.setdefault(key, _Fleet())

    def _level(self, fleet: _Fleet, version: _Version) -> None:
        """Add or take away workers until as many live as are asked for."""
        live = _live(fleet, version.spec.hash)
        by_order = sorted(live, key=lambda worker: (worker.phase is WorkerPhase.READY, not worker.aimed))
        for worker in by_order[: max(len(live) - version.desired, 0)]:
            fleet.workers[worker.id] = replace(worker, phase=WorkerPhase.TERMINATING)
        for _ in range(version.desired - len(live)):
            self._count += 1
            name = f"{version.spec.hash}-{self._count}"
            phase = WorkerPhase.STARTING if version.failing is None else WorkerPhase.FAILED
            said = version.failing or ""
            fleet.workers[name] = WorkerState(
                *(name, version.spec.hash, phase, self.now, said), trouble=version.trouble
            )
        if self.instant:
            self._settle(fleet)

    def _settle(self, fleet: _Fleet) -> None:
        for worker in list(fleet.workers.values()):
            if worker.phase is WorkerPhase.TERMINATING:
                del fleet.workers[worker.id]
            elif worker.phase is WorkerPhase.STARTING:
                fleet.workers[worker.id] = replace(worker, phase=WorkerPhase.READY)

    @staticmethod
    def _advance(fleet: _Fleet, workers: list[WorkerState], phase: WorkerPhase) -> int:
        for worker in workers:
            fleet.workers[worker.id] = replace(worker, phase=phase)
        return len(workers)

    @staticmethod
    def _failing(fleet: _Fleet, worker: WorkerState) -> bool:
        version = fleet.versions.get(worker.version)
        return version is not None and version.failing is not None

    @staticmethod
    def _state(fleet: _Fleet, version: _Version) -> VersionState:
        own = [worker for worker in fleet.workers.values() if worker.version == version.spec.hash]
        live = _live(fleet, version.spec.hash)
        return VersionState(
            hash=version.spec.hash,
            desired=version.desired,
            ready=sum(worker.phase is WorkerPhase.READY for worker in live),
            terminating=len(own) - len(live),
            failing=version.failing if live else None,
            created=version.created,
            app=version.spec.spec.worker.app,
            image=version.spec.spec.worker.image or "",
            exits=version.exits if live else (),
        )


def _live(fleet: _Fleet, version: str) -> list[WorkerState]:
    """Workers of a version that aren't on their way out, the youngest first."""
    alive = [worker for worker in fleet.workers.values() if worker.phase is not WorkerPhase.TERMINATING]
    return [worker for worker in alive if worker.version == version][::-1]
