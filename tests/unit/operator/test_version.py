"""The version hash: what changes it, what doesn't, and that no release may change it."""

from __future__ import annotations

from typing import Any

import pytest

from headrace_operator.api.worker_queue import load_worker_queue
from headrace_operator.core.version import version_hash
from support.bad_queues import REMOVE, good_queue, patched


def hash_of(**patch: object) -> str:
    paths = {path.replace("__", "."): value for path, value in patch.items()}
    return version_hash(load_worker_queue(patched(good_queue(), paths)).spec)


SAME: list[dict[str, Any]] = [
    {"metadata__name": "letters"},
    {"spec__scaling": {"maxReplicas": 99}},
    {"spec__replicas": 5},
    {"spec__paused": True},
    {"spec__rollout__maxSurge": 3},
    {"spec__retry__maxRetries": 3},
    {"spec__worker__leaseSeconds": 30},
    {"spec__queues": [{"name": "receipts", "weight": 1}, {"name": "emails", "weight": 3}]},
    {"spec__worker__podTemplate": None},
    {"spec__disruption": {"maxUnavailable": 3, "protectAfterSeconds": 5}},
]


@pytest.mark.parametrize("patch", SAME, ids=lambda patch: next(iter(patch)))
def test_the_fleet_and_the_defaults_are_no_part_of_it(patch: dict[str, Any]) -> None:
    assert hash_of(**patch) == hash_of()


OTHER: list[dict[str, Any]] = [
    {"spec__worker__app": "mail.tasks"},
    {"spec__worker__image": "example.org/mail:1.3"},
    {"spec__worker__image": REMOVE},
    {"spec__worker__imagePullPolicy": "Always"},
    {"spec__worker__concurrency": 21},
    {"spec__worker__leaseSeconds": 31},
    {"spec__worker__env__0__value": "debug"},
    {"spec__worker__resources__requests__cpu": "200m"},
    {"spec__worker__podTemplate": {"spec": {"nodeSelector": {"a": "b"}}}},
    {"spec__redis__url": "redis://other"},
    {"spec__queues__0__weight": 4},
    {"spec__queues__1": {"name": "parcels"}},
    {"spec__drain__graceSeconds": 21},
    {"spec__retry__maxRetries": 4},
]


def test_whatever_reaches_a_pod_is_part_of_it() -> None:
    hashes = [hash_of(), *(hash_of(**patch) for patch in OTHER)]
    assert len(set(hashes)) == len(hashes)


def test_the_api_servers_defaults_are_no_part_of_it() -> None:
    """It stores every default, a laptop none."""
    stored = load_worker_queue(good_queue()).spec.model_dump(by_alias=True, mode="json")
    assert stored["worker"]["leaseSeconds"] == 30
    assert hash_of(spec=stored) == hash_of()


def test_the_order_of_variables_counts() -> None:
    env = good_queue()["spec"]["worker"]["env"]
    assert hash_of(spec__worker__env=env[::-1]) != hash_of()


def test_it_is_the_same_in_every_release() -> None:
    """If this fails, upgrading the operator would restart every worker there is: mend the code, not the test."""
    assert hash_of() == "b49e0907a3"
    least = {"redis": {"url": "redis://r"}, "queues": [{"name": "q"}], "worker": {"app": "a"}}
    assert hash_of(spec=least) == "1dee5053ad"
