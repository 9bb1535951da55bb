"""The Python of a page of docs runs: its first block is the application, the others are what a client does with it."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
import textwrap
from pathlib import Path

import pytest

from support.lab import Lab

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["batches", "process-limits", "queue-length", "results", "workflows"])
async def test_a_page_runs_as_printed(lab: Lab, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    application, *blocks = BLOCK.findall((DOCS / f"{page}.md").read_text())
    assert blocks
    name = f"pages.{page.replace('-', '_')}"
    file = tmp_path / f"{name.replace('.', '/')}.py"
    file.parent.mkdir()
    file.write_text(application)
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("pages", name):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setenv("REDIS_URL", lab.url)
    await lab.start(name + ":fleet", PYTHONPATH=str(tmp_path))
    importlib.invalidate_caches()
    body = textwrap.indent("\n".join(blocks), "    ")
    run: dict[str, object] = {}
    exec(f"from {name} import *\nasync def main():\n{body}\n", run)
    async with importlib.import_module(name).fleet, asyncio.timeout(60):
        await run["main"]()  # type: ignore[operator]
