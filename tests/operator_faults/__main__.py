"""`python -m tests.operator_faults [--runs N] [--only FAULT …] [--outage S] [--out FILE]`: every fault at full count.

Each run tries a fault with busy, idle and no workers on a fleet of its own. A fault whose runs this commit has made
already is left out, so an interrupted soak goes on where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples" / "code-index")]

from operator_faults.catalogue import CATALOGUE, Fault, try_here  # noqa: E402
from operator_faults.site import site  # noqa: E402
from operator_faults.trial import Fleet, Verdict  # noqa: E402
from support.control_plane import ControlPlane  # noqa: E402
from support.helm import find_helm  # noqa: E402
from support.kubernetes_programs import CONTROL_PLANE, ProgramsUnavailable, kubernetes_programs  # noqa: E402
from support.live_fleet import live_fleet  # noqa: E402
from support.operator_account import operator_account, own_namespace, serve_crds  # noqa: E402
from support.own_names import names_possible  # noqa: E402
from support.soak_record import RECORD, commit, merge  # noqa: E402

PREFIX = "operator/"
"""Before the names of these faults in the record, which others share."""


def main() -> int:
    """Exit code 0 when every trial was sound, 2 where this machine can't try them."""
    made = argparse.ArgumentParser(prog="python -m tests.operator_faults", description="Break things, and watch.")
    made.add_argument("--runs", type=int, default=5, help="of each fault")
    made.add_argument("--only", nargs="*", choices=CATALOGUE, default=list(CATALOGUE), help="these faults")
    made.add_argument("--outage", type=float, default=60.0, help="seconds from the break to its healing")
    made.add_argument("--out", type=Path, default=RECORD, help="summary, merged by fault")
    arguments = made.parse_args()
    if not names_possible():
        print("python -m tests.operator_faults: needs root and unshare, for names of its own", file=sys.stderr)
        return 2
    try:
        programs, helm = kubernetes_programs(*CONTROL_PLANE), find_helm()
    except ProgramsUnavailable as exc:
        print(f"python -m tests.operator_faults: no control plane on this machine: {exc}", file=sys.stderr)
        return 2
    sound = True
    with ControlPlane(programs) as plane:
        serve_crds(plane)
        for name in arguments.only:
            known = _known(arguments.out, name, arguments.runs)
            if known is None:
                verdicts = [
                    verdict
                    for number in range(arguments.runs)
                    for verdict in _run(CATALOGUE[name], plane, helm, arguments.outage, number)
                ]
                known = _summary(name, verdicts, arguments.runs, arguments.outage)
                merge(arguments.out, known)
            sound = sound and known["sound"] == known["trials"]
    return 0 if sound else 1


def _run(fault: Fault, plane: ControlPlane, helm: Path, outage: float, number: int) -> list[Verdict]:
    with (
        own_namespace(plane) as namespace,
        operator_account(plane, namespace, helm) as account,
        tempfile.TemporaryDirectory(prefix="headrace-fault-") as folder,
    ):
        start = partial(live_fleet, plane, namespace, account, Path(folder))
        return asyncio.run(_try(fault, partial(site, start, Path(folder), plane.kubeconfig), outage, number))


async def _try(fault: Fault, open_site: Any, outage: float, number: int) -> list[Verdict]:
    verdicts = []
    async with open_site() as ground:
        for fleet in Fleet:
            verdict = await try_here(fault, fleet, ground, outage=outage)
            verdicts.append(verdict)
            said = "sound" if verdict.sound else f"NOT SOUND: {'; '.join(verdict.complaints)}"
            told = "" if verdict.seconds_to_say is None else f", said after {verdict.seconds_to_say:.1f} s"
            print(
                f"{fault.name} {number + 1}, {fleet} fleet: back after {verdict.recovery:.1f} s{told}, {said}",
                flush=True,
            )
    return verdicts


def _known(path: Path, name: str, runs: int) -> dict[str, Any] | None:
    """The entry that this very commit has made with so many runs."""
    entries: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    for entry in entries:
        if entry.get("fault") == PREFIX + name and entry["commit"] == commit() and entry["runs"] >= runs:
            return None if entry["commit"].endswith("-dirty") else entry
    return None


def _summary(name: str, verdicts: list[Verdict], runs: int, outage: float) -> dict[str, Any]:
    told = [verdict.seconds_to_say for verdict in verdicts if verdict.seconds_to_say is not None]
    return {
        "commit": commit(),
        "fault": PREFIX + name,
        "runs": runs,
        "trials": len(verdicts),
        "sound": sum(verdict.sound for verdict in verdicts),
        "outage_s": outage if CATALOGUE[name].lasts else 0,
        "worst_recovery_s": round(max(verdict.recovery for verdict in verdicts), 2),
        "worst_said_after_s": round(max(told), 2) if told else None,
        "complaints": sorted({complaint for verdict in verdicts for complaint in verdict.complaints}),
        "seconds": round(sum(verdict.seconds for verdict in verdicts), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
