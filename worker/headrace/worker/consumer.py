"""Consumes one queue: two lanes that exchange by turns, so that Python and Redis work at the same time.

A lane settles whatever is finished, asks for as many jobs as there are free slots, starts what it gets. With nothing to
do the one waits for a finished job or the next due time, and the other stands in Redis with a claim for one job that a
wake token lets through (decision 33). A poll each second is the backstop, never the plan.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from headrace.brokers.protocol import Broker, Exchanged
from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.errors import ServerError
from headrace.worker.executor import Executor
from headrace.worker.keeper import LONGEST_PAUSE, Keeper
from headrace.worker.outbox import Batch, Outbox
from headrace.worker.outcome import Outcome
from headrace.worker.parts import Parts
from headrace.worker.plan import Plan
from headrace.worker.run import Run, Stop
from headrace.worker.session import Session

POLL = 1.0
"""Seconds between looks when nothing happens."""
ANSWER_TIMEOUT = 2.5
"""Seconds to wait for an answer, more than POLL. Calls are replayable, so giving up early costs little, and a worker
behind a dead connection is back within five seconds: this, and the longest pause between tries."""
CUT_AGAIN = 0.02
"""Seconds between attempts to call a standing claim back."""
NO_CRASHES = 0


@dataclass(eq=False)
class Lane:
    """One exchange at a time."""

    name: str
    broker: Broker
    poke: asyncio.Event = field(default_factory=asyncio.Event)
    idle: bool = False
    """Its last exchange brought nothing; it asks again when woken."""
    woken: bool = False
    """Something came while its exchange was in flight, whose answer may be older: it asks once more before it idles."""
    claim: str = ""
    """Of the exchange in flight: what it may be claiming …"""
    batch: Batch = field(default_factory=Batch)
    """… and what it settles."""


class Consumer:
    """One queue of one worker. `join`, `run`, then `quiet`, then `stop`, `leave`, `close`."""

    def __init__(self, queue: str, weight: int, parts: Parts, plans: Mapping[str, Plan], *, rules: bytes = b"") -> None:
        """rules: the limits that its claims keep to, see Session."""
        self.queue = queue
        self.last_fetch = monotonic()
        """When an exchange last succeeded, monotonic seconds."""
        self.fetched = False
        """An exchange has succeeded."""
        self.on_change: Callable[[], None] | None = None
        """Called when slots may have become free for other queues; None: there are none."""
        self.executor = Executor(queue, parts, plans, self._settle)
        self._parts = parts
        self._share = parts.slots.open_share(weight)
        self._outbox = Outbox()
        self._lanes = [Lane(name, parts.source.open("headrace-lane", ANSWER_TIMEOUT)) for name in ("0", "1")]
        self._stander = self._lanes[1]
        """The lane whose connection may be occupied; standing while it is."""
        self._standing = False
        self.keeper = Keeper(queue, parts, self.executor, self._outbox, self.broker, self._under_way, rules)
        self._registered_idle = False
        """Redis counts this session among the idle ones; the next exchange takes it out."""
        self._due_timer: asyncio.TimerHandle | None = None
        self._in_flight: set[Lane] = set()
        """Those with an exchange under way."""
        self._quiet = False
        self._quieted = asyncio.Event()
        self._closing = False

    @property
    def broker(self) -> Broker:
        """A connection that no blocking call occupies."""
        return self._lanes[0].broker

    @property
    def held(self) -> int:
        """Jobs in hand: running, waiting to be settled, or in an exchange under way that does not merely stand."""
        standing = self._standing and self._stander in self._in_flight
        return len(self.executor.running) + self._outbox.size + len(self._in_flight) - standing

    async def run(self) -> None:
        """Consume until `stop`; returns when everything settled has been told to Redis."""
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(self._end_standing()), group.create_task(self.keeper.run())]
            async with asyncio.TaskGroup() as lanes:
                for lane in self._lanes:
                    lanes.create_task(self._run_lane(lane))
            for helper in helpers:
                helper.cancel()

    def quiet(self) -> None:
        """Claim nothing more; running jobs go on."""
        self._quiet = True
        self._quieted.set()
        self._poke(all_lanes=True)

    def stop(self) -> None:
        """End once the outbox is empty and nothing runs."""
        self._closing = True
        self.quiet()

    async def step(self) -> int:
        """One exchange by hand, in place of `run`: settles, claims, starts; says how many it has started."""
        if not self.keeper.joined.is_set():
            await self.keeper.join()
        asked = 0 if self._quiet else self._parts.slots.take(self._share)
        claimed = self._parts.metrics.claimed
        if asked or self._outbox.size:
            await self._exchange(self._lanes[0], self._outbox.take(), asked)
        return self._parts.metrics.claimed - claimed

    async def leave(self) -> None:
        """The last word; said once. A failure is left to the lease."""
        if not self.keeper.session.joined:
            return
        try:
            await self.keeper.session.leave(self.broker)
        except HeadraceError as error:
            self._parts.telemetry.log.warning("could not leave the queue; its lease will end", error=str(error))

    async def close(self) -> None:
        """Close the connections."""
        if self._due_timer is not None:
            self._due_timer.cancel()
        for lane in self._lanes:
            await lane.broker.close()

    async def _run_lane(self, lane: Lane) -> None:
        while True:
            await self.keeper.joined.wait()
            lane.poke.clear()
            asleep = self._quiet or (lane.idle and not self._outbox.size)
            asked = 0 if asleep else self._parts.slots.take(self._share)
            if asked or self._outbox.size:
                self._in_flight.add(lane)
                await self._exchange(lane, self._outbox.take(), asked)
                self._in_flight.discard(lane)
            elif self._closing and not self.executor.running:
                return
            elif lane is self._stander and lane.idle and not self._quiet:
                await self._stand()
            else:
                self._look_when_paced(lane, asleep)
                await lane.poke.wait()

    async def _stand(self) -> None:
        """Until there may be work, at the latest after POLL. What it claims goes on its way before the lane asks on."""
        lane = self._stander
        asked = self._parts.slots.take_to_stand(self._share)
        self._standing = True
        if asked:
            self._in_flight.add(lane)
            await self._exchange(lane, self._outbox.take(), asked)
            self._in_flight.discard(lane)
            await asyncio.sleep(0)
        else:
            await self._wait_for_work(lane)
            lane.idle = False
        self._standing = False

    async def _wait_for_work(self, lane: Lane) -> None:
        try:
            await lane.broker.wait_for_work(self.queue, POLL, ANSWER_TIMEOUT)
        except (QueueUnavailableError, ServerError):
            if not self._quiet:
                await asyncio.sleep(0.1 + random.random() * 0.2)

    async def _end_standing(self) -> None:
        """Who goes quiet claims nothing more, so nothing of it may stand; a line just being opened is cut next time."""
        await self._quieted.wait()
        while self._standing:
            await self._stander.broker.close()
            await asyncio.sleep(CUT_AGAIN)

    def _look_when_paced(self, lane: Lane, asleep: bool) -> None:
        """A lane that the worker's own rate keeps from asking asks again when that lets it."""
        pace = self._parts.slots.pace
        if pace is not None and not asleep and (wait := pace.wait()) > 0:
            asyncio.get_running_loop().call_later(wait, lane.poke.set)

    async def _exchange(self, lane: Lane, batch: Batch, asked: int) -> None:
        session = self.keeper.session
        seq = session.next_seq()
        lane.claim, lane.batch, lane.woken = f"{lane.name}.{seq}", batch, False
        standing = self._standing and lane is self._stander
        flags = "q" if self._quiet else ""
        if self._registered_idle and standing is self._standing:  # while one stands it is idle, whatever others do
            flags += "i"
            self._registered_idle = False
        reply = await self._call_until_answered(lane, session, seq, asked, flags, standing)
        if reply is None or reply.status == b"LOST":
            self._give_back_unused(asked)
            self._parts.metrics.stale_settlements += len(batch)
            self.keeper.lose(session)
            return
        status, now_ms, next_due, stale, cancelled, ids, values, scores, crashes, trial = reply
        self.executor.on_trial = trial == 1
        self.last_fetch, self.fetched = monotonic(), True
        if stale:
            self._parts.metrics.stale_settlements += len(stale)
            self._parts.telemetry.log.warning("settlements refused: the jobs are no longer ours", jobs=len(stale))
        got = self._start(session, lane.claim, ids, values, scores, crashes)
        self._give_back_unused(asked - got)
        for job_id in cancelled:
            self.executor.stop_one(job_id.decode(), Stop.CANCEL)
        if asked:
            self._note_idleness(lane, asked, got)
            if lane.idle and status == b"OK" and next_due >= 0:
                self._look_again_in((next_due - now_ms) / 1000)

    def _give_back_unused(self, count: int) -> None:
        if count:
            self._parts.slots.give_back_unused(self._share, count)
            if self.on_change is not None:
                self.on_change()

    def _under_way(self, job_id: str, claim: str) -> bool:
        return any(lane.claim == claim or lane.batch.find(job_id, claim) for lane in self._in_flight)

    async def _call_until_answered(
        self, lane: Lane, session: Session, seq: int, asked: int, flags: str, standing: bool
    ) -> Exchanged | None:
        """The reply, however often the same words must be said; None when the session was lost meanwhile."""
        metrics, version, batch = self._parts.metrics, self._parts.pulse.version, lane.batch
        exchange, stand = lane.broker.exchange, lane.broker.exchange_when_woken
        words = (self.queue, session.sid, lane.name, seq)
        pause = 0.02
        while not session.lost:
            try:
                if standing:
                    reply = await stand(*words, asked, flags, version, batch, POLL, ANSWER_TIMEOUT)
                else:
                    reply = await exchange(*words, asked, flags, version, batch)
            except (QueueUnavailableError, ServerError) as error:
                if standing:
                    standing = self._standing = False
                    if self._quiet:  # cut off by `_end_standing`: what has it claimed? Nothing more
                        asked, flags = 0, flags + "q"
                        continue
                metrics.redis_errors += 1
                if pause >= LONGEST_PAUSE or isinstance(error, ServerError):
                    self._parts.telemetry.log.warning("Redis does not serve; trying again", error=str(error))
                await asyncio.sleep(pause * (0.5 + random.random()))
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                metrics.exchanges += 1
                return reply
        return None

    def _start(
        self,
        session: Session,
        claim: str,
        ids: Sequence[bytes],
        values: Sequence[bytes],
        scores: Sequence[bytes | int],
        crashes: Sequence[int],
    ) -> int:
        got = len(ids)
        if got:
            self._parts.metrics.claimed += got
            self._parts.pulse.running += got
            start, sid = self.executor.start, session.sid
            for i, job_id in enumerate(ids):
                times_crashed = crashes[i] if crashes else NO_CRASHES
                start(Run(job_id.decode(), values[i], claim, int(float(scores[i])), times_crashed), sid)
        return got

    def _note_idleness(self, lane: Lane, asked: int, got: int) -> None:
        self._share.hungry = got == asked
        lane.idle = got == 0 and not lane.woken
        if got == 0:
            self._registered_idle = True
            self._stander.poke.set()

    def _look_again_in(self, seconds: float) -> None:
        """When the next job falls due. The poll may come first; it sets the timer anew."""
        if self._due_timer is not None:
            self._due_timer.cancel()
        self._due_timer = asyncio.get_running_loop().call_later(max(0.001, min(seconds, POLL)), self._look_again)

    def _look_again(self) -> None:
        for lane in self._lanes:
            if not (self._standing and lane is self._stander):  # what it asks, it asks after this
                lane.idle, lane.woken = False, True
                lane.poke.set()

    def _settle(self, run: Run, outcome: Outcome, service_us: int) -> None:
        self._outbox.put(run.id, run.claim, outcome, service_us)
        self._parts.slots.give_back(self._share, 1)
        self._parts.pulse.running -= 1
        if self._outbox.size <= 1 or not self._in_flight:
            self._poke()  # for the first of a batch; a lane in flight looks again when it lands
        if self.on_change is not None:
            self.on_change()

    def _poke(self, *, all_lanes: bool = False) -> None:
        for lane in self._lanes:
            if all_lanes or lane not in self._in_flight:
                lane.poke.set()

    def poke(self) -> None:
        """Look again: a slot may be free."""
        self._poke()
