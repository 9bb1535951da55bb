"""What dev shows and says, without running anything."""

from __future__ import annotations

import argparse
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from headrace.errors import ConfigError, UsageError
from headrace_operator.api.disruption import Disruption
from headrace_operator.api.names import QueueKey, ScheduleKey
from headrace_operator.api.rollout import Rollout
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.spec import Scaling, WorkerQueueSpec
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.core.replay_request import parse_replay_request
from headrace_operator.core.schedule_summary import Found, summarise
from headrace_operator.core.schedule_verdict import ScheduleReason, Verdict
from headrace_operator.dev.board import Board, is_idle
from headrace_operator.dev.home import in_use, open_home
from headrace_operator.dev.live import render
from headrace_operator.dev.replay_command import parser, request_value
from headrace_operator.dev.unused import unused_fields
from headrace_operator.runtimes.local.environment import worker_environment
from headrace_operator.seams.objects import EventKind

KEY = QueueKey("default", "shop")


def status(
    *, ready: int = 0, desired: int = 0, terminating: int = 0, redis: str = "True", **more: Any
) -> WorkerQueueStatus:
    version = {
        "hash": "abc",
        "app": "shop",
        "desired": desired,
        "ready": 0,
        "terminating": terminating,
        "phase": "Current",
    }
    condition = {
        "type": "RedisAvailable",
        "status": redis,
        "observedGeneration": 1,
        "lastTransitionTime": "2030-01-01T00:00:00Z",
        "reason": "Reachable",
        "message": "[not markup]",
    }
    document = {
        "replicas": desired,
        "queue": {"ready": ready, "scheduled": 0, "leased": 0, "dead": 2},
        "deadLetters": {"total": 2, "byReason": [{"reason": "ValueError[/]", "count": 2}]},
        "versions": [version],
        "conditions": [condition],
    }
    return WorkerQueueStatus.model_validate(document | more, strict=False)


@pytest.mark.parametrize(
    ("given", "idle"),
    [
        ({}, True),
        ({"ready": 1}, False),
        ({"desired": 1}, False),
        ({"terminating": 1}, False),
        ({"redis": "False"}, False),
        ({"queue": {"ready": 0, "scheduled": 1, "leased": 0, "dead": 0}}, False),
        ({"queue": None}, False),
        ({"replay": {"requestId": "r", "request": "all", "phase": "Running"}}, False),
        ({"replay": {"requestId": "r", "request": "all", "phase": "Completed"}}, True),
    ],
)
def test_idle(given: dict[str, Any], idle: bool) -> None:
    assert is_idle(status(**given)) == idle


def test_a_board_is_idle_only_after_work() -> None:
    board = Board()
    board.status(KEY, status())
    assert not board.idle, "nothing was done yet"
    board.status(KEY, status(desired=1))
    board.status(KEY, status())
    assert board.idle
    board.scheduled(ScheduleKey("default", "nightly"), ScheduleStatus())
    board.forget(set(), set())
    assert not board.idle
    assert not board.schedules


@pytest.mark.parametrize("height", [10, 24, 60])
def test_the_screen_shows_what_there_is(height: int) -> None:
    board = Board(redis="redis://127.0.0.1:1234/0")
    replay = {"requestId": "r", "request": "all", "phase": "Running", "matched": 9, "replayed": 4}
    board.status(KEY, status(desired=2, redis="False", replay=replay))
    found = Found(1, Verdict(ScheduleReason.SCHEDULED, "fine"), "At 02:30 every day, UTC [x]", next_tick=1_900_000_000)
    board.scheduled(ScheduleKey("default", "nightly"), summarise(None, found, now=1_800_000_000))
    broken = replace(found, verdict=Verdict(ScheduleReason.UNKNOWN_TASK, "no such task"), next_tick=None)
    board.scheduled(ScheduleKey("default", "broken"), summarise(None, broken, now=1_800_000_000))
    board.event(KEY, EventKind.WARNING, "DeadLettersGrew", "2 more [red]")
    board.printed(KEY, "shop-abc-1", "worker started")
    board.say("the code has changed")
    console = Console(width=120, height=height, record=True, file=io.StringIO())
    console.print(render(board, height))
    shown = console.export_text()
    for text in (
        "REDIS_URL=redis://127.0.0.1:1234/0",
        "0 ready  0 running  0 scheduled  2 dead",
        "version abc",
        "ValueError[/]  2",
        "Running  4/9",
        "DeadLettersGrew: 2 more [red]",
        "shop#1",
        "At 02:30 every day, UTC [x]",
        "2030-03-17T17:46:40Z",
        "UnknownTask",
        "no such task",
        "Reachable: [not markup]",
    ):
        assert text in shown


def spec(**worker: Any) -> WorkerQueueSpec:
    document = {"redis": {"url": "redis://r"}, "queues": [{"name": "a", "weight": 3}, {"name": "b"}], "worker": worker}
    return WorkerQueueSpec.model_validate(document)


def test_fields_without_effect_are_named() -> None:
    full = spec(
        app="shop",
        image="i",
        resources={"limits": {}},
        podTemplate={},
        env=[{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    )
    names = ["spec.redis", "spec.worker.image", "spec.worker.resources", "spec.worker.podTemplate"]
    assert unused_fields(full) == [*names, "spec.worker.env[1].valueFrom"]
    assert unused_fields(spec(app="shop")) == ["spec.redis"]
    disruption = Disruption(max_unavailable="25%")
    assert unused_fields(spec(app="shop").model_copy(update={"disruption": disruption})) == [
        "spec.redis",
        "spec.disruption",
    ]


@pytest.mark.parametrize(
    ("breaker", "unused"),
    [
        ({"enabled": False, "runs": 5}, []),
        ({"unschedulableSeconds": 5}, ["spec.scaling.breaker.unschedulableSeconds"]),
    ],
)
def test_on_a_laptop_nobody_waits_for_a_node(breaker: dict[str, Any], unused: list[str]) -> None:
    given = spec(app="shop").model_copy(update={"scaling": Scaling.model_validate({"breaker": breaker})})
    assert unused_fields(given) == ["spec.redis", *unused]


@pytest.mark.parametrize(("state", "shown"), [("True", True), ("False", False)])
def test_the_screen_shows_a_breaker_that_is_open(state: str, shown: bool) -> None:
    board = Board()
    said = {
        "type": "BreakerOpen",
        "status": state,
        "observedGeneration": 1,
        "lastTransitionTime": "2030-01-01T00:00:00Z",
        "reason": "CrashLoop",
        "message": "2 of 2 workers crash",
    }
    board.status(KEY, status(conditions=[said]))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(board, 40))
    assert ("CrashLoop: 2 of 2 workers crash" in console.export_text()) is shown


@pytest.mark.parametrize(
    ("rollout", "unused"),
    [
        ({"maxSurge": 3}, []),
        ({"gate": {}}, []),
        ({"gate": {"jobs": 3}}, ["spec.rollout.gate"]),
        ({"progressDeadlineSeconds": 99}, ["spec.rollout.progressDeadlineSeconds"]),
    ],
)
def test_on_a_laptop_nothing_is_tried_out(rollout: dict[str, Any], unused: list[str]) -> None:
    given = spec(app="shop").model_copy(update={"rollout": Rollout.model_validate(rollout)})
    assert unused_fields(given) == ["spec.redis", *unused]


def test_a_workers_environment() -> None:
    made = worker_environment(
        spec(
            app="shop", concurrency=7, env=[{"name": "LOG_FORMAT", "value": "json"}, {"name": "LEASE", "value": "1h"}]
        ),
        base={"PATH": "/bin", "PYTHONPATH": "/lib"},
        redis_url="redis://127.0.0.1:1/0",
        worker_id="shop-v-1",
        version="v",
        socket=Path("/run/1.sock"),
        code=[Path("/copy"), Path("/app")],
    )
    assert made["PYTHONPATH"] == "/copy:/app:/lib"
    assert made["HEADRACE_QUEUES"] == "a=3,b=1"
    assert made["WORKER_COUNT"] == "7"
    assert made["LOG_FORMAT"] == "json", "the spec's variables win over ours that are mere defaults"
    assert made["LEASE"] == "30s", "but not over what makes it this fleet's worker"
    assert made["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--all"], "all"),
        (["--all", "--dry-run"], "all,dry-run"),
        (["--task", "send", "--reason", "KeyError", "--max", "5"], "task=send,reason=KeyError,max=5"),
        (["--id", "a", "--id", "b"], "id=a,id=b"),
        (["--all", "--queue", "slow", "--dry-run"], "all,queue=slow,dry-run"),
        (["--since", "2h", "--attempts", "..3", "--where", "to=ada"], "since=2h,attempts=..3,where=to=ada"),
        (["--older-than", "1w", "--max-replays", "2"], "older-than=1w,max-replays=2"),
        (["--all", "--approve", "0123456789ab"], "all,approve=0123456789ab"),
    ],
)
def test_the_replay_verb_says_what_the_annotation_says(words: list[str], value: str) -> None:
    made = parse_replay_request(request_value(parser().parse_args(["shop", *words])))
    assert made.request
    assert made.value == f"{value},request={made.request}"


def test_the_replay_verb_refuses_what_makes_no_sense() -> None:
    given: argparse.Namespace = parser().parse_args(["shop", "--all", "--id", "a"])
    with pytest.raises(ConfigError, match="all goes with no filter"):
        request_value(given)


@pytest.mark.parametrize("words", [[], ["--dry-run"], ["--max", "1"], ["--approve", "0123456789ab"]])
def test_the_replay_verb_never_takes_nothing_for_everything(words: list[str]) -> None:
    with pytest.raises(UsageError, match="say which letters: --id, --all, or a filter"):
        request_value(parser().parse_args(["shop", *words]))


def test_a_home_has_one_owner(tmp_path: Path) -> None:
    folder = tmp_path / ".headrace"
    assert not in_use(folder)
    with open_home(folder):
        assert in_use(folder)
        with pytest.raises(ConfigError, match="another `headrace dev` runs here"), open_home(folder):
            pass
    assert not in_use(folder)
    with open_home(folder):
        assert (folder / ".gitignore").read_text() == "*\n", "nothing of it is committed by accident"
