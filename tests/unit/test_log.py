"""E23: what a log line is, as JSON and for people; what never gets into one; what a busy worker leaves out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from headrace.worker.log import JOB_LINES_PER_SECOND, Log


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.25

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr("headrace.worker.log.time.monotonic", standing.monotonic)
    return standing


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "log").open("w+") as file:
        yield file


def write_jobs(log: Log, clock: Clock, count: int) -> None:
    for _ in range(count):
        if log.has_room_for_job(clock.now):
            log.job("job done", {})


def written(stream: TextIO) -> list[dict[str, Any]]:
    stream.seek(0)
    return [json.loads(line) for line in stream.read().splitlines()]


def test_a_json_line_has_time_level_event_and_all_fields(stream: TextIO) -> None:
    log = Log(stream=stream)
    log.set_fields(worker_id="w1")
    log.info("hello", job_id="j", seconds=0.25)
    log.flush()
    (line,) = written(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "event": "hello", "worker_id": "w1", "job_id": "j", "seconds": 0.25}


def test_an_error_s_message_is_for_people_only(stream: TextIO, tmp_path: Path) -> None:
    Log(stream=stream).error("job is a dead letter", reason="ValueError", message="ValueError: hunter2")
    assert written(stream)[0]["reason"] == "ValueError"
    assert "message" not in written(stream)[0]
    with (tmp_path / "console").open("w+") as console:
        Log(form="console", stream=console).error("job is a dead letter", message="ValueError: hunter2")
        console.seek(0)
        assert console.read().endswith("error   job is a dead letter  message=ValueError: hunter2\n")


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(stream: TextIO, level: str, shown: int) -> None:
    log = Log(level, stream=stream)
    for write in (log.debug, log.info, log.warning, log.error):
        write("x")
    log.flush()
    assert len(written(stream)) == shown


@pytest.mark.parametrize(
    ("jobs", "level", "wanted"),
    [("auto", "info", True), ("all", "info", True), ("none", "info", False), ("all", "warning", False)],
)
def test_whether_lines_about_jobs_are_wanted(stream: TextIO, jobs: str, level: str, wanted: bool) -> None:
    assert Log(level, jobs=jobs, stream=stream).wants_jobs is wanted


def test_job_lines_are_limited_by_the_second_and_the_rest_is_counted(stream: TextIO, clock: Clock) -> None:
    log = Log(stream=stream)
    write_jobs(log, clock, JOB_LINES_PER_SECOND + 7)
    log.flush()
    assert len(written(stream)) == JOB_LINES_PER_SECOND
    clock.now += 1
    write_jobs(log, clock, 1)
    log.flush()
    left_out, done = written(stream)[JOB_LINES_PER_SECOND:]
    assert (left_out["event"], left_out["lines"], done["event"]) == ("job lines left out", 7, "job done")


@pytest.mark.parametrize("at_the_end", [True, False])
def test_what_was_left_out_is_told_although_no_job_follows(stream: TextIO, clock: Clock, at_the_end: bool) -> None:
    log = Log(stream=stream)
    write_jobs(log, clock, JOB_LINES_PER_SECOND + 7)
    if not at_the_end:
        clock.now += 1
    log.flush(last=at_the_end)
    assert written(stream)[-1]["lines"] == 7
    log.flush(last=True)
    assert len(written(stream)) == JOB_LINES_PER_SECOND + 1


def test_lines_are_buffered_but_errors_are_not(stream: TextIO) -> None:
    log = Log(stream=stream)
    log.info("first")
    assert written(stream) == []
    log.error("second")
    assert [line["event"] for line in written(stream)] == ["first", "second"]


def test_a_reader_that_went_away_stops_nothing(tmp_path: Path) -> None:
    file = (tmp_path / "log").open("w")
    log = Log(stream=file)
    file.close()
    log.error("nobody reads this")
    log.flush(last=True)
