"""`headrace-operator` as a process of a test: an identity of its own in the cluster, killed or frozen at will."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from support.ports import free_ports
from support.server_process import ServerProcess

PROGRAM = Path(sys.executable).with_name("headrace-operator")


class OperatorProcess:
    """Its settings are those that the chart would give it. Its calls block: use asyncio.to_thread."""

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        folder: Path,
        *,
        name: str = "operator-0",
        prefix: Sequence[str] = (),
        **settings: str,
    ) -> None:
        """`prefix` is put before its command; `settings` are said beside the usual ones."""
        self.name = name
        [self.port] = free_ports(1)
        environ = {
            "KUBECONFIG": str(kubeconfig),
            "HEADRACE_CLUSTER_NAME": "test",
            "WATCH_NAMESPACES": namespace,
            "POD_NAMESPACE": namespace,
            "POD_NAME": name,
            "LEASE_NAME": "headrace",
            "LOG_LEVEL": "debug",
            "METRICS_HOST": "127.0.0.1",
            "METRICS_PORT": str(self.port),
            **settings,
        }
        command = [*prefix, "/usr/bin/env", *(f"{key}={value}" for key, value in environ.items()), str(PROGRAM)]
        self._process = ServerProcess(name, command, folder / f"{name}.log")

    @property
    def log(self) -> str:
        """What it has written."""
        return self._process.log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Raises ServerFailed when it is not running."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process.running

    @property
    def leads(self) -> bool:
        """Whether it has ever led."""
        return '"leading; ' in self.log

    def start(self) -> None:
        """Start it and wait until it is ready, leading or standing by."""
        self.launch()
        self._process.poll_until(self.ready, deadline=time.monotonic() + 60)

    def launch(self) -> None:
        """Start it."""
        self._process.start()

    def stop(self) -> None:
        """SIGTERM."""
        self._process.stop(grace=15)

    def kill(self) -> None:
        """kill -9."""
        self._process.stop(grace=0)

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.freeze()

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.thaw()

    def wait_until_ended(self, seconds: float) -> None:
        """Return once it has ended by itself; raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while self.running:
            if time.monotonic() > deadline:
                raise TimeoutError(self._process.report("still runs"))
            time.sleep(0.05)

    def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1):
                return True
        except urllib.error.HTTPError as exc:
            exc.close()
            return False
        except OSError:
            return False
