"""What every broker has to keep to, as checks that any test runner can run:

    @pytest.mark.parametrize("check", checks_for(CAPABILITIES), ids=str)
    async def test_a_broker(check: Check) -> None:
        await check.run(Bench(source, pass_time))

Owns no server: whoever runs them says where the broker is, and how time passes there.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from headrace.brokers.capabilities import Capabilities, Feature
from headrace.brokers.protocol import Broker, Exchanged, Settlement, Source
from headrace.contract.entry import Entry, Mark, Standing
from headrace.contract.envelope import DeathRecord, Envelope, encode, encode_death, header, lua_string
from headrace.contract.protocol import PROTOCOL, Priority
from headrace.contract.replies import Presence, encode_presence

LEASE_MS: Final = 200
"""Short, so that a session dies while a test waits."""
LONG_MS: Final = 600_000
KEEP_MS: Final = 60_000
TASK: Final = "task"


@dataclass
class Settling:
    """Settlements of one exchange, by hand."""

    done: dict[str, list[str]] = field(default_factory=dict)
    others: list[Settlement] = field(default_factory=list)
    service_us: int = 0

    def arguments(self) -> list[str | int | bytes]:
        """As exchange.lua takes them."""
        flat: list[str | int | bytes] = [self.service_us, len(self.done)]
        for claim, ids in self.done.items():
            flat += (claim, len(ids), *ids)
        return [*flat, msgspec.msgpack.encode(self.others) if self.others else b""]


@dataclass
class Seat:
    """One session and its lanes."""

    broker: Broker
    queue: str
    sid: str
    seq: int = 0

    async def exchange(
        self, n: int, *settlements: Settlement, lane: str = "0", seq: int | None = None, flags: str = ""
    ) -> Exchanged:
        """The next call of a lane, or `seq` again."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        return await self.broker.exchange(
            self.queue, self.sid, lane, seq, n, flags, "v1", Settling(others=list(settlements))
        )

    async def claim(self, n: int = 1) -> list[tuple[str, str]]:
        """Ids under their claim."""
        reply = await self.exchange(n)
        return [(job_id.decode(), f"0.{self.seq}") for job_id in reply.ids]

    async def ids(self, n: int = 10) -> list[str]:
        """Those claimed."""
        return [job_id for job_id, _ in await self.claim(n)]


@dataclass
class Bench:
    """A broker to be tried, and how time passes for it."""

    source: Source
    pass_time: Callable[[float], Awaitable[None]]
    """Seconds, on the broker's clock."""
    queue: str = field(default_factory=lambda: f"conformance-{secrets.token_hex(6)}")
    seq: int = 0

    def __post_init__(self) -> None:
        self._opened: list[Broker] = []
        self.broker = self.open()

    def open(self) -> Broker:
        """One more line to it."""
        self._opened.append(self.source.open("headrace-conformance"))
        return self._opened[-1]

    async def close(self) -> None:
        """Let go of the broker."""
        for broker in self._opened:
            await broker.close()

    async def seat(self, *, lease_ms: int = LONG_MS, rules: dict[str, tuple[int, int, int]] | None = None) -> Seat:
        """A new session. rules: name → concurrency, interval µs, burst."""
        sid = secrets.token_hex(8)
        packed = msgspec.msgpack.encode(rules) if rules else b""
        joined = await self.broker.join(self.queue, sid, lease_ms, presence(), packed)
        assert joined.status == b"OK", joined
        return Seat(self.broker, self.queue, sid)

    async def enqueue(self, *entries: Entry, seq: int | None = None) -> dict[int, Standing]:
        """The next call of this producer, or `seq` again."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        return await self.broker.enqueue(self.queue, "producer", seq, KEEP_MS, entries)

    async def jobs(self, *ids: str) -> None:
        """Plain ones."""
        await self.enqueue(*map(entry, ids))

    async def state(self, job_id: str) -> str:
        """Where it stands."""
        return str(await self.broker.state(self.queue, job_id))


def presence() -> bytes:
    """Of a worker that is there."""
    return encode_presence(Presence("worker", "v1", 10, 0, False, PROTOCOL, 0, 0))


def value(payload: bytes = b"") -> bytes:
    """Of a job of TASK."""
    return encode(header(TASK), Envelope(0, payload))


def entry(
    job_id: str,
    *,
    at_ms: int = 0,
    delay_ms: int = 0,
    priority: Priority = Priority.DEFAULT,
    given: bool = False,
    mark: Mark | None = None,
) -> Entry:
    """One job to enqueue."""
    return Entry(job_id, value(), at_ms, delay_ms, priority, given, mark)


def bury(job_id: str, claim: str, reason: str = "Broken", attempts: int = 1) -> Settlement:
    """A settlement."""
    record = encode_death(DeathRecord(f"{reason}: said so", attempts, 0))
    return ("bury", job_id, claim, TASK, reason, lua_string(record), "f" * 16, "a traceback", attempts)


def result(job_id: str, claim: str, packed: bytes, ttl_ms: int = KEEP_MS, most: int = 0) -> Settlement:
    """A settlement."""
    return ("result", job_id, claim, lua_string(packed), ttl_ms, TASK, most)


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    name: str
    needs: frozenset[Feature]
    run: Callable[[Bench], Awaitable[None]]

    def __str__(self) -> str:
        return self.name


def checks_for(capabilities: Capabilities) -> Sequence[Check]:
    """All that a broker with these capabilities must pass."""
    from headrace.testing.checks import features, progress, sessions

    found = [*sessions.CHECKS, *features.CHECKS, *progress.CHECKS]
    return [check for check in found if check.needs <= capabilities.features]


class Checks(list[Check]):
    """Those of one file; a decorator adds to them."""

    def add(
        self, *needs: Feature
    ) -> Callable[[Callable[[Bench], Awaitable[None]]], Callable[[Bench], Awaitable[None]]]:
        """Named after its function."""

        def register(function: Callable[[Bench], Awaitable[None]]) -> Callable[[Bench], Awaitable[None]]:
            self.append(Check(function.__name__, frozenset(needs), function))
            return function

        return register
