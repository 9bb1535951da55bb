"""How this machine's control plane and operators fail: killed, or frozen and thawed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from operator_faults.site import Site
from support.operator_process import OperatorProcess
from support.polling import eventually


@dataclass
class ApiServerFrozen:
    """The API server accepts and answers nothing."""

    site: Site

    async def begin(self) -> None:
        self.site.fleet.plane.freeze_apiserver()

    async def heal(self) -> None:
        await asyncio.to_thread(self.site.fleet.plane.thaw_apiserver)


@dataclass
class ApiServerDown:
    """The API server has crashed and starts again later, with all it knew."""

    site: Site

    async def begin(self) -> None:
        await asyncio.to_thread(self.site.fleet.plane.stop_apiserver)

    async def heal(self) -> None:
        await asyncio.to_thread(self.site.fleet.plane.start_apiserver)


@dataclass
class LeaderKilled:
    """kill -9 of the leader; its container is started again, and another leads."""

    site: Site

    async def begin(self) -> None:
        leader = await self.site.leader()
        await asyncio.to_thread(leader.kill)

    async def heal(self) -> None:
        return


@dataclass
class AllOperatorsKilled:
    """kill -9 of leader and standby together: one that has just begun must lead."""

    site: Site

    async def begin(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(one.kill) for one in self.site.fleet.operators))

    async def heal(self) -> None:
        return


@dataclass
class LeaderFrozen:
    """The leader sleeps until another leads, and wakes up in the belief that it still does."""

    site: Site
    _victim: OperatorProcess | None = None

    async def begin(self) -> None:
        victim = self._victim = await self.site.leader()
        victim.freeze()

        async def replaced() -> bool:
            lease = await self.site.fleet.kube.get("lease", "headrace")
            return not lease["spec"]["holderIdentity"].startswith(f"{victim.name}_")

        await eventually(replaced, within=30, every=0.2)

    async def heal(self) -> None:
        if self._victim is not None:
            self._victim.thaw()
