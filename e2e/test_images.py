"""The images as containers: locked up, on a private network with a Redis of their own, without Kubernetes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from e2e.harness.containers import LOCKED, Container, DockerError, Network, docker, private_network, run
from e2e.harness.steps import Steps
from e2e.load.app import load_fleet
from e2e.load.generator import Lengths, Load

from code_index.ledger import Ledger, Summary
from support.polling import eventually

WORKER = "headrace-worker:dev"
OPERATOR = "headrace-operator:dev"
LOAD = "headrace-e2e:dev"
REDIS = "headrace-redis:dev"
EXAMPLE = "headrace-example-code-index:dev"
REDIS_PORT = 6379
SLOTS = 4
GRACE = 90
"""Seconds that a worker is given to stop."""
PATIENCE = 120.0
"""Seconds; containers start within one, on a machine at rest."""

pytestmark = pytest.mark.usefixtures("images")

WRITABLE = """
import os
own = ("/proc", "/sys", "/dev", "/tmp", "/var/tmp", "/run/lock")
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in own]
    for path in (folder, *(os.path.join(folder, name) for name in files)):
        if not os.path.islink(path) and os.access(path, os.W_OK):
            print(path)
"""
LEFT_BEHIND = """
import os, shutil
paths = ("/build", "/tools", "/etc/pip.conf", os.path.expanduser("~root/.cache"), "/tmp/.cache", "/authorities.pem")
print([path for path in paths if os.path.exists(path)] + [name for name in ("cc", "gcc", "make") if shutil.which(name)])
"""
UNCOMPILED = """
import os, sys
import {modules}
specs = [(name, getattr(module, "__spec__", None)) for name, module in sys.modules.items()]
print([name for name, spec in specs if spec and spec.cached and not os.path.exists(spec.cached)])
"""


@pytest.mark.parametrize("image", [WORKER, OPERATOR, EXAMPLE, LOAD, REDIS])
def test_an_image_runs_as_nobody_in_particular(image: str, steps: Steps) -> None:
    found = json.loads(docker("image", "inspect", image))[0]
    steps.write(f"  {image}: {found['Size'] / 1e6:.0f} MB")
    user = found["Config"]["User"].partition(":")[0]
    # runAsNonRoot refuses a name: the kubelet can't tell whose it is.
    assert user.isdigit()
    assert int(user) > 0
    assert found["Config"]["Entrypoint"] is None, "a pod's args would be added to it"
    assert found["Size"] < 600e6


@pytest.mark.parametrize(("image", "title"), [(WORKER, "headrace-worker"), (OPERATOR, "headrace-operator")])
def test_an_image_says_what_it_is(image: str, title: str) -> None:
    labels = docker("image", "inspect", "--format={{json .Config.Labels}}", image)
    said = {name.removeprefix("org.opencontainers.image."): text for name, text in json.loads(labels).items()}
    version = run(WORKER, "python", "-c", "import importlib.metadata as m; print(m.version('headrace'))").out.strip()
    assert said["title"] == title
    assert said["version"] == version
    assert said["licenses"] == "Apache-2.0"


@pytest.mark.parametrize("image", [WORKER, OPERATOR, EXAMPLE])
def test_nothing_of_the_build_stays_and_nothing_can_be_written(image: str) -> None:
    assert run(image, "python", "-c", LEFT_BEHIND).out.strip() == "[]"
    assert run(image, "python", "-c", WRITABLE, options=()).out == ""


@pytest.mark.parametrize(
    ("image", "modules"),
    [
        (WORKER, "headrace.cli.worker_command, headrace.worker.run"),
        (OPERATOR, "headrace_operator.entry, headrace_operator.operate.run"),
        (EXAMPLE, "code_index.v1, code_index.v2"),
    ],
)
def test_whatever_is_loaded_has_its_bytecode(image: str, modules: str) -> None:
    assert run(image, "python", "-c", UNCOMPILED.format(modules=modules)).out.strip() == "[]"


@pytest.mark.parametrize(
    ("image", "command", "options", "said"),
    [
        (WORKER, ("headrace", "worker", "nosuch"), LOCKED, "no module named 'nosuch'"),
        (WORKER, ("headrace", "worker", "nosuch"), ("--read-only",), "mount one at /tmp"),
        (OPERATOR, (), LOCKED, "no cluster"),
    ],
)
def test_what_can_not_run_says_so_in_a_line(
    image: str, command: tuple[str, ...], options: tuple[str, ...], said: str
) -> None:
    ran = run(image, *command, options=options)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


@dataclass(frozen=True)
class Stage:
    """A Redis in a container: one database for the queues, another one for the ledger."""

    network: Network
    redis: Container

    def url(self, database: int) -> str:
        """From this machine."""
        host, port = self.redis.address(REDIS_PORT)
        return f"redis://{host}:{port}/{database}"

    def worker(self, name: str) -> Container:
        """One more, on the network."""
        environ = {
            "REDIS_URL": "redis://redis/0",
            "LEDGER_URL": "redis://redis/1",
            "WORKER_COUNT": str(SLOTS),
            "SHUTDOWN_TIMEOUT": "60s",
        }
        options = [*LOCKED, *(f"--env={name}={value}" for name, value in environ.items())]
        return self.network.start(name, LOAD, "headrace", "worker", "e2e.load.app", options=options)

    def answers(self) -> bool:
        """Whether Redis does."""
        try:
            return self.redis.exec("redis-cli", "ping") == "PONG"
        except DockerError:
            return False

    async def ledger(self) -> Summary:
        """What really ran."""
        return await asyncio.to_thread(Ledger.read, self.url(1))


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Everything is gone after the block."""
    with private_network() as network:
        made = Stage(network, network.start("redis", REDIS, options=[*LOCKED, f"--publish=127.0.0.1::{REDIS_PORT}"]))
        await eventually(made.answers, within=PATIENCE, every=0.1)
        yield made


@pytest.mark.slow
@pytest.mark.timeout(600, func_only=True)
async def test_a_stopped_worker_finishes_what_it_runs_and_the_others_do_the_rest() -> None:
    async with stage() as here:
        load = Load(load_fleet(here.url(0)), random.Random(4), Lengths(0.5, 3))
        workers = [here.worker(f"worker-{number}") for number in range(3)]
        await load.burst(60)
        await eventually(lambda: _running(here, 3 * SLOTS), within=PATIENCE, every=0.1)

        assert "python" in workers[0].exec("readlink", "/proc/1/exe")
        assert await asyncio.to_thread(workers[0].stop, GRACE) == 0, workers[0].logs()
        assert (await here.ledger()).started < 60, "everything had begun when the first worker stopped"
        await eventually(lambda: _all_done(here, load), within=PATIENCE, every=0.5)
        ended = await asyncio.gather(*(asyncio.to_thread(one.stop, GRACE) for one in workers[1:]))
        await load.fleet.close()

        seen = await here.ledger()
        assert ended == [0, 0], "\n".join(one.logs() for one in workers)
        assert (seen.interrupted, seen.redelivered) == (0, 0)
        assert seen.count("ok") == len(load.acknowledged) == 60


async def _running(here: Stage, count: int) -> bool:
    seen = await here.ledger()
    return seen.started - seen.ended >= count


async def _all_done(here: Stage, load: Load) -> bool:
    return (await here.ledger()).count("ok") >= len(load.acknowledged)
