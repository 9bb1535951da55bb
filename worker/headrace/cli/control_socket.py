"""Talks to the worker on this machine over its control socket, on behalf of `headrace drain` and `headrace profile`."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from headrace.errors import ConfigError, QueueUnavailableError

MARGIN = 10.0
"""Seconds beyond what was asked for after which a silent worker is given up."""


def find_socket() -> str:
    """HEADRACE_CONTROL_SOCKET, else the only worker's. Raises ConfigError."""
    if path := os.environ.get("HEADRACE_CONTROL_SOCKET"):
        return path
    found = sorted(Path(tempfile.gettempdir()).glob("headrace-*.sock"))
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise ConfigError("no worker runs here (no control socket); name its socket with --socket")
    raise ConfigError(f"{len(found)} workers run here; name one with --socket, e.g. {found[0]}")


def ask(path: str, request: str, seconds: float) -> Iterator[str]:
    """The lines of the worker's answer, ends included, as they come; `seconds` is how long it may take.

    Raises QueueUnavailableError for no answer.
    """
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(seconds + MARGIN)
            wire.connect(path)
            wire.sendall(f"{request}\n".encode())
            yield from wire.makefile()
    except OSError as error:
        raise QueueUnavailableError(f"no answer from the worker at {path}: {error.strerror or error}") from None
