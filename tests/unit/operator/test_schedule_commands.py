"""`headrace schedules next`, `pause` and `resume`: what they say of a YAML, and of one with mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from headrace.cli.entry import main
from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import Format, Printer
from headrace.errors import ConfigError
from headrace_operator.api.names import ObjectKey
from headrace_operator.core.schedule_summary import Found, summarise
from headrace_operator.core.schedule_verdict import ScheduleReason, Verdict
from headrace_operator.dev.home import open_home
from headrace_operator.dev.options import FOLDER
from headrace_operator.kubectl.schedule_answers import tell_run
from headrace_operator.kubectl.schedules import next_ticks
from headrace_operator.kubectl.words import read_call
from headrace_operator.objects.annotations import file_name
from headrace_operator.schedules.upcoming import upcoming
from support.bad_queues import patched
from support.bad_schedules import good_schedule
from support.cli import Ran

Said = Callable[..., Ran]
BERLIN = ZoneInfo("Europe/Berlin")


def document(name: str, **spec: object) -> dict[str, object]:
    return patched(
        good_schedule(), {"metadata.name": name, **{f"spec.{field}": value for field, value in spec.items()}}
    )


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    """Of a folder whose queue.yaml has a good Schedule and a suspended one."""
    monkeypatch.chdir(tmp_path)
    hourly = document("hourly", cron="@hourly", suspend=True)
    (tmp_path / "queue.yaml").write_text(yaml.safe_dump_all([document("nightly", cron="30 4 * * *"), hourly]))

    def run(*words: str) -> Ran:
        code = main(["schedules", *words])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def test_of_one_it_shows_the_next_times_in_its_zone(said: Said) -> None:
    ran = said("next", "nightly", "--count", "3")
    head, *lines = ran.out.splitlines()
    times = [datetime.fromisoformat(line) for line in lines]
    assert (ran.code, head, ran.err, len(times)) == (0, "NEXT", "", 3)
    assert [(time.hour, time.minute) for time in times] == [(4, 30)] * 3
    assert times[0] > datetime.now(UTC)
    assert [time.astimezone(BERLIN).utcoffset() for time in times] == [time.utcoffset() for time in times]
    assert len(said("next", "default/nightly").out.splitlines()) == 1 + 5
    found = said("next", "nightly", "-o", "json").json
    assert (found["description"], found["suspended"]) == ("At 04:30 every day, Europe/Berlin time", False)
    assert datetime.fromtimestamp(found["next_ms"][0] / 1000, UTC) == times[0]


def test_of_all_it_shows_the_next_time_of_each(said: Said) -> None:
    ran = said("next")
    assert ran.code == 0
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == ["NAME", "nightly", "hourly"]
    assert ran.err == "headrace: hourly is suspended: nothing runs until it is resumed\n"
    assert len(said("next", "--count", "2").out.splitlines()) == 1 + 4
    document = said("next", "-o", "json")
    assert [(one["name"], len(one["next_ms"])) for one in document.json] == [("nightly", 1), ("hourly", 1)]
    assert document.err == ""


def test_what_the_fleet_here_cannot_fire_is_said_with_its_reason(said: Said) -> None:
    found = Found(1, Verdict(ScheduleReason.UNKNOWN_TASK, "spec.task: no such task"))
    good = Found(1, Verdict(ScheduleReason.SCHEDULED, "as it should be"))
    with open_home(Path(FOLDER)) as home:
        for name, one in (("nightly", found), ("hourly", good)):
            status = summarise(None, one, 0.0).document()
            (home.schedules / "status" / file_name(ObjectKey("default", name))).write_text(json.dumps(status))
        ran, document = said("next"), said("next", "-o", "json")
        only = said("next", "nightly", "-o", "json").json
    assert (ran.code, ran.err.splitlines()[1:]) == (
        0,
        ["headrace: nightly is not Ready: UnknownTask: spec.task: no such task"],
    )
    assert [(one["ready"], one["reason"]) for one in document.json] == [(False, "UnknownTask"), (True, "Scheduled")]
    assert (only["ready"], only["reason"], only["message"]) == (False, "UnknownTask", "spec.task: no such task")
    assert "Ready" not in said("next").err, "no fleet runs, and what it said then may not be so"


def test_one_with_a_mistake_leaves_the_others_alone(said: Said) -> None:
    wrong = [document("never", cron="0 0 30 2 *"), document("nowhere", timeZone="Mars"), document("odd", colour="red")]
    Path("queue.yaml").write_text(yaml.safe_dump_all([*wrong, document("fine")]))
    ran = said("next")
    assert ran.code == ExitCode.MISTAKE
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == ["NAME", "fine"]
    never, nowhere, odd = ran.err.splitlines()
    assert never.startswith("headrace: never: cron '0 0 30 2 *'")
    assert nowhere.startswith("headrace: nowhere: ")
    assert odd.startswith("headrace: odd: ")
    assert "spec.colour: unknown field" in odd
    assert said("next", "-o", "json").err == ran.err
    for name in ("never", "nowhere", "odd"):
        alone = said("next", name)
        assert (alone.code, alone.out, len(alone.err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("next", "weekly"), "no Schedule 'weekly' in queue.yaml; there is hourly, nightly"),
        (("next", "-f", "none.yaml"), "none.yaml: No such file or directory"),
        (("pause", "nightly"), "write `suspend: true` under nightly's spec and save it"),
        (("resume", "nightly"), "write `suspend: false` under nightly's spec and save it"),
        (("run", "nightly"), "no `headrace dev` runs with its data in "),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(said: Said, words: tuple[str, ...], says: str) -> None:
    ran = said(*words)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert ran.err.startswith(f"headrace schedules {words[0]}: ")
    assert says in ran.err


@pytest.mark.parametrize("form", ["plain", "json"])
@pytest.mark.parametrize("cron", ["@hourly", "99 * * * *"])
def test_the_plugin_says_the_same_of_all(said: Said, capsys: pytest.CaptureFixture[str], form: str, cron: str) -> None:
    """Also of one that makes no sense, under the exit code of a mistake."""
    Path("queue.yaml").write_text(yaml.safe_dump_all([document("nightly"), document("often", cron=cron)]))
    written = [{**one, "metadata": one["metadata"]} for one in yaml.safe_load_all(Path("queue.yaml").read_text())]
    asked: list[tuple[str, ...]] = []

    def get(*words: str) -> Any:
        asked.append(words[1:])
        for one in written:
            one["metadata"]["namespace"] = "mail"
        return {"items": written}

    kubectl: Any = SimpleNamespace(get=get)
    code = next_ticks(kubectl, read_call(("schedules", "next", "-o", form)))
    there = capsys.readouterr()
    here = said("next", "-o", form)
    assert (code, there.out) == (here.code, here.out)
    assert there.out.count("nightly") == 1
    assert (code, len(there.err.splitlines())) == ((0, 0) if cron == "@hourly" else (2, 1))
    next_ticks(kubectl, read_call(("schedules", "next", "-A", "-o", "json")))
    assert '"mail/nightly"' in capsys.readouterr().out
    assert asked == [(), ("--all-namespaces",)]


@pytest.mark.parametrize(
    ("phase", "code"), [("Enqueued", 0), ("Repeated", 0), ("Replaced", 0), ("Skipped", 1), ("Refused", 2)]
)
def test_what_a_run_has_come_to_is_a_document(phase: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    status = {"request": "once", "phase": phase, "time": "2026-11-23T19:00:00Z", "message": "so it was"}
    assert tell_run(Printer(Format.JSON), status) == code
    told = capsys.readouterr()
    assert json.loads(told.out) == status
    assert told.err == ("" if code == 0 else "headrace: so it was\n")
    assert tell_run(Printer(Format.PLAIN), status) == code
    told = capsys.readouterr()
    assert (told.out, told.err) == (("so it was\n", "") if code == 0 else ("", "headrace: so it was\n"))


@pytest.mark.parametrize("form", ["plain", "json", "yaml"])
@pytest.mark.parametrize("name", ["nightly", "hourly"])
def test_the_plugin_says_the_same(said: Said, capsys: pytest.CaptureFixture[str], name: str, form: str) -> None:
    """Of a Schedule that a cluster has."""
    written = {one["metadata"]["name"]: one for one in yaml.safe_load_all(Path("queue.yaml").read_text())}
    kubectl: Any = SimpleNamespace(get=lambda _resource, asked: written[asked])
    words = ("schedules", "next", name, "--count", "3", "-o", form)
    assert next_ticks(kubectl, read_call(words)) == ExitCode.DONE
    there = capsys.readouterr()
    assert said(*words[1:]) == Ran(ExitCode.DONE, there.out, there.err)
    assert there.out


@pytest.mark.parametrize("count", ["0", "1001", "many"])
def test_a_count_is_a_number(said: Said, count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        said("next", "--count", count)
    assert ended.value.code == ExitCode.MISTAKE
    assert "--count: must be a number from 1 to 1000" in capsys.readouterr().err


def test_the_first_tick_is_later_than_now() -> None:
    tick = int(datetime(2026, 3, 28, 2, 30, tzinfo=BERLIN).timestamp() * 1000)
    found = upcoming("30 2 * * *", "Europe/Berlin", suspended=True, after_ms=tick, count=2)
    assert found.shown == ["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00"]
    assert json.loads(json.dumps(found.document))["suspended"] is True
    with pytest.raises(ConfigError):
        upcoming("30 2 * *", "Europe/Berlin", suspended=False, after_ms=tick, count=2)
