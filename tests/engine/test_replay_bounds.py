"""A replay's rate, and its guard: it stops itself when what it moves dies again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from headrace.admin import replay_bounds
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import ReplayProgress
from headrace.admin.replay_bounds import LATEST, LEAST, Guard, Pace, verdict
from headrace.admin.selection import ReplaySelection
from headrace.cli.entry import main
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace.errors import UsageError
from support.polling import eventually
from support.seeding import Seeder

ALL = ReplaySelection(everything=True)
RECORD = lua_string(encode_death(DeathRecord("ValueError: again", 1, 0)))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_bounds, "LOOK_EVERY", 0.01)


@asynccontextmanager
async def _working(seeder: Seeder, *, bad: range) -> AsyncIterator[Counter[str]]:
    """A worker that buries the jobs whose number is in `bad`, and does the others; counts how often each ran."""
    ran: Counter[str] = Counter()

    async def work() -> None:
        while True:
            ids = await seeder.exchange(10)
            ran.update(ids)
            claim = seeder.claim
            dead = [i for i in ids if int(i[1:]) in bad]
            done = [["done", i, claim] for i in ids if i not in dead]
            await seeder.exchange(0, *done, *[["bury", i, claim, "t", "ValueError", RECORD, "", "", 1] for i in dead])
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    yield ran
    assert not working.done(), working.exception()
    working.cancel()
    await asyncio.wait({working})


async def _bury(seeder: Seeder, count: int) -> None:
    for first in range(0, count, 500):
        await seeder.bury(*(f"j{i:05d}" for i in range(first, min(first + 500, count))))


@pytest.mark.everywhere
async def test_it_stops_when_what_it_moves_dies_again(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder, 800)
    async with _working(seeder, bad=range(800)) as ran:
        done = await admin.replays.replay(ALL, request="r1", guard=0.5)
        assert done.stopped == f"of the last {LEAST} replayed jobs that ended {LEAST} are dead again"
        assert (done.moved, done.died_again, done.finished) == (LEAST, LEAST, False)
        await eventually(lambda: ran.total() == LEAST)
    assert (await admin.stats()).dead == 800


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch, admin: QueueAdmin) -> None:
    """Time passes as the rate has it, and in each pause all jobs that were moved end."""
    now = 0.0

    async def idle() -> bool:
        stats = await admin.stats()
        return stats.ready + stats.leased == 0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        await eventually(idle)

    monkeypatch.setattr(replay_bounds, "monotonic", lambda: now)
    monkeypatch.setattr(replay_bounds, "_sleep", sleep)


@pytest.mark.usefixtures("paced")
@pytest.mark.parametrize("rate", [1, 50])
async def test_a_rate_doesn_t_make_it_judge_fewer(seeder: Seeder, admin: QueueAdmin, rate: float) -> None:
    """The oldest letter alone dies again, and at this rate it has ended long before twenty have moved."""
    await _bury(seeder, 100)
    async with _working(seeder, bad=range(1)):
        done = await admin.replays.replay(ALL, request="r1", rate=rate, guard=0.2)
    assert (done.finished, done.stopped, done.moved, done.died_again) == (True, "", 100, 1)


@pytest.mark.usefixtures("paced")
@pytest.mark.parametrize("rate", [1, 50, 99.9])
async def test_a_rate_doesn_t_make_it_judge_later(seeder: Seeder, admin: QueueAdmin, rate: float) -> None:
    await _bury(seeder, 100)
    async with _working(seeder, bad=range(0, 100, 5)):
        done = await admin.replays.replay(ALL, request="r1", rate=rate, guard=0.2)
    assert done.stopped == f"of the last {LEAST} replayed jobs that ended 4 are dead again"
    assert (done.finished, done.moved) == (False, LEAST)


async def test_it_stops_in_the_middle_and_goes_on_when_told_to(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder, 3000)
    async with _working(seeder, bad=range(1000, 1600)):
        done = await admin.replays.replay(ALL, request="r1", guard=0.9)
        assert done.stopped.startswith(f"of the last {LATEST} replayed jobs that ended ")
        assert 1000 + 0.9 * LATEST <= done.moved <= 1000 + 0.9 * LATEST + replay_bounds.WINDOW
        again = await admin.replays.replay(ALL, request="r1")
    assert (again.finished, again.total) == (True, 3000)


async def test_it_goes_on_while_few_die_again(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder, 1500)
    async with _working(seeder, bad=range(0, 1500, 10)) as ran:
        done = await admin.replays.replay(ALL, request="r1", guard=0.5)
        assert (done.finished, done.stopped, done.moved) == (True, "", 1500)
        await eventually(lambda: ran.total() == 1500)
    assert set(ran.values()) == {1}


async def test_its_jobs_under_way_are_bounded_and_most_holds(seeder: Seeder, admin: QueueAdmin) -> None:
    """Nobody works but for the first few, so it waits with a window full of jobs."""
    await _bury(seeder, 2500)
    seen: list[int] = []

    async def note(progress: ReplayProgress) -> None:
        seen.append(progress.total)

    replay = asyncio.create_task(admin.replays.replay(ALL, request="r1", most=1300, guard=0.5, on_progress=note))
    await eventually(lambda: seen == [LEAST])
    ids = await seeder.exchange(LEAST)
    await seeder.exchange(0, *[["done", i, seeder.claim] for i in ids])
    await eventually(lambda: seen[-1] == LEAST + replay_bounds.WINDOW)
    assert (await admin.stats()).ready == replay_bounds.WINDOW
    async with _working(seeder, bad=range(0)):
        done = await replay
    assert (done.finished, done.total) == (True, 1300)


async def test_it_doesn_t_wait_for_ever(seeder: Seeder, admin: QueueAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard.__init__, "__defaults__", (0.2,))
    await _bury(seeder, 100)
    done = await admin.replays.replay(ALL, request="r1", guard=0.5)
    assert done.stopped == "none of the 20 replayed jobs under way has ended for 0.2 s: are there workers?"
    assert (done.moved, (await admin.stats()).ready) == (LEAST, LEAST)


async def test_jobs_called_off_and_deleted_have_not_died_again(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder, LEAST + 5)
    replay = asyncio.create_task(admin.replays.replay(ALL, request="r1", guard=0.1))

    async def moves() -> int:
        return (await admin.stats()).replayed

    await eventually(moves)
    for i in range(LEAST):
        await admin.jobs.cancel(f"j{i:05d}")
    done = await replay
    assert (done.finished, done.moved, done.died_again) == (True, LEAST + 5, 0)


async def test_a_rate_is_kept(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder, 60)
    begun = monotonic()
    seen: list[tuple[float, int]] = []

    async def note(progress: ReplayProgress) -> None:
        seen.append((monotonic() - begun, progress.moved))

    done = await admin.replays.replay(ALL, request="r1", rate=50, on_progress=note)
    assert (done.finished, done.moved) == (True, 60)
    step = 5
    assert [moved for _, moved in seen] == list(range(step, 61, step))
    assert all(moved <= 50 * seconds + step + 0.5 for seconds, moved in seen)


@pytest.mark.parametrize(("rate", "step"), [(None, 1000), (0.01, 1), (9, 1), (50, 5), (100_000, 1000)])
def test_steps_of_a_rate(rate: float | None, step: int) -> None:
    assert Pace(rate).most == step


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_a_wrong_rate_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="letters per second: use a number above 0"):
        Pace(rate)


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan")])
async def test_a_wrong_guard_is_refused_before_anything_moves(admin: QueueAdmin, seeder: Seeder, share: float) -> None:
    with pytest.raises(UsageError, match="use a share above 0, up to 1"):
        await admin.replays.replay(ALL, request="r1", guard=share)
    assert await seeder.raw("EXISTS", "replay:r1") == 0


@pytest.mark.parametrize(
    ("died", "lived", "share", "stops"),
    [
        (0, 0, 0.1, False),
        (0, 20, 0.1, False),
        (1, 9, 0.1, True),
        (1, 10, 0.1, False),
        (20, 0, 1, True),
        (19, 1, 1, False),
    ],
)
def test_verdicts(died: int, lived: int, share: float, stops: bool) -> None:
    latest = [True] * died + [False] * lived
    expected = f"of the last {died + lived} replayed jobs that ended {died} are dead again" if stops else None
    assert verdict(latest, share) == expected


async def test_the_command_line_says_so_with_exit_code_1(
    seeder: Seeder, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await _bury(seeder, 100)
    words = ("dlq", "replay", "q", "--all", "--guard", "0.5", "--request", "mine", "--redis-url", redis_url)
    async with _working(seeder, bad=range(100)):
        assert await asyncio.to_thread(main, words) == 1
    told = capsys.readouterr()
    assert told.out == "20 replayed, then stopped: of the last 20 replayed jobs that ended 20 are dead again\n"
    assert told.err == "headrace: to go on all the same: --request mine\n"
