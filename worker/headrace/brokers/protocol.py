"""The protocol that every broker speaks, and the values that go to and fro.

Each method is one atomic transition, or one look, of the engine's protocol: what it must keep to is what the
conformance suite asks (headrace.testing.conformance); lua/*.lua say it in full, and brokers/memory in plain Python.
Ids and values come back as bytes, in columns: what a fast broker's wire brings is handed on without a copy per job.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from headrace.brokers.capabilities import Capabilities
from headrace.contract.ending import Ending
from headrace.contract.entry import Entry, Standing
from headrace.contract.progress import Progress
from headrace.contract.protocol import State
from headrace.contract.stats import PlannedTick, QueueStats
from headrace.errors import HeadraceError
from headrace.wire.channels import Channels, Heard

CALL_TIMEOUT = 5.0
"""Seconds to wait for an answer unless the caller says otherwise."""

Settlement = tuple[str | int | msgspec.Raw, ...]
"""What became of one run: kind, id, claim, and what the kind says; see lua/lib/settle.lua for each kind's fields."""


class Settled(Protocol):
    """The settlements of one exchange: the same object again is the same call again."""

    @property
    def done(self) -> Mapping[str, Sequence[str]]:
        """Claim → ids of jobs that are done without a result: by far the most."""

    @property
    def others(self) -> Sequence[Settlement]:
        """The rest."""

    @property
    def service_us(self) -> int:
        """How long their handlers ran, together."""

    def arguments(self) -> list[str | int | bytes]:
        """All of it as exchange.lua takes it, from ARGV[7] on."""


class Joined(NamedTuple):
    """`status` is OK, LOST (this sid's jobs are being taken from it), UPGRADE or AHEAD; `value` is the time (Unix ms),
    or the protocol that stands in the way."""

    status: bytes
    value: int


class Exchanged(NamedTuple):
    """What an exchange did."""

    status: bytes
    """OK, PAUSED or CORDONED; LOST: no such session, and every settlement was refused."""
    now_ms: int
    """On the broker's clock, Unix ms."""
    next_due_ms: int
    """When to ask again, having got nothing; -1: when woken."""
    stale: Sequence[bytes]
    """Ids whose settlement was refused: their claim is held no more."""
    cancelled: Sequence[bytes]
    """Ids held by this session whose cancellation is asked for."""
    ids: Sequence[bytes]
    """Claimed now, under the claim `<lane>.<seq>` …"""
    values: Sequence[bytes]
    """… with their values (contract/envelope.py) …"""
    ready_us: Sequence[bytes | int]
    """… since when each could have run, Unix µs, in decimal; of an exchange that is said again: now …"""
    crashes: Sequence[int]
    """… and how often a worker has died with it; empty when none has."""
    on_trial: int
    """1: the version of this worker is on trial."""


class Planned(NamedTuple):
    """What a look at a periodic task's plan found, or did."""

    now_ms: int
    held: PlannedTick | None
    """Its latest planned tick, after the call."""
    planned: bool
    """This call has planned; False: it only looked, or another was faster."""


class DeadJob(NamedTuple):
    """One dead letter."""

    id: str
    task: str
    reason: str
    error: str
    """Class and message."""
    attempts: int
    died_us: int
    """Unix µs on the broker's clock."""


class RenewedLease(NamedTuple):
    """What a renewal heard of one session."""

    live: bool
    leases: int
    cancelled: Sequence[bytes]
    cordoned: bool


class LeaseRenewal(NamedTuple):
    """A session's sign of life."""

    queue: str
    sid: str
    lease_ms: int
    presence: bytes
    progress: bytes = b""
    """What its jobs say of themselves, see contract/progress.py; it is kept as long as the lease, in place of what was
    said before. Empty without Feature.PROGRESS."""


class Broker(Protocol):
    """One caller's line to the broker, in one event loop. Calls raise QueueUnavailableError when it can't be reached;
    those of them that are replayable (enqueue, exchange, join, plan) are said again by the caller, in the same words.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked of it; what it lacks is refused before it is asked."""

    def assured(self, level: str, replicas: int) -> Broker:
        """The same, but its enqueues return only when the durability is reached. Asked with Feature.DURABILITY only."""

    # producers, and whoever waits

    async def enqueue(
        self, queue: str, producer: str, seq: int, keep_ms: int, entries: Sequence[Entry]
    ) -> dict[int, Standing]:
        """Enqueue up to 1,000 jobs; by place, those for which nothing was enqueued. The same (producer, seq) answers
        as before and writes nothing, for `keep_ms`, which is also how long given ids stay taken.

        Raises QueueFullError, ProtocolError: then nothing was enqueued.
        """

    async def state(self, queue: str, job_id: str) -> State:
        """Where a job stands; an unknown one is done."""

    async def cancel(self, queue: str, job_id: str, keep_ms: int | None) -> str:
        """cancelled, cancelling (it runs), dead or unknown. keep_ms: how long the cancellation is remembered; None: as
        its task says."""

    async def endings(self, queue: str, ids: Sequence[str]) -> list[Ending]:
        """How up to 1,000 jobs stand for those who wait for them."""

    async def progress(self, queue: str, job_id: str) -> Progress | None:
        """What the run of a leased job has last said; of any other job None. Asked with Feature.PROGRESS only."""

    def follow(self, channels: Channels) -> AsyncGenerator[Heard, None]:
        """What is told on these channels, see lib/endings.lua; never ends and never raises by itself."""

    # a worker's sessions

    async def join(self, queue: str, sid: str, lease_ms: int, presence: bytes, rules: bytes) -> Joined:
        """A session's first word; may be said again. rules: the limits that its claims keep to, see worker/rules.py."""

    async def leave(self, queue: str, sid: str) -> int:
        """Its last one: what it holds goes back uncharged; says how many jobs."""

    async def exchange(
        self, queue: str, sid: str, lane: str, seq: int, n: int, flags: str, version: str, settled: Settled
    ) -> Exchanged:
        """Settle, promote, reap, claim up to n. The same (sid, lane, seq) settles nothing and hands out the same jobs.

        flags: `i` the session was registered as idle, `q` it is going quiet.
        """

    async def held(self, queue: str, sid: str) -> dict[str, str]:
        """Job id → claim, of all that the session holds."""

    async def wait_for_work(self, queue: str, seconds: float, timeout: float) -> None:
        """Return when an idle session should ask again, at the latest after `seconds`; `timeout` for the answer."""

    async def exchange_when_woken(
        self,
        queue: str,
        sid: str,
        lane: str,
        seq: int,
        n: int,
        flags: str,
        version: str,
        settled: Settled,
        seconds: float,
        timeout: float,
    ) -> Exchanged:
        """`wait_for_work`, then at once `exchange`. A caller that can't wait longer closes its line, and asks by
        `exchange` what became of it."""

    async def plan(
        self,
        queue: str,
        task: str,
        seen: PlannedTick | None,
        wanted: PlannedTick | None,
        standing: str,
        entries: Sequence[Entry],
    ) -> Planned:
        """Plan a periodic task's ticks, if its plan is as `seen`; wanted None: only look. See plan.lua."""

    async def publish(self, queue: str, schemas: Mapping[str, bytes], keeps: Mapping[str, int | None]) -> None:
        """What a queue's code says of its tasks: JSON schemas of their arguments; for how long each keeps results,
        ms, None for not at all."""

    # looking after it

    async def stats(self, queue: str) -> QueueStats:
        """A consistent snapshot."""

    async def dead_letters(self, queue: str, most: int) -> list[DeadJob]:
        """Up to `most` (1,000), the oldest first."""

    async def replay(self, queue: str, ids: Sequence[str]) -> int:
        """Up to 1,000 of them go back to ready, without attempts; says how many did."""

    async def pause(self, queue: str, paused: bool) -> None:
        """Claim nothing from now on, or again."""

    async def problems(self) -> list[str]:
        """One line for each thing about the server that would lose jobs."""

    async def close(self) -> None:
        """Let go: calls that wait raise QueueUnavailableError; a later call begins anew."""


class Renewer(Protocol):
    """Keeps leases, from a thread of its own."""

    def renew(self, calls: Sequence[LeaseRenewal]) -> list[RenewedLease | HeadraceError]:
        """Of each: what the broker says, or why it says nothing."""

    def close(self) -> None:
        """Let go."""


class Source(Protocol):
    """What a URL names: where brokers of one kind are had. Opens nothing until it is asked something."""

    @property
    def capabilities(self) -> Capabilities:
        """Of its brokers."""

    @property
    def redacted(self) -> str:
        """Its address without passwords."""

    def open(self, name: str, timeout: float = CALL_TIMEOUT) -> Broker:
        """A line of its own, which shows itself to the server as `name`."""

    def renewer(self, name: str, timeout: float) -> Renewer:
        """For a thread; `timeout`: seconds for each step."""
