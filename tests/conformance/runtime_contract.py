"""The Runtime seam as tests. Subclass it, override the fixture `place`, and every promise is tested.

class TestMyRuntime(RuntimeContract):
    @pytest.fixture
    async def place(self) -> AsyncIterator[Place]:
        yield Place(runtime=…, good=lambda name: VersionSpec(…), broken=VersionSpec(…))
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import pytest

from headrace_operator.api.names import QueueKey
from headrace_operator.seams.errors import VersionNotFoundError
from headrace_operator.seams.runtime import Runtime, TroubleKind, VersionSpec, VersionState, WorkerPhase

KEY = QueueKey("default", "emails")
OTHER = QueueKey("default", "reports")


@dataclass(frozen=True)
class Place:
    """A runtime to be tested, and versions that it can run."""

    runtime: Runtime
    good: Callable[[str], VersionSpec]
    """A version with that hash whose workers get ready."""
    broken: VersionSpec
    """A version whose workers can't run."""
    breaks: Callable[[], None] = lambda: None
    """Called once the broken version has been ensured, where a test double must be told."""
    settle: float = 0.0
    """Seconds from when an aim is seen until whoever chooses has seen it too."""
    evicts: bool = True
    """Whether others take workers away there, so that marks make sense and show."""
    patience: float = 30.0
    """Seconds that a wish may take to come true."""


class RuntimeContract:
    """Tests by the Runtime's own docstrings."""

    @pytest.fixture
    async def place(self) -> Place:
        raise NotImplementedError("override me")

    async def test_an_unknown_queue_has_nothing(self, place: Place) -> None:
        assert await place.runtime.versions(KEY) == []
        assert await place.runtime.workers(KEY) == []

    async def test_a_new_version_has_no_workers(self, place: Place) -> None:
        await place.runtime.ensure(KEY, place.good("v1"))
        await place.runtime.ensure(KEY, place.good("v2"))
        await place.runtime.ensure(KEY, place.good("v1"))
        states = await place.runtime.versions(KEY)
        assert [state.hash for state in states] == ["v1", "v2"], "the oldest first, each once"
        assert all((state.desired, state.ready, state.terminating) == (0, 0, 0) for state in states)
        assert states[0].app == place.good("v1").spec.worker.app
        assert all(state.failing is None for state in states), "a version without workers is not failing"

    async def test_workers_get_ready(self, place: Place) -> None:
        await run(place, "v1", 2)
        workers = await place.runtime.workers(KEY)
        assert len({worker.id for worker in workers}) == 2
        assert {(worker.version, worker.phase) for worker in workers} == {("v1", WorkerPhase.READY)}
        assert all(abs(worker.started - time.time()) < 300 or worker.started == 0 for worker in workers)

    async def test_a_repeated_wish_changes_nothing(self, place: Place) -> None:
        await run(place, "v1", 2)
        before = await ids(place)
        await place.runtime.scale(KEY, "v1", 2)
        await place.runtime.ensure(KEY, place.good("v1"))
        assert await ids(place) == before
        assert (await state(place, "v1")).desired == 2

    async def test_an_unknown_version_cannot_be_scaled(self, place: Place) -> None:
        with pytest.raises(VersionNotFoundError):
            await place.runtime.scale(KEY, "nope", 1)
        await place.runtime.remove(KEY, "nope")

    async def test_growth_keeps_those_that_run(self, place: Place) -> None:
        await run(place, "v1", 1)
        before = await ids(place)
        await place.runtime.scale(KEY, "v1", 2)
        await until(place, "two are ready", lambda: is_ready(place, "v1", 2))
        assert before < await ids(place)

    async def test_who_is_aimed_at_goes_and_the_others_stay(self, place: Place) -> None:
        await run(place, "v1", 3)
        before = sorted(await ids(place))
        await place.runtime.aim(KEY, before[:2])
        await until(place, "two are aimed at", lambda: aimed(place, set(before[:2])))
        await place.runtime.aim(KEY, [before[1], "never-was"])
        await until(place, "one is, and the other no more", lambda: aimed(place, {before[1]}))
        await place.runtime.aim(KEY, [before[1]])
        await asyncio.sleep(place.settle)
        await place.runtime.scale(KEY, "v1", 2)
        await until(place, "one is gone", lambda: gone(place, {before[1]}))
        assert await ids(place) == {before[0], before[2]}
        assert (await state(place, "v1")).ready == 2

    async def test_an_aim_is_about_one_queue_and_can_be_taken_back(self, place: Place) -> None:
        await run(place, "v1", 1)
        await run(place, "v1", 1, OTHER)
        own = await ids(place)
        await place.runtime.aim(KEY, own | await ids(place, OTHER))
        await until(place, "its own is aimed at", lambda: aimed(place, own))
        assert not any(worker.aimed for worker in await place.runtime.workers(OTHER))
        await place.runtime.aim(KEY, ())
        await until(place, "nobody is", lambda: aimed(place, set()))

    async def test_exactly_the_named_workers_are_protected(self, place: Place) -> None:
        await run(place, "v1", 3)
        await run(place, "v1", 1, OTHER)
        workers = sorted(await ids(place))
        for named in (workers[:2], workers[1:], [*workers, "never-was"], []):
            shown = set(named) & set(workers) if place.evicts else set()
            for _ in range(2):
                await place.runtime.protect(KEY, [*named, *await ids(place, OTHER)])
            await until(place, f"{named} are protected", partial(protected, place, shown))
        assert not any(worker.protected for worker in await place.runtime.workers(OTHER))
        assert await ids(place) == set(workers)

    async def test_a_limit_of_disruption_is_set_changed_and_taken_away(self, place: Place) -> None:
        await run(place, "v1", 1)
        before = await ids(place)
        for most in (1, 1, "25%", None, None, 2):
            await place.runtime.limit_disruption(KEY, most)
        assert await ids(place) == before

    async def test_nobody_is_lost_from_the_counts_while_workers_end(self, place: Place) -> None:
        await run(place, "v1", 3)
        await place.runtime.scale(KEY, "v1", 0)
        give_up = time.monotonic() + place.patience
        while True:
            counted = await state(place, "v1")
            exist = len(await place.runtime.workers(KEY))
            assert counted.desired == 0
            assert counted.desired + counted.terminating >= exist
            if not exist:
                break
            assert time.monotonic() < give_up, "workers don't end"
            await asyncio.sleep(0.01)
        counted = await state(place, "v1")
        assert (counted.ready, counted.terminating, counted.failing) == (0, 0, None)

    async def test_two_versions_side_by_side(self, place: Place) -> None:
        await run(place, "v1", 1)
        await run(place, "v2", 1)
        first = {worker.id for worker in await place.runtime.workers(KEY) if worker.version == "v1"}
        await place.runtime.scale(KEY, "v1", 0)
        await until(place, "v1 has ended", lambda: gone(place, first))
        assert (await state(place, "v2")).ready == 1
        assert [one.hash for one in await place.runtime.versions(KEY)] == ["v1", "v2"], "kept until removed"

    async def test_a_removed_version_is_forgotten_and_its_workers_end(self, place: Place) -> None:
        await run(place, "v1", 1)
        await place.runtime.remove(KEY, "v1")
        await place.runtime.remove(KEY, "v1")
        await until(place, "all have ended", lambda: nobody(place, KEY))
        assert await place.runtime.versions(KEY) == []

    async def test_remove_all_is_about_one_queue(self, place: Place) -> None:
        await run(place, "v1", 1)
        await run(place, "v1", 1, OTHER)
        await place.runtime.remove_all(KEY)
        await place.runtime.remove_all(KEY)
        await until(place, "all have ended", lambda: nobody(place, KEY))
        assert await place.runtime.versions(KEY) == []
        assert len(await place.runtime.workers(OTHER)) == 1

    async def test_a_broken_version_says_why_and_hurts_no_other(self, place: Place) -> None:
        await run(place, "v1", 1)
        broken = place.broken.hash
        await place.runtime.ensure(KEY, place.broken)
        place.breaks()
        await place.runtime.scale(KEY, broken, 1)

        async def fails() -> bool:
            return (await state(place, broken)).failing is not None

        await until(place, "it fails", fails)
        failing = await state(place, broken)
        assert failing.ready == 0
        assert failing.failing
        assert "\n" not in failing.failing
        sound = await state(place, "v1")
        assert (sound.ready, sound.failing) == (1, None)

        async def loops() -> bool:
            workers = await place.runtime.workers(KEY)
            found = {worker.version: worker.trouble and worker.trouble.kind for worker in workers}
            assert found["v1"] is None
            return found[broken] is TroubleKind.CRASH_LOOP

        await until(place, "its worker is said to end again and again", loops)
        await place.runtime.scale(KEY, broken, 0)

        async def is_over() -> bool:
            found = await state(place, broken)
            return found.terminating == 0 and found.failing is None

        await until(place, "without workers it fails no more", is_over)


async def run(place: Place, version: str, count: int, key: QueueKey = KEY) -> None:
    """Make `count` workers of a good version ready."""
    await place.runtime.ensure(key, place.good(version))
    await place.runtime.scale(key, version, count)
    await until(place, f"{count} of {version} are ready", lambda: is_ready(place, version, count, key))


async def is_ready(place: Place, version: str, count: int, key: QueueKey = KEY) -> bool:
    """So many workers of a version are ready."""
    return (await state(place, version, key)).ready == count


async def until(place: Place, what: str, is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait with a deadline."""
    give_up = time.monotonic() + place.patience
    while not await is_so():
        assert time.monotonic() < give_up, f"still not: {what}; {await place.runtime.versions(KEY)}"
        await asyncio.sleep(0.01)


async def state(place: Place, version: str, key: QueueKey = KEY) -> VersionState:
    """That version as the runtime counts it."""
    return next(one for one in await place.runtime.versions(key) if one.hash == version)


async def ids(place: Place, key: QueueKey = KEY) -> set[str]:
    """The workers that exist."""
    return {worker.id for worker in await place.runtime.workers(key)}


async def aimed(place: Place, names: set[str]) -> bool:
    """These are seen as aimed at, and no others."""
    return {worker.id for worker in await place.runtime.workers(KEY) if worker.aimed} == names


async def protected(place: Place, names: set[str]) -> bool:
    """These are seen as protected, and no others."""
    return {worker.id for worker in await place.runtime.workers(KEY) if worker.protected} == names


async def gone(place: Place, names: set[str]) -> bool:
    """None of these workers exists."""
    return not names & await ids(place)


async def nobody(place: Place, key: QueueKey) -> bool:
    """No worker exists."""
    return not await place.runtime.workers(key)
