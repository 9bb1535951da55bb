"""`python -m tests.faults [--runs N] [--only FAULT …] [--seed S] [--out FILE]`: the fault loops at full count."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from faults.catalogue import CATALOGUE, Fault  # noqa: E402
from faults.trial import Verdict, run_once  # noqa: E402
from support.soak_record import RECORD, commit, merge  # noqa: E402


def main() -> int:
    """Exit code 0 when every run of every fault was sound."""
    made = argparse.ArgumentParser(prog="python -m tests.faults", description="Break things under load, and count.")
    made.add_argument("--runs", type=int, default=20, help="of each fault")
    made.add_argument("--only", nargs="*", choices=CATALOGUE, default=list(CATALOGUE), help="these faults")
    made.add_argument("--seed", type=int, default=random.randrange(2**31), help="of the first run; it grows by one")
    made.add_argument("--out", type=Path, default=RECORD, help="summary, merged by fault")
    arguments = made.parse_args()
    sound = True
    for name in arguments.only:
        try:
            verdicts = asyncio.run(_loop(CATALOGUE[name], arguments.runs, arguments.seed))
        except (pytest.skip.Exception, pytest.fail.Exception) as left_out:
            print(f"{name}: left out: {left_out}", flush=True)
            sound = False
            continue
        merge(arguments.out, _summary(name, verdicts))
        refused = sum(verdict.stale for verdict in verdicts) > 0 or not CATALOGUE[name].makes_stale
        sound = sound and refused and all(verdict.sound for verdict in verdicts)
    return 0 if sound else 1


async def _loop(fault: Fault, runs: int, seed: int) -> list[Verdict]:
    verdicts = []
    for number in range(runs):
        verdict = await run_once(fault, seed + number)
        verdicts.append(verdict)
        outcome = "sound" if verdict.sound else f"NOT SOUND: {verdict}"
        print(
            f"{fault.name} {number + 1}/{runs} seed {verdict.seed}: {verdict.jobs} jobs, "
            f"{verdict.duplicates} repeated, {verdict.stale} stale, {verdict.seconds:.1f} s, {outcome}",
            flush=True,
        )
    return verdicts


def _summary(name: str, verdicts: list[Verdict]) -> dict[str, Any]:
    return {
        "commit": commit(),
        "fault": name,
        "runs": len(verdicts),
        "sound": sum(verdict.sound for verdict in verdicts),
        "jobs": sum(verdict.jobs for verdict in verdicts),
        "lost": sum(len(verdict.lost) for verdict in verdicts),
        "duplicates": sum(verdict.duplicates for verdict in verdicts),
        "stale": sum(verdict.stale for verdict in verdicts),
        "seconds": round(sum(verdict.seconds for verdict in verdicts), 1),
        "seed": verdicts[0].seed,
    }


if __name__ == "__main__":
    sys.exit(main())
