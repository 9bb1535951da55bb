"""`python -m benchmarks`: makes the environments, runs everything interleaved, writes results.json and results.svg."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, results
from benchmarks.catalogue import ENGINES, HERE, Engine, engine_named
from benchmarks.environments import environment, python_of
from benchmarks.failures import BenchError
from benchmarks.plan import interleaved, jobs_for
from benchmarks.results import Run, Tally
from benchmarks.run import Case, measure
from benchmarks.server import Server, running_server
from headrace.errors import HeadraceError

SINGLES = 500
"""Single enqueues per run."""
TRIALS = 2
"""The faster one says how many jobs a run has: a busy machine must not make the runs short."""
TRIAL_SINGLES = 5


def main() -> int:
    """Exit code 0, or 2 with one line that says what is wrong."""
    options = _parser().parse_args()
    try:
        engines = _engines(options.engines)
        levels = _numbers("--concurrency", options.concurrency)
        with running_server(options.server) as server:
            runs = _measure_all(engines, levels, options.repeats, options.seconds, server)
            described = machine.describe(server.version())
    except (BenchError, HeadraceError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted, nothing was written", file=sys.stderr)
        return 130
    print("\n".join(["", *results.table(runs), "", *results.verdicts(runs)]))
    results.write(described, runs, options.output)
    return _plot(options.output)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure headrace beside its peers.")
    made.add_argument("--engines", default=",".join(engine.name for engine in ENGINES), help="which, by comma")
    made.add_argument("--concurrency", default="100,10", help="which levels, by comma")
    made.add_argument("--repeats", type=int, choices=range(1, 21), default=3, metavar="N", help="1 to 20, default 3")
    made.add_argument("--seconds", type=float, default=4.0, help="how long each engine consumes in a run, about")
    made.add_argument("--server", help="a server's binary; default the embedded Valkey")
    made.add_argument("--output", type=Path, default=results.FILE, help="default benchmarks/results.json")
    return made


def _engines(names: str) -> list[Engine]:
    found = [(name, engine_named(name)) for name in names.split(",")]
    for name, engine in found:
        if engine is None:
            raise BenchError(f"no engine {name!r}; there are {', '.join(e.name for e in ENGINES)}")
    return [engine for _, engine in found if engine is not None]


def _numbers(option: str, text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < int(part) <= 1000 for part in parts):
        raise BenchError(f"{option}: give whole numbers from 1 to 1000, e.g. 100,10; got {text!r}")
    return [int(part) for part in parts]


def _measure_all(
    engines: Sequence[Engine], levels: Sequence[int], repeats: int, seconds: float, server: Server
) -> list[Run]:
    pythons = {engine.name: python_of(engine) for engine in engines}
    versions = {engine.name: _version(pythons[engine.name], engine.distribution) for engine in engines}
    tallies: dict[Case, Tally] = {}
    for concurrency in levels:
        for engine in engines:
            case = Case(engine, pythons[engine.name], concurrency)
            trials = [measure(case, server, engine.trial, TRIAL_SINGLES) for _ in range(TRIALS)]
            jobs = jobs_for(max(trial.consume_per_s for trial in trials), seconds)
            _say(f"{case.title}: {jobs:,} jobs a run")
            tallies[case] = Tally(engine, versions[engine.name], concurrency, jobs)
    for repeat, case in interleaved(list(tallies), repeats):
        tally = tallies[case]
        sample = measure(case, server, tally.jobs, SINGLES)
        tally.samples.append(sample)
        _say(f"{case.title}, {repeat} of {repeats}: {sample.consume_per_s:,.0f} jobs/s")
    return [tally.close() for tally in tallies.values()]


def _version(python: Path, distribution: str) -> str:
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    return subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def _plot(source: Path) -> int:
    target = source.with_suffix(".svg")
    try:
        python = environment("plot", HERE / "inside" / "plot-requirements.txt")
        command = [str(python), str(HERE / "inside" / "plot.py"), str(source), str(target)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    except (BenchError, subprocess.SubprocessError) as error:
        print(f"bench: the plot can't be drawn: {error}", file=sys.stderr)
        return 2
    print(f"\nwritten: {source} and {target.name}")
    return 0


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
