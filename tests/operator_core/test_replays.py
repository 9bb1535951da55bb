"""The replay annotation on a real queue: accepted once, carried out wholly, told, removed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headrace.admin.selection import ReplaySelection
from headrace_operator.api.names import REPLAY_ANNOTATION
from headrace_operator.core.replay_request import ReplayPhase
from support.fleet_rig import Rig, until
from support.replays import FIXED, RECORD, bury, over, reasons, removed, succeed


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


async def test_one_queue_of_several(rig: Rig) -> None:
    key = rig.apply(queues=[{"name": "a"}, {"name": "b"}], **FIXED)
    await bury(rig, 4, queue="a")
    await bury(rig, 6, queue="b")
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,queue=b,dry-run")
        proposed = await over(rig, key)
        assert (proposed.matched, str(proposed.message).split(";")[0]) == (
            6,
            "would replay 6 of 6 dead letters: 6 ValueError",
        )
        assert proposed.digest == (await rig.admin("b").replays.preview(ReplaySelection(everything=True))).digest
        rig.objects.annotate(key, REPLAY_ANNOTATION, f"all,queue=a,approve={proposed.digest}")
        assert (await over(rig, key, ReplayPhase.FAILED)).replayed == 0, "another queue's set"
        rig.objects.annotate(key, REPLAY_ANNOTATION, f"all,queue=b,approve={proposed.digest}")
        replay = await over(rig, key)
        assert (replay.matched, replay.replayed) == (6, 6)
        assert [(await rig.admin(name).stats()).dead for name in "ab"] == [4, 0]
        for wrong in ("all,queue=c", "all,queue=c,request=mine"):
            rig.objects.annotate(key, REPLAY_ANNOTATION, wrong)
            refused = await over(rig, key, ReplayPhase.REFUSED)
            assert (refused.message, refused.request) == ("there is no queue 'c' here, only a, b", wrong)
            assert [(await rig.admin(name).stats()).dead for name in "ab"] == [4, 0]
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,queue=a,request=mine")
        assert (await over(rig, key)).replayed == 4, "a name that was refused is free"


async def test_one_queue_that_leaves_the_spec_amid_its_replay(rig: Rig) -> None:
    key = rig.apply(queues=[{"name": "a"}, {"name": "b"}], **FIXED)
    await bury(rig, 4, queue="a")
    await bury(rig, 300, queue="b")
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,queue=b,rate=20")
        await rig.says(key, "it moves", lambda status: bool(status.replay and status.replay.replayed))
    rig.apply(queues=[{"name": "a"}], **FIXED)
    async with rig.running():
        refused = await over(rig, key, ReplayPhase.REFUSED)
        assert refused.message == "there is no queue 'b' here, only a"
        assert (await rig.admin("a").stats()).dead == 4


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
        await succeed(rig, 3)
        await bury(rig, 2, "KeyError")
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,request=monday")
        await removed(rig, key)
        assert (await rig.admin().stats()).dead == 2


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
        assert f"differ from what {proposed.digest} was proposed for" in refused.message
        now = refused.message.split("the set is ")[1].split()[0]
        assert [(await rig.admin(name).stats()).dead for name in "ab"] == [3, 4]
        rig.objects.annotate(key, REPLAY_ANNOTATION, f"task=t,approve={now}")
        assert (await over(rig, key)).replayed == 7
        rig.objects.annotate(key, REPLAY_ANNOTATION, "task=t,approve=0123456789ab")
        assert "approve has 1 digests for 2 queues" in str((await over(rig, key, ReplayPhase.FAILED)).message)


async def test_an_approval_holds_for_queues_that_share_a_bound(rig: Rig) -> None:
    key = rig.apply(queues=[{"name": "a"}, {"name": "b"}], **FIXED)
    for queue in "ab":
        await bury(rig, 10, queue=queue)
    async with rig.running():
        rig.objects.annotate(key, REPLAY_ANNOTATION, "all,max=14,dry-run")
        digest = (await over(rig, key)).digest
        rig.objects.annotate(key, REPLAY_ANNOTATION, f"all,max=14,approve={digest}")
        assert (await over(rig, key)).replayed == 14
        assert [(await rig.admin(name).stats()).dead for name in "ab"] == [0, 6]


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
