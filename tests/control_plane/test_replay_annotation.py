"""`kubectl annotate wq … headrace.dev/replay=…` on a real API server: run once, whatever happens to the operator."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.admin.selection import ReplaySelection
from operator_faults import replays
from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling

FINAL = ("Completed", "Failed", "Cancelled", "Refused")


async def bury(fleet: LiveFleet, *, fragile: int = 6, brittle: int = 4) -> None:
    """Dead letters of two tasks with two reasons, seen by the operator."""
    await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=1)))
    await fleet.enqueue_failing("fragile", fragile)
    await fleet.enqueue_failing("brittle", brittle)

    async def dead() -> bool:
        return (await fleet.kube.condition(QUEUE, "DeadLettersPresent")).get("status") == "True" and (
            await fleet.admin.stats()
        ).dead == fragile + brittle

    await until(dead)


async def replay(fleet: LiveFleet, request: str, *, of: str | None = None) -> dict[str, Any]:
    """Ask, wait for the end, and give status.replay. `of`: the request that is asked about, else a new one."""
    before = (await fleet.kube.status(QUEUE)).get("replay", {}).get("requestId")
    await fleet.kube.do("annotate", "--overwrite", "wq", QUEUE, f"headrace.dev/replay={request}")

    async def over() -> bool:
        found = await fleet.kube.get("wq", QUEUE)
        status = found["status"].get("replay", {})
        removed = "headrace.dev/replay" not in found["metadata"].get("annotations", {})
        asked = status.get("requestId") != before if of is None else status.get("requestId") == of
        return removed and asked and status.get("phase") in FINAL

    await until(over)
    status: dict[str, Any] = (await fleet.kube.status(QUEUE))["replay"]
    return status


async def test_replays_by_task_reason_id_number_and_all(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await bury(fleet)
        await fleet.heal()
        dry = await replay(fleet, "all,dry-run")
        assert (dry["phase"], dry["dryRun"], dry["matched"], dry["replayed"]) == ("Completed", True, 10, 0)
        assert (await fleet.admin.stats()).dead == 10
        few = await replay(fleet, "task=fragile,max=2")
        assert (few["phase"], few["replayed"]) == ("Completed", 2)
        [letter] = (await fleet.admin.dead_letters.page(limit=1)).letters
        one = await replay(fleet, f"id={letter.id}")
        assert (one["phase"], one["replayed"]) == ("Completed", 1)
        by_reason = await replay(fleet, "reason=KeyError,request=keys-1,by=ada")
        assert (by_reason["requestId"], by_reason["phase"]) == ("keys-1", "Completed")
        rest = await replay(fleet, "all")
        assert rest["phase"] == "Completed"
        assert (await fleet.admin.stats()).dead == 0

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 10

        await until(done)
        assert (await fleet.ledger()).redelivered == 0
        # The same request's id never runs twice.
        await fleet.kube.do("annotate", "wq", QUEUE, "headrace.dev/replay=all,request=keys-1")
        reasons = [reason for reason, _ in await fleet.kube.events(QUEUE)]
        assert reasons.count("ReplayFinished") == 5


@pytest.mark.parametrize("request_", ["everything", "all,task=x", "max=3", "all,max=none"])
async def test_a_request_without_sense_is_refused_in_words(start_fleet: StartFleet, request_: str) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest())
        await until(lambda: fleet.kube.condition(QUEUE, "RedisAvailable"))
        status = await replay(fleet, request_)
        assert status["phase"] == "Refused"
        assert len(status["message"]) > 10

        async def told() -> bool:
            return any(
                reason == "ReplayRefused" and status["message"] in message
                for reason, message in await fleet.kube.events(QUEUE)
            )

        await until(told)


async def test_a_proposal_is_approved_as_long_as_it_holds_and_a_replay_called_off(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await bury(fleet, fragile=30, brittle=30)
        await fleet.kube.apply(fleet.manifest(replicas=0, deadLetters={"maxReplays": 1}))
        await until(lambda: no_pods(fleet))
        proposed = await replay(fleet, "since=1h,where=number=7,dry-run")
        assert (proposed["matched"], proposed["request"]) == (2, "since=1h,where=number=***,dry-run")
        assert f"approve={proposed['digest']} " in proposed["message"]
        [letter] = (await fleet.admin.dead_letters.page(limit=1)).letters
        await fleet.admin.dead_letters.delete(ReplaySelection(ids=(letter.id,)))
        refused = await replay(fleet, f"since=1h,where=number=7,approve={proposed['digest']}")
        assert (refused["phase"], refused["replayed"]) == ("Failed", 0)
        proposed = await replay(fleet, "since=1h,where=number=7,dry-run")
        approved = await replay(fleet, f"since=1h,where=number=7,approve={proposed['digest']},by=ada")
        count = proposed["matched"]
        assert (approved["phase"], approved["replayed"], approved["by"]) == ("Completed", count, "ada")

        await fleet.kube.do("annotate", "wq", QUEUE, "headrace.dev/replay=all,rate=5,by=ada,request=slow-1")

        async def moves() -> bool:
            status = (await fleet.kube.status(QUEUE))["replay"]
            return bool(status["requestId"] == "slow-1" and status.get("replayed", 0) > 0)

        await until(moves)
        cancelled = await replay(fleet, "cancel", of="slow-1")
        assert (cancelled["phase"], cancelled["requestId"]) == ("Cancelled", "slow-1")
        stats = await fleet.admin.stats()
        assert (stats.ready, stats.dead) == (count + cancelled["replayed"], 59 - count - cancelled["replayed"])
        events = await fleet.kube.events(QUEUE)
        assert ("ReplayCancelled", f"slow-1: {cancelled['message']} (by ada)") in events
        await fleet.kube.do("annotate", "wq", QUEUE, "headrace.dev/replay=all,request=slow-1")

        async def removed() -> bool:
            return "headrace.dev/replay" not in (await fleet.kube.get("wq", QUEUE))["metadata"].get("annotations", {})

        await until(removed)
        assert (await fleet.admin.stats()).dead == stats.dead, "what was called off never runs again"


async def no_pods(fleet: LiveFleet) -> bool:
    return not fleet.kubelet.pods


async def test_a_replay_runs_once_although_its_operator_is_killed_again_and_again(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        verdict = await replays.run(fleet, jobs=600, kills=3)
    assert verdict.sound, verdict
