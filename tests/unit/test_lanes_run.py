"""Lanes of a small suite of its own, played with real processes: what they say, and what becomes of them."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from lanes.account import Account
from lanes.lane import belonging
from lanes.record import Verdict
from lanes.run import Run
from lanes.split import ROOT, Lane
from support.polling import eventually
from support.server_process import ServerProcess

# Plays the lanes that it is given as words, each one file, with so many at once and so much grace.
DRIVER: Final = """
import asyncio, sys
from functools import partial
from pathlib import Path
from lanes.account import Account
from lanes.run import Run
from lanes.split import Lane
root, at_once, grace, *names = sys.argv[1:]
played = [Lane(name, (f"checks/test_{name}.py",), 1.0) for name in names]
account = Account(partial(print, flush=True))
run = Run(played, account, at_once=int(at_once), root=Path(root), grace=float(grace))
sys.exit(asyncio.run(run.play())[0])
"""
ONE_PASSES: Final = "def test_it(): pass\n"
# Starts what outlives it, and says so in the suite's folder.
LEAVES: Final = """
import subprocess
from pathlib import Path

def leave():
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    Path("left.tmp").write_text(str(child.pid))
    Path("left.tmp").rename("left")
"""


@dataclass
class Suite:
    """Files of tests in a folder, each a lane."""

    folder: Path

    def write(self, **files: str) -> None:
        (self.folder / "checks").mkdir()
        (self.folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["checks"]\n')
        for name, text in files.items():
            (self.folder / "checks" / f"test_{name}.py").write_text(text)
        self.names = list(files)

    async def play(self, *, at_once: int = 3) -> tuple[int, dict[str, Verdict], str]:
        """In this process: the exit code, the verdict on each lane, and what was said."""
        said: list[str] = []
        lanes = [Lane(name, (f"checks/test_{name}.py",), 1.0) for name in self.names]
        code, verdicts = await Run(lanes, Account(said.append), at_once=at_once, root=self.folder).play()
        return code, {verdict.lane.name: verdict for verdict in verdicts}, "\n".join(said)

    def process(self, *, at_once: int = 3, grace: float = 60) -> ServerProcess:
        """In a process of its own, which signals may hit."""
        words = [str(self.folder), str(at_once), str(grace), *self.names]
        made = ServerProcess("lanes", [sys.executable, "-c", DRIVER, *words], self.folder / "log")
        made.start()
        return made

    def said(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()

    async def written(self, name: str) -> str:
        """What a test has written to a file of this name."""
        path = self.folder / name
        await eventually(path.exists, within=60)
        return path.read_text()


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """The plugin and the driver are found from anywhere; of pytest's other plugins only the one that a lane needs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_timeout")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "tests"))))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return Suite(tmp_path)


def alive(pid: int) -> bool:
    """A zombie isn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_the_lanes_are_summed_up_and_what_failed_is_said_whole(suite: Suite) -> None:
    suite.write(
        mixed="import pytest\n\ndef test_good(): pass\n\n"
        "def test_bad():\n    print('said on the way')\n    assert 1 == 2\n"
        "\n@pytest.mark.skip(reason='nothing to try it on')\ndef test_left_out(): pass\n",
        torn="import pytest\n\n@pytest.fixture\ndef torn():\n    yield\n    raise RuntimeError('in its teardown')\n"
        "\ndef test_torn(torn): pass\n",
        good=ONE_PASSES,
    )
    code, verdicts, said = await suite.play()
    assert code == 1
    assert [verdict.sound for verdict in verdicts.values()] == [False, False, True]
    *_, last = said.splitlines()
    assert last == "2 passed, 2 failed, 1 skipped"
    for part in (
        "mixed: checks/test_mixed.py::test_bad ===",
        "assert 1 == 2",
        "said on the way",
        "RuntimeError: in its teardown",
        "FAILED checks/test_mixed.py::test_bad",
        "FAILED checks/test_torn.py::test_torn",
        "SKIPPED [1] nothing to try it on",
        " s  checks/test_good.py",
    ):
        assert part in said


async def test_sound_lanes_are_an_exit_code_of_zero_and_leave_no_files(suite: Suite) -> None:
    suite.write(one=ONE_PASSES, other=ONE_PASSES)
    code, _, said = await suite.play()
    assert code == 0
    assert said.splitlines()[-1] == "2 passed, 0 failed"
    assert not list(suite.folder.glob("lanes-*"))


@pytest.mark.parametrize(
    ("text", "trouble", "counts"),
    [
        ("import os\n\ndef test_a(): pass\n\ndef test_b(): os._exit(0)\n\ndef test_c(): pass\n",
         "crashed with exit code 0 in checks/test_bad.py::test_b, 2 of its tests never ended", (2, 2)),
        ("import os\n\ndef test_a(): os.kill(os.getpid(), 9)\n",
         "killed by signal 9 (Killed) in checks/test_bad.py::test_a, 1 of its tests never ended", (1, 1)),
        ("import pytest\n\ndef test_a(): pytest.exit('enough', 0)\n",
         "ended early with exit code 0, 1 of its tests never ended", (1, 1)),
        ("import atexit, os\n\ndef test_a(): atexit.register(os._exit, 7)\n",
         "ended with exit code 7 after its tests", (2, 1)),
        ("x = 1\n", "collected nothing", (1, 1)),
        ("import nowhere\n\ndef test_a(): pass\n", "", (1, 1)),
    ],
    ids=["it exits", "it is killed", "it gives up", "it ends badly", "it is empty", "it can't be imported"],
)  # fmt: skip
async def test_a_lane_that_ends_badly_has_failed_and_the_others_go_on(
    suite: Suite, text: str, trouble: str, counts: tuple[int, int]
) -> None:
    suite.write(bad=text, good=ONE_PASSES)
    code, verdicts, said = await suite.play()
    assert code == 1
    assert verdicts["bad"].trouble == trouble
    assert verdicts["good"].sound
    assert said.splitlines()[-1] == "{} passed, {} failed".format(*counts)


async def test_a_file_that_cannot_be_imported_fails_alone(suite: Suite) -> None:
    suite.write(bad="import nowhere\n", good=ONE_PASSES)
    both = Lane("both", ("checks/test_bad.py", "checks/test_good.py"), 1.0)
    said: list[str] = []
    _, (verdict,) = await Run([both], Account(said.append), at_once=1, root=suite.folder).play()
    assert (verdict.passed, verdict.failed, verdict.trouble) == (1, 1, "")
    assert "No module named 'nowhere'" in "\n".join(said)


MEETS: Final = """
import time
from pathlib import Path

def test_it():
    Path("here-{name}").touch()
    give_up = time.monotonic() + 60
    while not Path("here-{other}").exists():
        assert time.monotonic() < give_up
        time.sleep(0.02)
"""
ALONE: Final = """
from pathlib import Path

def test_it():
    assert not list(Path().glob("here-*"))
    Path("here-{name}").touch()

def test_that():
    Path("here-{name}").unlink()
"""


async def test_lanes_run_side_by_side(suite: Suite) -> None:
    suite.write(a=MEETS.format(name="a", other="b"), b=MEETS.format(name="b", other="a"))
    assert (await suite.play(at_once=2))[0] == 0


async def test_no_more_lanes_run_than_may_at_once(suite: Suite) -> None:
    suite.write(a=ALONE.format(name="a"), b=ALONE.format(name="b"), c=ALONE.format(name="c"))
    code, _, said = await suite.play(at_once=1)
    assert code == 0
    begun_or_ended = [line.partition(":")[0] for line in said.splitlines() if line.startswith(("a:", "b:", "c:"))]
    assert begun_or_ended == ["a", "a", "b", "b", "c", "c"]


PLACES: Final = """
import os, tempfile

def test_it(tmp_path, pytestconfig):
    examples = os.environ["HYPOTHESIS_STORAGE_DIRECTORY"]
    places = [tempfile.gettempdir(), tmp_path, pytestconfig.getini("cache_dir"), examples]
    assert all("{name}" in str(place) for place in places), places
"""


async def test_each_lane_has_its_own_places_for_temporary_files_cache_and_examples(suite: Suite) -> None:
    suite.write(here=PLACES.format(name="here"), there=PLACES.format(name="there"))
    code, _, said = await suite.play()
    assert code == 0, said


async def test_what_a_sound_lane_s_tests_leave_running_is_ended(suite: Suite) -> None:
    suite.write(leaves=LEAVES + "\ndef test_it():\n    leave()\n")
    assert (await suite.play())[0] == 0
    assert not alive(int(await suite.written("left")))


WAITS: Final = (
    LEAVES
    + """
import signal
import pytest

@pytest.fixture
def put_up():
    yield
    Path("taken-down").write_text("yes")

def test_it(put_up):
    {before}
    leave()
    while True:
        signal.pause()
"""
)
DEAF: Final = "signal.signal(signal.SIGINT, signal.SIG_IGN)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_stopped_run_takes_down_what_it_has_put_up_and_leaves_nothing_behind(
    suite: Suite, number: signal.Signals
) -> None:
    suite.write(waits=WAITS.format(before="pass"), later=ONE_PASSES)
    previous = signal.signal(number, signal.SIG_DFL)  # these tests may run under nohup themselves
    try:
        process = suite.process(at_once=1)
    finally:
        signal.signal(number, previous)
    left = int(await suite.written("left"))
    os.kill(process.pid, number)
    assert process.wait(60) == 128 + number, suite.said()
    assert (suite.folder / "taken-down").exists()
    assert not alive(left)
    assert not list(belonging(suite.folder))
    *_, last = suite.said()
    assert last == "0 passed, 2 failed"
    assert "1 tests never ended, and count as failed" in suite.said()
    assert any("later: never started" in line for line in suite.said())


@pytest.mark.parametrize(
    ("grace", "signals"), [(0.2, 1), (60, 2)], ids=["when its grace is over", "at the second signal"]
)
async def test_a_lane_that_does_not_listen_is_killed(suite: Suite, grace: float, signals: int) -> None:
    suite.write(deaf=WAITS.format(before=DEAF))
    process = suite.process(grace=grace)
    left = int(await suite.written("left"))
    for _ in range(signals):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.05)  # two at once are one
    assert process.wait(30) == 130, suite.said()
    assert not (suite.folder / "taken-down").exists()
    assert not alive(left)
    assert not list(belonging(suite.folder))


async def test_a_run_under_nohup_goes_on_when_its_terminal_has_gone(suite: Suite) -> None:
    suite.write(waits=MEETS.format(name="waits", other="test"))
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = suite.process()
        await suite.written("here-waits")
    finally:
        signal.signal(signal.SIGHUP, previous)
    os.kill(process.pid, signal.SIGHUP)
    (suite.folder / "here-test").touch()
    assert process.wait(60) == 0, suite.said()


async def test_lanes_die_with_a_run_that_is_killed(suite: Suite) -> None:
    suite.write(waits=WAITS.format(before="Path('me').write_text(str(__import__('os').getpid()))"))
    process = suite.process()
    left = int(await suite.written("left"))
    lane = int(await suite.written("me"))
    process.stop(grace=0)
    await eventually(lambda: not alive(lane))
    os.kill(left, signal.SIGKILL)  # nobody is there any more to end it
