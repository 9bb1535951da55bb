"""profile.json: where headrace's time goes, as benchmarks/profile.py has seen it, and the tables made of it. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.catalogue import HERE
from benchmarks.tables import Table

FILE: Final = HERE / "profile.json"
FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>.+):(?P<line>\d+)\)")
SHOWN_MODULES: Final = 12
SHOWN_FUNCTIONS: Final = 15
SHOWN_COMMANDS: Final = 12
LOOP: Final = "the event loop (uvloop): sockets, callbacks, tasks"
LOOP_FILES: Final = ("asyncio/runners.py", "asyncio/base_events.py", "headrace/cli/worker_command.py")
"""Who calls the loop: its own frames are C and not seen."""


@dataclass(frozen=True)
class Share:
    """A place in the worker's code, and the part of all samples that were in it and nowhere deeper."""

    place: str
    share: float


@dataclass(frozen=True)
class CommandCost:
    """What a command costs the server for each job."""

    command: str
    calls_per_job: float
    us_per_job: float


@dataclass(frozen=True)
class BatchCost:
    """What claiming and settling costs the server for each job, so many at once."""

    batch: int
    redis_us: float


@dataclass(frozen=True)
class Hop:
    """A part of the way from enqueue to handler, on an idle server."""

    name: str
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Profile:
    """profile.json. Rates are jobs a second at full concurrency; µs are CPU time per job."""

    machine: dict[str, Any]
    jobs_per_s: int
    ceiling_per_s: int
    worker_us: float
    redis_us: float
    ceiling_worker_us: float
    ceiling_redis_us: float
    modules: list[Share]
    functions: list[Share]
    enqueue_per_s: int
    """In bulk, by one producer."""
    producer: list[Share]
    """Its functions."""
    commands: list[CommandCost]
    batches: list[BatchCost]
    hops: list[Hop]


def write(profile: Profile, path: Path) -> None:
    """Replace the file."""
    path.write_text(json.dumps(asdict(profile), indent=1) + "\n")


def read(path: Path) -> Profile | None:
    """None where nobody has profiled yet."""
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    found["modules"] = [Share(**share) for share in found["modules"]]
    found["functions"] = [Share(**share) for share in found["functions"]]
    found["producer"] = [Share(**share) for share in found["producer"]]
    found["commands"] = [CommandCost(**cost) for cost in found["commands"]]
    found["batches"] = [BatchCost(**cost) for cost in found["batches"]]
    found["hops"] = [Hop(**hop) for hop in found["hops"]]
    return Profile(**found)


def shares(folded: Iterable[str]) -> tuple[list[Share], list[Share]]:
    """Modules and functions by their own samples, from folded stacks (`outer;…;inner (file:line) count`)."""
    modules: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in folded:
        stack, _, count = line.rpartition(" ")
        module, function = place_of(stack.rpartition(";")[2])
        modules[module] += int(count)
        functions[f"{module}: {function}" if function else module] += int(count)
    return _as_shares(modules), _as_shares(functions)


def place_of(frame: str) -> tuple[str, str]:
    """Module and function of a frame; the loop's own frames are one place without functions."""
    found = FRAME.fullmatch(frame)
    if found is None:
        return frame, ""
    file = found["file"]
    if any(part in file for part in LOOP_FILES):
        return LOOP, ""
    for root in ("site-packages/", "worker/headrace/", "benchmarks/inside/python/", "benchmarks/engines/"):
        if root in file:
            kept = "headrace/" if root == "worker/headrace/" else ""
            return kept + file.rpartition(root)[2], found["function"]
    return "/".join(Path(file).parts[-2:]), found["function"]


def _as_shares(counts: Counter[str]) -> list[Share]:
    total = sum(counts.values())
    return [Share(place, round(count / total, 4)) for place, count in counts.most_common()]


def command_costs(commands: dict[str, tuple[int, float]], jobs: int) -> list[CommandCost]:
    """Dearest first; commands of which a hundred jobs share less than a µs are left out."""
    costs = [CommandCost(name, round(calls / jobs, 4), round(us / jobs, 3)) for name, (calls, us) in commands.items()]
    return sorted((cost for cost in costs if cost.us_per_job >= 0.01), key=lambda cost: -cost.us_per_job)


def tables(profile: Profile) -> list[Table]:
    """Blocks of docs/performance.md."""
    makers = (_budget, _modules, _functions, _producer, _commands, _batches, _hops)
    return [make(profile) for make in makers]


def _budget(profile: Profile) -> Table:
    def row(name: str, rate: int, worker_us: float, redis_us: float) -> tuple[str, ...]:
        return name, f"{rate:,}", f"{1e6 / rate:.1f}", f"{worker_us:.1f}", f"{redis_us:.1f}"

    rows = [
        row("headrace", profile.jobs_per_s, profile.worker_us, profile.redis_us),
        row("headrace-ceiling", profile.ceiling_per_s, profile.ceiling_worker_us, profile.ceiling_redis_us),
    ]
    return Table("budget", ("", "jobs/s", "wall µs/job", "worker CPU µs/job", "Redis CPU µs/job"), rows)


def _modules(profile: Profile) -> Table:
    rows = _share_rows(profile.modules, SHOWN_MODULES, profile.worker_us)
    return Table("modules", ("module", "share", "µs/job"), rows)


def _functions(profile: Profile) -> Table:
    rows = _share_rows(profile.functions, SHOWN_FUNCTIONS, profile.worker_us)
    return Table("functions", ("function", "share", "µs/job"), rows)


def _producer(profile: Profile) -> Table:
    rows = _share_rows(profile.producer, SHOWN_FUNCTIONS, 1e6 / profile.enqueue_per_s)
    return Table("producer", ("function", "share", "wall µs/job"), rows)


def _share_rows(found: list[Share], shown: int, us: float) -> list[tuple[str, ...]]:
    rest = sum(share.share for share in found[shown:])
    kept = [*found[:shown], Share("all others", rest)] if rest else found
    return [(share.place, f"{share.share * 100:.1f} %", f"{share.share * us:.2f}") for share in kept]


def _commands(profile: Profile) -> Table:
    rows = [
        (cost.command, f"{cost.calls_per_job:.2f}", f"{cost.us_per_job:.2f}")
        for cost in profile.commands[:SHOWN_COMMANDS]
    ]
    return Table("commands", ("command", "calls/job", "µs/job"), rows)


def _batches(profile: Profile) -> Table:
    rows = [(f"{cost.batch}", f"{cost.redis_us:.1f}", f"{1e6 / cost.redis_us:,.0f}") for cost in profile.batches]
    return Table("batches", ("jobs per call", "Redis CPU µs/job", "jobs/s that one Redis core could serve"), rows)


def _hops(profile: Profile) -> Table:
    rows = [(hop.name, f"{hop.p50_ms:.2f}", f"{hop.p99_ms:.2f}") for hop in profile.hops]
    return Table("hops", ("", "p50 ms", "p99 ms"), rows)
