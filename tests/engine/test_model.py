"""Random histories of calls, time and failures: the Lua against a plain Python model, after every step.

HYPOTHESIS_PROFILE=soak runs many more and longer ones.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
import pytest
from headrace.contract.envelope import decode
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.queue_driver import LEASE_MS, Exchanged, QueueDriver, Special
from support.queue_model import Job, QueueModel, Settlement

T = TypeVar("T")
REAP_CHUNK = 3
SIDS = ("s1", "s2", "s3", "s4")
KINDS = ("done", "done", "done", "result", "retry", "release", "bury", "cancel")
COUNTED = ("enqueued", "released", "crashed", "stale", "cancelled", "dead", "replayed")
EXAMPLES, STEPS = (2_000, 120) if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else (250, 60)

sids = st.sampled_from(SIDS)
lanes = st.sampled_from(("0", "1"))
priorities = st.sampled_from(("default", "default", "high", "low"))
specials = st.builds(
    Special,
    id=st.sampled_from(("g1", "g2", "g3")),
    delay_ms=st.sampled_from((0, 0, 300, 8_000)),
    priority=priorities,
    given=st.just(True),
)


def wire_form(s: Settlement) -> tuple[object, ...]:
    match s.kind:
        case "retry":
            return (s.kind, s.id, s.claim, s.number, s.delay_ms)
        case "release":
            return (s.kind, s.id, s.claim, "1000000", s.delay_ms)
        case "bury":
            return (s.kind, s.id, s.claim, "t", "E", "record", "print", "traceback", s.number)
        case "result":
            return (s.kind, s.id, s.claim, "42", 60_000)
        case _:
            return (s.kind, s.id, s.claim)


class Call(msgspec.Struct, frozen=True):
    """An exchange as it was sent, to be sent again."""

    sid: str
    lane: str
    n: int
    flags: str
    settlements: tuple[Settlement, ...]

    def arguments(self) -> dict[str, Any]:
        done: dict[str, list[str]] = {}
        for s in self.settlements:
            if s.kind == "done":
                done.setdefault(s.claim, []).append(s.id)
        others = [wire_form(s) for s in self.settlements if s.kind != "done"]
        return {"n": self.n, "lane": self.lane, "flags": self.flags, "done": done, "others": others}

    def in_order(self) -> tuple[Settlement, ...]:
        """As the script goes through them: done ids by claim, then the others."""
        claims = list(self.arguments()["done"])
        done = sorted((s for s in self.settlements if s.kind == "done"), key=lambda s: claims.index(s.claim))
        return (*done, *(s for s in self.settlements if s.kind != "done"))


class QueueMachine(RuleBasedStateMachine):
    """`url` and `runner` are set by the test."""

    url: str
    runner: asyncio.Runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def start(self) -> None:
        self.link = Link(parse_target(self.url))
        self.queue = QueueDriver(self.link, constants={"REAP_CHUNK": REAP_CHUNK})
        self.run(self.link.request("FLUSHALL"))
        self.run(self.queue.hold_clock())
        self.model = QueueModel(LEASE_MS, REAP_CHUNK, self.queue.now_ms)
        self.made = 0
        self.seq = 0
        self.last_enqueue: tuple[int, list[str], list[Special], tuple[str, ...]] | None = None
        self.last_exchange: dict[tuple[str, str], tuple[int, Call]] = {}

    def teardown(self) -> None:
        if hasattr(self, "link"):
            self.run(self.link.close())

    # -- time and producers

    @rule(ms=st.sampled_from((1, 400, 7_000, 7_000, 16_000)))
    def time_passes(self, ms: int) -> None:
        self.run(self.queue.advance(ms))
        self.model.now_ms = self.queue.now_ms

    @rule(count=st.integers(0, 4), extra=st.lists(specials, max_size=2))
    def enqueue(self, count: int, extra: list[Special]) -> None:
        self.seq += 1
        ids = [f"j{self.made + i}" for i in range(count)]
        self.made += count
        self.model.begin()
        expected = []
        for job_id in ids:
            self.model.jobs[job_id] = Job("ready:default")
        for special in extra:
            if special.id in self.model.given:
                expected.append(special.id)
                continue
            self.model.given.add(special.id)
            self.model.jobs[special.id] = Job("", special.priority)
            if special.delay_ms:
                self.model.schedule(special.id, special.delay_ms)
            else:
                self.model.make_ready(special.id)
        self.model.counts["enqueued"] += count + len(extra) - len(expected)
        self.model.save()
        existing = self.run(self.queue.enqueue(ids, extra, seq=self.seq))
        assert existing == tuple(expected)
        self.last_enqueue = (self.seq, ids, extra, existing)

    @precondition(lambda self: self.last_enqueue is not None)
    @rule()
    def enqueue_again(self) -> None:
        assert self.last_enqueue is not None
        seq, ids, extra, existing = self.last_enqueue
        assert self.run(self.queue.enqueue(ids, extra, seq=seq)) == existing

    # -- workers

    @rule(sid=sids)
    def join(self, sid: str) -> None:
        self.model.begin()
        status = self.run(self.queue.join(sid))[0]
        if sid in self.model.reaping:
            assert status == b"LOST"
            return
        assert status == b"OK"
        self.model.sessions[sid] = self.model.now_ms + LEASE_MS
        self.model.save()

    @rule(sid=sids)
    def renew(self, sid: str) -> None:
        self.model.begin()
        status, _, leases, cancelled, cordoned = self.run(self.queue.renew(sid))
        if sid not in self.model.sessions:
            assert status == b"LOST"
            return
        assert (status, leases) == (b"OK", len(self.model.held(sid)))
        assert {job_id.decode() for job_id in cancelled} == self.model.cancelled_here(sid)
        assert cordoned == (self.model.cordons.get(sid, 0) > self.model.now_ms)
        self.model.sessions[sid] = self.model.now_ms + LEASE_MS
        self.model.save()

    @rule(sid=sids)
    def leave(self, sid: str) -> None:
        self.model.begin()
        given_back = 0
        for job_id in self.model.held(sid):
            if not self.model.cancel_pending(job_id):
                self.model.make_ready(job_id)
                given_back += 1
        self.model.counts["released"] += given_back
        self.model.sessions.pop(sid, None)
        self.model.cordons.pop(sid, None)
        self.model.idle.discard(sid)
        self.model.forget_lanes(sid)
        if self.model.alone == sid:
            self.model.alone = None
        self.model.save()
        assert self.run(self.queue.leave(sid)) == given_back

    @rule(sid=sids)
    def reap_session(self, sid: str) -> None:
        self.model.begin()
        moved = 0
        if sid in self.model.sessions or sid in self.model.reaping:
            self.model.fence(sid)
            held = self.model.held(sid)
            moved = len(held)
            self.model.abandon(sid, held)
            self.model.save()
        assert self.run(self.queue.run("reap_session", sid)) == moved

    @rule(data=st.data(), sid=sids, lane=lanes, n=st.integers(0, 4), quiet=st.sampled_from((False, False, False, True)))
    def exchange(self, data: st.DataObject, sid: str, lane: str, n: int, quiet: bool) -> None:
        settlements = self._draw_settlements(data, sid)
        self._exchange(Call(sid, lane, 0 if quiet else n, "q" if quiet else "", settlements))

    @rule(data=st.data(), lane=lanes, n=st.integers(1, 4))
    def wake(self, data: st.DataObject, lane: str, n: int) -> None:
        if not self.model.idle or not self.run(self.link.request("LPOP", self.queue.key("wake"))):
            return
        sid = data.draw(st.sampled_from(sorted(self.model.idle)))
        self._exchange(Call(sid, lane, n, "i", ()))

    def _draw_settlements(self, data: st.DataObject, sid: str) -> tuple[Settlement, ...]:
        chosen = data.draw(st.lists(st.sampled_from(held), unique=True)) if (held := self.model.held(sid)) else []
        drawn = []
        for job_id in chosen:
            kind = data.draw(st.sampled_from(KINDS))
            stale = data.draw(st.sampled_from((False, False, False, True)))
            claim = "9.9" if stale else self.model.jobs[job_id].claim
            delay = data.draw(st.sampled_from((0, 500, 9_000))) if kind in ("retry", "release") else 0
            drawn.append(Settlement(kind, job_id, claim, self.model.jobs[job_id].attempts + 1, delay))
        strangers = sorted(set(self.model.jobs) - set(held))
        if strangers and data.draw(st.booleans()):
            stranger = data.draw(st.sampled_from(strangers))
            drawn.append(Settlement("done", stranger, self.model.jobs[stranger].claim))
        return tuple(drawn)

    def _exchange(self, call: Call) -> None:
        self.seq += 1
        self.last_exchange[call.sid, call.lane] = (self.seq, call)
        answer = self.run(self.queue.exchange(call.sid, seq=self.seq, **call.arguments()))
        self.model.begin()
        if call.sid not in self.model.sessions:
            self._was_lost(call, answer)
            return
        if "i" in call.flags:
            self.model.idle.discard(call.sid)
        stale = self.model.settle(call.sid, call.in_order())
        assert answer.stale == stale
        self.model.lanes[call.sid, call.lane] = (self.seq, stale)
        for job_id in self.model.due():
            self.model.make_ready(job_id)
        self._reap(call.sid)
        status = self.model.standing(call.sid)
        assert answer.status == status
        claims = status == "OK" and call.n > 0
        if claims:
            self.model.claim(call.sid, answer.claim, call.n, answer.ids)
            self._check_order(answer)
        self._mark_and_idle(call, claims, status, answer)
        self.model.save()
        self._check_answer(call, answer)

    def _was_lost(self, call: Call, answer: Exchanged) -> None:
        assert (answer.status, answer.ids, answer.stale) == ("LOST", (), ())
        self.model.counts["stale"] += len(call.settlements)
        self.model.idle.discard(call.sid)

    def _reap(self, caller: str) -> None:
        sid = self.model.next_to_reap(caller)
        if sid is None:
            return
        held = set(self.model.held(sid))
        left = set(self.run(self.queue.look()).own.get(sid, {}))
        assert left <= held
        assert len(held - left) == min(REAP_CHUNK, len(held))
        self.model.abandon(sid, held - left)

    def _mark_and_idle(self, call: Call, claims: bool, status: str, answer: Exchanged) -> None:
        model = self.model
        if model.alone == call.sid and ("q" in call.flags or (not claims and not model.held(call.sid))):
            model.alone = None
        if status == "CORDONED" or model.alone == call.sid:
            model.idle.discard(call.sid)
        elif not answer.ids and call.n > 0:
            model.idle.add(call.sid)

    def _check_order(self, answer: Exchanged) -> None:
        """Within a priority, nobody who waits longer is passed over."""
        waiting = self.run(self.queue.look()).zsets
        for job_id, ready_us in zip(answer.ids, answer.ready_us, strict=True):
            lane = f"ready:{self.model.jobs[job_id].priority}"
            if len(answer.ids) > 1 or self.model.alone is None:
                assert ready_us <= min(waiting[lane].values(), default=ready_us)

    def _check_answer(self, call: Call, answer: Exchanged) -> None:
        model = self.model
        assert answer.next_due_ms == (model.next_due_ms() if not answer.ids and call.n > 0 else -1)
        assert set(answer.cancelled) == model.cancelled_here(call.sid)
        jobs = [model.jobs[job_id] for job_id in answer.ids]
        assert [decode(value).attempts for value in answer.values] == [job.attempts for job in jobs]
        assert answer.crashes in ((), tuple(job.crashes for job in jobs))
        assert answer.crashes or not any(job.crashes for job in jobs)

    @rule(sid=sids, lane=lanes)
    def exchange_again(self, sid: str, lane: str) -> None:
        """The reply was lost; meanwhile anything may have happened."""
        if (sid, lane) not in self.last_exchange:
            return
        seq, call = self.last_exchange[sid, lane]
        if sid in self.model.sessions and (sid, lane) not in self.model.lanes:
            return  # the sid was reaped and has joined anew: workers never do that with a call in flight
        answer = self.run(self.queue.exchange(sid, seq=seq, **call.arguments()))
        self.model.begin()
        if sid not in self.model.sessions:
            self._was_lost(call, answer)
            return
        _, stale = self.model.lanes[sid, lane]
        assert (answer.status, answer.stale) == (self.model.standing(sid), stale)
        assert set(answer.ids) == self.model.held_under(sid, answer.claim)
        self._check_answer(call, answer)

    # -- the operator and the users

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(["never", *sorted(self.model.jobs)]))
        job = self.model.jobs.get(job_id)
        verdict = self.run(self.queue.cancel(job_id))
        if job is None:
            assert verdict == "unknown"
        elif job.place == "dead":
            assert verdict == "dead"
        elif job.place.startswith("leased:"):
            assert verdict == "cancelling"
            job.cancel = True
        else:
            assert verdict == "cancelled"
            self.model.drop(job_id, "cancelled")

    @rule(paused=st.booleans())
    def pause_or_resume(self, paused: bool) -> None:
        self.run(self.queue.run("pause" if paused else "resume"))
        self.model.paused = paused

    @rule(sid=sids, ttl_ms=st.sampled_from((0, 5_000, 60_000)))
    def cordon(self, sid: str, ttl_ms: int) -> None:
        assert self.run(self.queue.run("cordon", ttl_ms, sid)) == [len(self.model.held(sid))]
        live = {key: at for key, at in self.model.cordons.items() if at > self.model.now_ms}
        if ttl_ms:
            live[sid] = self.model.now_ms + ttl_ms
        elif live.pop(sid, None) and sid in self.model.sessions:
            self.model.idle.add(sid)
        self.model.cordons = live

    @rule()
    def sleep(self) -> None:
        work = self.model.waiting() | self.model.suspects() | set(self.model.due())
        assert self.run(self.queue.run("sleep")) == (0 if work else 1)

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        dead = sorted(job_id for job_id, job in self.model.jobs.items() if job.place == "dead")
        if not dead:
            return
        job_id = data.draw(st.sampled_from(dead))
        self.seq += 1
        self.model.begin()
        assert self.run(self.queue.replay(job_id, request=f"r{self.seq}")) == 1
        self.model.jobs[job_id].attempts = 0
        self.model.make_ready(job_id)
        self.model.counts["replayed"] += 1
        self.model.save()

    # -- what must hold after every step

    @invariant()
    def redis_is_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        seen, model = self.run(self.queue.look()), self.model
        assert not seen.misplaced()
        assert not seen.leftovers()
        assert {job_id: next(iter(found)) for job_id, found in seen.places.items()} == model.places()
        assert seen.zsets["sess"] == model.sessions
        assert seen.zsets["reaping"] == model.reaping
        assert seen.sets["idle"] == model.idle
        assert seen.hashes["meta"].get("alone", b"").decode() == (model.alone or "")
        crashes = {job_id: job.crashes for job_id, job in model.jobs.items() if job.crashes}
        assert {job_id: int(n) for job_id, n in seen.hashes["crash"].items()} == crashes
        counts = {name: seen.counter(name) for name in COUNTED} | {"completed": seen.completed()}
        assert counts == {name: model.counts[name] for name in counts}
        assert model.balance(counts) == 0
        if model.idle and model.takeable() and not model.paused:
            assert seen.wake > 0, "work waits, a worker is idle, and nobody wakes it"
        assert "asleep" not in seen.hashes["meta"] or not seen.ready


@pytest.mark.timeout(0 if EXAMPLES > 100 else 180)
def test_the_lua_does_what_the_model_says(redis_url: str) -> None:
    with asyncio.Runner() as runner:
        machine = type("BoundMachine", (QueueMachine,), {"url": redis_url, "runner": runner})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                print_blob=True,
                report_multiple_bugs=False,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
