"""One sentence per state, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.admin.explain import explain
from headrace.admin.job_view import JobView, KeyView
from headrace.contract.protocol import State
from headrace.contract.stats import QueueStats, WorkerPresence

NOW = 1_700_000_000_000


def _worker(**said: Any) -> WorkerPresence:
    usual = {"sid": "s1", "worker": "pod-1", "version": "v1", "slots": 10, "running": 0, "draining": False}
    return WorkerPresence(**{**usual, "protocol": 1, "started_ms": 0, "expires_ms": NOW + 20_000, **said})


def _stats(*workers: WorkerPresence, **said: Any) -> QueueStats:
    return QueueStats(queue="q", now_ms=NOW, workers=workers, **said)


def _view(state: State, **said: Any) -> JobView:
    return JobView(id="a", queue="q", state=state, **said)


READY = _view(State.READY, since_ms=NOW - 5000)

CASES = {
    "delayed": (_view(State.SCHEDULED, due_ms=NOW + 30_000), _stats(), "waits for its time, due in 30 s"),
    "retry": (
        _view(State.SCHEDULED, due_ms=NOW + 600_000, attempts=1),
        _stats(),
        "waits for a retry after 1 failed attempt, due in 10 min",
    ),
    "overdue": (_view(State.SCHEDULED, due_ms=NOW - 2000), _stats(_worker()), "fell due 2 s ago and is claimed next."),
    "overdue, nobody": (
        _view(State.SCHEDULED, due_ms=NOW - 2000),
        _stats(),
        "claimed next, but no worker of this queue is running.",
    ),
    "paused": (READY, _stats(_worker(), paused=True), "but the queue is paused (headrace resume q)"),
    "no worker": (READY, _stats(), "ready for 5 s, but no worker of this queue is running"),
    "asleep": (READY, _stats(asleep=True), "sleeps and no worker has been started yet"),
    "silent worker": (READY, _stats(_worker(expires_ms=NOW - 1)), "no worker of this queue is running"),
    "draining": (READY, _stats(_worker(draining=True)), "its only worker is draining"),
    "cordoned": (
        READY,
        _stats(_worker(draining=True), _worker(cordoned=True)),
        "all of its 2 workers are cordoned or draining",
    ),
    "suspect": (
        _view(State.READY, since_ms=NOW, suspect=True, crashes=2),
        _stats(_worker()),
        "its worker died 2 times while running it, so it runs alone",
    ),
    "busy": (READY, _stats(_worker(running=10), ready=7), "all 10 slots of 1 worker are busy, 7 jobs ready"),
    "next": (READY, _stats(_worker(running=4), ready=7), "claimed next: 6 of 10 slots are free"),
    "leased": (_view(State.LEASED, holder_sid="s1", holder="pod-1"), _stats(_worker()), "claimed by worker pod-1"),
    "cancelling": (
        _view(State.LEASED, holder_sid="s1", holder="pod-1", cancel_requested=True),
        _stats(_worker()),
        "its cancellation was asked for",
    ),
    "expired": (
        _view(State.LEASED, holder_sid="s1", holder="pod-1"),
        _stats(_worker(expires_ms=NOW)),
        "pod-1, which has been silent for longer than its lease",
    ),
    "reaping": (_view(State.LEASED, holder_sid="s1"), _stats(), "lease has ended"),
    "parked": (
        _view(State.PARKED, limit=KeyView("customer:7", 2, 9, ahead=0)),
        _stats(_worker()),
        "It waits for a slot of its limit key 'customer:7': 2 jobs of it run; it is the next.",
    ),
    "parked behind others": (
        _view(State.PARKED, limit=KeyView("k", 1, 9, ahead=3)),
        _stats(paused=True),
        "key 'k': 1 job of it runs; 3 jobs of the key before it, but the queue is paused",
    ),
    "parked by a rate": (
        _view(State.PARKED, limit=KeyView("k", 0, 9, ahead=1, due_ms=NOW + 4000)),
        _stats(_worker()),
        "waits for the rate of its limit key 'k', which lets a job go in 4 s; 1 job of the key before it.",
    ),
    "parked, its rate lets go": (
        _view(State.PARKED, limit=KeyView("k", 0, 9, ahead=0, due_ms=NOW - 4000)),
        _stats(),
        "which lets a job go now; it is the next, but no worker of this queue is running.",
    ),
    "awaiting": (
        _view(State.AWAITING, waits_for=7, waits_for_ids=("x", "y")),
        _stats(),
        "begins when 7 steps before it in its workflow, x, y and others, will be done",
    ),
    "awaiting, its gate lost": (_view(State.AWAITING), _stats(), "headrace audit --repair makes it a dead letter"),
    "parked, its mark lost": (_view(State.PARKED), _stats(), "headrace audit --repair makes it ready"),
    "held by the queue's rate": (
        READY,
        _stats(_worker(), held=7, next_due_ms=NOW + 3000),
        "ready for 5 s, but the queue's own rate is used up, which lets a job go in 3 s; 7 jobs held back.",
    ),
    "dead": (
        _view(State.DEAD, reason="OSError"),
        _stats(),
        "died (OSError): it runs again only when replayed (headrace dlq replay q --id a).",
    ),
    "done": (_view(State.DONE), _stats(), "done"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_sentence(name: str) -> None:
    view, stats, expected = CASES[name]
    said = explain(view, stats)
    assert expected in said
    assert said.startswith(("It ", "Its "))
    assert said.endswith(".")
    assert "\n" not in said
