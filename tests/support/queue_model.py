"""A plain Python model of one queue: what the scripts promise, without Redis, chunks of commands or time of its own.

Where the scripts choose freely (which ids of a session a reaping chunk takes, which ids a claim takes of those
that wait), the caller says what Redis chose, and the model says whether it may.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.contract.entry import Mark

CRASH_LIMIT = 5
SUSPECT_AFTER = 2
TRIAL_PAUSE_MS, TRIAL_PAUSE_MOST_MS = 1_000, 60_000
WORKER, REASON = "w", "E"
"""Of every worker, and why its jobs are buried."""
VERSIONS = {"s1": "v1", "s2": "v1", "s3": "v2", "s4": "v2"}
"""Session → the version that its worker runs."""


Happened = tuple[int, str, int, str, str]


@dataclass
class Job:
    """`place` as in queue_state.Snapshot.places."""

    place: str
    priority: str = "default"
    due_ms: int = 0
    claim: str = ""
    attempts: int = 0
    crashes: int = 0
    replays: int = 0
    cancel: bool = False
    mark: Mark = field(default_factory=Mark)
    task: str = "t"
    trail: list[Happened] = field(default_factory=list)
    """When, what, how often, worker, class of the error: as contract/trail.py."""
    death: Happened | None = None
    """What will be noted of it when it is replayed; of a record that nobody can read, not everything."""


@dataclass(frozen=True)
class Settlement:
    """`kind` as in settle.lua, or `later`: a retry without charge. `number`: the attempts of retry, later and bury."""

    kind: str
    id: str
    claim: str
    number: int = 0
    delay_ms: int = 0


@dataclass
class QueueModel:
    """State and transitions. `begin` stands for read_clock, `save` for save_clock.

    `freed`, `keep_result` and `promote` are where a model that knows more (feature_model.py) says what else happens.
    """

    lease_ms: int
    now_ms: int
    tick_ms: int | None = None
    reap_after: int = 0
    saved_reap_after: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    sessions: dict[str, int] = field(default_factory=dict)
    reaping: dict[str, int] = field(default_factory=dict)
    cordons: dict[str, int] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)
    lanes: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    alone: str | None = None
    paused: bool = False
    trial: frozenset[str] = frozenset()
    trial_until: int = 0
    tried: Counter[tuple[str, str]] = field(default_factory=Counter)
    spared: set[str] = field(default_factory=set)
    """Sessions that died on trial."""
    counts: Counter[str] = field(default_factory=Counter)
    """By name, and by `version:name`."""

    # -- the clock

    def begin(self) -> None:
        tick = self.now_ms if self.tick_ms is None else self.tick_ms
        gap = self.now_ms - tick > self.lease_ms / 2
        self.reap_after = self.now_ms + self.lease_ms if gap else self.saved_reap_after

    def save(self) -> None:
        self.tick_ms = self.now_ms
        self.saved_reap_after = self.reap_after

    # -- looking

    def held(self, sid: str) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if job.place == f"leased:{sid}"]

    def held_under(self, sid: str, claim: str) -> set[str]:
        return {job_id for job_id in self.held(sid) if self.jobs[job_id].claim == claim}

    def cancelled_here(self, sid: str) -> set[str]:
        return {job_id for job_id in self.held(sid) if self.jobs[job_id].cancel}

    def waiting(self) -> set[str]:
        return {job_id for job_id, job in self.jobs.items() if job.place.startswith("ready:")}

    def suspects(self) -> set[str]:
        return {job_id for job_id, job in self.jobs.items() if job.place == "suspects"}

    def due(self) -> list[str]:
        return [i for i, job in self.jobs.items() if job.place == "scheduled" and job.due_ms <= self.now_ms]

    def next_due_ms(self) -> int:
        return min((job.due_ms for job in self.jobs.values() if job.place == "scheduled"), default=-1)

    def on_trial(self, sid: str) -> bool:
        return self.trial_until > self.now_ms and VERSIONS[sid] in self.trial

    def standing(self, sid: str) -> str:
        if self.cordons.get(sid, 0) > self.now_ms:
            return "CORDONED"
        return "PAUSED" if self.paused else "OK"

    # -- parts of transitions

    def make_ready(self, job_id: str) -> None:
        job = self.jobs[job_id]
        job.place = "suspects" if job.crashes >= SUSPECT_AFTER else f"ready:{job.priority}"
        job.claim = ""

    def schedule(self, job_id: str, delay_ms: int) -> None:
        job = self.jobs[job_id]
        job.place, job.due_ms, job.claim = "scheduled", self.now_ms + delay_ms, ""

    def note(self, job_id: str, what: str, times: int = 0, worker: str = "", error: str = "") -> None:
        """Of what is out of the ordinary the last five are kept."""
        job = self.jobs[job_id]
        job.trail = [*job.trail, (self.now_ms, what, times, worker, error)][-5:]

    def note_replay(self, job_id: str) -> None:
        job = self.jobs[job_id]
        assert job.death is not None
        job.attempts, job.replays, job.trail = 0, job.replays + 1, [*job.trail, job.death]
        self.note(job_id, "replayed", job.replays)

    def bury(self, job_id: str) -> None:
        job = self.jobs[job_id]
        job.place, job.crashes, job.claim = "dead", 0, ""
        self.counts["dead"] += 1

    def freed(self, job_id: str) -> None:
        """It has left its session and lives on."""

    def keep_result(self, job_id: str) -> None:
        """It is completed, and has a result."""

    def promote(self) -> None:
        for job_id in self.due():
            self.make_ready(job_id)

    def drop(self, job_id: str, counter: str) -> None:
        del self.jobs[job_id]
        self.counts[counter] += 1

    def cancel_pending(self, job_id: str) -> bool:
        if self.jobs[job_id].cancel:
            self.drop(job_id, "cancelled")
            return True
        return False

    def settle(self, sid: str, settlements: Sequence[Settlement]) -> tuple[str, ...]:
        """The ids whose settlement is refused."""
        stale = []
        for s in settlements:
            job = self.jobs.get(s.id)
            if job is None or job.place != f"leased:{sid}" or job.claim != s.claim:
                stale.append(s.id)
            else:
                self._settle_one(sid, s)
        self.counts["stale"] += len(stale)
        return tuple(stale)

    def _settle_one(self, sid: str, s: Settlement) -> None:
        if self.is_evidence(sid, s):
            self.counts[f"{VERSIONS[sid]}:failed"] += 1
        match s.kind:
            case "done" | "result":
                self.drop(s.id, "completed")
                if s.kind == "result":
                    self.keep_result(s.id)
            case "cancel":
                self.drop(s.id, "cancelled")
            case _:
                self.freed(s.id)
                if not self.cancel_pending(s.id):
                    self._settle_unfinished(sid, s)

    def _settle_unfinished(self, sid: str, s: Settlement) -> None:
        if s.kind in ("retry", "bury") and self.on_trial(sid):
            self.give_back(sid, s)
        elif s.kind == "bury":
            self.jobs[s.id].attempts = s.number
            self.jobs[s.id].death = (self.now_ms, "dead", 0, "", REASON)
            self.bury(s.id)
        else:
            if s.kind in ("retry", "later"):
                self.jobs[s.id].attempts = s.number
                self.note(s.id, *(("failed", s.number) if s.kind == "retry" else ("later", 0)), WORKER)
            else:
                self.note(s.id, "released", 0, WORKER)
                self.counts["released"] += 1
            if s.delay_ms:
                self.schedule(s.id, s.delay_ms)
            else:
                self.make_ready(s.id)

    def is_evidence(self, sid: str, s: Settlement) -> bool:
        """Whether the settlement counts as a failure of its version."""
        if not self.on_trial(sid):
            return s.kind in ("retry", "later", "bury")
        known = self.tried[VERSIONS[sid], s.id] > 0 and not self.jobs[s.id].cancel
        return s.kind in ("retry", "bury") and not known

    def give_back(self, sid: str, s: Settlement) -> None:
        """Failed on trial: nothing is charged, and it waits the longer the more often that has happened."""
        times = self.tried[VERSIONS[sid], s.id] = self.tried[VERSIONS[sid], s.id] + 1
        pause = min(TRIAL_PAUSE_MS * 2 ** (times - 1), TRIAL_PAUSE_MOST_MS)
        self.schedule(s.id, max(s.delay_ms, pause))
        self.note(s.id, "returned", 0, WORKER, REASON if s.kind == "bury" else "")
        self.counts["released"] += 1
        self.counts[f"{VERSIONS[sid]}:returned"] += 1

    def put_on_trial(self, versions: Collection[str], ttl_ms: int) -> None:
        self.trial, self.trial_until = frozenset(versions), self.now_ms + ttl_ms
        if not versions:
            self.tried.clear()

    def fence(self, sid: str) -> None:
        if sid not in self.reaping and self.held(sid):
            self.counts[f"{VERSIONS[sid]}:crashed"] += 1
            if self.on_trial(sid):
                self.spared.add(sid)
        self.sessions.pop(sid, None)
        self.reaping[sid] = self.now_ms
        self.idle.discard(sid)

    def next_to_reap(self, caller: str) -> str | None:
        """Fences as reap.lua does; the session whose ids move now, if any."""
        if self.now_ms >= self.reap_after:
            expired = sorted((at, sid) for sid, at in self.sessions.items() if at <= self.now_ms)[:2]
            others = [sid for _, sid in expired if sid != caller]
            if others:
                self.fence(others[0])
        return min(self.reaping, key=lambda sid: (self.reaping[sid], sid), default=None)

    def abandon(self, sid: str, moved: Collection[str]) -> None:
        for job_id in moved:
            self.freed(job_id)
        for job_id in moved:
            self.counts["crashed"] += 1
            if self.cancel_pending(job_id):
                continue
            job = self.jobs[job_id]
            job.crashes += sid not in self.spared
            if job.crashes >= CRASH_LIMIT:
                job.death = (self.now_ms, "dead", job.attempts, WORKER, "WorkerCrashed")
                self.bury(job_id)
            else:
                self.note(job_id, "lost", 0 if sid in self.spared else job.crashes, WORKER)
                self.make_ready(job_id)
        if not self.held(sid):
            self.reaping.pop(sid, None)
            self.spared.discard(sid)
            self.forget_lanes(sid)
            if self.alone == sid:
                self.alone = None

    def forget_lanes(self, sid: str) -> None:
        self.lanes = {lane: last for lane, last in self.lanes.items() if lane[0] != sid}

    def apart(self, sid: str) -> bool:
        """claim_suspect's verdict: this session gets a suspect or nothing."""
        if self.alone and self.alone != sid and self.alone in self.sessions:
            return False
        if self.suspects():
            self.alone = sid
        elif self.alone == sid and not self.held(sid):
            self.alone = None
        return self.alone == sid

    def claim(self, sid: str, token: str, n: int, ids: Sequence[str]) -> None:
        """Take what Redis chose; fails when it may not be chosen, or when it is too few."""
        apart = self.apart(sid)
        if apart:
            allowed, count = self.suspects(), 0 if self.held(sid) or not self.suspects() else 1
        else:
            allowed, count = self.waiting(), min(n, len(self.waiting()))
        assert len(ids) == count, f"claimed {ids}, expected {count} of {sorted(allowed)}"
        assert set(ids) <= allowed, f"claimed {ids}, allowed {sorted(allowed)}"
        for job_id in ids:
            self.jobs[job_id].place = f"leased:{sid}"
            self.jobs[job_id].claim = token

    def after_claim(self, sid: str, n: int, *, claims: bool, quiet: bool, got: int) -> None:
        """The mark of the session set apart, and who is idle."""
        if self.alone == sid and (quiet or (not claims and not self.held(sid))):
            self.alone = None
        if self.standing(sid) == "CORDONED" or self.alone == sid:
            self.idle.discard(sid)
        elif not got and n > 0:
            self.idle.add(sid)

    # -- whole transitions

    def leave(self, sid: str) -> int:
        """How many jobs are given back."""
        given_back = 0
        held = self.held(sid)
        for job_id in held:
            self.freed(job_id)
        for job_id in held:
            if not self.cancel_pending(job_id):
                self.note(job_id, "left", 0, WORKER)
                self.make_ready(job_id)
                given_back += 1
        self.counts["released"] += given_back
        self.sessions.pop(sid, None)
        self.cordons.pop(sid, None)
        self.idle.discard(sid)
        self.forget_lanes(sid)
        if self.alone == sid:
            self.alone = None
        return given_back

    def cancel(self, job_id: str) -> str:
        """The verdict."""
        job = self.jobs.get(job_id)
        if job is None:
            return "unknown"
        if job.place == "dead":
            return "dead"
        if job.place.startswith("leased:"):
            if not job.cancel:
                self.note(job_id, "cancelling")
            job.cancel = True
            return "cancelling"
        self.drop(job_id, "cancelled")
        return "cancelled"

    def cordon(self, sid: str, ttl_ms: int) -> None:
        live = {key: at for key, at in self.cordons.items() if at > self.now_ms}
        if ttl_ms:
            live[sid] = self.now_ms + ttl_ms
        elif live.pop(sid, None) and sid in self.sessions:
            self.idle.add(sid)
        self.cordons = live

    # -- what must hold

    def places(self) -> dict[str, str]:
        return {job_id: job.place for job_id, job in self.jobs.items()}

    def takeable(self) -> int:
        """Jobs that an idle session could have now."""
        return len(self.waiting()) + (0 if self.alone else len(self.suspects()))

    def balance(self, counts: Mapping[str, int]) -> int:
        """Enqueued less what has ended less what is here; 0 or jobs were lost or made."""
        return counts["enqueued"] - counts["completed"] - counts["cancelled"] - len(self.jobs)
