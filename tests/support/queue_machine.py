"""Random histories of calls, time and failures: the Lua against a plain Python model, after every step."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.checked_queue import Call, CheckedQueue
from support.histories import Machine
from support.queue_driver import Special
from support.queue_model import Settlement

SIDS = ("s1", "s2", "s3", "s4")
KINDS = ("done", "done", "result", "result", "retry", "later", "release", "bury", "cancel")

sids = st.sampled_from(SIDS)
lanes = st.sampled_from(("0", "1"))
specials = st.builds(
    Special,
    id=st.sampled_from(("g1", "g2", "g3")),
    delay_ms=st.sampled_from((0, 0, 300, 8_000)),
    priority=st.sampled_from(("default", "default", "high", "low")),
    given=st.just(True),
)


class QueueMachine(Machine):
    """A frozen session neither speaks nor renews until it is thawed."""

    @initialize()
    def start(self) -> None:
        self.link = Link(parse_target(self.url))
        self.checked = CheckedQueue(self.link)
        self.run(self.checked.start())
        self.model = self.checked.model
        self.made = 0
        self.frozen: set[str] = set()
        for sid in SIDS[:3]:
            self.join(sid)

    def teardown(self) -> None:
        if hasattr(self, "link"):
            self.run(self.link.close())

    @invariant()
    def redis_is_as_the_model_says(self) -> None:
        if hasattr(self, "checked"):
            self.run(self.checked.check())

    # -- time

    @rule(ms=st.sampled_from((1, 400, 7_000, 14_000, 14_000, 16_000)))
    def time_passes(self, ms: int) -> None:
        self.run(self.checked.advance(ms))
        for sid in sorted(set(self.model.sessions) - self.frozen):
            self.run(self.checked.renew(sid))

    @rule(sid=sids, frozen=st.booleans())
    def freeze_or_thaw(self, sid: str, frozen: bool) -> None:
        (self.frozen.add if frozen else self.frozen.discard)(sid)

    # -- producers

    @rule(count=st.integers(1, 8), extra=st.lists(specials, max_size=2))
    def enqueue(self, count: int, extra: list[Special]) -> None:
        ids = [f"j{self.made + i}" for i in range(count)]
        self.made += count
        self.run(self.checked.enqueue(ids, extra))

    @rule()
    def enqueue_again(self) -> None:
        self.run(self.checked.enqueue_again())

    # -- workers

    @rule(sid=sids)
    def join(self, sid: str) -> None:
        self.frozen.discard(sid)
        self.run(self.checked.join(sid))

    @rule(sid=sids)
    def renew(self, sid: str) -> None:
        self.run(self.checked.renew(sid))

    @rule(sid=sids, in_peace=st.booleans(), joins_again=st.booleans())
    def session_ends(self, sid: str, in_peace: bool, joins_again: bool) -> None:
        self.run(self.checked.leave(sid) if in_peace else self.checked.reap_session(sid))
        if joins_again:
            self.join(sid)

    @rule(data=st.data(), lane=lanes, n=st.integers(0, 4), quiet=st.sampled_from((False, False, False, True)))
    def exchange(self, data: st.DataObject, lane: str, n: int, quiet: bool) -> None:
        sid = self._draw_speaker(data)
        settlements = self._draw_settlements(data, sid)
        self.run(self.checked.exchange(Call(sid, lane, 0 if quiet else n, "q" if quiet else "", settlements)))

    @rule(data=st.data(), rounds=st.integers(1, 4))
    def work(self, data: st.DataObject, rounds: int) -> None:
        for _ in range(rounds):
            if not self.model.waiting():
                self.enqueue(5, [])
            self.exchange(data, data.draw(lanes), data.draw(st.integers(1, 4)), False)
            self.redis_is_as_the_model_says()

    @rule(data=st.data(), lane=lanes, n=st.integers(1, 4))
    def wake(self, data: st.DataObject, lane: str, n: int) -> None:
        """An idle session finds a token and asks."""
        if self.model.idle and self.run(self.link.request("LPOP", self.checked.queue.key("wake"))):
            sid = data.draw(st.sampled_from(sorted(self.model.idle)))
            self.run(self.checked.exchange(Call(sid, lane, n, "i")))

    @rule(sid=sids, lane=lanes)
    def exchange_again(self, sid: str, lane: str) -> None:
        self.run(self.checked.exchange_again(sid, lane))

    @rule(sid=sids, times=st.integers(1, 3))
    def crash(self, sid: str, times: int) -> None:
        """A worker that dies with what it claims, and its successor that does, too."""
        for _ in range(times):
            self.join(sid)
            self.run(self.checked.exchange(Call(sid, "0", 2)))
            self.run(self.checked.reap_session(sid))
            self.redis_is_as_the_model_says()

    def _draw_speaker(self, data: st.DataObject) -> str:
        """Mostly a live session, now and then one that is lost and does not know it."""
        live = sorted(set(self.model.sessions) - self.frozen)
        return data.draw(st.sampled_from([*live, *live, *SIDS]))

    def _draw_settlements(self, data: st.DataObject, sid: str) -> tuple[Settlement, ...]:
        held = self.model.held(sid)
        some: bool = data.draw(st.booleans())
        chosen = data.draw(st.lists(st.sampled_from(held), unique=True)) if held and some else held
        drawn = []
        for job_id in chosen:
            kind = data.draw(st.sampled_from(KINDS))
            stale = data.draw(st.sampled_from((False, False, False, True)))
            claim = "9.9" if stale else self.model.jobs[job_id].claim
            delay = data.draw(st.sampled_from((0, 500, 9_000))) if kind in ("retry", "later", "release") else 0
            attempts = self.model.jobs[job_id].attempts + (kind != "later")
            drawn.append(Settlement(kind, job_id, claim, attempts, delay))
        strangers = sorted(set(self.model.jobs) - set(held))
        intrudes: bool = data.draw(st.booleans())
        if strangers and intrudes:
            stranger = data.draw(st.sampled_from(strangers))
            drawn.append(Settlement("done", stranger, self.model.jobs[stranger].claim))
        return tuple(drawn)

    # -- the operator and the users

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.run(self.checked.cancel(data.draw(st.sampled_from(["never", *sorted(self.model.jobs)]))))

    @rule(paused=st.sampled_from((True, False, False)))
    def pause_or_resume(self, paused: bool) -> None:
        self.run(self.checked.queue.run("pause" if paused else "resume"))
        self.model.paused = paused

    @rule(sid=sids, ttl_ms=st.sampled_from((0, 5_000, 60_000)))
    def cordon(self, sid: str, ttl_ms: int) -> None:
        self.run(self.checked.cordon(sid, ttl_ms))

    @rule(
        versions=st.sampled_from(((), ("v1",), ("v2",), ("v2",), ("v1", "v2"))),
        ttl_ms=st.sampled_from((10_000, 60_000)),
    )
    def trial(self, versions: tuple[str, ...], ttl_ms: int) -> None:
        self.run(self.checked.put_on_trial(versions, ttl_ms))

    @rule()
    def sleep(self) -> None:
        self.run(self.checked.sleep())

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        dead = sorted(job_id for job_id, job in self.model.jobs.items() if job.place == "dead")
        if dead:
            self.run(self.checked.replay(data.draw(st.sampled_from(dead))))
