"""A real Prometheus of a test's own: scrapes what it is told to on loopback, and answers queries as Grafana asks them.

Knows no metric of ours. Its calls block: use asyncio.to_thread.
"""

from __future__ import annotations

import json
import math
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.leave_out import leave_out
from support.monitoring import write
from support.ports import free_ports
from support.server_process import ServerProcess

Json = dict[str, Any]
SCRAPE_SECONDS = 1


@dataclass(frozen=True)
class Target:
    """Where metrics are, and what a monitor of the Prometheus operator would have them labelled with."""

    port: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """One series of a range query."""

    labels: Mapping[str, str]
    values: tuple[float, ...]
    """Without NaN, which Grafana draws as a gap."""


def find_prometheus() -> str:
    """Its path; where it is missing, the test is left out aloud."""
    return shutil.which("prometheus") or leave_out("there is no prometheus on this machine")


class Prometheus:
    """`with Prometheus(folder) as prometheus:` gives it ready."""

    def __init__(self, folder: Path, jobs: Mapping[str, bool]) -> None:
        """`jobs`: name → whether labels of a scrape win over those of its target (honor_labels)."""
        [self._port] = free_ports(1)
        self._folder = folder
        for job in jobs:
            self.follow(job, ())
        scrapes = [
            {
                "job_name": job,
                "honor_labels": honor_labels,
                "file_sd_configs": [{"files": [str(self._targets(job))], "refresh_interval": "1s"}],
            }
            for job, honor_labels in jobs.items()
        ]
        often = f"{SCRAPE_SECONDS}s"
        settings = {"global": {"scrape_interval": often, "scrape_timeout": often}, "scrape_configs": scrapes}
        command = [
            find_prometheus(),
            f"--config.file={write(folder / 'prometheus.yaml', settings)}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        self._process = ServerProcess("prometheus", command, folder / "prometheus.log")

    def __enter__(self) -> Self:
        self._process.start()
        self._process.poll_until(self._ready, deadline=time.monotonic() + 60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop(grace=10)

    def follow(self, job: str, targets: Iterable[Target]) -> None:
        """Scrape these from now on, and no others of that job."""
        found = [{"targets": [f"127.0.0.1:{one.port}"], "labels": dict(one.labels)} for one in targets]
        made = self._folder / f"{job}.new"
        made.write_text(json.dumps(found))
        made.replace(self._targets(job))

    def _targets(self, job: str) -> Path:
        return self._folder / f"{job}.json"

    def range(self, query: str, start: float, end: float) -> list[Answer]:
        """The series of a panel between two Unix times, a value a second. Fails for a query that it refuses."""
        found = self._ask("query_range", query=query, start=f"{start:.3f}", end=f"{end:.3f}", step="1")
        return [Answer(one["metric"], tuple(_numbers(one["values"]))) for one in found["result"]]

    def label_values(self, label: str, series: str) -> list[str]:
        """What a variable of a dashboard offers: the label's values among the series that match."""
        found: list[str] = self._ask(f"label/{label}/values", **{"match[]": series})
        return found

    def _ask(self, what: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5):
                return True
        except OSError:
            return False


def _numbers(values: Iterable[tuple[float, str]]) -> Iterable[float]:
    return (number for number in (float(text) for _, text in values) if not math.isnan(number))
