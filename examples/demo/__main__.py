"""The story: an empty fleet → jobs → workers from zero → a new version under load → replay → zero again."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "code-index"
sys.path.insert(0, str(EXAMPLE))

from examples.demo.fleet import Fleet, StoryError, dead, jobs  # noqa: E402
from examples.demo.ledger import Judge, expected_jobs, ledger_server  # noqa: E402
from examples.demo.narrator import Narrator  # noqa: E402


@dataclass(frozen=True)
class Result:
    """The last line, counted from the ledger."""

    enqueued: int
    completed: int
    dead: int
    """Dead letters that version 1 left."""
    replayed: int
    """Of those, jobs that were run again."""
    dead_at_end: int
    lost: int
    """Jobs that never came to an end."""
    redelivered: int
    peak_replicas: int
    replicas_at_end: int
    rollouts: int
    jobs_running_at_rollout: int
    interrupted: int
    seconds: float

    @property
    def broken(self) -> list[str]:
        """What does not hold."""
        zero = ("dead_at_end", "lost", "redelivered", "replicas_at_end", "interrupted")
        wrong = [f"{name} is {getattr(self, name)}, not 0" for name in zero if getattr(self, name)]
        checks = {
            "no dead letters from version 1": self.dead == 0,
            f"replayed {self.replayed} of {self.dead}": self.replayed != self.dead,
            f"peak_replicas is {self.peak_replicas}, less than 3": self.peak_replicas < 3,
            f"rollouts is {self.rollouts}, not 1": self.rollouts != 1,
            "no job ran at the rollout": self.jobs_running_at_rollout < 1,
            f"completed {self.completed} of {self.enqueued}": self.completed != self.enqueued,
        }
        return wrong + [what for what, is_so in checks.items() if is_so]


def main() -> int:
    """Exit code 0 if everything held."""
    narrator = Narrator()
    try:
        with tempfile.TemporaryDirectory(prefix="headrace-demo-") as scratch, ledger_server() as url:
            folder = Path(scratch) / "code-index"
            shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".headrace", "__pycache__"))
            result = play(folder, url, narrator)
    except StoryError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    for what in result.broken:
        print(f"demo: {what}", file=sys.stderr)
    print(json.dumps(asdict(result)), flush=True)
    return 1 if result.broken else 0


def play(folder: Path, ledger_url: str, narrator: Narrator) -> Result:
    """All of it, in a copy of the example. Raises StoryError."""
    judge = Judge(ledger_url)
    environ = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    environ |= {"LEDGER_URL": ledger_url, "LOG_JOBS": "none", "PYTHONUNBUFFERED": "1"}
    narrator.step("headrace dev -f queue.yaml: the fleet on this machine, with a Redis of its own")
    with Fleet(folder, environ, narrator.quote) as fleet:
        fleet.until("a first look at the queue", lambda status: "queue" in status, 30)
        scan = from_zero(fleet, narrator)
        at_rollout = roll_out(fleet, judge, folder, narrator)
        finish(fleet, narrator)
        dead_jobs, starts = replay(fleet, judge, narrator)
        narrator.step('python -m code_index search "parse url": the index answers')
        narrator.quote(fleet.run("code_index", "search", "parse url", "--limit", "3"))
        narrator.step("without jobs the fleet goes back to zero")
        end = fleet.until("no worker left", lambda status: not workers(status), 60)
        code = fleet.stop()
        if code != 0:
            raise StoryError(f"headrace dev ended with code {code}")
    summary = judge.look()
    wanted = expected_jobs(scan)
    ended = {job for job, outcome in summary.outcomes.items() if outcome in ("ok", "failed")}
    again = judge.starts()
    return Result(
        enqueued=len(wanted),
        completed=summary.count("ok"),
        dead=len(dead_jobs),
        replayed=sum(again[job] > starts[job] for job in dead_jobs),
        dead_at_end=summary.count("failed"),
        lost=len(wanted - ended),
        redelivered=summary.redelivered,
        peak_replicas=fleet.peak,
        replicas_at_end=max(workers(end), judge.workers_alive()),
        rollouts=fleet.rollouts,
        jobs_running_at_rollout=at_rollout,
        interrupted=summary.interrupted,
        seconds=round(narrator.seconds, 1),
    )


def from_zero(fleet: Fleet, narrator: Narrator) -> str:
    """One job, then thousands; the id of the first."""
    narrator.step("headrace enqueue code-index scan: one job, which enqueues one more for each source file here")
    scan = fleet.run("headrace", "enqueue", "code-index", "scan").splitlines()[-1]
    fleet.until("three workers are ready", lambda status: status.get("readyReplicas", 0) >= 3, 60)
    narrator.tell("nothing ran before; as many workers as the backlog calls for run now")
    return scan


def roll_out(fleet: Fleet, judge: Judge, folder: Path, narrator: Narrator) -> int:
    """Version 2 while jobs run; how many ran at that moment."""
    fleet.until("dead letters of version 1", lambda status: dead(status) > 0, 60)
    narrator.step("version 1 has a bug: some files fail and fail again. queue.yaml now says app: code_index.v2")
    while (running := judge.running) == 0:
        fleet.until("jobs are left for the rollout", lambda status: jobs(status, "ready", "leased") > 0, 1)
    yaml = folder / "queue.yaml"
    changed = yaml.with_suffix(".new")
    changed.write_text(yaml.read_text().replace("app: code_index.v1", "app: code_index.v2"))
    changed.replace(yaml)
    narrator.tell(f"{running} jobs are running; old workers finish theirs before they end")
    return running


def finish(fleet: Fleet, narrator: Narrator) -> None:
    """The rollout is over and every job has ended."""
    fleet.until("version 2 has taken over", lambda _: fleet.rollouts == 1, 90)
    status = fleet.until(
        "all jobs have ended",
        lambda status: "queue" in status and jobs(status, "ready", "leased", "scheduled") == 0,
        90,
    )
    narrator.tell(f"all jobs have ended; {dead(status)} of them as dead letters")


def replay(fleet: Fleet, judge: Judge, narrator: Narrator) -> tuple[set[str], dict[str, int]]:
    """Every dead letter again, on version 2: which jobs those were, and how often each job had been started before."""
    before = judge.look()
    dead_jobs = {job for job, outcome in before.outcomes.items() if outcome == "failed"}
    starts = judge.starts()
    narrator.step("headrace replay code-index --dry-run: what would be run again")
    narrator.quote(fleet.run("headrace", "replay", "code-index", "--dry-run"))
    narrator.step("headrace replay code-index: the dead letters get a second chance, on version 2")
    narrator.quote(fleet.run("headrace", "replay", "code-index"))
    fleet.until(
        "no dead letter and no job is left",
        lambda status: dead(status) == 0 and jobs(status, "ready", "leased", "scheduled") == 0,
        60,
    )
    return dead_jobs, starts


def workers(status: dict[str, object]) -> int:
    """Workers that exist, ending ones included."""
    versions = status.get("versions", [])
    assert isinstance(versions, list)
    return sum(version["desired"] + version["terminating"] for version in versions)


if __name__ == "__main__":
    sys.exit(main())
