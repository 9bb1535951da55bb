"""Containers of one test, locked up on a Docker network of their own; all of it is gone when the test ends.

Needs DOCKER_HOST as the fixture `images` sets it. Knows nothing of what runs in them.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

SECONDS: Final = 180
LOCKED: Final = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
"""As strict as a pod of the restricted profile with a read-only root: only /tmp can be written."""


class DockerError(Exception):
    """A docker command exited with another code than 0; the message is what it said."""


@dataclass(frozen=True)
class Ran:
    """A container that ended by itself."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Container:
    """One that was started in the background."""

    name: str

    def address(self, port: int) -> tuple[str, int]:
        """Where this machine reaches the container's published `port`. Raises DockerError."""
        host, _, number = docker("port", self.name, f"{port}/tcp").splitlines()[0].rpartition(":")
        return host, int(number)

    def exec(self, *command: str) -> str:
        """What `command` prints in it. Raises DockerError."""
        return docker("exec", self.name, *command)

    def logs(self) -> str:
        """What it has written, both streams."""
        done = _run("logs", self.name)
        return done.stdout + done.stderr

    def health(self) -> str:
        """What Docker's check of it says: `starting`, `healthy` or `unhealthy`. Raises DockerError."""
        return docker("inspect", "--format={{.State.Health.Status}}", self.name)

    def stop(self, grace: int) -> int:
        """SIGTERM to its first process, SIGKILL after `grace` seconds; its exit code."""
        docker("stop", f"--time={grace}", self.name, seconds=grace + SECONDS)
        return int(docker("inspect", "--format={{.State.ExitCode}}", self.name))


@dataclass
class Network:
    """A bridge on which containers find each other by the names they are started with."""

    name: str
    started: list[Container] = field(default_factory=list)

    def start(self, name: str, image: str, *command: str, options: Sequence[str] = LOCKED) -> Container:
        """Run `image` in the background. Raises DockerError."""
        container = Container(f"{self.name}-{name}")
        where = [f"--name={container.name}", f"--network={self.name}", f"--network-alias={name}"]
        self.started.append(container)
        docker("run", "--detach", *where, *options, image, *command)
        return container


@contextmanager
def private_network() -> Iterator[Network]:
    """A network for the block; whatever was started on it is removed. Raises DockerError."""
    network = Network(f"headrace-{secrets.token_hex(4)}")
    docker("network", "create", network.name)
    try:
        yield network
    finally:
        if network.started:
            _run("rm", "--force", "--volumes", *(container.name for container in network.started))
        docker("network", "rm", network.name)


def run(image: str, *command: str, options: Sequence[str] = LOCKED) -> Ran:
    """Run `image` until it ends by itself; the default command if none is given."""
    done = _run("run", "--rm", *options, image, *command)
    return Ran(done.returncode, done.stdout, done.stderr)


def docker(*arguments: str, seconds: float = SECONDS) -> str:
    """What `docker arguments…` prints. Raises DockerError."""
    done = _run(*arguments, seconds=seconds)
    if done.returncode != 0:
        raise DockerError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _run(*arguments: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=seconds, check=False)
