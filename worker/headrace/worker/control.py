"""The worker's own door: a unix socket on which `headrace drain` asks it to go quiet and waits for its jobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from headrace.errors import ConfigError
from headrace.worker.profiler import sample

REPORT_EVERY = 1.0


class ControlServer:
    """Speaks lines: `drain <seconds>` → `running <n>` … then `drained` or `gave-up <n>`; `status` → `running <n>`;
    `profile <seconds>` → folded stacks."""

    def __init__(self, path: str, quiet: Callable[[], None], held: Callable[[], int]) -> None:
        """held: how many jobs the worker still holds."""
        self._path = Path(path)
        self._quiet = quiet
        self._held = held
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises ConfigError when the path can't be used."""
        try:
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self._path)
            self._path.chmod(0o600)
        except OSError as error:
            raise ConfigError(
                f"HEADRACE_CONTROL_SOCKET: can't listen on {self._path}: {error.strerror or error}"
            ) from None

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            line = (await asyncio.wait_for(reader.readline(), 5)).decode(errors="replace").split()
            match line:
                case ["drain", seconds] if seconds.replace(".", "", 1).isdigit():
                    self._quiet()
                    await self._wait_until_drained(writer, float(seconds))
                case ["profile", seconds] if seconds.replace(".", "", 1).isdigit():
                    stacks = await asyncio.to_thread(sample, float(seconds))
                    writer.write("".join(f"{stack}\n" for stack in stacks).encode())
                case ["status"]:
                    writer.write(f"running {self._held()}\n".encode())
                case _:
                    writer.write(b"error: say `drain <seconds>`, `profile <seconds>` or `status`\n")
            await writer.drain()
        writer.close()

    async def _wait_until_drained(self, writer: asyncio.StreamWriter, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + seconds
        next_report = 0.0
        while (held := self._held()) > 0:
            now = loop.time()
            if now >= give_up:
                writer.write(f"gave-up {held}\n".encode())
                return
            if now >= next_report:
                writer.write(f"running {held}\n".encode())
                await writer.drain()
                next_report = now + REPORT_EVERY
            await asyncio.sleep(0.02)
        writer.write(b"drained\n")
