"""Each script call made twice: on the real queue and on the model, and every answer compared.

What a call may be and when is the caller's choice; `check` compares all structures with the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.client.limits import Rule
from headrace.contract.envelope import decode
from headrace.contract.trail import decode_trail
from headrace.wire.link import Link
from support.queue_driver import LEASE_MS, Exchanged, QueueDriver, Special
from support.queue_model import REASON, VERSIONS, Job, QueueModel, Settlement

CHUNK = 3
RESULT, RESULT_MS, RESULTS_KEPT = "42", 10_000_000, 2
COUNTED = ("enqueued", "released", "crashed", "stale", "cancelled", "dead", "replayed")
COUNTED_BY_VERSION = ("failed", "returned", "crashed")


def wire_form(s: Settlement) -> tuple[object, ...]:
    """The entry that exchange.lua unpacks."""
    match s.kind:
        case "retry" | "later":
            return ("retry", s.id, s.claim, s.number, s.delay_ms)
        case "release":
            return (s.kind, s.id, s.claim, "1000000", s.delay_ms)
        case "bury":
            return (s.kind, s.id, s.claim, "t", REASON, "record", "print", "traceback", s.number)
        case "result":
            return (s.kind, s.id, s.claim, RESULT, RESULT_MS, "t", RESULTS_KEPT)
        case _:
            return (s.kind, s.id, s.claim)


def _told(trail: bytes) -> list[tuple[int, str, int, str, str]]:
    return [(one.at_ms, one.what, one.times, one.worker, one.error) for one in decode_trail(trail)]


@dataclass(frozen=True)
class Call:
    """An exchange as it is sent, so that it can be sent again."""

    sid: str
    lane: str
    n: int
    flags: str = ""
    settlements: tuple[Settlement, ...] = ()

    def done(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for s in self.settlements:
            if s.kind == "done":
                groups.setdefault(s.claim, []).append(s.id)
        return groups

    def arguments(self) -> dict[str, Any]:
        others = [wire_form(s) for s in self.settlements if s.kind != "done"]
        return {"n": self.n, "lane": self.lane, "flags": self.flags, "done": self.done(), "others": others}

    def in_order(self) -> tuple[Settlement, ...]:
        """As the script goes through them: done ids by claim, then the others."""
        claims = list(self.done())
        done = sorted((s for s in self.settlements if s.kind == "done"), key=lambda s: claims.index(s.claim))
        return (*done, *(s for s in self.settlements if s.kind != "done"))


class CheckedQueue:
    """A queue and its model, kept together. Begins empty."""

    def __init__(self, link: Link, variant: str = "") -> None:
        """`variant`: of the scripts."""
        self.link = link
        self.rules: Mapping[str, Rule] = {}
        """What every session claims by."""
        self.queue = QueueDriver(link, constants={"CHUNK": CHUNK}, variant=variant)
        self.model: QueueModel
        self.seq = 0
        self.last_exchange: dict[tuple[str, str], tuple[int, Call]] = {}
        self.last_enqueue: tuple[int, list[str], list[Special], tuple[str, ...]] = (0, [], [], ())

    async def start(self) -> None:
        await self.link.request("FLUSHALL")
        await self.queue.hold_clock()
        self.model = self.make_model()

    def make_model(self) -> QueueModel:
        return QueueModel(LEASE_MS, self.queue.now_ms)

    async def advance(self, ms: int) -> None:
        await self.queue.advance(ms)
        self.model.now_ms = self.queue.now_ms

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    # -- producers

    async def enqueue(self, ids: list[str], specials: list[Special]) -> None:
        model, taken = self.model, []
        model.begin()
        for job_id in ids:
            model.jobs[job_id] = Job("ready:default")
        for special in specials:
            if special.id in model.given:
                taken.append(special.id)
                continue
            model.given.add(special.id)
            model.jobs[special.id] = Job("", special.priority)
            if special.delay_ms:
                model.schedule(special.id, special.delay_ms)
            else:
                model.make_ready(special.id)
        model.counts["enqueued"] += len(ids) + len(specials) - len(taken)
        model.save()
        seq = self._next()
        assert await self.queue.enqueue(ids, specials, seq=seq) == tuple(taken)
        self.last_enqueue = (seq, ids, specials, tuple(taken))

    async def enqueue_again(self) -> None:
        seq, ids, specials, taken = self.last_enqueue
        if seq:
            assert await self.queue.enqueue(ids, specials, seq=seq) == taken

    # -- sessions

    async def join(self, sid: str) -> None:
        self.model.begin()
        status = (await self.queue.join(sid, version=VERSIONS[sid], rules=self.rules))[0]
        if sid in self.model.reaping:
            assert status == b"LOST"
            return
        assert status == b"OK"
        self.model.sessions[sid] = self.model.now_ms + LEASE_MS
        self.model.save()

    async def renew(self, sid: str) -> None:
        self.model.begin()
        status, _, leases, cancelled, cordoned = await self.queue.renew(sid, version=VERSIONS[sid])
        if sid not in self.model.sessions:
            assert status == b"LOST"
            return
        assert (status, leases) == (b"OK", len(self.model.held(sid)))
        assert {job_id.decode() for job_id in cancelled} == self.model.cancelled_here(sid)
        assert cordoned == (self.model.cordons.get(sid, 0) > self.model.now_ms)
        self.model.sessions[sid] = self.model.now_ms + LEASE_MS
        self.model.save()

    async def leave(self, sid: str) -> None:
        self.model.begin()
        given_back = self.model.leave(sid)
        self.model.save()
        assert await self.queue.leave(sid) == given_back

    async def reap_session(self, sid: str) -> None:
        self.model.begin()
        moved = 0
        if sid in self.model.sessions or sid in self.model.reaping:
            self.model.fence(sid)
            held = self.model.held(sid)
            moved = len(held)
            self.model.abandon(sid, held)
            self.model.save()
        assert await self.queue.run("reap_session", sid) == moved

    # -- exchange

    async def exchange(self, call: Call) -> None:
        model, sid, seq = self.model, call.sid, self._next()
        self.last_exchange[sid, call.lane] = (seq, call)
        answer = await self.queue.exchange(sid, seq=seq, version=VERSIONS[sid], **call.arguments())
        model.begin()
        if sid not in model.sessions:
            self._was_lost(call, answer)
            return
        if "i" in call.flags:
            model.idle.discard(sid)
        stale = model.settle(sid, call.in_order())
        assert answer.stale == stale
        model.lanes[sid, call.lane] = (seq, stale)
        model.promote()
        await self._reap(sid)
        status = model.standing(sid)
        assert answer.status == status
        claims = status == "OK" and call.n > 0
        if claims:
            model.claim(sid, answer.claim, call.n, answer.ids)
            await self._check_order(answer)
        model.after_claim(sid, call.n, claims=claims, quiet="q" in call.flags, got=len(answer.ids))
        model.save()
        self._check_answer(call, answer)

    def _was_lost(self, call: Call, answer: Exchanged) -> None:
        assert (answer.status, answer.ids, answer.stale) == ("LOST", (), ())
        self.model.counts["stale"] += len(call.settlements)
        self.model.idle.discard(call.sid)

    async def _reap(self, caller: str) -> None:
        sid = self.model.next_to_reap(caller)
        if sid is None:
            return
        held = set(self.model.held(sid))
        left = set((await self.queue.look()).own.get(sid, {}))
        assert left <= held
        assert len(held - left) == min(CHUNK, len(held))
        self.model.abandon(sid, held - left)

    async def _check_order(self, answer: Exchanged) -> None:
        """Within a priority, nobody who waits longer is passed over; streams go by when a job came to them."""
        if self.model.alone or self.queue.variant:
            return
        waiting = (await self.queue.look()).zsets
        for job_id, ready_us in zip(answer.ids, answer.ready_us, strict=True):
            lane = f"ready:{self.model.jobs[job_id].priority}"
            assert ready_us <= min(waiting[lane].values(), default=ready_us)

    def _check_answer(self, call: Call, answer: Exchanged) -> None:
        model = self.model
        self._check_next_due(call, answer)
        assert set(answer.cancelled) == model.cancelled_here(call.sid)
        jobs = [model.jobs[job_id] for job_id in answer.ids]
        assert [decode(value).attempts for value in answer.values] == [job.attempts for job in jobs]
        assert answer.crashes in ((), tuple(job.crashes for job in jobs))
        assert answer.crashes or not any(job.crashes for job in jobs)

    def _check_next_due(self, call: Call, answer: Exchanged) -> None:
        assert answer.next_due_ms == (self.model.next_due_ms() if not answer.ids and call.n > 0 else -1)

    async def exchange_again(self, sid: str, lane: str) -> None:
        """The last call of a lane once more: its reply was lost, and meanwhile anything may have happened."""
        model = self.model
        if (sid, lane) not in self.last_exchange:
            return
        if sid in model.sessions and (sid, lane) not in model.lanes:
            return  # the sid was reaped and has joined anew, which workers never do with a call in flight
        seq, call = self.last_exchange[sid, lane]
        answer = await self.queue.exchange(sid, seq=seq, version=VERSIONS[sid], **call.arguments())
        model.begin()
        if sid not in model.sessions:
            self._was_lost(call, answer)
            return
        _, stale = model.lanes[sid, lane]
        assert (answer.status, answer.stale) == (model.standing(sid), stale)
        assert set(answer.ids) == model.held_under(sid, answer.claim)
        self._check_answer(call, answer)

    # -- the operator and the users

    async def cancel(self, job_id: str) -> None:
        expected = self.model.cancel(job_id)
        assert await self.queue.cancel(job_id) == expected

    async def cordon(self, sid: str, ttl_ms: int) -> None:
        assert await self.queue.run("cordon", ttl_ms, sid) == [len(self.model.held(sid))]
        self.model.cordon(sid, ttl_ms)

    async def put_on_trial(self, versions: tuple[str, ...], ttl_ms: int) -> None:
        self.model.put_on_trial(versions, ttl_ms)
        assert await self.queue.run("trial", ttl_ms, *versions) == len(versions)

    async def sleep(self) -> None:
        work = self.model.waiting() | self.model.suspects() | set(self.model.due())
        assert await self.queue.run("sleep") == (0 if work else 1)

    async def replay(self, job_id: str) -> None:
        self.model.begin()
        assert await self.queue.replay(job_id, request=f"r{self._next()}") == 1
        self.model.note_replay(job_id)
        self.model.make_ready(job_id)
        self.model.counts["replayed"] += 1
        self.model.save()

    # -- what must hold after every step

    async def check(self) -> None:
        seen, model = await self.queue.look(), self.model
        assert not seen.misplaced()
        assert not seen.leftovers()
        assert {job_id: next(iter(found)) for job_id, found in seen.places.items()} == model.places()
        assert seen.zsets["sess"] == model.sessions
        assert seen.zsets["reaping"] == model.reaping
        assert seen.sets["idle"] == model.idle
        assert seen.hashes["meta"].get("alone", b"").decode() == (model.alone or "")
        crashes = {job_id: job.crashes for job_id, job in model.jobs.items() if job.crashes}
        assert {job_id: int(n) for job_id, n in seen.hashes["crash"].items()} == crashes
        trails = {job_id: job.trail for job_id, job in model.jobs.items() if job.trail}
        assert {job_id: _told(packed) for job_id, packed in seen.hashes["trail"].items()} == trails
        counts = {name: seen.counter(name) for name in COUNTED} | {"completed": seen.completed()}
        assert counts == {name: model.counts[name] for name in counts}
        assert model.balance(counts) == 0
        by_version = {f"{version}:{name}" for version in VERSIONS.values() for name in COUNTED_BY_VERSION}
        assert {name: int(seen.hashes["versions"].get(name, 0)) for name in by_version} == {
            name: model.counts[name] for name in by_version
        }
        if model.idle and model.takeable() and not model.paused:
            assert seen.wake > 0, "work waits, a worker is idle, and nobody wakes it"
        assert "asleep" not in seen.hashes["meta"] or not seen.ready
