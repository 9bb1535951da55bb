"""Schedules in `headrace dev`: the same YAML, the same verdicts, and jobs that really run."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace_operator.api.names import RUN_NOW_ANNOTATION, ScheduleKey
from headrace_operator.objects.annotations import Annotations
from support.bad_queues import patched
from support.bad_schedules import MISTAKES, good_schedule
from support.dev_process import YAML, DevProcess
from support.helm import ROOT

APP = """
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field
from headrace import Fleet, current_context

fleet = Fleet()
queue = fleet.queue("q")


@queue.task()
async def report(day: str, pages: Annotated[int, Field(ge=1)] = 1) -> None:
    with Path("out").open("a") as out:
        out.write(f"{day} {pages} {os.getpid()} {current_context().tick} {current_context().max_retries}\\n")
"""
QUEUE = YAML.replace("name: shop}", "name: emails}").replace("cooldownSeconds: 1", "cooldownSeconds: 10")


def schedule(name: str, patch: dict[str, object] | None = None) -> dict[str, Any]:
    return patched(good_schedule(), {**(patch or {}), "metadata.name": name})


def write(folder: Path, *schedules: dict[str, Any]) -> None:
    (folder / "queue.yaml").write_text(f"{QUEUE}\n---\n{yaml.safe_dump_all(schedules)}")


class ScheduledDev(DevProcess):
    """A fleet whose WorkerQueue is called as the cases' is."""

    @property
    def status(self) -> dict[str, Any]:
        return self.status_of("emails")

    def schedule(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / f".headrace/schedules/status/{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def ready(self, name: str) -> dict[str, Any]:
        return next(iter(self.schedule(name).get("conditions", [])), {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


@pytest.fixture
def dev(folder: Path) -> Iterator[ScheduledDev]:
    write(folder, schedule("nightly"))
    with ScheduledDev(folder) as running:
        assert isinstance(running, ScheduledDev)
        yield running


def test_it_runs_what_the_yaml_says(dev: ScheduledDev) -> None:
    dev.until("two have run", lambda: dev.out[:2] == ["monday 3", "monday 3"])
    dev.until("its task is checked", lambda: "not checked" not in dev.ready("nightly").get("message", "not checked"))
    assert dev.ready("nightly")["reason"] == "Scheduled"
    write(dev.folder, schedule("nightly", {"spec.suspend": True}))
    dev.until("it is suspended", lambda: dev.ready("nightly")["reason"] == "Suspended")
    dev.until("that is said", lambda: "nightly: Suspended: " in dev.printed)
    write(dev.folder)
    dev.until("it is gone", lambda: not dev.schedule("nightly"))
    write(dev.folder, schedule("nightly", {"spec.suspend": True}))
    dev.until("it is there again", lambda: bool(dev.ready("nightly")))
    ran = len(dev.out)
    with Annotations(dev.folder / ".headrace/schedules/annotations").change(ScheduleKey("default", "nightly")) as found:
        found[RUN_NOW_ANNOTATION] = "by-hand"
    dev.until("it is told", lambda: dev.schedule("nightly").get("runNow", {}).get("phase") == "Enqueued")
    dev.until("it has run", lambda: len(dev.out) > ran)
    dev.signal()
    assert dev.wait() == 0
    ticks = [line.split()[3:] for line in (dev.folder / "out").read_text().splitlines()]
    assert len({tuple(tick) for tick in ticks}) == len(ticks), "one job for each tick"


def test_a_run_out_of_turn_from_the_command_line(folder: Path) -> None:
    suspended = schedule("nightly", {"spec.suspend": True, "spec.args": ["sunday"]})
    write(folder, suspended, schedule("unsound", {"spec.cron": "* * * * *", "spec.workerQueue": "nobody"}))
    with ScheduledDev(folder) as dev:
        assert isinstance(dev, ScheduledDev)
        dev.until("it is suspended", lambda: dev.ready("nightly").get("reason") == "Suspended")
        said = dev.run("schedules", "run", "nightly", "--request", "mine")
        assert said.startswith("job ")
        dev.until("it has run", lambda: dev.out == ["sunday 3"])
        again = dev.run("schedules", "run", "nightly", "--request", "mine")
        assert again == f"this request has run before as {said}; another value runs it again"
        told = json.loads(dev.run("schedules", "run", "default/nightly", "-o", "json"))
        assert (told["phase"], told["message"]) == ("Enqueued", f"job {told['jobId']}")
        dev.until("it has run once more", lambda: dev.out == ["sunday 3"] * 2)
        dev.until("the other is judged", lambda: bool(dev.ready("unsound")))
        refused = dev.run("schedules", "run", "unsound", code=2)
        assert refused == f"headrace: {dev.ready('unsound')['message']}"
        for wrong, says in (
            (["nobody"], "headrace schedules run: no Schedule 'nobody' here; there is nightly, unsound"),
            (["nightly", "--request", "a b"], "headrace schedules run: --request must have 1 to 100 letters"),
            (["nightly", "--data", "/none"], "headrace schedules run: no `headrace dev` runs with its data in /none"),
        ):
            assert dev.run("schedules", "run", *wrong, code=2).startswith(says)
        assert dev.out == ["sunday 3"] * 2


def test_a_run_that_nobody_takes_up_goes_on(dev: ScheduledDev) -> None:
    """A dev that stops in between, or that is too slow."""
    dev.until("it is judged", lambda: bool(dev.ready("nightly")))
    os.kill(dev.pid, signal.SIGSTOP)
    slow = dev.run("schedules", "run", "nightly", "--timeout", "0.3", code=1)
    assert slow == "headrace schedules run: not done after 0.3 s; it goes on"
    with ThreadPoolExecutor() as others:
        waiting = others.submit(dev.run, "schedules", "run", "nightly", "--request", "second", code=1)
        noted = Annotations(dev.folder / ".headrace/schedules/annotations")
        key = ScheduleKey("default", "nightly")
        dev.until("it is asked", lambda: noted.read(key).get(RUN_NOW_ANNOTATION) == "second")
        dev.kill()
        stopped = "`headrace dev` has stopped; the run goes on when it is started again"
        assert waiting.result(timeout=60) == f"headrace schedules run: {stopped}"


def test_its_jobs_run_as_the_yaml_says(folder: Path) -> None:
    write(folder, schedule("nightly", {"spec.maxRetries": 7, "spec.priority": "low", "spec.timeoutSeconds": 9}))
    with ScheduledDev(folder) as dev:
        assert isinstance(dev, ScheduledDev)
        dev.until("one has run", lambda: len(dev.out) > 0)
    assert (folder / "out").read_text().splitlines()[0].endswith(" 7")


def test_each_mistake_gets_the_operators_verdict(folder: Path) -> None:
    names = {f"case-{number}": case for number, case in enumerate(MISTAKES)}
    good = schedule("nightly", {"spec.args": ["sunday"]})
    write(folder, good, *(schedule(name, dict(case.patch)) for name, case in names.items()))
    with ScheduledDev(folder) as dev:
        assert isinstance(dev, ScheduledDev)
        # Until the first worker has ever said what it knows, nothing is wrong with a task.
        dev.until("the good one has run", lambda: "sunday 3" in dev.out)
        for name, case in names.items():
            dev.until(f"{case.name} is {case.reason}", lambda n=name, c=case: dev.ready(n).get("reason") == c.reason)  # type: ignore[misc]
            assert case.says in dev.ready(name)["message"]
            said = f"{name}: ! {case.reason}: "
            dev.until(f"{case.name} is said", lambda said=said: said in dev.printed)  # type: ignore[misc]
        ran = dev.out.count("sunday 3")
        dev.until("the good one goes on", lambda: dev.out.count("sunday 3") > ran + 1)


def test_the_example_runs(folder: Path) -> None:
    example = ROOT / "examples" / "schedules"
    (folder / "reports.py").write_text((example / "reports.py").read_text())
    yaml_text = (example / "queue.yaml").read_text().replace("name: reports\nspec", "name: emails\nspec")
    (folder / "queue.yaml").write_text(yaml_text.replace("workerQueue: reports", "workerQueue: emails"))
    with ScheduledDev(folder) as dev:
        assert isinstance(dev, ScheduledDev)
        dev.until("it has run", lambda: "reports is alive at " in dev.printed)
        dev.until("it is checked", lambda: dev.ready("nightly").get("message") == "jobs are put into queue reports")
        assert dev.schedule("nightly")["description"] == "At 02:30 every day, Europe/Berlin time"


def test_a_field_that_makes_no_sense_ends_it_at_once(folder: Path) -> None:
    write(folder, schedule("nightly", {"spec.catchUp": "Some"}))
    with pytest.raises(Exception, match=r"spec\.catchUp: must be 'None', 'Latest' or 'All'"), ScheduledDev(folder):
        pass
