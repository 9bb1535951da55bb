"""The tests that docs/testing.md and docs/brokers.md print pass, run by a pytest of their own, as a reader's would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INI = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = .
filterwarnings = error
"""
NAME = re.compile(r"# (\w+\.py)\n")


def pytest_in(folder: Path) -> str:
    """The last line of a run in which all passed."""
    (folder / "pytest.ini").write_text(INI)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "."],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_the_page_on_testing(tmp_path: Path) -> None:
    blocks = BLOCK.findall((DOCS / "testing.md").read_text())
    for code in blocks:
        name = NAME.match(code)
        assert name, code
        (tmp_path / name[1]).write_text(code)
    printed = sum(len(re.findall(r"^async def test_", code, re.MULTILINE)) for code in blocks)
    assert f"{printed} passed" in pytest_in(tmp_path)


def test_the_suite_on_the_page_on_brokers(tmp_path: Path) -> None:
    *_, suite = BLOCK.findall((DOCS / "brokers.md").read_text())
    (tmp_path / "test_mine.py").write_text(suite)
    last = pytest_in(tmp_path)
    passed = re.search(r"(\d+) passed", last)
    assert passed is not None, last
    assert int(passed[1]) > 15


async def test_what_is_refused_is_refused_in_the_words_of_the_page() -> None:
    first, *_ = BLOCK.findall((DOCS / "brokers.md").read_text())
    page: dict[str, object] = {"__name__": "docs_brokers"}
    exec(compile(first, "docs/brokers.md", "exec"), page)
    await page["enqueue"]()  # type: ignore[operator]
