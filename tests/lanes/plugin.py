"""A pytest plugin: what becomes of each test, as lines of JSON in `--lane-record`, written as it happens.

Runs within a lane's pytest, so it imports nothing of ours. `record.py` reads the lines:

    {"collected": 412}                                    once
    {"begun": "tests/unit/test_x.py::test_y"}             each test, then
    {"ended": "tests/unit/test_x.py::test_y", "outcome": "passed" | "failed" | "skipped", "seconds": 0.2, "said": "…"}
    {"uncollected": "tests/unit/test_z.py", "outcome": "failed" | "skipped", "said": "…"}
    {"finished": 0}                                       once, with pytest's exit code

`said` is a failure's whole text, with what the test printed, or why it was skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

_WORST: Final = ("passed", "skipped", "failed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one option."""
    parser.addoption("--lane-record", type=Path, help="where to write what becomes of each test, as lines of JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Only where it is given."""
    if path := config.getoption("--lane-record"):
        config.pluginmanager.register(Recorder(path), "lane-recorder")


class Recorder:
    """One file for one session."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reports: list[pytest.TestReport] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that can't be imported, or that leaves itself out."""
        if report.outcome != "passed":
            self._write(uncollected=report.nodeid, outcome=report.outcome, said=_said(report))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write(collected=len(session.items))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._reports = []
        self._write(begun=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        outcome = max((report.outcome for report in self._reports), key=_WORST.index, default="failed")
        said = "\n".join(_said(report) for report in self._reports if report.outcome == outcome != "passed")
        seconds = round(sum(report.duration for report in self._reports), 3)
        self._write(ended=nodeid, outcome=outcome, seconds=seconds, said=said)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._write(finished=int(exitstatus))

    def _write(self, **line: Any) -> None:
        """Opened each time: the line is there whatever becomes of this process, and no file is left open."""
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _said(report: pytest.CollectReport | pytest.TestReport) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    sections = [f"{f' {title} ':-^80}\n{text}" for title, text in report.sections]
    return "\n".join([report.longreprtext, *sections])
