"""The folder in which `headrace dev` keeps what must outlive it: jobs, status, requests. One dev at a time has it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import ConfigError

_PARTS = ("redis", "status", "annotations", "schedules/status", "schedules/annotations")


@dataclass(frozen=True)
class Home:
    """An open home."""

    folder: Path
    lock: int
    """File descriptor of the lock; a child that inherits it holds the lock as well."""

    @property
    def redis(self) -> Path:
        """The embedded server's data."""
        return self.folder / "redis"

    @property
    def code(self) -> Path:
        """Copies of the application's code."""
        return self.folder / "code"

    @property
    def schedules(self) -> Path:
        """Status and requests of Schedules."""
        return self.folder / "schedules"

    @property
    def redis_url(self) -> Path:
        """The file that says where this fleet's Redis listens, while it does."""
        return self.folder / "redis-url"


@contextmanager
def open_home(folder: Path) -> Iterator[Home]:
    """Make it if need be, and lock it. Raises ConfigError, above all when another dev has it."""
    try:
        for part in _PARTS:
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{folder}: can't be used to keep data: {error.strerror or error}") from None
    try:
        if not _try_lock(lock):
            raise ConfigError(f"{folder}: another `headrace dev` runs here; stop it or choose another --data")
        home = Home(folder, lock)
        yield home
        home.redis_url.unlink(missing_ok=True)
    finally:
        os.close(lock)


def in_use(folder: Path) -> bool:
    """Whether a dev runs in that home."""
    with suppress(OSError):
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            return not _try_lock(lock)
        finally:
            os.close(lock)
    return False


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
