"""The command line of `headrace dev`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import ConfigError
from headrace.wire.target import Target, parse_target

FOLDER = ".headrace"
"""What dev keeps, beside the YAML."""


@dataclass(frozen=True)
class Options:
    """What was asked for, checked."""

    file: Path
    data: Path
    redis: Target | None
    """Another server than the embedded one."""
    redis_url: str
    plain: bool
    exit_when_idle: bool


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="headrace dev",
        description="Run a whole fleet on this machine from its YAML: edit the YAML or the code, and it follows.",
    )
    made.add_argument("-f", "--file", default="queue.yaml", help="the WorkerQueues (queue.yaml)")
    made.add_argument("--redis-url", help="use this Redis or Valkey instead of the embedded one (REDIS_URL)")
    made.add_argument("--data", help=f"where jobs and status are kept ({FOLDER} beside the file)")
    made.add_argument("--plain", action="store_true", help="lines instead of the live view")
    made.add_argument(
        "--exit-when-idle", action="store_true", help="end once all work is done and the fleet is at zero"
    )
    return made


def read_options(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Options:
    """Raises ConfigError; argparse itself exits with 2 for an unknown option."""
    given = parser().parse_args(argv)
    file = Path(given.file).absolute()
    if not file.is_file():
        raise ConfigError(f"{given.file}: no such file")
    url = given.redis_url or environ.get("REDIS_URL", "")
    redis = parse_target(url, "--redis-url" if given.redis_url else "REDIS_URL") if url else None
    data = Path(given.data).absolute() if given.data else file.parent / FOLDER
    plain = given.plain or not sys.stdout.isatty()
    return Options(file, data, redis, url, plain, given.exit_when_idle)
