"""docs/sizing.md against real servers: what it says that a job costs them is near what it does."""

from __future__ import annotations

import re

import pytest
from benchmarks.memory import CASES, bytes_per_job
from benchmarks.server import running_server

from support.pages import PAGES
from support.topologies import BINARIES

ROWS = {
    cells[0]: {"valkey": int(cells[1].replace(",", "")), "redis": int(cells[2].replace(",", ""))}
    for line in PAGES["docs/sizing"].read_text(encoding="utf-8").splitlines()
    if re.fullmatch(r"\| [^|]+ \| [\d,]+ \| [\d,]+ \|", line) and (cells := line[2:-2].split(" | "))
}
JOBS = 2_500
"""As many as fill the servers' tables to about the same share as the page's 20,000."""


def test_every_case_has_its_row() -> None:
    assert list(ROWS) == [case.name for case in CASES]


@pytest.mark.parametrize("server", BINARIES)
async def test_a_job_costs_about_what_the_page_says(server: str) -> None:
    with running_server(BINARIES[server]) as running:
        for case in CASES:
            said, found = ROWS[case.name][server], await bytes_per_job(running, case, JOBS)
            assert abs(found - said) <= 0.35 * said + 20, (case.name, found)
