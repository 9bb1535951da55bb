"""The model of a queue with limits, unique keys, given ids, results, planned ticks and a length limit.

Which jobs a claim takes and parks is for the scripts to choose; `claim` and `adopt` say whether they may have. All
else is exact: who is let out by a slot that has become free, which keys are locked, whose result is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.client.limits import QUEUE_RULE, Rule
from headrace.client.schedule import tick_id
from headrace.contract.entry import Mark
from support.checked_queue import RESULT, RESULTS_KEPT
from support.queue_driver import Special
from support.queue_model import SUSPECT_AFTER, Job, QueueModel

SLACK_US = 1_000
"""Scores and arrival times are a few µs later than the held clock: each push within a call takes one."""
CALLED_OFF = b"\xc1cancelled"


@dataclass
class FeatureModel(QueueModel):
    """`rules` are those of every session. Results and locks are to last longer than the history."""

    rules: Mapping[str, Rule] = field(default_factory=dict)
    keeps: frozenset[str] = frozenset()
    """Tasks that keep results."""
    limit: int | None = None
    lines: dict[str, list[str]] = field(default_factory=dict)
    """Limit key → its parked ids, the longest waiting first."""
    kdue: dict[str, int] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)
    """Limit key, or '' for the queue → theoretical arrival time of its rate, µs."""
    fingerprints: dict[str, str] = field(default_factory=dict)
    locks: dict[str, str] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    ticks: dict[str, str] = field(default_factory=dict)
    deleted: int = 0
    has_claimed: bool = False
    """Since the last `adopt`: what is parked may have changed in ways that only Redis knows."""
    is_short: bool = False
    """That claim took less than it might."""

    # -- looking

    def parked(self) -> set[str]:
        return {job_id for line in self.lines.values() for job_id in line}

    def standing_ticks(self) -> dict[str, int]:
        """Id → when it is due, of each task's next tick."""
        due = {task: int(held.split()[0]) for task, held in self.ticks.items()}
        return {tick_id(task, at): at for task, at in due.items()}

    def removable(self) -> set[str]:
        """What a purge may take."""
        here = ("ready:", "suspects", "parked", "scheduled")
        return {i for i, job in self.jobs.items() if job.place.startswith(here)} - set(self.standing_ticks())

    def room(self) -> int | None:
        """How many more the length limit allows."""
        if self.limit is None:
            return None
        waiting = [job for job in self.jobs.values() if not job.place.startswith(("leased", "dead"))]
        return max(self.limit - len(waiting), 0)

    def takeable(self) -> int:
        return 0 if QUEUE_RULE in self.rules else super().takeable()

    def balance(self, counts: Mapping[str, int]) -> int:
        return super().balance(counts) - self.deleted

    # -- limits

    def running(self, key: str) -> int:
        return sum(job.mark.limit_key == key and job.place.startswith("leased") for job in self.jobs.values())

    def rate_wait_us(self, key: str, rule: Rule) -> int:
        """How long until the rate lets one go; 0 or less: now."""
        now = self.now_ms * 1000
        return max(self.arrivals.get(key, 0), now) - now - (rule.burst - 1) * rule.interval_us

    def blocked(self, job_id: str, *, slack_us: int = 0) -> bool:
        """Whether its key has no room for it. Negative slack: beyond doubt."""
        mark = self.jobs[job_id].mark
        rule = self.rules.get(mark.rule, Rule())
        if rule.concurrency and self.running(mark.limit_key) >= rule.concurrency:
            return True
        return bool(rule.interval_us) and self.rate_wait_us(mark.limit_key, rule) > slack_us

    def spend(self, key: str, rule: Rule, n: int) -> None:
        if rule.interval_us:
            self.arrivals[key] = max(self.arrivals.get(key, 0), self.now_ms * 1000) + n * rule.interval_us

    def unpark(self, key: str) -> None:
        """The longest waiting of a key goes back to the ready path."""
        if line := self.lines.get(key):
            self.make_ready(line.pop(0))

    def freed(self, job_id: str) -> None:
        if key := self.jobs[job_id].mark.limit_key:
            self.unpark(key)

    def promote(self) -> None:
        super().promote()
        for key in [key for key, at in self.kdue.items() if at <= self.now_ms]:
            self.unpark(key)

    # -- endings

    def drop(self, job_id: str, counter: str) -> None:
        job = self.jobs[job_id]
        if counter == "cancelled" and job.task in self.keeps:
            self.results[job_id] = CALLED_OFF
        self.unlock(job_id)
        super().drop(job_id, counter)
        key = job.mark.limit_key
        if job_id in self.lines.get(key, ()):
            self.lines[key].remove(job_id)
        elif key:
            self.unpark(key)

    def bury(self, job_id: str) -> None:
        self.unlock(job_id)
        super().bury(job_id)

    def unlock(self, job_id: str) -> None:
        self.locks = {key: holder for key, holder in self.locks.items() if holder != job_id}

    def keep_result(self, job_id: str) -> None:
        self.results[job_id] = RESULT.encode()
        self.kept.append(job_id)
        while len(self.kept) > RESULTS_KEPT:
            del self.results[self.kept.pop(0)]

    # -- claims

    def claim(self, sid: str, token: str, n: int, ids: Sequence[str]) -> None:
        whole = self.rules.get(QUEUE_RULE)
        if whole and self.rate_wait_us("", whole) > SLACK_US:
            assert not ids, "the queue's rate lets nobody go"
            return
        if self.apart(sid):
            allowed, most = set() if self.held(sid) else self.suspects(), 1
        else:
            allowed = {i for i in self.waiting() | self.parked() if self.jobs[i].crashes < SUSPECT_AFTER}
            most = n
            self.is_short = len(ids) < n and not whole
        self.has_claimed = True
        assert len(ids) <= most, f"claimed {ids}"
        assert set(ids) <= allowed, f"claimed {ids}, allowed {sorted(allowed)}"
        for job_id in ids:
            self._enter(sid, token, job_id)
        if whole:
            assert self.rate_wait_us("", whole) + (len(ids) - 1) * whole.interval_us <= SLACK_US, "faster than the rate"
            self.spend("", whole, len(ids))

    def _enter(self, sid: str, token: str, job_id: str) -> None:
        job = self.jobs[job_id]
        assert not self.blocked(job_id, slack_us=SLACK_US), f"{job_id} runs beyond the limit of {job.mark.limit_key}"
        if job.mark.limit_key:
            self.spend(job.mark.limit_key, self.rules.get(job.mark.rule, Rule()), 1)
        if job_id in self.lines.get(job.mark.limit_key, ()):
            self.lines[job.mark.limit_key].remove(job_id)
        job.place, job.claim = f"leased:{sid}", token

    def adopt(self, lines: Mapping[str, list[str]], kdue: Mapping[str, int]) -> None:
        """What is parked now, and until when. Fails unless a claim may have made it so."""
        parked = {job_id for line in lines.values() for job_id in line}
        if self.has_claimed:
            for job_id in parked - self.parked():
                assert self.blocked(job_id, slack_us=-SLACK_US), f"{job_id} is parked, and its key has room"
                assert job_id in self.waiting() | self.suspects()
                self.jobs[job_id].place = "parked"
            for job_id in self.parked() - parked:
                self.make_ready(job_id)
            assert not (self.is_short and self.waiting()), "work was left lying"
        assert parked == self.parked() or self.has_claimed
        self.lines, self.kdue = {key: list(line) for key, line in lines.items()}, dict(kdue)
        self.has_claimed = self.is_short = False

    # -- producers

    def first_of(self, special: Special) -> tuple[str, bool] | None:
        """The job that stands in its way, and whether its id was used with other arguments."""
        mark = special.mark or Mark()
        if special.given and special.id in self.fingerprints:
            known = self.fingerprints[special.id]
            return special.id, bool(known and mark.fingerprint and known != mark.fingerprint)
        holder = self.locks.get(mark.unique)
        return (holder, False) if holder in self.jobs else None

    def add(self, special: Special) -> None:
        mark = special.mark or Mark()
        if special.given:
            self.fingerprints[special.id] = mark.fingerprint
        if mark.unique:
            self.locks[mark.unique] = special.id
        self.jobs[special.id] = Job("", special.priority, mark=mark, task=special.task)
        if special.delay_ms:
            self.schedule(special.id, special.delay_ms)
        else:
            self.make_ready(special.id)
        self.counts["enqueued"] += 1

    def plan(self, tick: Special, wanted: str, standing: str) -> bool:
        """Whether the standing job was called off."""
        if tick.id not in self.jobs:
            self.jobs[tick.id] = Job("scheduled", due_ms=tick.at_ms, mark=tick.mark or Mark(), task=tick.task)
            self.counts["enqueued"] += 1
        self.ticks[tick.task] = wanted
        called_off = standing in self.jobs and self.jobs[standing].place == "scheduled"
        if called_off:
            self.drop(standing, "cancelled")
        return called_off

    # -- the operator and the users

    def purge(self, n: int, gone: Collection[str], places: Mapping[str, str]) -> None:
        """Take out what Redis took; fails when it may not have. `places`: where the others stand now."""
        may = self.removable()
        assert set(gone) <= may
        assert len(gone) <= n
        for job_id, due_ms in self.standing_ticks().items():
            waits = job_id in self.waiting() | self.suspects()
            if waits and places[job_id] == "scheduled":  # taken, recognised, put back
                self.jobs[job_id].place, self.jobs[job_id].due_ms = "scheduled", due_ms
        if n >= len(may) + len(self.standing_ticks()):
            assert set(gone) == may
        parked = self.parked()
        for job_id in sorted(gone, key=lambda one: one not in parked):
            self.drop(job_id, "cancelled")

    def delete_dead(self, job_id: str) -> None:
        del self.jobs[job_id]
        self.deleted += 1
