"""compose.yaml: its services get healthy, do the example's work, and stop without a complaint."""

from __future__ import annotations

import asyncio
import subprocess
from functools import partial

import pytest
from e2e.harness.compose import Service, services
from e2e.harness.containers import Container, Network, private_network
from e2e.harness.machine import ROOT

from support.polling import eventually

FILE = ROOT / "compose.yaml"
REDIS = "headrace-redis:dev"
PATIENCE = 180.0
"""Seconds."""
INDEXED = 100


async def up(network: Network, name: str, service: Service) -> list[Container]:
    """All its replicas, healthy; they share its name on the network."""
    started = [
        network.start(
            f"{name}-{number}", service.image, *service.command, options=(*service.options, f"--network-alias={name}")
        )
        for number in range(service.replicas)
    ]
    for container in started:
        await eventually(partial(healthy, container), within=PATIENCE, every=0.5)
    return started


@pytest.mark.slow
@pytest.mark.timeout(900, func_only=True)
@pytest.mark.usefixtures("images")
async def test_three_workers_run_the_example() -> None:
    found = services(FILE, {"VALKEY_IMAGE": REDIS})
    with private_network() as network:
        assert found["worker"].after == ("valkey",)
        server = (await up(network, "valkey", found["valkey"]))[0]
        workers = await up(network, "worker", found["worker"])
        assert len(workers) == 3

        workers[0].exec("headrace", "enqueue", "code-index", "scan")
        await eventually(lambda: indexed(server) >= INDEXED, within=PATIENCE, every=0.5)
        workers[1].exec("python", "-m", "code_index", "stats")

        ended = await asyncio.gather(*(asyncio.to_thread(one.stop, found["worker"].grace) for one in workers))
        assert ended == [0, 0, 0], "\n".join(one.logs() for one in workers)


def healthy(container: Container) -> bool:
    """What Docker's check says."""
    return container.health() == "healthy"


def indexed(server: Container) -> int:
    """Files in the index."""
    return len(server.exec("redis-cli", "--scan", "--pattern", "code-index:file:*").splitlines())


def test_compose_itself_takes_the_file_where_it_is_installed() -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0:
        assert services(FILE, {})["valkey"].image.startswith("valkey/valkey:")
        return
    subprocess.run(["docker", "compose", "--file", str(FILE), "config", "--quiet"], check=True, timeout=60)
