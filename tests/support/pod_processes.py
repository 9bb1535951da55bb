"""Runs the containers of pods as processes of this machine, with the command, environment and preStop of their specs.

The hooks of a FakeKubelet: a pod is ready once its readiness path answers, and ends by its preStop, then SIGTERM. What
can't be had on one machine is replaced: ports, and the paths in /tmp.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from support.control_plane import ControlPlane
from support.crash_loop import report_restart
from support.kube_client import KubeClient
from support.pod_reports import Pod
from support.ports import free_ports
from support.server_process import LAUNCHER

PROGRAMS = Path(sys.executable).parent
TESTS = Path(__file__).parents[1]
KILL_SECONDS = 10.0
RESTART_SECONDS = 0.5
"""Before a container is started again; a kubelet takes longer each time."""


@dataclass
class _Running:
    process: asyncio.subprocess.Process
    environ: dict[str, str]
    port: int
    pod: Pod


@dataclass
class PodProcesses:
    """`FakeKubelet(…, on_start=processes.start, on_stop=processes.stop)`."""

    plane: ControlPlane
    folder: Path
    """Gets each pod's log and socket."""
    prefix: tuple[str, ...] = ()
    """Put before the command of each container."""
    restarts: bool = False
    """Start a container again that ends before it is ready, and report it, as a kubelet would."""
    exits: dict[str, int] = field(default_factory=dict)
    """Exit codes of the processes that have ended, by pod."""
    _running: dict[str, _Running] = field(default_factory=dict)

    async def start(self, pod: Pod) -> None:
        """Start the pod's container and return once it is ready."""
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        [port] = free_ports(1)
        environ = await self._environ(pod, container) | {
            "METRICS_HOST": "127.0.0.1",
            "METRICS_PORT": str(port),
            "HEADRACE_CONTROL_SOCKET": str(self.folder / f"{name[-20:]}.sock"),
            "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent, TESTS.parent / "examples" / "code-index"))),
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
        }
        for run in count(1):
            process = await self._launch(pod, environ)
            self._running[name] = _Running(process, environ, port, pod)
            if await self._gets_ready(process, port, container["readinessProbe"]["httpGet"]["path"]):
                return
            assert process.returncode is not None
            await report_restart(KubeClient(self.plane, pod["metadata"]["namespace"]), name, process.returncode, run)
            await asyncio.sleep(RESTART_SECONDS)

    async def _launch(self, pod: Pod, environ: dict[str, str]) -> asyncio.subprocess.Process:
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        with (self.folder / f"{name}.log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())),
                *self.prefix,
                *_command(container["args"]),
                env=environ,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )

    async def _gets_ready(self, process: asyncio.subprocess.Process, port: int, path: str) -> bool:
        """False once it has ended instead, where it is to be started again."""
        while not await _answers(port, path):
            if self.restarts and process.returncode is not None:
                return False
            await asyncio.sleep(0.03)
        return True

    async def stop(self, pod: Pod) -> None:
        """preStop, SIGTERM, and SIGKILL when cancelled; nothing for a container that never started."""
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        running = self._running.pop(name, None)
        if running is None:
            return
        try:
            hook = await asyncio.create_subprocess_exec(
                *_command(container["lifecycle"]["preStop"]["exec"]["command"]),
                env=running.environ,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await hook.wait()
            if running.process.returncode is None:
                running.process.terminate()
            self.exits[name] = await running.process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):  # it has ended by itself
                running.process.kill()
            self.exits[name] = await asyncio.wait_for(running.process.wait(), KILL_SECONDS)
            raise

    def kill(self, name: str) -> None:
        """kill -9 of a pod's process."""
        self._running[name].process.kill()

    def ended(self, name: str) -> bool:
        """Whether a pod's process has ended by itself."""
        return self._running[name].process.returncode is not None

    @property
    def names(self) -> list[str]:
        """Pods whose process was started and not yet told to end."""
        return list(self._running)

    @property
    def served(self) -> list[tuple[Pod, int]]:
        """Those pods, each with the port of its metrics."""
        return [(running.pod, running.port) for running in self._running.values()]

    def log(self, name: str) -> str:
        """What a pod's process wrote."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    async def _environ(self, pod: Pod, container: dict[str, Any]) -> dict[str, str]:
        environ: dict[str, str] = {}
        for variable in container["env"]:
            source = variable.get("valueFrom", {})
            if "fieldRef" in source:
                assert source["fieldRef"]["fieldPath"] == "metadata.name"
                environ[variable["name"]] = pod["metadata"]["name"]
            elif "secretKeyRef" in source:
                environ[variable["name"]] = await self._secret(pod, source["secretKeyRef"])
            else:
                environ[variable["name"]] = variable.get("value", "")
        return environ

    async def _secret(self, pod: Pod, reference: dict[str, str]) -> str:
        read = ("get", "secret", reference["name"], f"-n={pod['metadata']['namespace']}", "-o=json")
        secret = json.loads(await asyncio.to_thread(self.plane.kubectl, *read))
        encoded: str = secret["data"][reference["key"]]
        return base64.b64decode(encoded).decode()


def _command(arguments: list[str]) -> list[str]:
    assert arguments[0] == "headrace"
    return [str(PROGRAMS / "headrace"), *arguments[1:]]


async def _answers(port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
