"""load_schedule: what it refuses and in which words; read_schedule: what it forgives."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from headrace.errors import ConfigError
from headrace_operator.api.names import RUN_NOW_ANNOTATION, RUN_NOW_ID_ANNOTATION, ScheduleKey
from headrace_operator.api.schedule import load_schedule, read_schedule
from headrace_operator.objects.documents import read_documents
from headrace_operator.seams.objects import Pending, pending_run
from support.bad_queues import REMOVE, patched
from support.bad_schedules import BAD, GOOD, MISTAKES, ScheduleCase, good_schedule


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_a_bad_document_gets_one_line_that_names_the_field(case: ScheduleCase) -> None:
    with pytest.raises(ConfigError) as refused:
        load_schedule(case.document())
    assert case.says
    assert case.says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("case", [*GOOD, *MISTAKES], ids=lambda case: case.name)
def test_what_only_the_operator_can_judge_is_taken(case: ScheduleCase) -> None:
    assert load_schedule(case.document()).key == ScheduleKey("default", "nightly")


def test_a_kind_is_not_mistaken_for_another() -> None:
    with pytest.raises(ConfigError, match='kind: must be Schedule, got "WorkerQueue"'):
        load_schedule(patched(good_schedule(), {"kind": "WorkerQueue"}))


def test_another_kind_in_a_file_is_told_both_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "queue.yaml"
    path.write_text(yaml.safe_dump(good_schedule() | {"kind": "CronSchedule"}))
    [document] = read_documents(path).queues
    assert document.problem == 'kind: must be WorkerQueue or Schedule, got "CronSchedule"'


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        ({"schedule": "* * * * *", "cron": REMOVE}, "spec.schedule: unknown field; it is called cron here"),
        ({"corn": "* * * * *", "cron": REMOVE}, "spec.corn: unknown field, did you mean cron?"),
        ({"whenever": 1, "cron": REMOVE}, "spec.whenever: unknown field (and 1 more)"),
        (
            {"schedule": "* * * * *", "task": REMOVE},
            "spec.schedule: unknown field; it is called cron here (and 1 more)",
        ),
        ({"kwargs": [1]}, "spec.kwargs: must be a mapping, got [1]"),
        ({"kwargs": ["x" * 100]}, f'spec.kwargs: must be a mapping, got ["{"x" * 78}…'),
    ],
)
def test_one_mistake_is_told_as_one(patch: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_schedule(patched(good_schedule(), {f"spec.{name}": value for name, value in patch.items()}))
    assert str(refused.value) == problem


def test_what_is_left_out_is_as_in_cronjob() -> None:
    spec = load_schedule(patched(good_schedule(), {"spec": GOOD[1].patch["spec"]})).spec
    assert (spec.time_zone, spec.concurrency_policy, spec.suspend) == ("UTC", "Allow", False)
    assert (spec.catch_up, spec.starting_deadline_seconds, spec.history_limit) == ("Latest", None, 10)
    assert (spec.args, spec.kwargs, spec.queue) == ((), {}, None)


def test_what_a_newer_release_wrote_is_forgiven() -> None:
    schedule = read_schedule(patched(good_schedule(), {"spec.calendar": "x", "status": {"missed": 2, "late": 1}}))
    assert schedule.status is not None
    assert schedule.status.missed == 2
    assert read_schedule(patched(good_schedule(), {"status": {"missed": "two"}})).status is None


def test_a_run_is_asked_for_by_an_annotation() -> None:
    assert pending_run(load_schedule(good_schedule())) is None
    asked = patched(good_schedule(), {"metadata": {"name": "n", "annotations": {RUN_NOW_ANNOTATION: "a1"}}})
    assert pending_run(load_schedule(asked)) == Pending("a1", None)
    asked["metadata"]["annotations"][RUN_NOW_ID_ANNOTATION] = "a1"
    assert pending_run(load_schedule(asked)) == Pending("a1", "a1")
