"""The protocol over a store: each call is one transition under its lock. Nothing here decides anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Literal

import msgspec

from headrace.brokers.capabilities import Capabilities
from headrace.brokers.memory import enqueueing, exchanging, looking
from headrace.brokers.memory.endings import cancel_pending
from headrace.brokers.memory.limits import free_slot, take_rules
from headrace.brokers.memory.ready import ready_count, ready_now, wake
from headrace.brokers.memory.state import Rule, Session
from headrace.brokers.memory.store import Store
from headrace.brokers.protocol import DeadJob, Exchanged, Joined, LeaseRenewal, Planned, RenewedLease, Settled
from headrace.contract.ending import Ending
from headrace.contract.entry import Entry, Standing
from headrace.contract.progress import Progress, kept_at
from headrace.contract.protocol import State
from headrace.contract.stats import PlannedTick, QueueStats
from headrace.errors import ConfigError, HeadraceError, QueueUnavailableError
from headrace.wire.channels import Channels, Heard
from headrace.wire.channels import Joined as Listening
from headrace.wire.subscription import Message

_decode_rules = msgspec.msgpack.Decoder(dict[str, tuple[int, int, int]]).decode


class MemoryBroker:
    """In any event loop of the process."""

    def __init__(self, store: Store, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._store = store
        self._waiting: set[asyncio.Future[Literal[True]]] = set()

    def assured(self, level: str, replicas: int) -> MemoryBroker:
        """Raises ConfigError: memory is as durable as its process."""
        raise ConfigError(f"durability {level!r}: a memory broker has nowhere to keep a job")

    async def enqueue(
        self, queue: str, producer: str, seq: int, keep_ms: int, entries: Sequence[Entry]
    ) -> dict[int, Standing]:
        """See enqueueing.py."""
        with self._store.queue(queue) as state:
            return enqueueing.enqueue(state, producer, seq, keep_ms, entries)

    async def state(self, queue: str, job_id: str) -> State:
        """See looking.py."""
        with self._store.aside(queue) as state:
            return looking.place(state, job_id)

    async def cancel(self, queue: str, job_id: str, keep_ms: int | None) -> str:
        """See looking.py."""
        with self._store.aside(queue) as state:
            return looking.cancel(state, job_id, keep_ms)

    async def endings(self, queue: str, ids: Sequence[str]) -> list[Ending]:
        """See looking.py."""
        with self._store.aside(queue) as state:
            return [looking.ending(state, job_id) for job_id in ids]

    async def progress(self, queue: str, job_id: str) -> Progress | None:
        """See looking.py."""
        with self._store.aside(queue) as state:
            return looking.progress(state, job_id)

    async def follow(self, channels: Channels) -> AsyncGenerator[Heard, None]:
        """Messages in the order of what they tell."""
        ear = _Ear()
        self._store.listen(ear.hear)
        channels.attach(ear)
        try:
            while True:
                yield await ear.heard.get()
        finally:
            channels.attach(None)
            self._store.stop_listening(ear.hear)

    async def join(self, queue: str, sid: str, lease_ms: int, presence: bytes, rules: bytes) -> Joined:
        """A sid serves one session: whoever has lost it takes another."""
        known: Mapping[str, Rule] = _decode_rules(rules) if rules else {}
        with self._store.queue(queue) as state:
            if sid in state.reaping:
                return Joined(b"LOST", state.ms)
            session = state.sessions.setdefault(sid, Session(presence, known))
            session.presence, session.rules = presence, known
            state.sess.put(sid, state.ms + lease_ms)
            take_rules(state, rules, known)
            state.lease_ms = max(lease_ms, state.lease_ms if len(state.sess) > 1 else 0)
            return Joined(b"OK", state.ms)

    async def leave(self, queue: str, sid: str) -> int:
        """What is to be cancelled is done, the rest is ready."""
        with self._store.queue(queue) as state:
            session = state.sessions.pop(sid, None)
            state.sess.discard(sid)
            state.reaping.discard(sid)
            state.idle.discard(sid)
            if state.alone == sid:
                state.alone = None
            given_back = 0
            for job_id in session.own if session else ():
                free_slot(state, job_id)
                if not cancel_pending(state, job_id):
                    ready_now(state, job_id)
                    given_back += 1
            state.count["released"] += given_back
            wake(state, ready_count(state))
            return given_back

    async def exchange(
        self, queue: str, sid: str, lane: str, seq: int, n: int, flags: str, version: str, settled: Settled
    ) -> Exchanged:
        """See exchanging.py."""
        with self._store.queue(queue) as state:
            return exchanging.exchange(state, sid, lane, seq, n, flags, version, settled)

    async def held(self, queue: str, sid: str) -> dict[str, str]:
        """A copy."""
        with self._store.aside(queue) as state:
            session = state.sessions.get(sid)
            return dict(session.own) if session else {}

    async def wait_for_work(self, queue: str, seconds: float, timeout: float) -> None:
        """A wake token, or a moved clock."""
        event = self._store.wait_on(queue)
        waiting = asyncio.ensure_future(event.wait())
        self._waiting.add(waiting)
        try:
            await asyncio.wait([waiting], timeout=seconds)
            if waiting.cancelled():
                raise QueueUnavailableError("the line to the memory broker was closed")
        finally:
            waiting.cancel()
            self._waiting.discard(waiting)
            self._store.leave_off(queue, event)

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
        """The one, then the other."""
        await self.wait_for_work(queue, seconds, timeout)
        return await self.exchange(queue, sid, lane, seq, n, flags, version, settled)

    async def plan(
        self,
        queue: str,
        task: str,
        seen: PlannedTick | None,
        wanted: PlannedTick | None,
        standing: str,
        entries: Sequence[Entry],
    ) -> Planned:
        """See enqueueing.py."""
        with self._store.queue(queue) as state:
            return enqueueing.plan(state, task, seen, wanted, standing, entries)

    async def publish(self, queue: str, schemas: Mapping[str, bytes], keeps: Mapping[str, int | None]) -> None:
        """Kept beside the queue."""
        with self._store.aside(queue) as state:
            state.schemas.update(schemas)
            for task, keep_ms in keeps.items():
                state.keep.pop(task, None)
                if keep_ms:
                    state.keep[task] = keep_ms

    async def stats(self, queue: str) -> QueueStats:
        """See looking.py."""
        with self._store.aside(queue) as state:
            return looking.stats(state, queue)

    async def dead_letters(self, queue: str, most: int) -> list[DeadJob]:
        """See looking.py."""
        with self._store.aside(queue) as state:
            return looking.dead_letters(state, most)

    async def replay(self, queue: str, ids: Sequence[str]) -> int:
        """See looking.py."""
        with self._store.queue(queue) as state:
            return looking.replay(state, ids)

    async def pause(self, queue: str, paused: bool) -> None:
        """A flag; who waits looks again when it is taken away."""
        with self._store.aside(queue) as state:
            state.paused = paused
            if not paused:
                wake(state, len(state.idle))

    async def problems(self) -> list[str]:
        """One: a worker of an application that asks for it may have expected a server."""
        return ["memory:// is inside this process: nobody else can send jobs here, and they end with it"]

    async def close(self) -> None:
        """The store stays."""
        for waiting in self._waiting:
            waiting.cancel()


class MemoryRenewer:
    """Leases need keeping here, too: what is tested is the machinery that does it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def renew(self, calls: Sequence[LeaseRenewal]) -> list[RenewedLease | HeadraceError]:
        """As renew.lua."""
        return [self._renew(call) for call in calls]

    def _renew(self, call: LeaseRenewal) -> RenewedLease:
        with self._store.queue(call.queue) as state:
            if call.sid not in state.sess:
                return RenewedLease(False, 0, (), False)
            session = state.sessions[call.sid]
            state.sess.put(call.sid, state.ms + call.lease_ms)
            session.presence = call.presence
            if call.progress:
                session.said, session.said_until = kept_at(state.ms, call.progress), state.ms + call.lease_ms
            return RenewedLease(True, len(session.own), exchanging.cancelled_among(state, session), False)

    def close(self) -> None:
        """Nothing to let go."""


class _Ear:
    """Stands where a connection would: knows which channels are listened to, queues what is heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._names: set[str] = set()

    def write(self, verb: str, name: str) -> None:
        """[P]SUBSCRIBE or [P]UNSUBSCRIBE."""
        if "UN" in verb:
            self._names.discard(name)
        else:
            self._names.add(name)
            self.heard.put_nowait(Listening(name))

    def hear(self, channel: str, message: bytes) -> None:
        """A name that ends in `*` is a pattern."""
        if any(channel == name or (name.endswith("*") and channel.startswith(name[:-1])) for name in self._names):
            self.heard.put_nowait(Message(channel, message))
