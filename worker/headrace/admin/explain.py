"""Answers "why isn't my job running?" in one sentence, for each state. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from headrace.admin.job_view import JobView
from headrace.contract.protocol import State
from headrace.contract.stats import QueueStats, WorkerPresence
from headrace.contract.trail import Happened


def explain(view: JobView, stats: QueueStats) -> str:
    """One sentence about `view`, given the queue's numbers at about the same time."""
    match view.state:
        case State.SCHEDULED:
            return _scheduled(view, stats)
        case State.READY:
            return _ready(view, stats)
        case State.LEASED:
            return _leased(view, stats)
        case State.PARKED | State.AWAITING:
            return _parked(view, stats) if view.state is State.PARKED else _awaiting(view)
        case State.DEAD:
            return _dead(view, stats)
        case State.DONE:
            return "It was called off." if view.called_off else "It is done; only its result is kept."
        case _:
            assert_never(view.state)


def _scheduled(view: JobView, stats: QueueStats) -> str:
    wait_ms = (view.due_ms or 0) - stats.now_ms
    if wait_ms > 0:
        return f"It waits for {_awaited(view)}, due in {_seconds(wait_ms)}."
    blocked = _blocked(stats)
    return f"It fell due {_seconds(-wait_ms)} ago and is claimed next" + (f", but {blocked}." if blocked else ".")


def _awaited(view: JobView) -> str:
    """What a scheduled job is there for."""
    last = view.transitions[-1] if view.transitions else None
    by = f" on {last.worker}" if last and last.worker else ""
    match last.what if last else None:
        case Happened.LATER:
            return f"another run that its handler asked for{by}"
        case Happened.RETURNED:
            return f"another run after one that failed{by} in a version on trial"
        case Happened.RELEASED:
            return f"another look after it was given back{by}"
    if not view.attempts:
        return "its time"
    retry = f"a retry after {_times(view.attempts, 'failed attempt')}"
    return f"{retry}, the last{by} ({last.error})" if last and last.error else retry


def _since(view: JobView) -> str:
    """What has made it ready, in brackets, if that was out of the ordinary."""
    last = view.transitions[-1] if view.transitions else None
    match last.what if last else None:
        case Happened.LOST:
            return f" (its worker{f' {last.worker}' if last and last.worker else ''} died with it)"
        case Happened.LEFT:
            return " (given back: its worker left)"
        case Happened.REPLAYED:
            return " (replayed)"
        case _:
            return ""


def _ready(view: JobView, stats: QueueStats) -> str:
    waited = f"It has been ready for {_seconds(stats.now_ms - (view.since_ms or stats.now_ms))}"
    blocked = _blocked(stats)
    if not view.suspect:
        waited += _since(view)
    if blocked:
        return f"{waited}, but {blocked}."
    if stats.held and not stats.ready:
        when = (
            ""
            if stats.next_due_ms is None
            else f", which lets a job go in {_seconds(stats.next_due_ms - stats.now_ms)}"
        )
        return f"{waited}, but the queue's own rate is used up{when}; {_times(stats.held, 'job')} held back."
    if view.suspect:
        return (
            f"{waited}; its worker died {_times(view.crashes, 'time')} while running it, so it runs alone "
            "as soon as one worker has finished its other jobs."
        )
    takers = [w for w in _alive(stats) if not w.draining and not w.cordoned]
    slots, running = sum(w.slots for w in takers), sum(w.running for w in takers)
    if running >= slots:
        workers = _times(len(takers), "worker")
        return f"{waited}: all {slots} slots of {workers} are busy, {_times(stats.ready, 'job')} ready."
    free, ready = slots - running, _times(stats.ready, "job")
    return f"{waited} and is claimed next: {free} of {slots} slots are free, {ready} ready."


def _parked(view: JobView, stats: QueueStats) -> str:
    limit = view.limit
    if limit is None:
        return "It is parked, but the record of its limit key is gone: headrace audit --repair makes it ready."
    blocked = _blocked(stats)
    turn = "it is the next" if not limit.ahead else f"{_times(limit.ahead, 'job')} of the key before it"
    if limit.due_ms is not None:
        wait_ms = limit.due_ms - stats.now_ms
        when = f"lets a job go in {_seconds(wait_ms)}" if wait_ms > 0 else "lets a job go now"
        return f"It waits for the rate of its limit key {limit.key!r}, which {when}; {turn}" + (
            f", but {blocked}." if blocked else "."
        )
    running = "1 job of it runs" if limit.running == 1 else f"{limit.running} jobs of it run"
    return f"It waits for a slot of its limit key {limit.key!r}: {running}; {turn}" + (
        f", but {blocked}." if blocked else "."
    )


def _awaiting(view: JobView) -> str:
    if not view.waits_for:
        return (
            "It waits for a step of its workflow whose record is gone: headrace audit --repair makes it a dead letter."
        )
    more = " and others" if view.waits_for > len(view.waits_for_ids) else ""
    begins = (
        f"It begins when {_times(view.waits_for, 'step')} before it in its workflow, "
        f"{', '.join(view.waits_for_ids)}{more}, will be done"
    )
    if view.waits_for_dead:
        one = "is a dead letter and keeps" if len(view.waits_for_dead) == 1 else "are dead letters and keep"
        until = "it is" if len(view.waits_for_dead) == 1 else "they are"
        return f"{begins}; {', '.join(view.waits_for_dead)} {one} it waiting until {until} replayed."
    return f"{begins}; a dead letter among them keeps it waiting until it is replayed."


def _leased(view: JobView, stats: QueueStats) -> str:
    if view.holder is None:
        return "Its worker's lease has ended: the next exchange of another worker makes it ready again."
    session = next((worker for worker in stats.workers if worker.sid == view.holder_sid), None)
    if session is not None and session.expires_ms <= stats.now_ms:
        return (
            f"It was claimed by {view.holder}, which has been silent for longer than its lease; "
            "the next exchange of another worker makes it ready again."
        )
    said = [f"It is claimed by worker {view.holder}: running, or next to run there"]
    if session is not None and session.draining:
        said.append("that worker is draining, so it ends there or is given back")
    if view.progress is not None:
        said.append(f"{_seconds(stats.now_ms - view.progress.at_ms)} ago it was {view.progress.fraction:.0%} done")
    if view.cancel_requested:
        said.append("its cancellation was asked for")
    return "; ".join(said) + "."


def _dead(view: JobView, stats: QueueStats) -> str:
    ago = "" if view.since_ms is None else f" {_seconds(stats.now_ms - view.since_ms)} ago"
    after = f", after {_times(view.attempts, 'failed attempt')}" if view.attempts else ""
    return (
        f"It died{ago} ({view.reason or 'reason lost'}{after}): "
        f"it runs again only when replayed (headrace dlq replay {stats.queue} --id {view.id})."
    )


def _blocked(stats: QueueStats) -> str | None:
    """Why no worker would claim anything now, as the end of a sentence."""
    if stats.paused:
        return f"the queue is paused (headrace resume {stats.queue})"
    alive = _alive(stats)
    if not alive:
        return (
            "the queue sleeps and no worker has been started yet"
            if stats.asleep
            else "no worker of this queue is running"
        )
    if all(worker.draining for worker in alive):
        return _all(alive, "draining")
    if all(worker.draining or worker.cordoned for worker in alive):
        return _all(alive, "cordoned or draining")
    return None


def _alive(stats: QueueStats) -> list[WorkerPresence]:
    return [worker for worker in stats.workers if worker.expires_ms > stats.now_ms]


def _all(workers: Sequence[WorkerPresence], what: str) -> str:
    return f"its only worker is {what}" if len(workers) == 1 else f"all of its {len(workers)} workers are {what}"


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _seconds(ms: int) -> str:
    seconds = max(ms, 0) / 1000
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
