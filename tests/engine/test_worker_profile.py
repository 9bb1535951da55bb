"""E21: `headrace profile` looks into a running worker, which pays only while it does."""

from __future__ import annotations

import asyncio
import re

import pytest

from support.apps import kinds
from support.lab import Lab
from support.polling import eventually
from support.worker_process import run_headrace

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


async def test_a_profile_has_the_stack_of_a_running_handler(lab: Lab) -> None:
    lab.use(kinds.fleet)
    worker = await lab.start("kinds")
    job = await kinds.in_thread.options(timeout=120).enqueue("slow", 120)
    await eventually(lambda: lab.events(job.id))
    code, out, err = await asyncio.to_thread(
        run_headrace, "profile", "--for", "300ms", "--socket", str(worker.socket), within=60
    )
    assert (code, err) == (0, "")
    assert all(re.fullmatch(r"\S+;.+ \d+", line) for line in out.splitlines())
    assert any(line.startswith("headrace-handler;") and "kinds.in_thread" in line for line in out.splitlines())


async def test_a_profile_of_nothing_is_one_line(lab: Lab) -> None:
    gone = str(lab.directory / "gone.sock")
    code, _, err = await asyncio.to_thread(run_headrace, "profile", "--for", "1s", "--socket", gone)
    assert code == 1
    assert len(err.splitlines()) == 1
    assert gone in err
