"""Starts a child process that can't outlive this one, in a session of its own: Ctrl-C is this process's to handle."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

_LAUNCHER = str(Path(__file__).with_name("die_with_parent.py"))


async def launch(
    program: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    on_parent_death: signal.Signals = signal.SIGKILL,
    keep_open: Sequence[int] = (),
) -> asyncio.subprocess.Process:
    """Its stdout and stderr come as one pipe, `process.stdout`. Raises OSError.

    `keep_open`: file descriptors that the child inherits.
    """
    launcher = (sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), str(int(on_parent_death)))
    return await asyncio.create_subprocess_exec(
        *launcher,
        *program,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=env,
        cwd=folder,
        start_new_session=True,
        pass_fds=keep_open,
    )


async def lines(stream: asyncio.StreamReader, longest: int = 8192) -> AsyncIterator[str]:
    """The pipe's lines until its end, blank ones left out, each cut at `longest` characters."""
    rest = b""
    while chunk := await stream.read(65536):
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if text := line.decode(errors="replace").rstrip():
                yield text[:longest]
        rest = rest[: 4 * longest]
    if text := rest.decode(errors="replace").rstrip():
        yield text[:longest]
