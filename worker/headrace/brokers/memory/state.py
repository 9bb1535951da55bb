"""One queue's data, by the names of contract/keys.py, and its clock. Holds no rule but how time is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headrace.brokers.memory.clock import Clock
from headrace.brokers.memory.fading import Fading
from headrace.brokers.memory.scored import Scored
from headrace.contract.entry import Mark, Standing
from headrace.contract.envelope import DeathRecord
from headrace.contract.protocol import Priority
from headrace.contract.stats import PlannedTick

PRIORITIES = tuple(Priority)
Rule = tuple[int, int, int]
"""Concurrency (0: any), interval µs between starts (0: any rate), burst."""


@dataclass(frozen=True)
class Death:
    """Why a job is dead."""

    task: str
    reason: str
    record: DeathRecord


@dataclass
class Session:
    """A worker's; `own`: what it holds, id → claim."""

    presence: bytes
    rules: Mapping[str, Rule]
    own: dict[str, str] = field(default_factory=dict)
    lanes: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    """Lane → its last seq, and the ids that were refused then."""
    said: bytes = b""
    """Progress of its jobs, as kept with its last renewal that had some …"""
    said_until: int = 0
    """… until then, Unix ms."""


@dataclass
class QueueState:
    """Ids in their places, exactly one each; what is known of them; sessions; counters."""

    clock: Clock
    tell: Callable[[str, bytes], None]
    """Publish on one of the queue's channels."""
    jobs: dict[str, bytes] = field(default_factory=dict)
    sched: Scored = field(default_factory=Scored)
    ready: dict[Priority, Scored] = field(default_factory=lambda: {p: Scored() for p in PRIORITIES})
    suspects: Scored = field(default_factory=Scored)
    prio: dict[str, Priority] = field(default_factory=dict)
    crash: dict[str, int] = field(default_factory=dict)
    cancel: set[str] = field(default_factory=set)
    parked: dict[str, Scored] = field(default_factory=dict)
    """Limit key → the ids it has parked, by ready-at."""
    running: dict[str, set[str]] = field(default_factory=dict)
    """Limit key → its leased ids."""
    tats: Fading[tuple[int, str, int]] = field(default_factory=Fading)
    """Limit key → theoretical arrival time of its rate, µs, the rule's name and its interval."""
    rules: bytes = b""
    """Of who joined last …"""
    whole: Rule | None = None
    """… and among them the queue's own."""
    whole_tat: int = 0
    kdue: Scored = field(default_factory=Scored)
    marks: dict[str, Mark] = field(default_factory=dict)
    sess: Scored = field(default_factory=Scored)
    reaping: Scored = field(default_factory=Scored)
    sessions: dict[str, Session] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)
    tokens: int = 0
    """Wake tokens that nobody has taken."""
    dead: Scored = field(default_factory=Scored)
    deaths: dict[str, Death] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)
    versions: dict[str, Counter[str]] = field(default_factory=dict)
    credit: dict[Priority, float] = field(default_factory=dict)
    ticks: dict[str, PlannedTick] = field(default_factory=dict)
    keep: dict[str, int] = field(default_factory=dict)
    schemas: dict[str, bytes] = field(default_factory=dict)
    results: Fading[bytes] = field(default_factory=Fading)
    kept: dict[str, Scored] = field(default_factory=dict)
    given: Fading[str] = field(default_factory=Fading)
    """Given job id → the fingerprint it came with."""
    uniques: Fading[str] = field(default_factory=Fading)
    """Unique key → the job that holds it."""
    producers: dict[str, tuple[int, dict[int, Standing]]] = field(default_factory=dict)
    paused: bool = False
    alone: str | None = None
    lease_ms: int = 30_000
    tick_us: int = 0
    """When a worker or a producer last had to do with it."""
    reap_after: int = 0
    spares_until: int = 0
    """`reap_after` as this call sees it."""
    now_us: int = 0
    """The time of the call under way."""
    us: int = 0
    """The order of changes: each takes a microsecond, so that none is at the same time as another."""

    @property
    def ms(self) -> int:
        """The time of the call under way, Unix ms."""
        return self.now_us // 1000

    def read_clock(self) -> None:
        """Never behind what the queue has seen. After a gap of half a lease none expires for a whole one."""
        self.now_us = max(self.clock.now_us(), self.tick_us)
        gap = self.tick_us and self.now_us - self.tick_us > self.lease_ms * 500
        self.spares_until = self.ms + self.lease_ms if gap else self.reap_after
        self.us = max(self.us + 1, self.now_us)

    def save_clock(self) -> None:
        """The next gap is counted from here."""
        self.tick_us, self.reap_after = self.now_us, self.spares_until

    def next_us(self) -> int:
        """The moment of one more change of place."""
        self.us += 1
        return self.us

    def of_version(self, version: str) -> Counter[str]:
        """Its counters."""
        return self.versions.setdefault(version, Counter())

    def task_of(self, job_id: str) -> str:
        """By the header of its value; '' for a job that is gone."""
        value = self.jobs.get(job_id, b"")
        return value[4 : 4 + value[3]].decode(errors="replace") if value else ""
