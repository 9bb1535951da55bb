"""The loop's pure parts, as tables."""

from __future__ import annotations

import socket

import pytest
from msgspec import structs

from headrace.contract.stats import QueueStats, WorkerPresence
from headrace.errors import ConfigError, HeadraceError, ProtocolError, QueueFullError, QueueUnavailableError
from headrace.wire.errors import ServerError
from headrace_operator.api.status import ReplayStatus
from headrace_operator.core.decision import Decision, Inputs, Reason
from headrace_operator.core.observation import Observation, Totals, Unavailable, Unknown
from headrace_operator.core.rollout import Phase, Plan, Scale
from headrace_operator.reconcile.carry_out import gone_sessions
from headrace_operator.reconcile.pace import pace
from headrace_operator.reconcile.reading import Reading
from headrace_operator.reconcile.settings import ReconcileSettings
from headrace_operator.reconcile.trouble import explain
from headrace_operator.seams.errors import SecretUnusableError
from headrace_operator.seams.runtime import VersionState


def caused(error: HeadraceError, cause: Exception) -> HeadraceError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (QueueUnavailableError("can't connect to redis://r: Connection refused"), Unknown.UNREACHABLE),
        (QueueUnavailableError("Redis gave no answer within 3 s"), Unknown.TIMED_OUT),
        (QueueUnavailableError("no connection to redis://r within 3 s"), Unknown.TIMED_OUT),
        (caused(QueueUnavailableError("can't connect"), socket.gaierror(-2, "?")), Unknown.NAME_NOT_RESOLVED),
        (QueueUnavailableError("Redis refused the login: wrong or missing password"), Unknown.ACCESS_DENIED),
        (QueueUnavailableError("Redis can't serve now: LOADING"), Unknown.NOT_SERVING),
        (ServerError("NOPERM this user has no permissions"), Unknown.ACCESS_DENIED),
        (ServerError("WRONGTYPE Operation against a key"), Unknown.WRONG_DATA),
        (ServerError("ERR something else"), Unknown.NOT_SERVING),
        (QueueFullError("full"), Unknown.NOT_SERVING),
        (ProtocolError("UPGRADE"), Unknown.PROTOCOL_MISMATCH),
        (SecretUnusableError("there is no Secret mail"), Unknown.SECRET_UNUSABLE),
        (ConfigError("key url of Secret mail: not a URL"), Unknown.SECRET_UNUSABLE),
        (ValueError("undecodable"), Unknown.WRONG_DATA),
    ],
)
def test_why_numbers_are_unknown(error: Exception, reason: Unknown) -> None:
    assert explain(error).reason == reason


def test_an_explanation_is_one_line_without_passwords() -> None:
    told = explain(QueueUnavailableError("can't connect to\nredis://user:secret@host:6379/0"))
    assert told.message == "can't connect to redis://***@host:6379/0"


def presence(sid: str, worker: str, *, version: str = "v1", started: int = 1) -> WorkerPresence:
    return WorkerPresence(
        sid=sid, worker=worker, version=version, slots=1, running=0, draining=False, protocol=1, started_ms=started
    )


@pytest.mark.parametrize(
    ("workers", "seen", "exist", "gone"),
    [
        ([presence("s1", "a")], {"a"}, {"a"}, []),
        ([presence("s1", "a")], {"a"}, set(), ["s1"]),
        ([presence("s1", "a")], set(), set(), []),
        ([presence("s1", "a", version="")], {"a"}, set(), []),
        ([presence("s1", "a", started=1), presence("s2", "a", started=2)], {"a"}, {"a"}, ["s1"]),
        ([presence("s1", "a"), presence("s2", "b")], {"a", "b"}, {"b"}, ["s1"]),
    ],
    ids=["runs", "gone", "never seen", "by hand", "started anew", "one of two"],
)
def test_gone_sessions(workers: list[WorkerPresence], seen: set[str], exist: set[str], gone: list[str]) -> None:
    assert gone_sessions(QueueStats(queue="q", now_ms=0, workers=tuple(workers)), seen, exist) == gone


def test_a_reading_tells_when_the_next_job_is_due() -> None:
    stats = QueueStats(queue="q", now_ms=10_000, next_due_ms=12_500)
    assert Reading(stats, read_at=100).due_at == 102.5
    assert Reading(QueueStats(queue="q", now_ms=10_000), read_at=100).due_at is None
    assert Reading(Unavailable(Unknown.TIMED_OUT, "")).due_at is None


def test_a_reading_that_only_got_older_tells_nothing_new() -> None:
    old = Reading(QueueStats(queue="q", now_ms=1, ready=3, workers=(presence("s", "a"),)), read_at=1)
    assert not Reading(
        QueueStats(queue="q", now_ms=2, ready=3, workers=(presence("s", "a"),)), read_at=2
    ).tells_more_than(old)
    assert Reading(QueueStats(queue="q", now_ms=2, ready=4), read_at=2).tells_more_than(old)
    cordoned = structs.replace(presence("s", "a"), cordoned=True)
    assert Reading(QueueStats(queue="q", now_ms=2, ready=3, workers=(cordoned,)), read_at=2).tells_more_than(old)
    assert Reading(Unavailable(Unknown.TIMED_OUT, "")).tells_more_than(old)
    assert Reading(old.stats, {"ValueError": 1}).tells_more_than(old)


SETTINGS = ReconcileSettings(rest=10, moving=0.5)
CALM = Plan((), Phase.COMPLETE, "")


def decided(next_eligible: float | None = None) -> Decision:
    return Decision(1, Reason.BACKLOG, "", Inputs(1, 10), 1, None, next_eligible)


def seen(terminating: int = 0) -> Observation:
    return Observation(Totals(), (VersionState("v", 1, 1, terminating),))


READY = Observation(Totals(), (VersionState("v", 1, 1, 0),))
STARTING = Observation(Totals(), (VersionState("v", 1, 0, 0),))
RUNNING = ReplayStatus(request_id="r", request="all", phase="Running")


@pytest.mark.parametrize(
    ("plan", "decision", "what", "replay", "seconds"),
    [
        (CALM, decided(), seen(), None, 10),
        (CALM, decided(1003), seen(), None, 3),
        (CALM, decided(1020), seen(), None, 10),
        (CALM, decided(900), seen(), None, 0.02),
        (CALM, decided(), seen(1), None, 0.5),
        (CALM, decided(), seen(), RUNNING, 0.5),
        (CALM, decided(), seen(), RUNNING.model_copy(update={"phase": "Completed"}), 10),
        (Plan((), Phase.SCALING, ""), decided(1003), seen(), None, 0.5),
        (Plan((), Phase.CANARY, ""), decided(), seen(), None, 0.5),
        (Plan((), Phase.CANARY, ""), decided(), Observation(Totals()), None, 10),
        (Plan((), Phase.ROLLED_BACK, ""), decided(), STARTING, None, 0.5),
        (Plan((), Phase.ROLLED_BACK, ""), decided(), READY, None, 10),
        (Plan((Scale("v", 2),), Phase.SCALING, ""), decided(), seen(), None, 0.02),
    ],
)
def test_when_to_look_again(
    plan: Plan, decision: Decision, what: Observation, replay: ReplayStatus | None, seconds: float
) -> None:
    assert pace(plan, decision, what, replay, 1000, SETTINGS).seconds == seconds
