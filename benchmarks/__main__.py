"""`python -m benchmarks`: makes the environments, runs everything interleaved, writes figures, plot and document."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import depth, document, machine, results
from benchmarks.catalogue import ENGINES, HERE, Engine, engine_named
from benchmarks.failures import BenchError
from benchmarks.results import DepthCost, Missing, Results, Run, Tally
from benchmarks.run import Case, measure
from benchmarks.scenarios import DEPTHS, FULL, Load, Scenario, Section, interleaved, load_for, scenarios
from benchmarks.server import Server, running_server
from benchmarks.tables import all_tables
from benchmarks.toolchains import Ready, python_environment, ready
from headrace.errors import HeadraceError

SINGLES = 400
"""Single enqueues per run, at most."""
SCRATCH = HERE.parent / "build" / "bench" / "results.json"
"""Where a run that is not the whole one writes."""


def main() -> int:
    """Exit code 0, or 2 with one line that says what is wrong."""
    options = _parser().parse_args()
    try:
        _default(options)
        found = _measure_all(options)
    except (BenchError, HeadraceError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted, nothing was written", file=sys.stderr)
        return 130
    for table in all_tables(found):
        print("\n".join(["", table.name, *table.plain()]))
    results.write(found, options.output)
    return _publish(options.output)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure headrace beside its peers.")
    made.add_argument("--engines", default=",".join(engine.name for engine in ENGINES), help="which, by comma")
    made.add_argument("--sections", default=",".join(Section), help="which questions, by comma")
    made.add_argument("--repeats", type=int, choices=range(1, 21), default=3, metavar="N", help="1 to 20, default 3")
    made.add_argument("--seconds", type=float, default=2.0, help="how long each engine consumes in a run, about")
    made.add_argument("--deepest", type=int, choices=DEPTHS, default=DEPTHS[-1], help="most jobs queued for headrace")
    made.add_argument(
        "--peers-deepest",
        type=int,
        choices=DEPTHS,
        default=DEPTHS[1],
        help="and for its peers, which take long to fill",
    )
    made.add_argument("--quick", action="store_true", help="one short repeat of throughput alone; a look, no record")
    made.add_argument("--server", help="a server's binary; default the embedded Valkey")
    made.add_argument("--output", type=Path, help="default benchmarks/results.json for a whole run, else build/bench/")
    return made


def _default(options: argparse.Namespace) -> None:
    """Raises BenchError for values that make no run."""
    if not 0.05 <= options.seconds <= 60:
        raise BenchError(f"--seconds: give 0.05 to 60, got {options.seconds:g}")
    if options.quick:
        options.sections, options.repeats, options.seconds = Section.THROUGHPUT.value, 1, min(options.seconds, 1.0)
    options.engines = [_engine(name) for name in options.engines.split(",")]
    options.sections = [_section(name) for name in options.sections.split(",")]
    whole = options.engines == list(ENGINES) and options.sections == list(Section)
    options.output = options.output or (results.FILE if whole else SCRATCH)


def _engine(name: str) -> Engine:
    found = engine_named(name)
    if found is None:
        raise BenchError(f"no engine {name!r}; there are {', '.join(engine.name for engine in ENGINES)}")
    return found


def _section(name: str) -> Section:
    if name not in list(Section):
        raise BenchError(f"no section {name!r}; there are {', '.join(Section)}")
    return Section(name)


def _measure_all(options: argparse.Namespace) -> Results:
    load = machine.load()
    contestants, missing = _prepare(options.engines)
    cases = [
        Case(contestant, scenario)
        for section in options.sections
        for contestant in contestants
        for scenario in scenarios(section, contestant.engine, _deepest(contestant.engine, options))
    ]
    with running_server(options.server) as server:
        runs, lost = _run_all(cases, options, server)
        costs = _depth_costs(options, server)
        described = machine.describe(server.version(), options.repeats, load)
    return Results(described, runs, costs, [*missing, *lost])


def _deepest(engine: Engine, options: argparse.Namespace) -> int:
    deepest: int = options.peers_deepest if engine.is_peer else options.deepest
    return deepest


def _prepare(engines: Sequence[Engine]) -> tuple[list[Ready], list[Missing]]:
    """What can't be had on this machine is said aloud, and the others run."""
    contestants, missing = [], []
    for engine in engines:
        try:
            contestants.append(ready(engine))
        except BenchError as error:
            _say(f"LEFT OUT {engine.name}: {error}")
            missing.append(Missing(engine.name, str(error)))
    return contestants, missing


def _run_all(cases: Sequence[Case], options: argparse.Namespace, server: Server) -> tuple[list[Run], list[Missing]]:
    """A case that fails is said aloud and left out; the others go on, for they have taken long."""
    rates: dict[str, dict[int, float]] = {}
    tallies: list[Tally] = []
    lost: list[Missing] = []
    for case in cases:
        with _losing(case, lost):
            _try_out(case, rates.setdefault(case.engine.name, {}), server)
            tallies.append(Tally(case, load_for(case.engine, case.scenario, rates[case.engine.name], options.seconds)))
    for repeat, tally in interleaved(tallies, options.repeats):
        repeats = tally.case.scenario.repeats(options.repeats)
        if tally.broken or repeat > repeats:
            continue
        tally.broken = True
        with _losing(tally.case, lost):
            rate = _measure_once(tally, server)
            tally.broken = False
            _say(f"{repeat} of {repeats}, {tally.case.title}: {rate:,.0f} jobs/s")
    return [tally.close() for tally in tallies if not tally.broken], lost


@contextmanager
def _losing(case: Case, lost: list[Missing]) -> Iterator[None]:
    try:
        yield
    except BenchError as error:
        _say(f"LEFT OUT {case.title}: {error}")
        lost.append(Missing(case.title, str(error)))


def _measure_once(tally: Tally, server: Server) -> float:
    case = tally.case
    first = case.scenario.section is Section.THROUGHPUT and case.engine.has_worker
    awaited = first and case.scenario.concurrency == FULL
    sample = measure(case, server, tally.load, singles=SINGLES if first else 0, awaited=awaited)
    tally.samples.append(sample)
    return sample.consume_per_s


def _try_out(case: Case, rates: dict[int, float], server: Server) -> None:
    """An uncounted run of no-op jobs says how many jobs the counted ones have."""
    concurrency = case.scenario.concurrency
    if concurrency not in rates:
        jobs = case.engine.trial
        plain = Scenario(Section.THROUGHPUT, concurrency=concurrency)
        sample = measure(Case(case.ready, plain), server, Load(jobs, jobs))
        rates[concurrency] = sample.consume_per_s
        _say(f"trial, {case.engine.name}, {concurrency} slots: {sample.consume_per_s:,.0f} jobs/s")


def _depth_costs(options: argparse.Namespace, server: Server) -> list[DepthCost]:
    if Section.BACKLOG not in options.sections:
        return []
    return depth.costs(server, [jobs for jobs in DEPTHS if jobs <= options.deepest], _say)


def _publish(source: Path) -> int:
    target = source.with_suffix(".svg")
    try:
        python = python_environment("plot", HERE / "tools" / "plot-requirements.txt")
        command = [str(python), str(HERE / "tools" / "plot.py"), str(source), str(target)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        if source == results.FILE:
            document.write()
    except (BenchError, subprocess.SubprocessError) as error:
        print(f"bench: the figures are in {source}, but not all could be made of them: {error}", file=sys.stderr)
        return 2
    print(f"\nwritten: {source} and {target.name}")
    return 0


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
