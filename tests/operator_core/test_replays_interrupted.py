"""A replay that is interrupted, called off or asked for again: it goes on, ends, or moves nothing, and says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headrace.admin.replay import Replays
from headrace.admin.selection import ReplaySelection
from headrace.errors import UsageError
from headrace_operator.api.names import REPLAY_ANNOTATION, REPLAY_ID_ANNOTATION, QueueKey
from headrace_operator.core.replay_request import ReplayPhase
from headrace_operator.seams.errors import ObjectsUnavailableError
from support.fleet_rig import Rig, until
from support.replays import FIXED, RECORD, bury, over, reasons, succeed


async def test_a_restarted_operator_goes_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 4000)
    moved = asyncio.Event()
    original = Replays.replay

    async def slow(self: Replays, *args: Any, **kwargs: Any) -> Any:
        told = kwargs.pop("on_progress")

        async def wait_after_each(progress: Any) -> None:
            await told(progress)
            moved.set()
            await asyncio.sleep(3600)

        return await original(self, *args, on_progress=wait_after_each, **kwargs)

    rig.objects.annotate(key, REPLAY_ANNOTATION, "all,max=3500")
    ids = set()
    for _ in range(3):
        moved.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Replays, "replay", slow)
            async with rig.running():
                async with asyncio.timeout(10):
                    await moved.wait()
                status = rig.status(key)
                assert status is not None
                assert status.replay is not None
                ids.add(status.replay.request_id)
    async with rig.running():
        replay = await over(rig, key)
        stats = await rig.admin().stats()
    assert ids == {replay.request_id}, "the same request all along"
    assert (replay.matched, replay.replayed) == (4000, 3500)
    assert (stats.ready, stats.dead) == (3500, 500), "no job twice, none lost"
    await rig.link.close()


async def test_one_that_goes_on_says_so_and_counts_what_was_dead_when_it_was_accepted(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    async with rig.running():
        await _under_way(rig, key, 200)
    worker = rig.seeder(sid="w")
    await worker.join()
    [back] = await worker.exchange(1)
    await worker.exchange(0, ["bury", back, worker.claim, "t", "KeyError", RECORD, "", "", 1])
    async with rig.running():
        going_on = await rig.says(
            key, "goes on", lambda status: "goes on; " in str(status.replay and status.replay.message)
        )
        replay = await over(rig, key)
    assert going_on.replay is not None
    assert 0 < going_on.replay.replayed < 200
    assert going_on.replay.matched == 200
    assert replay.message == "replayed 200 of 200 dead letters"
    assert (await rig.admin().stats()).dead == 1, "what died again stays"
    await rig.link.close()


async def test_a_request_that_comes_back_behind_another_one_moves_nothing_and_says_so(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 3)
    async with rig.running():
        for value in ("all,request=monday", "all,dry-run"):
            rig.objects.annotate(key, REPLAY_ANNOTATION, value)
            await over(rig, key)
        worker = await succeed(rig, 3)
        await bury(rig, 2, "KeyError")
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,request=monday")
        await rig.says(key, "told", lambda status: bool(status.replay and status.replay.request_id == "monday"))
        replay = await over(rig, key)
        assert (replay.matched, replay.replayed) == (3, 3)
        told = "replayed 3 of 3 dead letters, all of them before; what has died since needs a request of another name"
        assert replay.message == told
        assert (await rig.admin().stats()).dead == 2
        kept_ms = await worker.raw("PTTL", "replay:monday")
        assert kept_ms > 365 * 24 * 3600 * 1000, "also when the annotation comes back after months"


async def test_nothing_starts_before_it_is_accepted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 3)
    tries = 0

    async def refuse(*_: object) -> bool:
        nonlocal tries
        tries += 1
        raise ObjectsUnavailableError("the API server is away")

    async with rig.running():
        await rig.says(key, "read", lambda status: status.dead_letters is not None)
        with monkeypatch.context() as patch:
            patch.setattr(rig.objects, "accept", refuse)
            rig.objects.annotate(key, REPLAY_ANNOTATION, "all")

            async def tried_twice() -> bool:
                return tries > 1

            await until("it is tried again", tried_twice)
            assert (await rig.admin().stats()).dead == 3
        await over(rig, key)


async def _under_way(rig: Rig, key: QueueKey, count: int = 1500) -> None:
    """A slow replay of so many letters that has begun to move them."""
    await bury(rig, count)
    rig.objects.annotate(key, REPLAY_ANNOTATION, "all,rate=100,by=ada")
    await rig.says(key, "it moves", lambda status: bool(status.replay and status.replay.replayed))


@pytest.mark.parametrize("value", [None, "cancel"])
async def test_it_is_called_off_for_good(rig: Rig, value: str | None) -> None:
    key = rig.apply(**FIXED)
    async with rig.running():
        await _under_way(rig, key)
        rig.objects.annotate(key, REPLAY_ANNOTATION, value)
        replay = await over(rig, key, ReplayPhase.CANCELLED)
        stats = await rig.admin().stats()
        assert (stats.ready, stats.dead) == (replay.replayed, 1500 - replay.replayed)
        assert replay.message == f"called off; {replay.replayed} were replayed"
        assert replay.by == "ada"
        with pytest.raises(UsageError, match="was called off"):
            await rig.admin().replays.replay(ReplaySelection(everything=True), request=replay.request_id)
        rig.objects.annotate(key, REPLAY_ANNOTATION, f"all,max=5,request={replay.request_id}")
        await over(rig, key, ReplayPhase.CANCELLED)
        assert (await rig.admin().stats()).dead == stats.dead, "it never runs again"
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,max=5")
        assert (await over(rig, key)).replayed == 5
    assert reasons(rig) == ["ReplayAccepted", "ReplayCancelled", "ReplayAccepted", "ReplayFinished"]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("value", ["all,max=5", "all,max=5,request=next"])
async def test_another_request_in_its_place_calls_it_off_and_is_carried_out(
    rig: Rig, value: str, restarted: bool
) -> None:
    key = rig.apply(**FIXED)
    async with rig.running():
        await _under_way(rig, key)
        if not restarted:
            rig.objects.annotate(key, REPLAY_ANNOTATION, value)
            await over(rig, key)
    if restarted:
        rig.objects.annotate(key, REPLAY_ANNOTATION, value)
        async with rig.running():
            await over(rig, key)
    status = rig.status(key)
    assert status is not None
    assert status.replay is not None
    assert (status.replay.request, status.replay.replayed) == (value, 5)
    assert reasons(rig) == ["ReplayAccepted", "ReplayCancelled", "ReplayAccepted", "ReplayFinished"]


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_manifest_that_takes_the_id_away_calls_off_nothing_that_has_a_name(rig: Rig, restarted: bool) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 60)
    rig.objects.annotate(key, REPLAY_ANNOTATION, "all,rate=100,request=monday")
    async with rig.running():
        await rig.says(key, "it moves", lambda status: bool(status.replay and status.replay.replayed))
        rig.objects.annotate(key, REPLAY_ID_ANNOTATION, None)
        if not restarted:
            assert (await over(rig, key)).replayed == 60
    if restarted:
        async with rig.running():
            assert (await over(rig, key)).replayed == 60
    assert reasons(rig) == ["ReplayAccepted", "ReplayFinished"]


async def test_who_asked_is_told_although_the_operator_died_before_it_could_say_so(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 3)
    rig.objects.annotate(key, REPLAY_ANNOTATION, "by=ada,all")
    rig.objects.annotate(key, REPLAY_ID_ANNOTATION, "accepted-1")
    async with rig.running():
        replay = await over(rig, key)
    assert (replay.request_id, replay.request, replay.by) == ("accepted-1", "all,by=ada", "ada")


@pytest.mark.parametrize("value", [None, "cancel"])
async def test_it_is_called_off_while_no_operator_is_there(rig: Rig, value: str | None) -> None:
    key = rig.apply(**FIXED)
    async with rig.running():
        await _under_way(rig, key)
    rig.objects.annotate(key, REPLAY_ANNOTATION, value)
    dead = (await rig.admin().stats()).dead
    async with rig.running():
        replay = await over(rig, key, ReplayPhase.CANCELLED)
        assert replay.replayed == 1500 - dead
        assert (await rig.admin().stats()).dead == dead
    await rig.link.close()
