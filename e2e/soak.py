"""`python -m e2e.soak [--only SCENARIO …] [--count N] [--seed S] [--out FILE]`: the proofs on a cluster, at full count.

Every finished repetition is kept in the cache, so that an interrupted soak of the same commit goes on where it was.
HEADRACE_E2E_KUBECONFIG names a cluster to use and keep; else one is made, and deleted at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples" / "code-index")]

from e2e.harness.machine import MachineUnfitError  # noqa: E402
from e2e.harness.soaking import soaking_cluster  # noqa: E402
from e2e.scenarios.catalogue import SCENARIOS, Scenario, figures  # noqa: E402
from e2e.scenarios.cluster import Cluster  # noqa: E402
from e2e.scenarios.on_cluster import stage_on  # noqa: E402

from support.soak_record import RECORD, commit, merge  # noqa: E402

ATTEMPTS: Final = 2
"""How often a scenario that breaks off is set up anew before the soak gives it up."""


class Progress:
    """The repetitions of one scenario that are done; belongs to a commit and begins anew with another one."""

    def __init__(self, folder: Path, scenario: str, seed: int) -> None:
        self._file = folder / f"{scenario}.json"
        self.commit = commit()
        self.seed = seed
        self.results: list[Mapping[str, Any]] = []
        if self._file.exists():
            kept = json.loads(self._file.read_text())
            if kept["commit"] == self.commit:
                self.seed, self.results = kept["seed"], kept["results"]

    def add(self, result: Mapping[str, Any]) -> None:
        """Keep one more."""
        self.results.append(result)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"commit": self.commit, "seed": self.seed, "results": self.results}))
        new.replace(self._file)

    def finish(self) -> None:
        """Forget them: they are in the record."""
        self._file.unlink(missing_ok=True)


def main() -> int:
    """Exit code 0 when every repetition of every scenario was sound, 2 where this machine can't have a cluster."""
    made = argparse.ArgumentParser(prog="python -m e2e.soak", description="Long proofs on a real cluster.")
    made.add_argument("--only", nargs="*", choices=SCENARIOS, default=list(SCENARIOS), help="these scenarios")
    made.add_argument("--count", type=int, help="repetitions of each, instead of the full counts")
    made.add_argument("--seed", type=int, default=random.randrange(2**31), help="of the first repetition")
    made.add_argument("--out", type=Path, default=RECORD, help="summary, merged by scenario")
    chosen = made.parse_args()
    try:
        with soaking_cluster(earlier=any(SCENARIOS[name].operators == 0 for name in chosen.only)) as cluster:
            sound = [_soak(SCENARIOS[name], cluster, chosen) for name in chosen.only]
    except MachineUnfitError as reason:
        print(f"soak: left out: {reason}", file=sys.stderr)
        return 2
    return 0 if all(sound) else 1


def _soak(scenario: Scenario, cluster: Cluster, chosen: argparse.Namespace) -> bool:
    """Play one scenario to its end and put it on record; whether all of it was sound."""
    progress = Progress(_cache() / "soak", scenario.name, chosen.seed)
    count = chosen.count or scenario.count
    asyncio.run(_play(scenario, cluster, count, progress))
    if not progress.results:
        return False
    summary = _summary(scenario.name, progress)
    merge(chosen.out, summary)
    progress.finish()
    return bool(summary["sound"] == summary["runs"] == count)


async def _play(scenario: Scenario, cluster: Cluster, count: int, progress: Progress) -> None:
    """Repeat until `count` are done; one that breaks off is tried again on a new stage."""
    for _ in range(ATTEMPTS):
        left = count - len(progress.results)
        if left <= 0:
            return
        try:
            async with stage_on(cluster, operators=scenario.operators) as stage:
                async for result in scenario.play(stage, left, progress.seed + len(progress.results)):
                    progress.add(dataclasses.asdict(result) | {"sound": result.sound})
                    verdict = "sound" if result.sound else "NOT SOUND"
                    number = f"{len(progress.results)}/{count}"
                    print(f"{time.strftime('%T')} {scenario.name} {number} {verdict}: {result}", flush=True)
        except Exception as error:
            print(f"{scenario.name} broke off: {error!r}", file=sys.stderr, flush=True)


def _summary(name: str, progress: Progress) -> dict[str, Any]:
    numbers = [{key: value for key, value in one.items() if key != "sound"} for one in progress.results]
    summary = {
        "commit": progress.commit,
        "scenario": name,
        "runs": len(progress.results),
        "sound": sum(bool(one["sound"]) for one in progress.results),
        "seed": progress.seed,
    }
    found = figures(numbers)
    if clash := summary.keys() & found.keys():
        raise ValueError(f"{name} has figures called {', '.join(clash)}, as the summary has")
    return summary | found


def _cache() -> Path:
    home = os.environ.get("HEADRACE_CACHE")
    return Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "headrace"


if __name__ == "__main__":
    sys.exit(main())
