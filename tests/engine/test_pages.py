"""The Python of the pages for users runs as printed: applications by real workers, clients and programs beside them."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.lab import Lab
from support.pages import Block, Chapter, chapters
from support.worker_process import clean_environment

LIVE = [chapter for chapter in chapters() if chapter.lives]
PATIENCE = 60
"""Seconds that the clients of a page may take, and each of its programs."""


# One kind of server: what differs between servers is the engine's tests' matter, not the pages'.
@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True, scope="session")
@pytest.mark.parametrize("chapter", LIVE, ids=[f"{each.page}-{each.module}" for each in LIVE])
async def test_a_page_runs_as_printed(
    lab: Lab, chapter: Chapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{chapter.module}.py").write_text(chapter.source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("REDIS_URL", lab.url)
    if chapter.needs_worker:
        await lab.start(f"{chapter.module}:fleet", PYTHONPATH=str(tmp_path))
    try:
        if chapter.clients:
            await _run_clients(chapter, importlib.import_module(chapter.module))
    finally:
        sys.modules.pop(chapter.module, None)
    for program in chapter.programs:
        await asyncio.to_thread(_run_program, program, tmp_path, lab.url)


async def _run_clients(chapter: Chapter, application: ModuleType) -> None:
    names = {**vars(application), "__name__": f"{chapter.module}_client"}
    code = compile(chapter.client, chapter.clients[0].place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with application.fleet, asyncio.timeout(PATIENCE):
        running = eval(code, names)
        if inspect.isawaitable(running):
            await running


def _run_program(program: Block, folder: Path, url: str) -> None:
    file = folder / f"program_{program.line}.py"
    file.write_text(program.text, encoding="utf-8")
    environment = clean_environment(REDIS_URL=url, PYTHONPATH=str(folder))
    ran = subprocess.run(
        [sys.executable, str(file)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), program.place
