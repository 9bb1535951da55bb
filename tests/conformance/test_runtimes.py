"""The Runtime contract, kept by the runtimes that need no cluster."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from conformance.runtime_contract import KEY, Place, RuntimeContract
from headrace_operator.api.spec import Drain, Queue, Redis, Worker, WorkerQueueSpec
from headrace_operator.runtimes.local.runtime import LocalRuntime, LocalSettings
from headrace_operator.runtimes.memory import MemoryRuntime
from headrace_operator.seams.runtime import Trouble, TroubleKind, VersionSpec
from support.servers import RedisServer

APP = """
from headrace import Fleet

fleet = Fleet()

@fleet.queue("q").task()
async def nothing() -> None: ...
"""


def version(name: str, app: str) -> VersionSpec:
    spec = WorkerQueueSpec(
        redis=Redis(url="redis://r"),
        queues=(Queue(name="q"),),
        worker=Worker(app=app, concurrency=2),
        drain=Drain(grace_seconds=5),
    )
    return VersionSpec(name, spec)


class TestMemoryRuntime(RuntimeContract):
    @pytest.fixture
    async def place(self) -> Place:
        runtime = MemoryRuntime(instant=True)
        return Place(
            runtime,
            good=lambda name: version(name, "app"),
            broken=version("bad", "broken"),
            breaks=lambda: runtime.fail(KEY, "bad", "exit code 1", trouble=Trouble(TroubleKind.CRASH_LOOP, 0.0)),
        )


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


class TestLocalRuntime(RuntimeContract):
    @pytest.fixture
    async def place(self, server: RedisServer, tmp_path: Path) -> AsyncIterator[Place]:
        (tmp_path / "app.py").write_text(APP)
        (tmp_path / "broken.py").write_text("this is no Python")
        with tempfile.TemporaryDirectory(prefix="headrace-test-") as sockets:
            settings = LocalSettings(
                redis_url=server.url, folder=tmp_path, sockets=Path(sockets), environ={"PATH": os.environ["PATH"]}
            )
            async with asyncio.TaskGroup() as group:
                runtime = LocalRuntime(group, settings)
                yield Place(
                    runtime, good=lambda name: version(name, "app"), broken=version("bad", "broken"), evicts=False
                )
                runtime.hurry()
                await runtime.stop()
