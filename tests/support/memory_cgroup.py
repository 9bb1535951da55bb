"""A memory cgroup of a test's own, as a container has one: the kernel kills in it whoever takes more than it may.

Knows v1 and v2. Needs root, and a hierarchy that may be written; where it isn't, the test is left out aloud.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from support.leave_out import leave_out

_GONE_WITHIN: Final = 10.0
"""Seconds until the kernel lets a cgroup go whose last process has ended."""


class MemoryCgroup:
    """`with` makes it and takes it away; what still runs in it then must end first."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes."""
        root, self._v2 = _hierarchy()
        self._limit = limit
        self._directory = root / f"headrace-test-{os.getpid()}-{secrets.token_hex(4)}"

    def __enter__(self) -> MemoryCgroup:
        try:
            if self._v2:
                (self._directory.parent / "cgroup.subtree_control").write_text("+memory")
            self._directory.mkdir()
            self._set("memory.max" if self._v2 else "memory.limit_in_bytes", self._limit)
        except OSError as error:
            with suppress(OSError):
                self._directory.rmdir()
            leave_out(f"no process can be made to run out of memory here: {error}")
        with suppress(FileNotFoundError):  # a kernel that doesn't count swap has no such file
            swap = ("memory.swap.max", 0) if self._v2 else ("memory.memsw.limit_in_bytes", self._limit)
            self._set(*swap)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        give_up = time.monotonic() + _GONE_WITHIN
        while True:
            try:
                self._directory.rmdir()
                return
            except OSError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)

    def hold(self, pid: int) -> None:
        """Whatever that process takes from now on counts here, and what its children take."""
        self._set("cgroup.procs", pid)

    @property
    def kills(self) -> int:
        """Processes that the kernel has killed in it for want of memory."""
        name = "memory.events" if self._v2 else "memory.oom_control"
        counts = dict(line.split() for line in (self._directory / name).read_text().splitlines())
        return int(counts["oom_kill"])

    def _set(self, name: str, value: int) -> None:
        with (self._directory / name).open("r+") as file:  # not "w", which would make what isn't there
            file.write(str(value))


def _hierarchy() -> tuple[Path, bool]:
    """Where memory is accounted, and whether that is v2."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for _, where, kind, options, *_ in mounts:
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(where), False
    for _, where, kind, *_ in mounts:
        if kind == "cgroup2" and "memory" in (Path(where) / "cgroup.controllers").read_text().split():
            return Path(where), True
    return leave_out("no process can be made to run out of memory here: the kernel has no memory cgroups")
