"""Status, conditions and events: what follows from a reconcile, when it is written, and what it must never hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from headrace_operator.api.redact import for_people, redact
from headrace_operator.api.status import BreakerStatus, ReplayStatus, WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue, load_worker_queue, read_worker_queue
from headrace_operator.core.conditions import ConditionType, condition
from headrace_operator.core.decide import decide
from headrace_operator.core.events import events
from headrace_operator.core.history import History
from headrace_operator.core.observation import Observation, Totals, Unavailable, Unknown
from headrace_operator.core.rollout import plan_rollout
from headrace_operator.core.summary import STATUS_SECONDS, summarise, summarise_refused, worth_writing
from headrace_operator.seams.objects import EventKind
from headrace_operator.seams.runtime import VersionState
from support.bad_queues import good_queue, patched

NOW = 1_900_000_000.0
RUNNING = VersionState("new", desired=2, ready=2, terminating=0, created=2.0, app="mail.tasks:app")
QUIET = Observation(Totals(ready=60, leased=40, startable=60), (RUNNING,), "new")
DOWN = replace(QUIET, stats=Unavailable(Unknown.ACCESS_DENIED, "redis://me:s3cret@redis:6379 said WRONGPASS"))
DEAD = replace(QUIET, stats=Totals(ready=60, leased=40, startable=60, dead=5, oldest_dead=NOW - 9))


def queue_of(**patch: object) -> WorkerQueue:
    paths = {path.replace("__", "."): value for path, value in patch.items()}
    return read_worker_queue(patched(good_queue(), {"metadata.generation": 7} | paths))


def status_of(
    seen: Observation,
    previous: WorkerQueueStatus | None = None,
    now: float = NOW,
    queue: WorkerQueue | None = None,
    replay: ReplayStatus | None = None,
    breaker: BreakerStatus | None = None,
) -> WorkerQueueStatus:
    """What a reconcile at `now` would report; the fleet had two workers for a long time."""
    queue = queue or queue_of()
    decision = decide(queue.spec, seen, History.begin(NOW - 9999, 2), now)
    plan = plan_rollout(seen.versions, seen.target, decision.desired, max_surge=1, max_replicas=8)
    return summarise(queue, previous, seen=seen, decision=decision, plan=plan, replay=replay, breaker=breaker, now=now)


def reasons(status: WorkerQueueStatus) -> dict[str, tuple[str, str]]:
    return {one.type: (one.status, one.reason) for one in status.conditions}


def told(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> list[tuple[EventKind, str]]:
    return [(event.kind, event.reason) for event in events(old, new)]


def test_a_quiet_fleet() -> None:
    status = status_of(QUIET)
    assert status.document() == {
        "observedGeneration": 7,
        "replicas": 2,
        "readyReplicas": 2,
        "selector": "headrace.dev/queue=emails",
        "queue": {"ready": 60, "scheduled": 0, "leased": 40, "dead": 0},
        "deadLetters": {"total": 0, "byReason": []},
        "versions": [
            {
                "hash": "new",
                "app": "mail.tasks:app",
                "image": "example.org/mail:1.2",
                "desired": 2,
                "ready": 2,
                "terminating": 0,
                "phase": "Current",
            }
        ],
        "lastDecision": {
            "time": "2030-03-17T17:46:40Z",
            "desired": 2,
            "reason": "Backlog",
            "message": "100 jobs (60 ready, 0 due, 40 leased) at 50 per worker call for 2 workers",
            "inputs": {
                "demand": 100,
                "ready": 60,
                "due": 0,
                "leased": 40,
                "scheduled": 0,
                "currentReplicas": 2,
                "backlogPerReplica": 50,
            },
        },
        "decisions": status.document()["decisions"],
        "conditions": status.document()["conditions"],
    }
    assert reasons(status) == {
        "Ready": ("True", "Accepted"),
        "Progressing": ("False", "UpToDate"),
        "Active": ("True", "WorkersWanted"),
        "Paused": ("False", "NotPaused"),
        "DeadLettersPresent": ("False", "NoDeadLetters"),
        "RedisAvailable": ("True", "Reachable"),
    }
    assert {one.observed_generation for one in status.conditions} == {7}


OTHER = VersionState("old", desired=1, ready=1, terminating=1, created=1.0)
SIGHTS: list[tuple[str, Observation, str, tuple[str, str]]] = [
    (
        "rolling out",
        replace(QUIET, versions=(OTHER, replace(RUNNING, desired=1, ready=1))),
        "Progressing",
        ("True", "RollingOut"),
    ),
    ("starting", replace(QUIET, versions=(replace(RUNNING, ready=1),)), "Progressing", ("True", "Scaling")),
    (
        "failing",
        replace(QUIET, versions=(replace(RUNNING, ready=0, failing="x"),)),
        "Progressing",
        ("False", "VersionFailing"),
    ),
    ("idle", replace(QUIET, stats=Totals(), versions=()), "Active", ("False", "ScaledToZero")),
    ("paused in Redis", replace(QUIET, stats=Totals(paused=("emails",))), "Paused", ("True", "PausedInRedis")),
    ("dead letters", DEAD, "DeadLettersPresent", ("True", "DeadLetters")),
    ("Redis refuses", DOWN, "RedisAvailable", ("False", "AccessDenied")),
    (
        "never read",
        replace(QUIET, stats=Unavailable(Unknown.NOT_YET_READ, "")),
        "RedisAvailable",
        ("Unknown", "NotYetRead"),
    ),
    ("dead letters unknown", DOWN, "DeadLettersPresent", ("Unknown", "StatsUnavailable")),
    ("an outage is no fault of the spec", DOWN, "Ready", ("True", "Accepted")),
    ("not ours", replace(QUIET, owned_by="c/ns/other"), "Ready", ("False", "QueueOwnedElsewhere")),
]


@pytest.mark.parametrize(("name", "seen", "kind", "expected"), SIGHTS, ids=[row[0] for row in SIGHTS])
def test_conditions(name: str, seen: Observation, kind: str, expected: tuple[str, str]) -> None:
    assert reasons(status_of(seen))[kind] == expected, name


def test_pause_by_spec() -> None:
    assert reasons(status_of(QUIET, queue=queue_of(spec__paused=True)))["Paused"] == ("True", "PausedBySpec")


def test_a_transition_time_moves_with_the_status_only() -> None:
    first = status_of(QUIET)
    second = status_of(replace(DEAD, dead_by_reason={"KeyError": 5}), first, NOW + 60)
    third = status_of(replace(DEAD, stats=Totals(dead=9)), second, NOW + 120)
    times = [condition(status, ConditionType.DEAD_LETTERS_PRESENT) for status in (first, second, third)]
    assert [one.last_transition_time for one in times if one] == [
        "2030-03-17T17:46:40Z",
        "2030-03-17T17:47:40Z",
        "2030-03-17T17:47:40Z",
    ]


def test_what_is_unknown_stays_as_it_was_seen() -> None:
    before = status_of(replace(DEAD, dead_by_reason={"KeyError": 5}))
    after = status_of(DOWN, before, NOW + 5)
    assert (after.queue, after.dead_letters) == (before.queue, before.dead_letters)
    assert reasons(after)["DeadLettersPresent"] == ("True", "DeadLetters")
    assert after.last_decision is not None
    assert after.last_decision.inputs.demand is None


def test_no_secret_gets_into_a_status() -> None:
    seen = replace(DOWN, dead_by_reason={"redis://a:s3cret@b": 1})
    for status in (status_of(seen), summarise_refused(None, "spec.redis.url: redis://a:s3cret@b", 3, NOW)):
        assert "s3cret" not in json.dumps(status.document())
        assert all("s3cret" not in event.message for event in events(None, status))


def test_lists_are_bounded() -> None:
    versions = tuple(replace(OTHER, hash=f"v{number}", created=number) for number in range(9))
    seen = replace(
        DEAD, versions=(*versions, RUNNING), dead_by_reason={f"Error{number}": number for number in range(30)}
    )
    status = status_of(seen)
    for number in range(20):
        crowd = replace(QUIET, stats=Totals(ready=number % 2 * 400, startable=number % 2 * 400))
        status = status_of(replace(seen, stats=crowd.stats), status, NOW + number)
    assert [version.hash for version in status.versions] == ["new", "v8", "v7", "v6", "v5"]
    assert status.dead_letters is not None
    assert [one.reason for one in status.dead_letters.by_reason][:2] == ["Error29", "Error28"]
    assert (len(status.dead_letters.by_reason), len(status.decisions)) == (10, 10)
    assert status.decisions[0] == status.last_decision


def test_a_decision_keeps_its_time_while_it_stands() -> None:
    first = status_of(QUIET)
    second = status_of(replace(QUIET, stats=Totals(ready=99, startable=99)), first, NOW + 60)
    assert first.last_decision is not None
    assert second.last_decision is not None
    assert second.last_decision.time == first.last_decision.time
    assert second.last_decision.inputs.ready == 99
    assert len(second.decisions) == 1


def test_nothing_new_is_never_written() -> None:
    status = status_of(QUIET)
    assert not worth_writing(status, status_of(QUIET, status, NOW + 999), NOW, NOW + 999)


def test_mere_numbers_wait() -> None:
    old = status_of(QUIET)
    new = status_of(replace(QUIET, stats=Totals(ready=61, leased=39, startable=61)), old, NOW + 5)
    assert new != old
    assert not worth_writing(old, new, NOW, NOW + STATUS_SECONDS - 1)
    assert worth_writing(old, new, NOW, NOW + STATUS_SECONDS)
    assert worth_writing(old, new, None, NOW)


TRANSITIONS: list[tuple[str, Observation, dict[str, Any]]] = [
    ("Redis went away", DOWN, {}),
    ("the first dead letter", DEAD, {}),
    ("more workers are wanted", replace(QUIET, stats=Totals(ready=999, startable=999)), {}),
    ("a worker is not ready any more", replace(QUIET, versions=(replace(RUNNING, ready=1),)), {}),
    ("paused", QUIET, {"spec__paused": True}),
    ("a new generation", QUIET, {"metadata__generation": 8}),
]


@pytest.mark.parametrize(("name", "seen", "patch"), TRANSITIONS, ids=[row[0] for row in TRANSITIONS])
def test_transitions_are_written_at_once(name: str, seen: Observation, patch: dict[str, Any]) -> None:
    old = status_of(QUIET)
    new = status_of(seen, old, NOW + 1, queue_of(**patch))
    assert worth_writing(old, new, NOW, NOW + 1), name
    assert worth_writing(None, new, None, NOW)


def test_a_refused_spec_keeps_the_rest() -> None:
    before = status_of(DEAD)
    after = summarise_refused(before, "spec.scaling.maxReplicas: must be ≥ 1, got 0", 8, NOW + 1)
    assert reasons(after) == reasons(before) | {"Ready": ("False", "InvalidSpec")}
    assert (after.observed_generation, after.versions, after.queue) == (8, before.versions, before.queue)
    assert told(before, after) == [(EventKind.WARNING, "InvalidSpec")]
    assert told(after, status_of(DEAD, after, NOW + 2)) == [(EventKind.NORMAL, "Accepted")]


def replay(phase: str, **more: Any) -> ReplayStatus:
    return ReplayStatus(request_id="r1", request="all", phase=phase, **more)


def test_a_replay_has_a_condition_and_events() -> None:
    none = status_of(QUIET)
    accepted = status_of(QUIET, none, replay=replay("Accepted"))
    running = status_of(QUIET, accepted, replay=replay("Running", replayed=3))
    done = status_of(QUIET, running, replay=replay("Completed", message="12 replayed"))
    refused = status_of(QUIET, none, replay=replay("Refused", message="'al' is no word"))
    assert [reasons(one).get("Replaying") for one in (none, accepted, running, done, refused)] == [
        None,
        ("True", "Accepted"),
        ("True", "Running"),
        ("False", "Completed"),
        ("False", "Refused"),
    ]
    assert told(none, accepted) == [(EventKind.NORMAL, "ReplayAccepted")]
    assert told(accepted, running) == []
    assert told(running, done) == [(EventKind.NORMAL, "ReplayFinished")]
    assert told(none, refused) == [(EventKind.WARNING, "ReplayRefused")]
    assert status_of(QUIET, done).replay == done.replay


CLOSED = BreakerStatus(state="Closed")
LOOP = BreakerStatus(
    state="Open", reason="CrashLoop", message="2 of 2 workers crash", since_time="2030-03-17T17:46:00Z"
)
SPIKE = LOOP.model_copy(update={"reason": "FailureSpike", "message": "9 of 9 runs failed", "usual_percent": 1.5})
CLEAR = LOOP.model_copy(update={"clear_time": "2030-03-17T17:46:30Z", "retry_time": "2030-03-17T17:48:30Z"})
OPENED, ENDED = (EventKind.WARNING, "BreakerOpened"), (EventKind.NORMAL, "BreakerClosed")

TRIPS: list[tuple[str, BreakerStatus | None, BreakerStatus | None, list[tuple[EventKind, str]], bool]] = [
    ("nothing yet", None, CLOSED, [], True),
    ("closed", CLOSED, CLOSED, [], False),
    ("it opens", CLOSED, LOOP, [OPENED], True),
    ("it is open from the first", None, LOOP, [OPENED], True),
    ("it stays open", LOOP, LOOP, [], False),
    ("with other numbers", LOOP, LOOP.model_copy(update={"message": "3 of 3 workers crash"}), [], False),
    ("for another reason", LOOP, SPIKE, [OPENED], True),
    ("its reason is gone", LOOP, CLEAR, [], True),
    ("and comes back", CLEAR, LOOP, [], True),
    ("it closes", CLEAR, CLOSED, [ENDED], True),
    ("it is disabled", LOOP, None, [ENDED], True),
    ("there is none", None, None, [], False),
]


@pytest.mark.parametrize(("name", "before", "after", "expected", "at_once"), TRIPS, ids=[row[0] for row in TRIPS])
def test_a_breaker_tells_of_transitions_only(
    name: str,
    before: BreakerStatus | None,
    after: BreakerStatus | None,
    expected: list[tuple[EventKind, str]],
    at_once: bool,
) -> None:
    old = status_of(QUIET, breaker=before)
    new = status_of(QUIET, old, NOW + 1, breaker=after)
    assert told(old, new) == expected, name
    assert worth_writing(old, new, NOW, NOW + 1) is at_once


def test_a_breaker_has_a_condition_and_says_why() -> None:
    shown = [reasons(status_of(QUIET, breaker=one)).get("BreakerOpen") for one in (None, CLOSED, LOOP, SPIKE)]
    assert shown == [None, ("False", "BreakerClosed"), ("True", "CrashLoop"), ("True", "FailureSpike")]
    found = condition(status_of(QUIET, breaker=SPIKE), ConditionType.BREAKER_OPEN)
    assert found is not None
    assert (found.message, found.observed_generation) == ("9 of 9 runs failed", 7)
    closed, open_ = status_of(QUIET, breaker=CLOSED), status_of(QUIET, breaker=LOOP)
    messages = [event.message for event in (*events(closed, open_), *events(open_, closed))]
    assert messages == [
        "2 of 2 workers crash (CrashLoop); no workers are added",
        "no more CrashLoop; workers may be added again",
    ]
    [event] = events(open_, status_of(QUIET, breaker=None))
    assert event.message == "the spec has no breaker any more; workers may be added again"


EVENTS: list[tuple[str, Observation, Observation, list[tuple[EventKind, str]]]] = [
    ("nothing happened", QUIET, QUIET, []),
    ("other numbers", QUIET, replace(QUIET, stats=Totals(ready=99, startable=99)), []),
    ("scaled", QUIET, replace(QUIET, stats=Totals(ready=150, startable=150)), [(EventKind.NORMAL, "Scaled")]),
    ("Redis went away", QUIET, DOWN, [(EventKind.WARNING, "RedisUnavailable")]),
    ("and stays away", DOWN, DOWN, []),
    ("Redis came back", DOWN, QUIET, [(EventKind.NORMAL, "RedisAvailable")]),
    ("dead letters", QUIET, DEAD, [(EventKind.WARNING, "DeadLettersGrew")]),
    ("no more of them", DEAD, DEAD, []),
    ("none left", DEAD, QUIET, [(EventKind.NORMAL, "DeadLettersGone")]),
    (
        "paused",
        QUIET,
        replace(QUIET, stats=replace(Totals(leased=90), paused=("emails",))),
        [(EventKind.NORMAL, "Paused")],
    ),
    ("rollout begins", QUIET, SIGHTS[0][1], [(EventKind.NORMAL, "RolloutStarted")]),
    ("rollout ends", SIGHTS[0][1], QUIET, [(EventKind.NORMAL, "RolloutFinished")]),
    ("the new version fails", SIGHTS[0][1], SIGHTS[2][1], [(EventKind.WARNING, "VersionFailing")]),
    ("owned elsewhere", QUIET, SIGHTS[-1][1], [(EventKind.WARNING, "QueueOwnedElsewhere")]),
]


@pytest.mark.parametrize(("name", "before", "after", "expected"), EVENTS, ids=[row[0] for row in EVENTS])
def test_events(name: str, before: Observation, after: Observation, expected: list[tuple[EventKind, str]]) -> None:
    old = status_of(before)
    assert told(old, status_of(after, old, NOW + 1)) == expected, name


def test_the_first_status_of_a_sleeping_fleet_tells_nothing() -> None:
    asleep = replace(QUIET, stats=Totals(), versions=(replace(RUNNING, desired=0, ready=0),))
    assert told(None, status_of(asleep)) == []


REDACTED = [
    ("redis://user:pw@host:6379/0 refused", "redis://***@host:6379/0 refused"),
    ("rediss://:p@ss/w@host", "rediss://***@host"),
    ("redis://host:6379/0?password=pw&db=1", "redis://host:6379/0?password=***&db=1"),
    ("redis://host and redis://a:b@c", "redis://host and redis://***@c"),
    ("nothing at ada@example.org", "nothing at ada@example.org"),
]


@pytest.mark.parametrize(("text", "shown"), REDACTED)
def test_redact(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_text_for_people_is_one_bounded_line() -> None:
    assert for_people("a\n  b\tc") == "a b c"
    assert for_people("x" * 2000) == "x" * 1023 + "…"


def test_a_status_survives_the_api_server() -> None:
    status = status_of(replace(DEAD, dead_by_reason={"KeyError": 5}), breaker=SPIKE)
    body = json.loads(json.dumps(good_queue() | {"status": status.document()}))
    assert read_worker_queue(body).status == status
    assert load_worker_queue(body).status is None


@pytest.mark.parametrize(("grace", "too_long"), [(30, False), (585, False), (586, True), (3600, True)])
def test_a_grace_that_the_cluster_autoscaler_cuts_short_is_pointed_out(grace: int, too_long: bool) -> None:
    status = status_of(QUIET, queue=queue_of(spec__drain__graceSeconds=grace))
    found = condition(status, ConditionType.DRAIN_GRACE_TOO_LONG)
    assert (found is not None) == too_long
    if found is not None:
        assert (found.status, found.reason) == ("True", "OverAutoscalerLimit")
        assert f"graceSeconds of {grace} lets a pod end within {grace + 15} s" in found.message


def test_what_a_replay_says_is_written_at_once_and_how_far_it_is_later() -> None:
    """An operator that goes on with one may not live for long."""
    replay = ReplayStatus(request_id="r1", request="all", phase="Running", replayed=1)
    old = status_of(QUIET).model_copy(update={"replay": replay})
    further = old.model_copy(update={"replay": replay.model_copy(update={"replayed": 2})})
    said = {"replayed": 2, "message": "goes on; 2 were replayed before"}
    goes_on = old.model_copy(update={"replay": replay.model_copy(update=said)})
    assert not worth_writing(old, further, NOW, NOW + 1)
    assert worth_writing(old, goes_on, NOW, NOW + 1)
