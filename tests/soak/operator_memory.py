"""What a million dead letters cost the operator in memory: its process on a real API server, and a real Redis.

It audits without a pause, is scraped, writes status and replays meanwhile, as it has done before with a thousandth of
the letters: what is told apart is the letters, not what a process loads when it does a thing for the first time.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.control_plane import ControlPlane
from support.exposition import samples
from support.helm import find_helm
from support.kube_client import KubeClient, until
from support.kubernetes_programs import CONTROL_PLANE, kubernetes_programs
from support.operator_account import operator_account, own_namespace, serve_crds
from support.operator_process import OperatorProcess
from support.seeding import Seeder
from support.servers import RedisServer

MOST_GROWTH_MB: Final = 5.0
QUEUE: Final = "jobs"
FEW: Final = 1_000
"""Letters before which memory is first looked at …"""
FEW_REPLAYED: Final = 200
"""… and how many of them are replayed."""
REPLAYED: Final = 10_000
RATE: Final = 500
LOOK_SECONDS: Final = 60.0
"""How long a state is looked at."""
BATCH: Final = 500
TASKS: Final = 5
REASONS: Final = ("ValueError", "TimeoutError", "KeyError", "ConnectionError")
AUDITED: Final = "headrace_workerqueue_audited_ids_total"
_RSS: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """MB of the operator's process; each the most that was seen in that time, but the first."""

    letters: int
    replayed: int
    """While they were there, as Redis has counted …"""
    said: int
    """… and as the status says."""
    started_mb: float
    """Once it was ready."""
    before_mb: float
    """With a thousand letters: audits, a replay, scrapes."""
    burying_mb: float
    """While the others came."""
    with_mb: float
    """With all of them, amid an audit."""
    replaying_mb: float
    audited: int
    """Ids that whole audits have looked at; one follows another, and that of a million letters takes longer."""
    scrapes: int
    seconds: float

    @property
    def growth_mb(self) -> float:
        """By the letters."""
        return round(max(self.burying_mb, self.with_mb, self.replaying_mb) - self.before_mb, 1)

    @property
    def sound(self) -> bool:
        """What `make soak` asserts."""
        whole = self.audited > 0 and self.scrapes > 0
        return self.growth_mb <= MOST_GROWTH_MB and whole and 0 < self.replayed == self.said

    def summary(self) -> dict[str, Any]:
        """For the record."""
        return {**asdict(self), "growth_mb": self.growth_mb, "sound": self.sound}


async def run(letters: int, *, within: float) -> Verdict:
    """Raises ProgramsUnavailable where there is no control plane, TimeoutError after `within` seconds."""
    programs, helm = kubernetes_programs(*CONTROL_PLANE), find_helm()
    with (
        ControlPlane(programs) as plane,
        own_namespace(plane) as namespace,
        tempfile.TemporaryDirectory(prefix="headrace-soak-") as folder,
    ):
        serve_crds(plane)
        with operator_account(plane, namespace, helm) as account:
            async with asyncio.timeout(within):
                return await measure(KubeClient(plane, namespace), account, Path(folder), letters, REPLAYED)


async def measure(kube: KubeClient, account: Path, folder: Path, letters: int, replayed: int) -> Verdict:
    """`account` is the operator's kubeconfig, `folder` gets its log."""
    begun = time.monotonic()
    operator = OperatorProcess(account, kube.namespace, folder, AUDIT_SECONDS="1", LOG_LEVEL="info")
    with RedisServer() as redis:
        link = Link(parse_target(redis.url))
        try:
            await asyncio.to_thread(operator.start)
            await kube.apply(_queue(redis.url))
            async with _watched(operator) as watched:
                seeder, admin = Seeder(link, QUEUE, sid="gravedigger"), QueueAdmin(link, QUEUE)
                return await _Subject(kube, seeder, admin, watched).tell(letters, replayed, begun)
        finally:
            await link.close()
            await asyncio.to_thread(operator.kill)


def _queue(url: str) -> dict[str, Any]:
    """A WorkerQueue without workers: replayed jobs wait."""
    worker = {"app": "none", "image": "none.invalid/worker:1"}
    spec = {"redis": {"url": url}, "queues": [{"name": QUEUE}], "worker": worker, "replicas": 0}
    return {"apiVersion": "headrace.dev/v1alpha1", "kind": "WorkerQueue", "metadata": {"name": QUEUE}, "spec": spec}


@dataclass
class _Watched:
    """A process whose memory is looked at ten times a second, and that is scraped once a second."""

    operator: OperatorProcess
    most_mb: float = 0.0
    scrapes: int = 0
    audited: float = 0.0
    """By whole audits, as it says."""

    @property
    def rss_mb(self) -> float:
        """Now."""
        found = _RSS.search(Path(f"/proc/{self.operator.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def turn(self) -> float:
        """The most since the last turn."""
        most, self.most_mb = max(self.most_mb, self.rss_mb), 0.0
        return round(most, 1)

    async def look(self) -> None:
        """Until cancelled."""
        while True:
            self.most_mb = max(self.most_mb, self.rss_mb)
            await asyncio.sleep(0.1)

    async def scrape(self) -> None:
        """Until cancelled."""
        while True:
            kind, text = await asyncio.to_thread(self._scraped)
            for (name, _), found in samples(kind, text).items():
                self.audited = found if name == AUDITED else self.audited
            self.scrapes += 1
            await asyncio.sleep(1)

    def _scraped(self) -> tuple[str, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operator.port}/metrics", timeout=10) as answer:
            return answer.headers["Content-Type"], answer.read().decode()


@asynccontextmanager
async def _watched(operator: OperatorProcess) -> AsyncIterator[_Watched]:
    watched = _Watched(operator)
    async with asyncio.TaskGroup() as group:
        looks = [group.create_task(watched.look()), group.create_task(watched.scrape())]
        try:
            yield watched
        finally:
            for look in looks:
                look.cancel()


@dataclass
class _Subject:
    kube: KubeClient
    seeder: Seeder
    admin: QueueAdmin
    watched: _Watched

    async def tell(self, letters: int, replayed: int, begun: float) -> Verdict:
        watched = self.watched
        started = watched.turn()
        await self._bury(0, min(FEW, letters))
        await until(lambda: watched.audited >= min(FEW, letters), seconds=300, every=0.5)
        await self._replay("few", min(FEW_REPLAYED, replayed))
        await self._work_off(min(FEW_REPLAYED, replayed))
        before = watched.turn()
        dead = (await self.admin.stats()).dead
        await self._bury(FEW, FEW + letters - dead)
        burying = watched.turn()
        print(f"{started=} {before=} {burying=}", flush=True)
        await asyncio.sleep(LOOK_SECONDS)
        with_them, moved = watched.turn(), (await self.admin.stats()).replayed
        said = await self._replay("many", replayed)
        return Verdict(
            letters=letters,
            replayed=(await self.admin.stats()).replayed - moved,
            said=said,
            started_mb=started,
            before_mb=before,
            burying_mb=burying,
            with_mb=with_them,
            replaying_mb=watched.turn(),
            audited=round(watched.audited),
            scrapes=watched.scrapes,
            seconds=round(time.monotonic() - begun, 1),
        )

    async def _bury(self, first: int, end: int) -> None:
        """Letters of those numbers, of all tasks and reasons; returns once the status has them all."""
        for number, start in enumerate(range(first, end, BATCH)):
            await self.seeder.join(lease_ms=600_000)
            ids = [f"dead-{i}" for i in range(start, min(start + BATCH, end))]
            reason = REASONS[number // TASKS % len(REASONS)]
            await self.seeder.bury(*ids, task=f"task{number % TASKS}", reason=reason, traceback=f"Trace {number % 50}")
        dead = (await self.admin.stats()).dead

        async def told() -> bool:
            return bool((await self.kube.status(QUEUE)).get("deadLetters", {}).get("total") == dead)

        await until(told, seconds=60, every=0.5)

    async def _replay(self, name: str, count: int) -> int:
        """So many letters by annotation; how many the status says at the end."""
        words = f"all,max={count},rate={RATE},request={name}"
        await self.kube.do("annotate", "wq", QUEUE, f"headrace.dev/replay={words}")
        status: dict[str, Any] = {}

        async def over() -> bool:
            status.update((await self.kube.status(QUEUE)).get("replay", {}))
            return status.get("requestId") == name and status.get("phase") == "Completed"

        await until(over, seconds=60 + 4 * count / RATE, every=0.5)
        return int(status["replayed"])

    async def _work_off(self, count: int) -> None:
        """Let replayed jobs end well."""
        await self.seeder.join(lease_ms=600_000)
        ids = await self.seeder.exchange(count)
        await self.seeder.exchange(0, *[["done", one, self.seeder.claim, 0] for one in ids])
