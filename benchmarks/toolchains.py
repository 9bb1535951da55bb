"""Makes each engine's environment from its hashed lock, cached outside the checkout, and says how to start it.

Python: a virtual environment from requirements.txt. Node: node_modules from package-lock.json. Go: a program built
with go.mod and go.sum. headrace itself runs from the environment that runs the benchmark.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, assert_never

from benchmarks.catalogue import HERE, Engine, Language
from benchmarks.failures import BenchError

PATIENCE: Final = 900
"""Seconds for one step of an installation."""


@dataclass(frozen=True)
class Ready:
    """An engine that can be started: the beginnings of its command lines, and what its processes need to be told."""

    engine: Engine
    version: str
    worker: tuple[str, ...]
    producer: tuple[str, ...]
    environ: Mapping[str, str]


def ready(engine: Engine) -> Ready:
    """Make what isn't there yet. Raises BenchError, in one line, where this machine can't."""
    match engine.language:
        case Language.PYTHON:
            return _python(engine)
        case Language.NODE:
            return _node(engine)
        case Language.GO:
            return _go(engine)
        case unknown:
            assert_never(unknown)


def python_environment(name: str, lock: Path) -> Path:
    """The interpreter of an environment with exactly what `lock` names. Raises BenchError."""

    def install(home: Path) -> None:
        _run(name, sys.executable, "-m", "venv", str(home))
        _run(name, str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock))

    return _cached(name, lock.read_bytes() + sys.version.encode(), install) / "bin" / "python"


def _python(engine: Engine) -> Ready:
    inside = HERE / "inside" / "python"
    if engine.own_environment:
        python = python_environment(engine.name, engine.directory / "requirements.txt")
        code = f"from importlib.metadata import version; print(version({engine.distribution!r}))"
        version = _run(engine.name, str(python), "-c", code)
    else:
        python, version = Path(sys.executable), metadata.version(engine.distribution)
    environ = {"PYTHONPATH": f"{engine.directory}{os.pathsep}{inside}"}
    return Ready(engine, version, (str(python),), (str(python), str(inside / "producer.py")), environ)


def _node(engine: Engine) -> Ready:
    node, npm = _program(engine, "node"), _program(engine, "npm")
    lock = engine.directory / "package-lock.json"
    inside = HERE / "inside" / "node"

    def install(home: Path) -> None:
        home.mkdir(parents=True)
        for file in (lock, engine.directory / "package.json"):
            shutil.copy(file, home)
        _run(engine.name, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(home))

    modules = _cached(engine.name, lock.read_bytes(), install) / "node_modules"
    version = _run(engine.name, node, "-p", f"require('{modules}/{engine.distribution}/package.json').version")
    environ = {"NODE_PATH": f"{modules}{os.pathsep}{inside}", "NODE_ENV": "production"}
    return Ready(engine, version, (node,), (node, str(inside / "producer.js")), environ)


def _go(engine: Engine) -> Ready:
    go = _program(engine, "go")
    sources = sorted(engine.directory.glob("*.go"))
    parts = [engine.directory / "go.mod", engine.directory / "go.sum", *sources]
    inputs = b"".join(part.read_bytes() for part in parts) + _run(engine.name, go, "version").encode()

    def install(home: Path) -> None:
        home.mkdir(parents=True)
        command = (go, "build", "-C", str(engine.directory), "-mod=readonly", "-trimpath", "-o", str(home / "engine"))
        _run(engine.name, *command, ".")

    program = str(_cached(engine.name, inputs, install) / "engine")
    listed = _run(engine.name, go, "list", "-C", str(engine.directory), "-m", engine.distribution)
    return Ready(engine, listed.split()[-1].removeprefix("v"), (program,), (program,), {})


def _program(engine: Engine, name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BenchError(f"{engine.name} needs {name}, which is not installed here")
    return found


def _cached(name: str, inputs: bytes, install: Callable[[Path], None]) -> Path:
    """A directory that holds what `install` made from `inputs`, made once."""
    home = cache_root() / "bench" / f"{name}-{hashlib.sha256(inputs).hexdigest()[:12]}"
    complete = home / ".complete"
    if not complete.exists():
        print(f"bench: installing {name} into {home}", file=sys.stderr, flush=True)
        shutil.rmtree(home, ignore_errors=True)
        install(home)
        complete.touch()
    return home


def cache_root() -> Path:
    """HEADRACE_CACHE, else the user's cache directory."""
    if given := os.environ.get("HEADRACE_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"


def _run(name: str, *command: str) -> str:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the environment of {name} was not ready within {PATIENCE} s") from None
    except (OSError, subprocess.CalledProcessError) as error:
        printed = (getattr(error, "stderr", "") or getattr(error, "stdout", "") or str(error)).strip()
        lines = printed.splitlines()
        telling = next((line for line in lines if "error" in line.lower()), lines[-1])
        raise BenchError(f"the environment of {name} can't be made: {telling}") from None
    return done.stdout.strip()
