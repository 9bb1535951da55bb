"""The machine of queue_machine.py on a queue whose jobs have limits, keys, results and ticks. Ends every history by
letting one worker do what is left: then nothing may be left.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from headrace.admin.queue_admin import QueueAdmin
from headrace.client.limits import QUEUE_RULE, Rule
from headrace.contract.entry import Mark
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.checked_features import CheckedFeatures
from support.checked_queue import Call
from support.feature_model import FeatureModel
from support.queue_driver import Special
from support.queue_machine import SIDS, QueueMachine
from support.queue_model import Settlement

HOUR_MS = 3_600_000
RULES = {
    "one": Rule(concurrency=1),
    "two": Rule(concurrency=2),
    "slow": Rule(interval_us=40_000_000, burst=2),
    "both": Rule(concurrency=2, interval_us=20_000_000, burst=1),
}
"""Rates far slower than a history is told: what Redis forgets by its own clock is not missed by the held one."""
OF_KEY = {"": ("",), "a": ("one", "two"), "b": ("slow",), "c": ("both",)}
WHOLE = {QUEUE_RULE: Rule(interval_us=20_000_000, burst=6)}
LAST = "s4"

marks = st.sampled_from(sorted(OF_KEY)).flatmap(
    lambda key: st.builds(
        Mark,
        limit_key=st.just(key),
        rule=st.sampled_from(OF_KEY[key]),
        unique=st.sampled_from(("", "", "u1", "u2")),
        unique_ms=st.just(HOUR_MS),
        fingerprint=st.sampled_from(("", "f1", "f2")),
    )
)


@st.composite
def specials(draw: st.DrawFn) -> Special:
    """One with a made-up id is given its name by the machine."""
    given = draw(st.sampled_from(("", "", "", "g1", "g2", "g3")))
    return Special(
        id=given,
        given=bool(given),
        delay_ms=draw(st.sampled_from((0, 0, 0, 300, 8_000))),
        priority=draw(st.sampled_from(("default", "default", "high", "low"))),
        mark=draw(marks),
    )


class FeatureMachine(QueueMachine):
    """Every rule of its parent, and those of the features. A variant's queue knows no purge and no audit."""

    checked: CheckedFeatures
    model: FeatureModel

    @initialize(whole=st.sampled_from(({}, {}, {}, WHOLE)))
    def start(self, whole: dict[str, Rule]) -> None:
        self.link = Link(parse_target(self.url))
        self.checked = CheckedFeatures(self.link, {**RULES, **whole}, self.variant)
        self.run(self.checked.start())
        self.model = self.checked.model
        self.made = 0
        self.frozen = set()
        for sid in SIDS[:3]:
            self.join(sid)

    def teardown(self) -> None:
        try:
            if hasattr(self, "checked"):
                self.run(self._do_what_is_left())
        finally:
            super().teardown()

    @rule(count=st.integers(0, 4), extra=st.lists(specials(), max_size=4))
    def enqueue(self, count: int, extra: list[Special]) -> None:
        ids = [f"j{self.made + i}" for i in range(count)]
        named = [
            one if one.given else Special(f"k{self.made + i}", 0, one.delay_ms, one.priority, mark=one.mark)
            for i, one in enumerate(extra)
        ]
        self.made += max(count, len(extra))
        self.run(self.checked.enqueue(ids, named))

    @rule(data=st.data(), rounds=st.integers(2, 6))
    def work(self, data: st.DataObject, rounds: int) -> None:
        for _ in range(rounds):
            if len(self.model.waiting()) < 2:
                self.enqueue(1, data.draw(st.lists(specials(), min_size=2, max_size=4)))
            self.exchange(data, data.draw(st.sampled_from("01")), 4, False)
            self.redis_is_as_the_model_says()

    @rule(data=st.data(), key=st.sampled_from("aabc"), count=st.integers(2, 5), rounds=st.integers(2, 4))
    def crowd_at_a_key(self, data: st.DataObject, key: str, count: int, rounds: int) -> None:
        self.enqueue(0, [Special("", mark=Mark(key, data.draw(st.sampled_from(OF_KEY[key])))) for _ in range(count)])
        for _ in range(rounds):
            self.exchange(data, data.draw(st.sampled_from("01")), 4, False)
            self.redis_is_as_the_model_says()

    @rule(limit=st.sampled_from((None, None, 5, 12)))
    def set_limit(self, limit: int | None) -> None:
        self.run(self.checked.set_limit(limit))

    @rule(
        task=st.sampled_from(("tidy", "sweep")),
        ahead_ms=st.sampled_from((1, 5_000, 60_000)),
        mark=st.one_of(st.none(), marks),
        stale=st.sampled_from((False, False, True)),
        takes_over=st.booleans(),
    )
    def plan(self, task: str, ahead_ms: int, mark: Mark | None, stale: bool, takes_over: bool) -> None:
        tick = self.checked.next_tick(task, ahead_ms)
        held = next((one for one in self.model.standing_ticks() if f":{task}:" in one), "") if takes_over else ""
        limits_only = mark and Mark(mark.limit_key, mark.rule)
        tick = Special(tick.id, tick.at_ms, given=True, task=task, mark=limits_only)
        self.run(self.checked.plan(tick, stale=stale, standing=held))

    @precondition(lambda self: not self.variant)
    @rule(n=st.sampled_from((1, 3, 100)))
    def purge(self, n: int) -> None:
        self.run(self.checked.purge(n))

    @rule()
    def delete_a_dead_letter(self) -> None:
        if dead := self._dead():
            self.run(self.checked.delete_dead(dead[0]))

    @precondition(lambda self: not self.variant)
    @rule()
    def audit(self) -> None:
        assert self.run(QueueAdmin(self.link, "q").audit.run()).findings == ()

    def _dead(self) -> list[str]:
        return sorted(job_id for job_id, job in self.model.jobs.items() if job.place == "dead")

    async def _do_what_is_left(self) -> None:
        """Whatever the history was, one worker that asks when told to ends every job."""
        checked, model = self.checked, self.model
        await checked.check()
        for sid in SIDS:
            await checked.cordon(sid, 0)
            await checked.reap_session(sid)
        await checked.put_on_trial((), 0)
        await checked.queue.run("resume")
        model.paused = False
        await checked.join(LAST)
        for _ in range(20 * (self.made + 20)):
            held = [Settlement("done", job_id, model.jobs[job_id].claim) for job_id in model.held(LAST)]
            await checked.exchange(Call(LAST, "0", 5, settlements=tuple(held)))
            if not model.held(LAST):
                if not model.kdue and all(job.place == "dead" for job in model.jobs.values()):
                    break
                await checked.advance(14_000)
                await checked.renew(LAST)
        await checked.check()
        for job_id in self._dead():
            await checked.delete_dead(job_id)
        await checked.leave(LAST)
        await checked.check_nothing_is_left()
