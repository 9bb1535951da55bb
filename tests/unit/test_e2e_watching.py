"""What scenarios conclude from the events of their watches."""

from __future__ import annotations

from typing import Any

import pytest
from e2e.scenarios.watching import Sight

Json = dict[str, Any]


def pod(name: str, *, ready: bool = True, deleted: bool = False, phase: str = "Running", cost: str = "") -> Json:
    metadata: Json = {"uid": name, "name": name, "labels": {"headrace.dev/version": "v1"}}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if cost:
        metadata["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "spec": {"nodeName": "n"}, "status": {"phase": phase, "conditions": conditions}}


def deployment(version: str, replicas: int) -> Json:
    metadata = {"uid": version, "name": version, "labels": {"headrace.dev/version": version}}
    return {"metadata": metadata, "spec": {"replicas": replicas}}


def test_terminating_pods_count_until_their_containers_have_ended() -> None:
    sight = Sight()
    for event in (pod("a"), pod("b"), pod("a", deleted=True), pod("c")):
        sight.take_pod("MODIFIED", event)
    assert (sight.most_pods, sight.live) == (3, ["b", "c"])
    sight.take_pod("MODIFIED", pod("a", deleted=True, phase="Succeeded"))
    sight.take_pod("DELETED", pod("a", deleted=True, phase="Succeeded"))
    assert sorted(sight.pods) == ["b", "c"]
    assert sight.most_pods == 3
    sight.forget()
    assert (sight.most_pods, sight.fewest_ready) == (2, 2)


@pytest.mark.parametrize(("cost", "aimed"), [("-1000", True), ("", False), ("100", False)])
def test_a_victim_is_aimed_at_if_it_was_the_cheapest_when_it_was_told_to_end(cost: str, aimed: bool) -> None:
    sight = Sight()
    sight.take_pod("ADDED", pod("a", cost=cost))
    sight.take_pod("MODIFIED", pod("a", cost=cost, deleted=True))
    sight.take_pod("MODIFIED", pod("a", cost="-5", deleted=True, ready=False))
    [victim] = sight.deletions
    assert (victim.pod, victim.aimed) == ("a", aimed)


def test_a_pod_that_is_not_ready_is_missing_but_live() -> None:
    sight = Sight()
    sight.take_pod("ADDED", pod("a"))
    sight.take_pod("ADDED", pod("b"))
    sight.forget()
    sight.take_pod("MODIFIED", pod("b", ready=False))
    sight.take_pod("MODIFIED", pod("b"))
    assert (sight.fewest_ready, sight.ready, sight.live) == (1, ["a", "b"], ["a", "b"])


def test_every_change_of_replicas_is_kept_whatever_else_changes() -> None:
    sight = Sight()
    for event in (deployment("v1", 0), deployment("v1", 3), deployment("v1", 3), deployment("v2", 1)):
        sight.take_deployment("MODIFIED", event)
    sight.take_deployment("DELETED", deployment("v1", 3))
    assert [(one.version, one.replicas) for one in sight.asked] == [("v1", 3), ("v2", 1), ("v1", 0)]
    assert (sight.wanted, sight.versions) == (1, {"v2": 1})
