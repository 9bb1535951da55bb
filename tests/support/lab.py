"""What a test of workers works with: a server, workers, the files their handlers write, a look at the queue."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace import Fleet
from headrace.admin.dead_letters import DeadLetter
from headrace.admin.queue_admin import QueueAdmin
from headrace.contract.stats import QueueStats
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.growing_file import whole_lines
from support.ledger import Line, read_ledger
from support.worker_process import WorkerProcess


class Lab:
    """Made by the `lab` fixture; `close` ends what was started and fails if a worker wrote what is no log line."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.workers: list[WorkerProcess] = []
        self._fleets: list[Fleet] = []
        self.link = Link(parse_target(url), name="lab")

    @property
    def files(self) -> dict[str, str]:
        """Where the handlers write, as environment variables."""
        return {"TEST_LEDGER": str(self.directory / "ledger"), "TEST_NOTES": str(self.directory / "notes")}

    # -- workers

    def worker(self, app: str, *arguments: str, url: str | None = None, **environ: str) -> WorkerProcess:
        """A worker of `support.apps.<app>`, or of a whole `module:attribute`, not started. Each has its own
        directory and id: w0, w1, …"""
        name = f"w{len(self.workers)}"
        made = WorkerProcess(
            app if "." in app or ":" in app else f"support.apps.{app}",
            url or self.url,
            self.directory / name,
            *arguments,
            **{"HEADRACE_WORKER_ID": name, **self.files, **environ},
        )
        self.workers.append(made)
        return made

    async def start(self, app: str, *arguments: str, url: str | None = None, **environ: str) -> WorkerProcess:
        """The same, started and consuming."""
        return await self.worker(app, *arguments, url=url, **environ).start()

    # -- the queue

    def use(self, fleet: Fleet) -> None:
        """Enqueue by this application's tasks onto the test's server."""
        fleet.connect_to(self.url)
        self._fleets.append(fleet)

    def admin(self, queue: str = "jobs") -> QueueAdmin:
        """Operations on a queue."""
        return QueueAdmin(self.link, queue)

    async def stats(self, queue: str = "jobs") -> QueueStats:
        """The queue's numbers."""
        return await self.admin(queue).stats()

    async def idle(self, queue: str = "jobs") -> bool:
        """No job waits or runs."""
        seen = await self.stats(queue)
        return seen.ready + seen.due + seen.scheduled + seen.leased == 0

    async def dead(self, queue: str = "jobs") -> dict[str, DeadLetter]:
        """Dead letters by id, the first 1,000."""
        page = await self.admin(queue).dead_letters.page(limit=1000)
        return {letter.id: letter for letter in page.letters}

    # -- what the handlers wrote

    def runs(self) -> list[Line]:
        """The ledger."""
        return list(read_ledger(self.directory / "ledger"))

    def events(self, job: str) -> list[str]:
        """What the ledger says of one job, in order."""
        return [line.event for line in self.runs() if line.job == job]

    def ended(self) -> Counter[str]:
        """Job → how often a run ended well."""
        return Counter(line.job for line in self.runs() if line.event == "end")

    def notes(self, what: str | None = None) -> list[Mapping[str, Any]]:
        """The notes, or those of one kind."""
        parsed = [json.loads(line) for line in whole_lines(self.directory / "notes")]
        return [line for line in parsed if what in (None, line["what"])]

    async def close(self) -> None:
        """End everything."""
        for worker in self.workers:
            worker.kill()
        for fleet in self._fleets:
            await fleet.close()
        await self.link.close()
        for worker in self.workers:
            worker.lines()
