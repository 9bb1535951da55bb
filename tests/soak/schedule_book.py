"""The book of one Schedule: what must have become of each of its ticks, derived from its spec and from what the world
did to it, call by call; and each answer of Redis, each turn of a worker, held against that.

Shares no code with headrace, and never learns from a call what it asked for: a look at a known time owes known ticks,
so the next call of that look can only be about the first of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from soak.schedule_rules import ACTIVE_MOST, DAY, SECOND, Calendar, Fate, Mistake, calendar, share_out
from support.operator_diary import Answer, Ending, Life, Look, Record, Turn
from support.schedule_spec import Spec

SLACK: Final = 5 * SECOND
"""An operator may be so much later than it said."""
AFTER_LOSS: Final = 10 * SECOND
"""The same of one that got no answer."""
LONGEST_WAIT: Final = DAY
OPEN_AT_END: Final = 60 * SECOND
"""Ticks of the last minute may still be owed when the year is over."""


class State(StrEnum):
    """Of a job that is not over."""

    WAITS = "waits"
    RUNS = "runs"
    CALLED_OFF = "called off"
    """It runs, and shall stop."""


@dataclass
class _Plan:
    """What a look has left to do."""

    seen: int
    """The record that it was made for."""
    next_ms: int
    """The first tick that was still to come."""
    now_ms: int
    """By the answer that it has heard last."""
    missed: tuple[int, ...] = ()
    run: tuple[int, ...] = ()
    overtaken: bool = False

    @property
    def next_call(self) -> str:
        """'' where there is nothing more to do."""
        if self.overtaken or not (self.missed or self.run):
            return ""
        return "fire_tick" if self.run else "pass_ticks"


@dataclass
class _Seen:
    """Of one operator's life: when it must be back at the latest."""

    back_by_ms: int
    slept_ms: int


@dataclass
class Book:
    """Told by a ledger, in order. After its first mistake it listens no more: others would only follow from it."""

    uid: str
    created_ms: int
    keep: int
    """Runs that its history remembers."""
    days: tuple[int, int]
    """Begin and end of what its calendars must know."""
    fates: dict[int, Fate] = field(default_factory=dict)
    mistakes: list[tuple[Mistake, str]] = field(default_factory=list)
    called_off: int = 0
    jobs: dict[str, State] = field(default_factory=dict)
    """Those that are not over, oldest first."""
    got: int = 0
    """How often a worker got one."""
    spec: Spec | None = None
    """As Redis has been told."""
    gone: bool = False
    record: Record = field(default_factory=lambda: Record(0))
    """As it must be; its clock is the last one that was answered."""
    _change: int = 0
    _runs: list[tuple[int, str, str]] = field(default_factory=list)
    _plans: dict[Look, _Plan] = field(default_factory=dict)
    _seen: dict[Life, _Seen] = field(default_factory=dict)
    _ticks: dict[str, int] = field(default_factory=dict)
    """Of each job that there ever was."""
    _active: list[str] = field(default_factory=list)
    """Jobs that its policy knows of, oldest first; some may be over."""

    # -- what it is told

    def looked(self, look: Look) -> None:
        """An operator begins a look; it must be no later than what it had left to wait for."""
        self._check_back(look.life, look.began_ms, look.slept_ms)
        self._seen.pop(look.life, None)

    def called(self, look: Look, name: str, answer: Answer) -> None:
        """One of its calls."""
        if self.mistakes:
            return
        self.record = replace(self.record, now_ms=answer.record.now_ms)
        plan = self._plans.get(look)
        expected = "settle_schedule" if plan is None else plan.next_call
        if name != expected:
            self._note(Mistake.STRANGER, f"{look.life} called {name}, not {expected}: {plan}")
        elif plan is None:
            self._settle(look, answer.record.now_ms)
        else:
            plan.now_ms = answer.record.now_ms
            if plan.seen != self._change or self.spec is None:
                self._refuse(plan, answer)
            elif plan.run:
                self._fire(plan, look.spec, answer)
            else:
                self._pass(plan, answer)
        self._compare(answer.record)

    def ended(self, look: Look, how: Ending, at_ms: int) -> None:
        """It is over; all that was planned must be done, unless something went wrong on its way."""
        plan = self._plans.pop(look, None)
        if how is Ending.KILLED or self.mistakes:
            return
        if how is Ending.LOST:
            wait = AFTER_LOSS
        elif plan is None or plan.next_call or (plan.overtaken != (how is Ending.OVERTAKEN) and not look.spec.broken):
            self._note(Mistake.HOLE, f"{look.life} left undone what it had to do, or was overtaken and rests: {plan}")
            return
        else:
            # Who only counts what is missed looks again in its own time, whoever was faster.
            at_once = plan.overtaken and not look.spec.broken
            wait = SLACK + (0 if at_once else min(max(plan.next_ms - plan.now_ms, 0), LONGEST_WAIT))
        self._seen[look.life] = _Seen(at_ms + wait, look.life.slept_ms)

    def turned(self, job: str, turn: Turn) -> None:
        """A worker got it, or has settled it."""
        if self.mistakes:
            return
        state = self.jobs.get(job)
        if turn is Turn.GOT:
            self.got += 1
            if state is State.WAITS:
                self.jobs[job] = State.RUNS
            else:
                kind = Mistake.DUPLICATE if job in self._ticks else Mistake.STRANGER
                self._note(kind, f"a worker got {job}: {state or 'not there, or over'}")
        elif turn is Turn.DONE or (turn is Turn.BURIED and state is State.RUNS):
            del self.jobs[job]
        elif turn is Turn.RETRY and state is State.RUNS:
            self.jobs[job] = State.WAITS
        elif state is State.CALLED_OFF:
            self._call_off(job)
        else:
            self._note(Mistake.REPLACEMENT, f"{job} was stopped, which nobody has called off")

    def forgotten(self, found: Record, at_ms: int) -> None:
        """Its object is gone, and the record that was found before: what was due and not dealt with goes with it."""
        self._close_record(found, at_ms)
        self._seen.clear()
        self.gone, self.spec = True, None
        self._change += 1

    def close(self, found: Record, at_ms: int) -> None:
        """The year is over, nothing has gone wrong for days, and this is its record, unless it is gone."""
        for job, state in self.jobs.items():
            self._note(Mistake.HOLE, f"{job} never came to an end: {state}")
        if self.gone:
            return
        self._close_record(found, at_ms)
        if self.spec is None or self.spec.suspend or self.spec.broken or self.mistakes:
            return
        left = self._calendar(self.spec).between(self._after, found.now_ms - OPEN_AT_END)
        if left:
            self._note(Mistake.HOLE, f"nobody dealt with {left}")

    def _close_record(self, found: Record, at_ms: int) -> None:
        for life in self._seen:
            self._check_back(life, at_ms, life.slept_ms)
        if self.mistakes:
            return
        self._compare(found)
        if found.runs != self._runs:
            self._note(Mistake.COUNT, f"its last runs are {found.runs}, not {self._runs}")

    # -- what must happen

    @property
    def _after(self) -> int:
        return max(self.record.since_ms, self.record.last_ms or 0)

    def _calendar(self, spec: Spec) -> Calendar:
        return calendar(spec.timing, *self.days)

    def _settle(self, look: Look, now: int) -> None:
        """Terms are stated; older ones than Redis knows change nothing, and let nothing happen."""
        new, held = look.spec, self.spec
        if not self.gone and (held is None or new.generation >= held.generation):
            if held is None:
                self._move(known=True, since_ms=min(self.created_ms, now))
            elif new.timing != held.timing or (held.suspend and not new.suspend):
                for tick in self._calendar(held).between(self._after, now):
                    self.fates[tick] = Fate.NOT_OWED
                self._move(since_ms=now)
            if held is None or (new.suspend, new.generation) != (held.suspend, held.generation):
                self._move(suspended=new.suspend)
            self.spec = held = new
        plan = self._plans[look] = _Plan(self._change, now + LONGEST_WAIT, now)
        if self.gone or held is None or new.generation < held.generation or new.suspend:
            return
        days = self._calendar(new)
        owed = share_out(days.between(self._after, now), new, now)
        plan.missed, plan.run = owed.missed, () if new.broken else owed.run
        if not new.broken:
            plan.next_ms = days.next(max(now, self._after))

    def _refuse(self, plan: _Plan, answer: Answer) -> None:
        """Of a decision on a record that has changed since."""
        plan.overtaken = True
        if answer.fate not in ("already", "stale"):
            self._note(Mistake.STRANGER, f"decided on an old record, and still {answer.fate} {answer.job}")

    def _fire(self, plan: _Plan, spec: Spec, answer: Answer) -> None:
        tick, job = plan.run[0], f"{self.uid}:{plan.run[0]}"
        before = [one for one in self._active if one in self.jobs]
        made, replaced = job, before if spec.policy == "Replace" else []
        fate = "replaced" if replaced else "enqueued"
        if spec.policy == "Forbid" and before:
            made, fate = "", "skipped"
        self._expect(answer, fate, made, replaced)
        self._give_up(plan.missed)
        self.fates[tick] = Fate.JOB if made else Fate.SKIPPED
        for one in replaced:
            if self.jobs[one] is State.WAITS:
                self._call_off(one)
            else:
                self.jobs[one] = State.CALLED_OFF
        if made:
            self.jobs[job], self._ticks[job] = State.WAITS, tick
            self._active = [one for one in (*self._active, job) if one in self.jobs][-ACTIVE_MOST:]
        self._runs = [(tick, made, fate), *self._runs][: self.keep]
        had = self.record
        self._move(
            last_ms=tick,
            missed=had.missed + len(plan.missed),
            enqueued=had.enqueued + bool(made),
            skipped=had.skipped + (not made),
        )
        plan.seen, plan.missed, plan.run = self._change, (), plan.run[1:]

    def _pass(self, plan: _Plan, answer: Answer) -> None:
        self._expect(answer, "skipped", "", [])
        self._give_up(plan.missed)
        self._move(last_ms=plan.missed[-1], missed=self.record.missed + len(plan.missed))
        plan.seen, plan.missed, plan.run = self._change, (), ()

    def _give_up(self, ticks: tuple[int, ...]) -> None:
        for tick in ticks:
            self.fates[tick] = Fate.MISSED

    def _call_off(self, job: str) -> None:
        """For good: whether a worker once had it says nothing, it was to have it again."""
        del self.jobs[job]
        self.called_off += 1
        self.fates[self._ticks[job]] = Fate.REPLACED

    def _move(self, **changes: Any) -> None:
        self._change += 1
        self.record = replace(self.record, **changes)

    # -- what was

    def _expect(self, answer: Answer, fate: str, job: str, replaced: list[str]) -> None:
        if (answer.fate, answer.job, list(answer.replaced)) == (fate, job, replaced):
            return
        if "skipped" in (answer.fate, fate):
            kind = Mistake.SKIP
        else:
            kind = Mistake.REPLACEMENT if answer.job == job else Mistake.STRANGER
        self._note(kind, f"{answer.fate} {answer.job} for {answer.replaced}, not {fate} {job} for {replaced}")

    def _compare(self, found: Record) -> None:
        """The numbers that its status shows, and what the next decision depends on."""
        active = tuple(one for one in self._active if one in self.jobs)
        must = Record(found.now_ms) if self.gone else replace(self.record, now_ms=found.now_ms, active=active)
        was = replace(found, recent=b"")
        if was == must or self.mistakes:
            return
        kind = Mistake.MISS if (was.missed, was.last_ms) != (must.missed, must.last_ms) else Mistake.COUNT
        self._note(kind, f"its record is {was}, not {must}")

    def _check_back(self, life: Life, at_ms: int, slept_ms: int) -> None:
        """Whether it comes back in time, but for how long it was held up meanwhile."""
        seen = self._seen.get(life)
        late = at_ms - seen.back_by_ms - (slept_ms - seen.slept_ms) if seen else 0
        if late > 0 and life.ended_ms is None:
            self._note(Mistake.HOLE, f"{life} came back {late} ms too late")

    def _note(self, kind: Mistake, what: str) -> None:
        self.mistakes.append((kind, f"{self.uid}: {what}"))
