"""docs/limits.md runs as it is written."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


async def test_the_page_s_examples_run(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    source = "\n".join(PYTHON.findall(PAGE.read_text(encoding="utf-8")))
    code = compile(source, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, Any] = {"__name__": "limits_page"}
    waiting = eval(code, names)
    assert inspect.isawaitable(waiting)
    await waiting
    assert set(names["billing"].tasks) == {"month_end", "charge", "call_api"}
    await names["fleet"].close()
