"""The memory allocator of the benchmark's server: jemalloc, as Redis and Valkey are built for production.

The embedded build has the C library's, which grows slower with every million of small blocks that it holds: beside a
million of delayed jobs it took half of the server's time.
"""

from __future__ import annotations

import ctypes.util
import functools
import os

NAME = "jemalloc"


@functools.cache
def library() -> str | None:
    """The name by which the dynamic linker finds it, or None."""
    return ctypes.util.find_library(NAME)


def environ(built_with: str) -> dict[str, str]:
    """The environment of a server that was `built_with` an allocator, as its INFO says."""
    found = library()
    return dict(os.environ) if found is None or not _is_libc(built_with) else {**os.environ, "LD_PRELOAD": found}


def in_use(built_with: str) -> str:
    """Its name and version, or how one gets the better one."""
    if not _is_libc(built_with):
        return built_with.replace("-", " ")
    return NAME if library() else "the C library's allocator (install libjemalloc2 for the figures of production)"


def _is_libc(built_with: str) -> bool:
    return built_with.startswith("libc")
