"""Unique keys and idempotency keys: who comes second gets the first job, or is told of the conflict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from headrace import ConflictError, Fleet, Job
from headrace.contract.entry import Entry, Mark
from headrace.contract.protocol import State
from headrace.errors import ConfigError, ProtocolError
from headrace.wire.link import Link
from support.limited import check_keys
from support.polling import eventually
from support.queue_driver import QueueDriver, Special


def unique(job_id: str, key: str = "k", ttl_ms: int = 600_000) -> Special:
    return Special(job_id, mark=Mark(unique=key, unique_ms=ttl_ms))


def idempotent(job_id: str, fingerprint: str) -> Special:
    return Special(job_id, given=True, mark=Mark(fingerprint=fingerprint))


# -- the scripts


async def test_the_second_of_a_unique_key_is_the_first(queue: QueueDriver) -> None:
    answers = await queue.enqueue_asking(["p"], [unique("a"), unique("b"), unique("c", "other"), unique("d")])
    assert answers == [(2, "a", False), (4, "a", False)]
    assert (await queue.stats()).enqueued == 3
    assert set(await queue.states()) == {"p", "a", "c"}


async def test_the_answer_is_the_same_when_it_is_asked_for_again(queue: QueueDriver) -> None:
    await queue.enqueue(specials=[unique("a")])
    first = await queue.enqueue_asking([], [unique("b"), unique("c", "x")], seq=90)
    assert await queue.enqueue_asking([], [unique("b"), unique("c", "x")], seq=90) == first == [(1, "a", False)]
    assert set(await queue.states()) == {"a", "c"}


Ending = Callable[[QueueDriver, str], Awaitable[object]]


async def _settle(queue: QueueDriver, *other: object) -> None:
    await queue.exchange("s", 0, others=[other])


ENDINGS: dict[str, Ending] = {
    "done": lambda q, c: q.exchange("s", 0, done={c: ["a"]}),
    "result": lambda q, c: _settle(q, "result", "a", c, "42", 60_000),
    "cancel": lambda q, c: _settle(q, "cancel", "a", c),
    "dead": lambda q, c: _settle(q, "bury", "a", c, "t", "E", "record", "", "", 1),
}
STANDINGS: dict[str, Ending] = {
    "running": lambda q, _: q.renew("s"),
    "retried": lambda q, c: _settle(q, "retry", "a", c, 1, 0),
    "retried later": lambda q, c: _settle(q, "retry", "a", c, 1, 60_000),
    "released": lambda q, c: _settle(q, "release", "a", c, "1", 0),
    "its worker left": lambda q, _: q.leave("s"),
    "its worker died": lambda q, _: q.run("reap_session", "s"),
}


async def _claimed(queue: QueueDriver) -> str:
    """The claim under which session s holds `a`, whose unique key is taken."""
    await queue.join("s")
    await queue.enqueue(specials=[unique("a")])
    return (await queue.exchange("s", 1)).claim


@pytest.mark.parametrize("name", ENDINGS)
async def test_a_unique_key_is_free_when_its_job_has_ended(queue: QueueDriver, name: str) -> None:
    await ENDINGS[name](queue, await _claimed(queue))
    assert await queue.enqueue_asking([], [unique("b")]) == []
    await check_keys(queue)


@pytest.mark.parametrize("name", STANDINGS)
async def test_a_unique_key_is_taken_while_its_job_is_not_at_its_end(queue: QueueDriver, name: str) -> None:
    await STANDINGS[name](queue, await _claimed(queue))
    assert await queue.enqueue_asking([], [unique("b")]) == [(1, "a", False)]
    await check_keys(queue)


@pytest.mark.parametrize("how", ["cancel", "purge"])
async def test_a_unique_key_is_free_when_its_job_was_called_off(queue: QueueDriver, how: str) -> None:
    await queue.enqueue(specials=[unique("a")])
    await (queue.cancel("a") if how == "cancel" else queue.run("purge", 10))
    assert await queue.enqueue_asking([], [unique("b")]) == []
    assert set((await queue.look()).hashes["marks"]) == {"b"}


async def test_a_unique_key_holds_for_its_time_at_most(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(specials=[unique("a", ttl_ms=77_000)])
    assert 0 < await queue.link.request("PTTL", queue.key("u:k")) <= 77_000
    await queue.link.request("DEL", queue.key("u:k"))  # what its expiry does
    assert await queue.enqueue_asking([], [unique("b")]) == []
    got = await queue.exchange("s", 1)
    await queue.exchange("s", 0, done=got.done)
    assert await queue.enqueue_asking([], [unique("c")]) == [(1, "b", False)], "the first's end frees it for nobody"


async def test_a_key_whose_job_was_lost_keeps_nobody_out(queue: QueueDriver) -> None:
    await queue.enqueue(specials=[unique("a")])
    await queue.link.request("DEL", queue.key("jobs"), queue.key("ready:default"), queue.key("marks"))
    assert await queue.enqueue_asking([], [unique("b")]) == []


async def test_the_same_id_with_other_arguments_is_a_conflict(queue: QueueDriver) -> None:
    answers = await queue.enqueue_asking([], [idempotent("a", "f1"), idempotent("a", "f1"), idempotent("a", "f2")])
    assert answers == [(2, "a", False), (3, "a", True)]


async def test_a_conflict_is_known_after_the_job_is_done_and_while_it_waits_longer_than_its_id_is_kept(
    queue: QueueDriver,
) -> None:
    await queue.join("s")
    await queue.enqueue(specials=[idempotent("a", "f1")])
    await queue.link.request("DEL", queue.key("i:a"))  # what its expiry does
    assert await queue.enqueue_asking([], [idempotent("a", "f2")]) == [(1, "a", True)]
    got = await queue.exchange("s", 1)
    await queue.exchange("s", 0, done=got.done)
    await queue.enqueue(specials=[idempotent("a", "f1")])
    got = await queue.exchange("s", 1)
    await queue.exchange("s", 0, done=got.done)
    assert (await queue.look()).hashes["marks"] == {}
    assert await queue.enqueue_asking([], [idempotent("a", "f2")]) == [(1, "a", True)]
    assert await queue.enqueue_asking([], [idempotent("a", "f1")]) == [(1, "a", False)]


async def test_a_given_id_without_fingerprint_is_compared_with_nothing(queue: QueueDriver) -> None:
    await queue.enqueue(specials=[Special("a", given=True), idempotent("b", "f1")])
    assert await queue.enqueue_asking([], [idempotent("a", "f2"), Special("b", given=True)]) == [
        (1, "a", False),
        (2, "b", False),
    ]


# -- what an application sees


@pytest.fixture
async def fleet(redis_url: str) -> AsyncIterator[Fleet]:
    async with Fleet(redis_url) as made:

        @made.queue("q").task()
        async def send(to: str, times: int = 1, tags: dict[str, int] | None = None) -> None: ...

        yield made


async def test_a_second_enqueue_returns_the_first_job(fleet: Fleet) -> None:
    send = fleet.queue("q").tasks["send"]
    first = await send.options(unique="welcome:7", ttl=timedelta(hours=1)).enqueue("ada")
    second = await send.options(unique="welcome:7").enqueue("bob")
    assert (first.created, second.created, second.id) == (True, False, first.id)
    assert await first.cancel()
    third = await send.options(unique="welcome:7").enqueue("bob")
    assert third.created
    assert third.id != first.id


async def test_many_at_once_make_one_job(fleet: Fleet) -> None:
    once = fleet.queue("q").tasks["send"].options(unique="k")
    jobs = await asyncio.gather(*(once.enqueue(f"n{i}") for i in range(50)))
    assert [job.created for job in jobs].count(True) == 1
    assert len({job.id for job in jobs}) == 1


async def test_a_unique_key_is_free_soon_after_its_ttl(fleet: Fleet) -> None:
    once = fleet.queue("q").tasks["send"].options(unique="k", ttl=0.05)
    first = await once.enqueue("ada")

    async def another() -> Job | None:
        job = await once.enqueue("ada")
        return job if job.created else None

    second = await eventually(another)
    assert second is not None
    assert second.id != first.id


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("ada", 1), {}),
        ((), {"times": 1, "to": "ada"}),
        (("ada",), {"times": "1"}),
        (("ada",), {"tags": None}),
    ],
    ids=str,
)
async def test_the_same_arguments_are_the_same_however_they_are_passed(
    fleet: Fleet, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    once = fleet.queue("q").tasks["send"].options(idempotency_key="order-7")
    assert (await once.enqueue("ada")).id == "order-7"
    again = await once.enqueue(*args, **kwargs)
    assert (again.id, again.created) == ("order-7", False)


async def test_other_arguments_under_a_used_key_are_a_conflict_that_names_the_first_job(fleet: Fleet) -> None:
    once = fleet.queue("q").tasks["send"].options(idempotency_key="order-7")
    await once.enqueue("ada", tags={"b": 1, "a": 2})
    assert not (await once.enqueue("ada", tags={"a": 2, "b": 1})).created
    with pytest.raises(ConflictError, match=r"task send: the idempotency key belongs to job 'order-7'") as caught:
        await once.enqueue("bob")
    assert caught.value.job_id == "order-7"


async def test_a_conflict_in_a_shared_batch_is_the_one_caller_s_alone(fleet: Fleet) -> None:
    send = fleet.queue("q").tasks["send"]
    once = send.options(idempotency_key="k")
    await once.enqueue("ada")
    same, other, plain = await asyncio.gather(
        once.enqueue("ada"), once.enqueue("bob"), send.enqueue("eve"), return_exceptions=True
    )
    assert isinstance(same, Job)
    assert not same.created
    assert isinstance(other, ConflictError)
    assert isinstance(plain, Job)
    assert plain.created


async def test_a_key_refused_for_an_older_worker_keeps_nobody_else_s_job_out(fleet: Fleet, link: Link) -> None:
    await QueueDriver(link).join("old", protocol=1)
    send = fleet.queue("q").tasks["send"]
    answers = await asyncio.gather(
        *(send.enqueue("ada"), send.options(unique="k").enqueue("bob"), send.enqueue("eve")), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Job, ProtocolError, Job]
    assert "upgrade the workers first" in str(answers[1])
    assert (await QueueDriver(link).stats()).ready == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ttl": 5}, "ttl says how long `unique` holds"),
        ({"unique": ""}, "unique must be a text of 1 to 512 bytes"),
        ({"unique": "k" * 513}, "unique must be a text of 1 to 512 bytes"),
        ({"unique": "k", "ttl": 0}, "ttl must be more than 0"),
        ({"idempotency_key": ""}, "idempotency_key must be a text"),
        ({"idempotency_key": "k", "job_id": "j"}, "give job_id or idempotency_key, not both"),
    ],
    ids=str,
)
async def test_bad_keys_are_named(fleet: Fleet, options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        fleet.queue("q").tasks["send"].options(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"unique": "k"}, {"idempotency_key": "k"}], ids=str)
async def test_one_key_can_t_serve_many_jobs(fleet: Fleet, options: dict[str, str]) -> None:
    once = fleet.queue("q").tasks["send"].options(**options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="can't serve many jobs"):
        await once.enqueue_many([{"to": "ada"}])


@pytest.mark.parametrize("job_id", ["", "\ud800", 42, "k" * 513], ids=["empty", "half-a-pair", "number", "long"])
async def test_a_job_id_that_is_none_is_refused_and_keeps_nobody_waiting(fleet: Fleet, job_id: str) -> None:
    send = fleet.queue("q").tasks["send"]
    with pytest.raises(ConfigError, match="job_id must be a text"):
        send.options(job_id=job_id)
    with pytest.raises(ConfigError, match="job_ids: each must be a text"):
        await send.enqueue_many([{"to": "ada"}], job_ids=[job_id])


async def test_what_can_not_be_sent_fails_its_caller_and_nobody_else(fleet: Fleet) -> None:
    producer = fleet.queue("q").producer
    answers = await asyncio.wait_for(
        asyncio.gather(
            producer.enqueue([Entry("a", b"")]),
            producer.enqueue([Entry("\ud800", b"")]),
            producer.enqueue([Entry("b", b"")]),
            return_exceptions=True,
        ),
        60,
    )
    assert [type(answer) for answer in answers] == [dict, UnicodeEncodeError, dict]


async def test_options_add_up(fleet: Fleet) -> None:
    send = fleet.queue("q").tasks["send"]
    job = await send.options(job_id="mine", delay=60).options(priority="high").enqueue("ada")
    assert (job.id, await job.state()) == ("mine", State.SCHEDULED)
    at_once = await send.options(job_id="other", delay=60).options(delay=0).enqueue("ada")
    assert await at_once.state() is State.READY
    assert not (await send.options(unique="k").options(ttl=5).enqueue("ada")).id.startswith("mine")
