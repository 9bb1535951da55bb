"""load_worker_queue: what it refuses and in which words; read_worker_queue: what it forgives."""

from __future__ import annotations

import datetime

import pytest

from headrace.errors import ConfigError
from headrace_operator.api.names import QueueKey
from headrace_operator.api.worker_queue import load_worker_queue, read_worker_queue
from support.bad_queues import BAD, BAD_KIND, GOOD, Case, good_queue, patched


@pytest.mark.parametrize("case", [*BAD, *BAD_KIND], ids=lambda case: case.name)
def test_a_bad_document_gets_one_line_that_names_the_field(case: Case) -> None:
    with pytest.raises(ConfigError) as refused:
        load_worker_queue(case.document())
    assert case.says
    assert case.says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_document_is_taken(case: Case) -> None:
    assert load_worker_queue(case.document()).metadata.name.startswith("e")


def test_the_cases_have_names_of_their_own() -> None:
    names = [case.name for case in (*BAD, *BAD_KIND, *GOOD)]
    assert len(names) == len(set(names))


def test_what_is_left_out_has_its_default() -> None:
    queue = load_worker_queue(patched(good_queue(), {"spec.scaling.maxReplicas": None}))
    assert queue.key == QueueKey("default", "emails")
    assert queue.spec.scaling.max_replicas == 10
    assert queue.spec.scaling.scale_up.pods == 4
    assert queue.spec.queues[1].weight == 1
    assert queue.spec.replicas is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            datetime.date(2030, 1, 1),
            "spec.worker.app: must be a string, number, list or mapping; put it in quotes",
        ),
        (float("nan"), "spec.worker.app: must be a string"),
        ({"a": [datetime.date(2030, 1, 1)]}, "spec.worker.app.a[0]: must be"),
    ],
)
def test_what_json_cannot_say_is_refused(value: object, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_worker_queue(patched(good_queue(), {"spec.worker.app": value}))
    assert says in str(refused.value)


@pytest.mark.parametrize("document", [None, [], "queue", 5])
def test_a_document_of_another_shape(document: object) -> None:
    with pytest.raises(ConfigError, match="must be a mapping with apiVersion"):
        load_worker_queue(document)


def test_the_number_of_further_problems_is_told() -> None:
    patch = {"spec.worker.concurrency": 0, "spec.drain.graceSeconds": 0, "spec.queues": []}
    with pytest.raises(ConfigError, match=r"\(and 2 more\)$"):
        load_worker_queue(patched(good_queue(), patch))


def test_a_refused_url_keeps_its_password() -> None:
    with pytest.raises(ConfigError) as refused:
        load_worker_queue(patched(good_queue(), {"spec.redis.url": "http://me:s3cret@redis"}))
    assert "s3cret" not in str(refused.value)


def test_fields_of_a_newer_crd_are_ignored_on_the_cluster() -> None:
    body = patched(good_queue(), {"spec.novelty": 1, "status.replicas": 3, "status.novelty": {}, "metadata.uid": "u"})
    queue = read_worker_queue(body)
    assert queue.status is not None
    assert queue.status.replicas == 3
    assert queue.metadata.uid == "u"


@pytest.mark.parametrize("status", [{"replicas": "many"}, [], "x", None, {"conditions": [{}]}])
def test_a_status_without_sense_is_as_good_as_none(status: object) -> None:
    queue = read_worker_queue(patched(good_queue(), {"status": status}))
    assert queue.status is None or queue.status.replicas == 0


def test_an_object_older_than_a_rule_is_refused_on_the_cluster() -> None:
    with pytest.raises(ConfigError, match=r"spec\.scaling\.maxReplicas: must be ≥ minReplicas"):
        read_worker_queue(patched(good_queue(), {"spec.scaling.minReplicas": 9}))
