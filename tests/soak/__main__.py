"""`python -m tests.soak [kills] [dead-letters] [schedules] [operator-memory] [--jobs N] …`: the proofs that take a
million jobs, or a year.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from soak import dead_letters, kills, operator_memory, schedules  # noqa: E402
from support.kubernetes_programs import ProgramsUnavailable  # noqa: E402
from support.soak_record import RECORD, commit, merge  # noqa: E402

SCENARIOS = ("kills", "dead-letters", "schedules", "operator-memory")


def main() -> int:
    """Exit code 0 when all was as it should be, 2 where this machine can't try it."""
    made = argparse.ArgumentParser(
        prog="python -m tests.soak", description="A million jobs, or a year, and what they prove."
    )
    made.add_argument("scenarios", nargs="*", default=list(SCENARIOS), help=f"of {', '.join(SCENARIOS)}")
    made.add_argument("--jobs", type=int, default=1_000_000, help="jobs, or dead letters")
    made.add_argument("--schedules", type=int, default=500, help="fired over a simulated year")
    made.add_argument("--seed", type=int, default=random.randrange(2**31), help="of what happens when")
    made.add_argument("--every", type=float, default=3.0, help="seconds between kills, on average")
    made.add_argument("--within", type=float, default=3600, help="seconds for each scenario")
    made.add_argument("--out", type=Path, default=RECORD, help="summary, merged by scenario")
    arguments = made.parse_args()
    if unknown := set(arguments.scenarios) - set(SCENARIOS):
        made.error(f"unknown: {', '.join(sorted(unknown))} (choose from {', '.join(SCENARIOS)})")
    for option in ("jobs", "schedules"):
        if getattr(arguments, option) < 1:
            made.error(f"--{option}: must be 1 or more")
    try:
        sound = [_run(name, arguments) for name in arguments.scenarios]
    except ProgramsUnavailable as exc:
        print(f"{made.prog}: no control plane on this machine: {exc}", file=sys.stderr)
        return 2
    return 0 if all(sound) else 1


def _run(name: str, arguments: argparse.Namespace) -> bool:
    verdict: kills.Verdict | dead_letters.Verdict | schedules.Verdict | operator_memory.Verdict
    match name:
        case "kills":
            verdict = asyncio.run(
                kills.run(arguments.jobs, seed=arguments.seed, every=arguments.every, within=arguments.within)
            )
        case "schedules":
            verdict = asyncio.run(schedules.run(arguments.schedules, seed=arguments.seed, within=arguments.within))
        case "operator-memory":
            verdict = asyncio.run(operator_memory.run(arguments.jobs, within=arguments.within))
        case _:
            verdict = asyncio.run(dead_letters.run(arguments.jobs, within=arguments.within))
    print(f"{name}: {'sound' if verdict.sound else 'NOT SOUND'}: {verdict}", flush=True)
    merge(arguments.out, {"scenario": name, "commit": commit(), **verdict.summary()})
    return verdict.sound


if __name__ == "__main__":
    sys.exit(main())
