"""The replay annotation on a real queue: accepted once, carried out wholly, told, removed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headrace.admin.replay import Replays
from headrace.admin.selection import ReplaySelection
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace.errors import UsageError
from headrace_operator.api.names import REPLAY_ANNOTATION, REPLAY_ID_ANNOTATION, QueueKey
from headrace_operator.api.status import ReplayStatus
from headrace_operator.core.replay_request import ReplayPhase
from headrace_operator.seams.errors import ObjectsUnavailableError
from support.fleet_rig import Rig, until

RECORD = lua_string(encode_death(DeathRecord("ValueError: again", 1, 0)))
FIXED: dict[str, Any] = {"replicas": 0}
"""A fleet without workers: replayed jobs stay where they can be counted."""


async def bury(rig: Rig, count: int, reason: str = "ValueError", queue: str = "q") -> None:
    seeder = rig.seeder(queue, sid=f"{queue}-{reason}")
    await seeder.join(slots=1000)
    for start in range(0, count, 500):
        await seeder.bury(*(f"{reason}-{i}" for i in range(start, min(start + 500, count))), reason=reason)


async def over(rig: Rig, key: QueueKey, phase: ReplayPhase = ReplayPhase.COMPLETED) -> ReplayStatus:
    """Wait until the annotation is gone and the replay has ended so."""

    async def removed() -> bool:
        return REPLAY_ANNOTATION not in rig.objects.get(key).metadata.annotations

    await until("the annotation is removed", removed)
    status = await rig.says(key, f"replay {phase}", lambda status: bool(status.replay and status.replay.phase == phase))
    assert status.replay is not None
    return status.replay


def reasons(rig: Rig) -> list[str]:
    return [event.reason for event in rig.objects.events if event.reason.startswith("Replay")]


async def test_everything(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 1500)
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,by=ada")
        replay = await over(rig, key)
        assert (replay.matched, replay.replayed, replay.request) == (1500, 1500, "all,by=ada")
        assert replay.started_time
        assert replay.finished_time
        stats = await rig.admin().stats()
        assert (stats.ready, stats.dead) == (1500, 0)
        await rig.says(key, "no dead letters", lambda status: _dead(status) == 0)
    assert reasons(rig) == ["ReplayAccepted", "ReplayFinished"]


def _dead(status: Any) -> int:
    return status.dead_letters.total if status.dead_letters else -1


@pytest.mark.parametrize(
    ("value", "left", "matched", "replayed"),
    [
        ("reason=KeyError", 30, 20, 20),
        ("task=t,reason=ValueError,max=7", 43, 30, 7),
        ("id=KeyError-3,id=ValueError-4,id=unknown", 48, 2, 2),
        ("all,dry-run", 50, 50, 0),
        ("all,dry-run,max=3", 50, 50, 0),
    ],
)
async def test_a_part(rig: Rig, value: str, left: int, matched: int, replayed: int) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 30)
    await bury(rig, 20, "KeyError")
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, value)
        replay = await over(rig, key)
        assert (replay.matched, replay.replayed) == (matched, replayed)
        assert replay.dry_run == ("dry-run" in value)
        stats = await rig.admin().stats()
        assert (stats.dead, stats.ready) == (left, 50 - left)


async def test_a_dry_run_proposes(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 3)
    await bury(rig, 2, "KeyError")
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,dry-run,max=4")
        replay = await over(rig, key)
    told = "would replay 4 of 5 dead letters: 3 ValueError, 2 KeyError"
    assert replay.message == f"{told}; approve={replay.digest} replays this set or nothing"


async def test_a_guarded_one_stops_itself(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 60)
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,guard=0.5,rate=1000,request=once")
        worker = rig.seeder(sid="w")
        await worker.join()
        ids: list[str] = []

        async def claimed() -> bool:
            ids.extend(await worker.exchange(20 - len(ids)))
            return len(ids) == 20

        await until("the first few are replayed", claimed)
        for one in ids:
            claim = (await worker.raw("HGET", "own:w", one)).decode()
            await worker.exchange(0, ["bury", one, claim, "t", "ValueError", RECORD, "", "", 1])
        replay = await over(rig, key, ReplayPhase.FAILED)
        assert (replay.matched, replay.replayed) == (60, 20)
        assert replay.message is not None
        assert replay.message.startswith("replayed 20 of 60 dead letters, then stopped: of the last ")
        assert (await rig.admin().stats()).dead == 60
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,dry-run")
        assert (await over(rig, key)).matched == 60
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,guard=0.5,rate=1000,request=once")
        again = await over(rig, key, ReplayPhase.FAILED)
        assert again.message == "replay request 'once' has ended for good; use another name"
        assert (await rig.admin().stats()).dead == 60, "also when it comes back behind another one"


async def test_several_queues_share_the_bound(rig: Rig) -> None:
    key = rig.apply(queues=[{"name": "a"}, {"name": "b"}], **FIXED)
    await bury(rig, 10, queue="a")
    await bury(rig, 10, queue="b")
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,max=14")
        replay = await over(rig, key)
        assert (replay.matched, replay.replayed) == (20, 14)
        assert [(await rig.admin(name).stats()).dead for name in "ab"] == [0, 6]


@pytest.mark.parametrize("value", ["everything", "all,max=0", "", "all,task=t", "id=1,task=t", "cancel"])
async def test_nonsense_is_refused_once_and_removed(rig: Rig, value: str) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 3)
    async with rig.running():
        await rig.says(key, "read", lambda status: status.dead_letters is not None)
        rig.objects.annotate(key, REPLAY_ANNOTATION, value)
        replay = await over(rig, key, ReplayPhase.REFUSED)
        assert replay.message
        writes = len(rig.objects.writes)
        await asyncio.sleep(0.3)
        assert len(rig.objects.writes) - writes <= 1, "said once, not again and again"
        assert (await rig.admin().stats()).dead == 3
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all")
        await over(rig, key)


async def test_a_request_runs_once_ever(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 3)
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,request=monday")
        await over(rig, key)
        worker = rig.seeder(sid="w")
        await worker.join()
        ids = await worker.exchange(3)
        await worker.exchange(0, *[["done", one, worker.claim, 0] for one in ids])
        await bury(rig, 2, "KeyError")
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,request=monday")

        async def removed() -> bool:
            return REPLAY_ANNOTATION not in rig.objects.get(key).metadata.annotations

        await until("the annotation is removed", removed)
        assert (await rig.admin().stats()).dead == 2


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
        worker = rig.seeder(sid="w")
        await worker.join()
        ids = await worker.exchange(3)
        await worker.exchange(0, *[["done", one, worker.claim, 0] for one in ids])
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


async def test_an_approval_replays_what_was_proposed_or_nothing(rig: Rig) -> None:
    key = rig.apply(queues=[{"name": "a"}, {"name": "b"}], **FIXED)
    for queue in "ab":
        await bury(rig, 3, queue=queue)
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "task=t,dry-run")
        proposed = await over(rig, key)
        assert proposed.digest
        assert proposed.digest.count(".") == 1
        await bury(rig, 1, "KeyError", queue="b")
        rig.objects.annotate(key, REPLAY_ANNOTATION, f"task=t,approve={proposed.digest}")
        refused = await over(rig, key, ReplayPhase.FAILED)
        assert refused.replayed == 0
        assert refused.message
        assert refused.message.startswith(f"the dead letters have changed since {proposed.digest} was proposed")
        now = refused.message.split("the set is ")[1].split()[0]
        assert [(await rig.admin(name).stats()).dead for name in "ab"] == [3, 4]
        rig.objects.annotate(key, REPLAY_ANNOTATION, f"task=t,approve={now}")
        assert (await over(rig, key)).replayed == 7
        rig.objects.annotate(key, REPLAY_ANNOTATION, "task=t,approve=0123456789ab")
        assert "approve has 1 digests for 2 queues" in str((await over(rig, key, ReplayPhase.FAILED)).message)


async def test_an_approved_replay_goes_on_after_a_restart(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 300)
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,dry-run")
        digest = (await over(rig, key)).digest
        rig.objects.annotate(key, REPLAY_ANNOTATION, f"all,rate=400,approve={digest}")
        await rig.says(key, "it moves", lambda status: bool(status.replay and status.replay.replayed))
    assert 0 < (await rig.admin().stats()).dead < 300
    async with rig.running():
        assert (await over(rig, key)).replayed == 300
    await rig.link.close()


async def test_letters_replayed_as_often_as_the_policy_says_stay(rig: Rig) -> None:
    key = rig.apply(deadLetters={"maxReplays": 1}, **FIXED)
    await bury(rig, 3)
    await rig.admin().replays.replay(ReplaySelection(ids=("ValueError-0",)), request="once")
    worker = rig.seeder(sid="w")
    await worker.join()
    assert await worker.exchange(1) == ["ValueError-0"]
    await worker.exchange(0, ["bury", "ValueError-0", worker.claim, "t", "ValueError", RECORD, "", "", 1])
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,dry-run")
        assert str((await over(rig, key)).message).startswith("would replay 2 of 3 dead letters")
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all")
        replay = await over(rig, key)
        assert (replay.matched, replay.replayed, replay.left_out) == (3, 2, 1)
        assert replay.message == "replayed 2 of 3 dead letters; 1 were replayed too often and stay"
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,max-replays=2")
        assert (await over(rig, key)).replayed == 1


async def test_values_of_payloads_reach_nobody(rig: Rig) -> None:
    key = rig.apply(**FIXED)
    await bury(rig, 3)
    async with rig.running():
        await rig.says(key, "read", lambda status: status.dead_letters is not None)
        for value, phase in (
            ("where=to=s3cret", ReplayPhase.COMPLETED),
            ("where=to=s3cret,s3cret", ReplayPhase.REFUSED),
            ("where=to=s3cret,max=none", ReplayPhase.REFUSED),
        ):
            rig.objects.annotate(key, REPLAY_ANNOTATION, value)
            replay = await over(rig, key, phase)
            assert replay.replayed == 0
            assert "where=to=***" in replay.request
    told = [str(event) for event in rig.objects.events] + [str(status) for _, status in rig.objects.writes]
    assert not [text for text in told if "s3cret" in text]
