"""Loopback ports that are this process's alone, among all test runs of this machine.

A port stays ours while its server is down for a test, or on its way to listen. So each process first claims a block of
ports, by a name that the kernel takes back when the process has ended, and gives out ports of that block only.
"""

from __future__ import annotations

import random
import socket
from collections import deque
from contextlib import ExitStack
from typing import Final

FIRST: Final = 12_000
LAST: Final = 30_000
"""Below the kernel's range for outgoing connections."""
BLOCK: Final = 300
"""Ports; whoever has used them all begins again with the one that was given out longest ago."""


class Block:
    """A run of ports that no other living Block on this machine has."""

    def __init__(self) -> None:
        self._claim = socket.socket(socket.AF_UNIX)
        try:
            first = self._find()
        except RuntimeError:
            self._claim.close()
            raise
        self._ports = deque(range(first, first + BLOCK))

    def _find(self) -> int:
        starts = range(FIRST, LAST, BLOCK)
        for first in random.sample(starts, len(starts)):
            try:
                self._claim.bind(f"\0headrace-test-ports-{first}")
            except OSError:
                continue
            return first
        raise RuntimeError(f"all ports that tests may use are claimed, by {len(starts)} processes on this machine")

    def give(self, count: int) -> list[int]:
        """`count` different ports that nobody listens on now, the ones given out longest ago first."""
        ports: list[int] = []
        with ExitStack() as held:
            for _ in range(BLOCK):
                port = self._ports[0]
                self._ports.rotate(-1)
                probe = held.enter_context(socket.socket())
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                ports.append(port)
                if len(ports) == count:
                    return ports
        raise RuntimeError(f"fewer than {count} of this process's {BLOCK} ports are free")

    def close(self) -> None:
        """Others may claim it."""
        self._claim.close()


_ours: Block | None = None


def free_ports(count: int) -> list[int]:
    """See Block.give: this process's, which it claims when it first asks."""
    global _ours  # noqa: PLW0603 - one for the whole process
    _ours = _ours or Block()
    return _ours.give(count)
