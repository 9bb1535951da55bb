"""Every script, called again after its first call was lost on the way there, on the way back, or in between.

Beside it stands a twin of the queue whose call got through at once. After the second call both hold the same, in every
key: what was executed twice has acted once. Two scripts are exceptions, and say why.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1

import msgspec
import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.client.limits import Rule
from headrace.client.schedule import tick_id
from headrace.contract.envelope import lua_string
from headrace.contract.protocol import PROTOCOL
from headrace.contract.scripts import NAMES
from headrace.errors import QueueUnavailableError
from headrace.wire.commands import Argument
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.limited import limited
from support.queue_driver import KEEP_MS, LEASE_MS, QueueDriver, Special, told, value
from support.queue_state import read_everything
from support.servers import RedisServer
from support.wire_proxy import Faults, WireProxy

pack = msgspec.msgpack.encode
TICK = 4_000_000_000_000


async def full_world(queue: QueueDriver) -> None:
    """Jobs in every state, three sessions, a dead letter, a replay on its way, a limit key with a line."""
    await queue.link.request("HSET", queue.key("keep"), "t", 600_000)
    for sid in ("s", "idle", "gone"):
        await queue.join(sid, rules={"t": Rule(concurrency=1)})
    await queue.enqueue(
        list("abcdefgh"), [Special("later", delay_ms=9_000), *(limited(f"k{i}", "k") for i in range(3))]
    )
    got = await queue.exchange("s", 3, seq=50)
    await queue.exchange("gone", 2, seq=51)
    await queue.exchange("s", 8, seq=52, others=[("bury", "c", got.claim, "t", "E", "record", "print", "traceback", 1)])
    await queue.cancel("b")
    await queue.exchange("idle", 1, seq=53)
    await queue.enqueue(["w", "x", "y", "z"], [limited("k3", "k")])
    await queue.run("accept_replay", "known", "digest", 0, 0, KEEP_MS)


async def empty_world(queue: QueueDriver) -> None:
    """An idle worker."""
    await queue.join("idle")
    await queue.exchange("idle", 1, seq=53)


async def paused_world(queue: QueueDriver) -> None:
    await full_world(queue)
    await queue.run("pause")


async def broken_world(queue: QueueDriver) -> None:
    """A value without a place, a key that names a stranger, a traceback counted once too little, a gate for
    nobody, a lease of nobody, a schedule's record without its name."""
    await full_world(queue)
    await queue.link.request("HSET", queue.key("jobs"), "orphan", value())
    await queue.link.request("SADD", queue.key("kc:k"), "stranger")
    await queue.link.request("HINCRBY", queue.key("tbn"), "print", 1)
    await queue.link.request("HSET", queue.key("own:lost"), "leased", "0.1")
    await queue.link.request("HSET", queue.key("gate:stray"), "starts", pack([]), "into", "")
    await queue.link.request("HSET", queue.key("schedule:stray"), "timing", "daily")


async def recurring_world(queue: QueueDriver) -> None:
    """A schedule whose first tick's job waits."""
    await full_world(queue)
    await queue.run("settle_schedule", "uid", "ns/name", "daily", "", 5, 1)
    await queue.run("fire_tick", "uid", 6, pack(Special("uid:6").packed()), "Allow", 10, 0, "daily|1|5||")


async def expiring_world(queue: QueueDriver) -> None:
    """Nobody has looked at a schedule for long, and the record of another one has expired."""
    await recurring_world(queue)
    await queue.link.request("PEXPIRE", queue.key("schedule:uid"), 600_000)
    await queue.link.request("HSET", queue.key("schedules"), "expired", "ns/name")


DEAD = value()[:1] + b"\x01" + value()[2:]
"""The value of a job that has failed once."""


async def dead_world(queue: QueueDriver) -> None:
    """The dead letter died at a known time."""
    await full_world(queue)
    for zset in ("dead", "dead:t|E"):
        await queue.link.request("ZADD", queue.key(zset), 1_000, "c")


@dataclass(frozen=True)
class Case:
    """A call that acts, in a world where it finds something to do."""

    arguments: Sequence[Argument]
    world: Callable[[QueueDriver], Awaitable[None]] = full_world
    repeated: object = "the same"
    """What is answered when it was executed already."""
    acts_again: str = ""
    """Not empty: the second call acts, too; why that does no harm."""


CASES = {
    "accept_replay": Case(("new", "digest", 5, 0, KEEP_MS)),
    "audit_gates": Case(("mend", "stray"), broken_world, repeated=[]),
    "audit_schedules": Case(("mend", "stray", "uid"), broken_world, repeated=[]),
    "audit_sessions": Case(("s", "gone", "lost"), broken_world),
    "audit_slice": Case(("jobs", "0", 100), broken_world),
    "cancel": Case(("k0", ""), repeated=b"cancelling"),
    "cancel_replay": Case(("known", KEEP_MS)),
    "cordon": Case((60_000, "s", "idle")),
    "dead_page": Case(("", "", "-inf", "+inf", 10, "oldest", "entries")),
    "delete_dead": Case(("c",), repeated=0),
    "died_again": Case(("a", "c", "nobody")),
    "edit_dead": Case(("c", 1_000, sha1(DEAD).hexdigest(), "another value"), dead_world),
    "enqueue": Case(
        ("p2", 7, KEEP_MS, 1, "new", value(), pack([Special("g", given=True).packed(), limited("k9", "k").packed()]))
    ),
    "exchange": Case(
        ("s", "0", 60, 2, "", "v1", 5, 1, "0.50", 1, "a", pack([("retry", "k0", "0.52", 1, 50, "E")])),
    ),
    "fire_tick": Case(
        ("uid", 7, pack(limited("uid:7", "k", priority="high").packed()), "Replace", 10, 3, "daily|1|5|6|"),
        recurring_world,
    ),
    "forget_schedule": Case(("uid",), recurring_world, repeated=0),
    "import_dead": Case(
        (pack([["n", lua_string(value()), "t", "E", "record", "print", "traceback", ""]]),), repeated=[b"n"]
    ),
    "join": Case(("new", LEASE_MS, told("v1"), PROTOCOL, b"")),
    "keep_schedule": Case(("uid",), expiring_world),
    "leave": Case(("gone",), repeated=0),
    "locate": Case(("a", "f", "c", "nobody")),
    "look_schedules": Case(("uid", "nobody"), recurring_world),
    "mend": Case(("orphan", "a"), broken_world, repeated=0),
    "mend_counts": Case(
        ("mend", "print", -1),
        broken_world,
        acts_again="it adds a difference that an audit has just counted; whoever hears no answer counts anew",
    ),
    "mend_key": Case(("k", "stranger", "k0"), broken_world, repeated=0),
    "outcomes": Case(("a", "c", "nobody")),
    "own_queue": Case(("c/ns/one", "claim", 60_000)),
    "pass_ticks": Case(("uid", 7, 3, "daily|1|5|6|"), recurring_world),
    "pause": Case((), repeated=0),
    "plan": Case(("tidy", "", f"{TICK} every 60", "", pack([Special(tick_id("tidy", TICK), at_ms=TICK).packed()]))),
    "purge": Case((2,), acts_again="it takes n more of what is to be removed whole, in steps"),
    "reap_session": Case(("gone",), repeated=0),
    "renew": Case(("s", 2 * LEASE_MS, told("v1"))),
    "replay": Case(("known", KEEP_MS, "c", "a"), repeated=[0, 1, [], 0]),
    "resume": Case((), paused_world, repeated=0),
    "run_schedule_now": Case(
        ("uid", "by-ada", pack(limited("uid:now:by-ada", "k", priority="low").packed()), "Replace", 10),
        recurring_world,
    ),
    "settle_schedule": Case(("uid", "ns/name", "hourly", "", 5, 2), recurring_world),
    "sleep": Case((), empty_world),
    "stats": Case(()),
    "survey_dead": Case(("", "", "terms", "", "")),
    "trial": Case((60_000, "v1", "v2")),
}
FAULTS = {
    "request-lost": Faults(cut_request_every=1),
    "request-cut": Faults(request_bytes=20),
    "reply-lost": Faults(drop_reply_every=1),
    "reply-cut": Faults(reply_bytes=3),
    "reply-late": Faults(delay=1.5),
}
NOT_ON_STREAMS = {"audit_gates", "audit_schedules", "audit_slice", "mend", "mend_counts", "mend_key", "purge"} | {
    "locate",
    "stats",
}
"""What only an operator's commands call; and what reads when Redis made an entry, which no twin can share."""
EXECUTED = ("reply-lost", "reply-cut", "reply-late")


def test_every_script_is_in_the_table() -> None:
    assert set(CASES) == set(NAMES)
    assert [name for name, case in CASES.items() if case.acts_again] == ["mend_counts", "purge"]


@pytest.fixture
async def proxy(redis_server: RedisServer, redis_url: str) -> AsyncIterator[WireProxy]:
    async with WireProxy(redis_server.port) as running:
        yield running


async def worlds(link: Link, case: Case, variant: str = "") -> tuple[QueueDriver, QueueDriver]:
    """A queue and its twin at the same moment, of a variant of the scripts."""
    queue, twin = QueueDriver(link, "queue", variant=variant), QueueDriver(link, "twin", variant=variant)
    await queue.hold_clock()
    await twin.hold_clock()
    await twin.advance(queue.now_ms - twin.now_ms)
    for one in (queue, twin):
        await case.world(one)
    return queue, twin


def comparable(name: str, reply: object) -> object:
    """An exchange answered again doesn't know since when a job was ready; `plan` and what fires a schedule say who has
    acted."""
    if name == "exchange" and isinstance(reply, list):
        return [part for at, part in enumerate(reply) if at != 7]
    if name == "plan" and isinstance(reply, list):
        return reply[:2]
    if name in ("fire_tick", "pass_ticks", "run_schedule_now") and isinstance(reply, list):
        return reply[3]
    return reply


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CASES)
async def test_called_again_it_has_acted_once(link: Link, proxy: WireProxy, name: str, fault: str) -> None:
    await calls_twice(link, proxy, name, fault)


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
@pytest.mark.parametrize("fault", ["request-cut", "reply-lost"])
@pytest.mark.parametrize("name", sorted(set(CASES) - NOT_ON_STREAMS))
async def test_so_it_is_on_streams(link: Link, proxy: WireProxy, name: str, fault: str) -> None:
    await calls_twice(link, proxy, name, fault, "streams")


async def calls_twice(link: Link, proxy: WireProxy, name: str, fault: str, variant: str = "") -> None:
    case = CASES[name]
    queue, twin = await worlds(link, case, variant)
    expected = await twin.run(name, *case.arguments)
    queue.link = through = Link(parse_target(proxy.url), timeout=0.3 if fault == "reply-late" else 20)
    await through.request("PING")  # connected
    proxy.faults = FAULTS[fault]
    with pytest.raises(QueueUnavailableError):
        await queue.run(name, *case.arguments)
    proxy.faults = Faults()
    through.timeout = 20
    again = await queue.run(name, *case.arguments)
    await through.close()
    if fault in EXECUTED:
        if case.acts_again:
            expected = await twin.run(name, *case.arguments)
        elif case.repeated != "the same":
            expected = case.repeated
    assert comparable(name, again) == comparable(name, expected)
    assert await read_everything(link, "queue") == await read_everything(link, "twin")


@pytest.mark.parametrize("name", CASES)
async def test_its_world_gives_it_something_to_do(link: Link, name: str) -> None:
    """Else the comparison would prove nothing; scripts that only read are told apart by writing nothing."""
    queue, _ = await worlds(link, CASES[name])
    await queue.run(name, *CASES[name].arguments)
    changed = await read_everything(link, "queue") != await read_everything(link, "twin")
    reads = (
        "audit_sessions",
        "audit_slice",
        "dead_page",
        "died_again",
        "locate",
        "look_schedules",
        "outcomes",
        "stats",
        "survey_dead",
    )
    assert changed == (name not in reads)


async def test_a_difference_added_twice_is_found_and_mended_by_the_next_audit(link: Link) -> None:
    queue, _ = await worlds(link, CASES["mend_counts"])
    for _ in range(2):
        await queue.run("mend_counts", *CASES["mend_counts"].arguments)
    audit = QueueAdmin(link, "queue").audit
    assert not (await audit.run()).clean
    await audit.run(repair=True)
    assert (await audit.run()).clean
