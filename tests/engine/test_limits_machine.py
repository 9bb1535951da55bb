"""Random histories of limited jobs: after every step each key's set is its leased jobs, and at the end all have run.

HYPOTHESIS_PROFILE=soak runs many more and longer ones.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from headrace.admin.queue_admin import QueueAdmin
from headrace.client.limits import Rule
from headrace.contract.entry import Mark
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.histories import Machine, run_machine
from support.limited import check_keys
from support.queue_driver import QueueDriver, Special

SIDS = ("s1", "s2", "s3")
KEYS = ("a", "b", "c")
UNIQUE = ("", "", "u1", "u2")
RULES = {
    "one": Rule(concurrency=1),
    "two": Rule(concurrency=2),
    "slow": Rule(interval_us=500_000, burst=2),
    "both": Rule(concurrency=2, interval_us=300_000, burst=1),
}
OF_KEY = {"a": ("one", "two"), "b": ("slow",), "c": ("both",)}
SETTLED = ("done", "done", "done", "retry", "later", "release", "bury", "cancel", "nothing")
SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
EXAMPLES, STEPS = (1_000, 150) if SOAK else (40, 60)

sids = st.sampled_from(SIDS)


class LimitsMachine(Machine):
    @initialize(whole=st.sampled_from((None, None, Rule(interval_us=20_000, burst=3))))
    def start(self, whole: Rule | None) -> None:
        self.link = Link(parse_target(self.url))
        self.run(self.link.request("FLUSHALL"))
        self.queue = QueueDriver(self.link, constants={"MOST_LOOKS": 6, "CHUNK": 3})
        self.run(self.queue.hold_clock())
        self.limits = RULES if whole is None else {**RULES, "": whole}
        self.made = 0
        for sid in SIDS[:2]:
            self.join(sid)

    def teardown(self) -> None:
        if hasattr(self, "link"):
            if hasattr(self, "queue"):
                self.run(self.drain())
            self.run(self.link.close())

    @invariant()
    def keys_are_as_the_states_say(self) -> None:
        if hasattr(self, "queue"):
            self.run(self.check())

    async def check(self) -> None:
        views = await check_keys(self.queue)
        for key, most in (("a", 2), ("c", 2)):
            assert key not in views or len(views[key].running) <= most
        for found in await self.link.request("KEYS", self.queue.key("u:*").replace("{", "[{]")):
            holder = (await self.link.request("GET", found)).decode()
            assert (await self.queue.place(holder)) not in ("gone", "dead"), "a lock outlives its job"

    @rule(
        data=st.data(),
        count=st.integers(1, 6),
        plain=st.integers(0, 2),
        delay_ms=st.sampled_from((0, 0, 700)),
        priority=st.sampled_from(("default", "default", "high")),
    )
    def enqueue(self, data: st.DataObject, count: int, plain: int, delay_ms: int, priority: str) -> None:
        specials = []
        for _ in range(count):
            self.made += 1
            key = data.draw(st.sampled_from(KEYS))
            mark = Mark(key, data.draw(st.sampled_from(OF_KEY[key])), data.draw(st.sampled_from(UNIQUE)), 60_000_000)
            specials.append(Special(f"j{self.made}", delay_ms=delay_ms, priority=priority, mark=mark))
        ids = [f"p{self.made}.{i}" for i in range(plain)]
        self.run(self.queue.enqueue(ids, specials))

    @rule(ms=st.sampled_from((1, 250, 500, 2_000, 9_000)))
    def time_passes(self, ms: int) -> None:
        self.run(self.queue.advance(ms))
        for sid in SIDS[:2]:
            self.run(self.queue.renew(sid))

    @rule(sid=sids)
    def join(self, sid: str) -> None:
        self.run(self.queue.join(sid, rules=self.limits))

    @rule(sid=sids, in_peace=st.booleans())
    def session_ends(self, sid: str, in_peace: bool) -> None:
        self.run(self.queue.leave(sid) if in_peace else self.queue.run("reap_session", sid))

    @rule(data=st.data(), sid=sids, n=st.integers(0, 5))
    def exchange(self, data: st.DataObject, sid: str, n: int) -> None:
        done: dict[str, list[str]] = {}
        others: list[tuple[object, ...]] = []
        for job_id, claim in self.run(self.held(sid)).items():
            kind = data.draw(st.sampled_from(SETTLED))
            if kind == "done":
                done.setdefault(claim, []).append(job_id)
            elif kind != "nothing":
                others.append(_entry(kind, job_id, claim))
        self.run(self.queue.exchange(sid, n, done=done, others=others))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        known = sorted(self.run(self.queue.states()))
        if known:
            self.run(self.queue.cancel(data.draw(st.sampled_from(known))))

    @rule(n=st.integers(1, 4))
    def purge(self, n: int) -> None:
        self.run(self.queue.run("purge", n))

    @rule(data=st.data(), deleted=st.booleans())
    def dead_letter(self, data: st.DataObject, deleted: bool) -> None:
        dead = sorted(job_id for job_id, places in self.run(self.queue.states()).items() if "dead" in places)
        if not dead:
            return
        job_id = data.draw(st.sampled_from(dead))
        if deleted:
            self.run(self.queue.run("delete_dead", job_id))
        else:
            self.run(self.queue.replay(job_id, request=f"r{self.made}-{job_id}"))

    @rule()
    def audit(self) -> None:
        assert self.run(QueueAdmin(self.link, "q").audit.run()).findings == ()

    async def held(self, sid: str) -> dict[str, str]:
        return dict((await self.queue.look()).own.get(sid, {}))

    async def drain(self) -> None:
        """Whatever the history was, one worker that asks when told to ends every job."""
        for sid in SIDS:
            await self.queue.run("reap_session", sid)
        await self.queue.join("last", rules=self.limits)
        done: dict[str, tuple[str, ...]] = {}
        for _ in range(40 * (self.made + 10)):
            got = await self.queue.exchange("last", 3, done=done)
            done = got.done
            if not got.ids:
                stats = await self.queue.stats()
                if stats.demand + stats.parked + stats.held + stats.scheduled == 0:
                    break
                assert got.next_due_ms >= 0, f"waits for nothing: {stats}"
                await self.queue.advance(max(1, min(got.next_due_ms - self.queue.now_ms, 5_000)))
                await self.queue.renew("last")
            await self.check()
        states = await self.queue.states()
        assert all(places == {"dead"} for places in states.values()), states


def _entry(kind: str, job_id: str, claim: str) -> tuple[object, ...]:
    match kind:
        case "retry":
            return ("retry", job_id, claim, 1, 0)
        case "later":
            return ("retry", job_id, claim, 1, 400)
        case "release":
            return ("release", job_id, claim, "1000000", 0)
        case "bury":
            return ("bury", job_id, claim, "t", "E", "record", "print", "traceback", 1)
        case _:
            return (kind, job_id, claim)


@pytest.mark.timeout(0 if SOAK else 240)
def test_a_key_s_set_is_its_leased_jobs_whatever_happens(redis_url: str) -> None:
    run_machine(LimitsMachine, redis_url, examples=EXAMPLES, steps=STEPS)
