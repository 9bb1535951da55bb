"""Why isn't my job running? One sentence for each way of standing somewhere, of a job that really stands there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from headrace.admin.explain import explain
from headrace.admin.queue_admin import QueueAdmin
from headrace.errors import JobNotFoundError
from support import job_scenes as scenes
from support.queue_driver import QueueDriver, Special

Scene = Callable[[QueueDriver], Awaitable[object]]
WHY: dict[str, tuple[Scene, str]] = {
    "ready, no worker": (scenes.nobody, "It has been ready for 5 s, but no worker of this queue is running."),
    "ready, paused": (scenes.paused, "It has been ready for 0 s, but the queue is paused (headrace resume q)."),
    "ready, draining": (scenes.draining, "It has been ready for 0 s, but its only worker is draining."),
    "ready, cordoned": (
        scenes.cordoned,
        "It has been ready for 0 s, but all of its 2 workers are cordoned or draining.",
    ),
    "ready, busy": (scenes.busy, "It has been ready for 0 s: all 10 slots of 1 worker are busy, 1 job ready."),
    "ready, the only free worker is cordoned": (
        scenes.busy_beside_a_cordoned_one,
        "It has been ready for 0 s: all 10 slots of 1 worker are busy, 1 job ready.",
    ),
    "ready, next": (
        scenes.is_next,
        "It has been ready for 0 s and is claimed next: 6 of 10 slots are free, 1 job ready.",
    ),
    "ready, worker died": (
        lambda q: scenes.crash(q, 1),
        "It has been ready for 0 s (its worker pod-0 died with it) and is claimed next: 10 of 10 slots are free, "
        "1 job ready.",
    ),
    "suspect": (
        lambda q: scenes.crash(q, 2),
        "It has been ready for 0 s; its worker died 2 times while running it, "
        "so it runs alone as soon as one worker has finished its other jobs.",
    ),
    "ready, the queue's rate": (
        scenes.whole_rate,
        "It has been ready for 0 s, but the queue's own rate is used up, which lets a job go in 60 s; 1 job held back.",
    ),
    "ready, replayed": (
        scenes.replayed,
        "It has been ready for 0 s (replayed) and is claimed next: 10 of 10 slots are free, 1 job ready.",
    ),
    "ready, given back": (
        scenes.left,
        "It has been ready for 0 s (given back: its worker left), but no worker of this queue is running.",
    ),
    "scheduled, first delay": (scenes.delayed, "It waits for its time, due in 30 s."),
    "scheduled, retry": (
        lambda q: scenes.settle(q, "retry", 2, 60_000, "OSError"),
        "It waits for a retry after 2 failed attempts, the last on pod-1 (OSError), due in 60 s.",
    ),
    "scheduled, retry said by an older worker": (
        lambda q: scenes.settle(q, "retry", 1, 60_000),
        "It waits for a retry after 1 failed attempt, due in 60 s.",
    ),
    "scheduled, the handler's wish": (
        lambda q: scenes.settle(q, "retry", 0, 60_000, "RetryLater"),
        "It waits for another run that its handler asked for on pod-1, due in 60 s.",
    ),
    "scheduled, given back": (
        lambda q: scenes.settle(q, "release", "1", 60_000),
        "It waits for another look after it was given back on pod-1, due in 60 s.",
    ),
    "scheduled, on trial": (
        scenes.on_trial,
        "It waits for another run after one that failed on pod-1 in a version on trial, due in 60 s.",
    ),
    "scheduled, due": (scenes.overdue, "It fell due 2 s ago and is claimed next."),
    "parked, no slot": (
        scenes.no_slot,
        "It waits for a slot of its limit key 'k': 1 job of it runs; 1 job of the key before it.",
    ),
    "parked, no rate": (
        scenes.no_rate,
        "It waits for the rate of its limit key 'k', which lets a job go in 60 s; it is the next.",
    ),
    "awaiting": (
        scenes.awaiting,
        "It begins when 1 step before it in its workflow, before, will be done; "
        "a dead letter among them keeps it waiting until it is replayed.",
    ),
    "awaiting a dead letter": (
        scenes.awaiting_a_dead_one,
        "It begins when 1 step before it in its workflow, before, will be done; "
        "before is a dead letter and keeps it waiting until it is replayed.",
    ),
    "leased": (scenes.taken, "It is claimed by worker pod-1: running, or next to run there."),
    "leased, progress": (
        scenes.told,
        "It is claimed by worker pod-1: running, or next to run there; 3 s ago it was 40% done.",
    ),
    "leased, draining": (
        lambda q: scenes.taken(q, draining=True),
        "It is claimed by worker pod-1: running, or next to run there; "
        "that worker is draining, so it ends there or is given back.",
    ),
    "leased, cancelling": (
        scenes.cancelling,
        "It is claimed by worker pod-1: running, or next to run there; its cancellation was asked for.",
    ),
    "leased, silent": (
        scenes.silent,
        "It was claimed by pod-1, which has been silent for longer than its lease; "
        "the next exchange of another worker makes it ready again.",
    ),
    "leased, being reaped": (
        scenes.half_reaped,
        "Its worker's lease has ended: the next exchange of another worker makes it ready again.",
    ),
    "dead": (
        scenes.die,
        "It died 5 s ago (OSError, after 3 failed attempts): "
        "it runs again only when replayed (headrace dlq replay q --id a).",
    ),
    "done": (
        lambda q: scenes.settle(q, "result", "42", 60_000, "t", 0),
        "It is done; only its result is kept.",
    ),
    "called off": (scenes.called_off, "It was called off."),
}


@pytest.mark.parametrize("name", WHY)
async def test_why_in_one_sentence(queue: QueueDriver, admin: QueueAdmin, name: str) -> None:
    scene, expected = WHY[name]
    await scene(queue)
    assert explain(await admin.jobs.locate("a"), await queue.stats()) == expected


async def test_of_an_unknown_job_is_said_what_may_have_become_of_it(queue: QueueDriver, admin: QueueAdmin) -> None:
    await queue.enqueue(specials=[Special("mine", given=True)])
    await queue.cancel("mine")
    with pytest.raises(JobNotFoundError, match="done or cancelled: its id is still taken"):
        await admin.jobs.locate("mine")
    with pytest.raises(JobNotFoundError, match="done, cancelled, or never enqueued"):
        await admin.jobs.locate("never")
