"""What Kubernetes is told about disruption: the budget of a fleet, and the marks on its pods."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from headrace_operator.api.names import PROTECTED_ANNOTATION, QUEUE_LABEL, QueueKey
from headrace_operator.cluster.errors import ApiConflictError
from headrace_operator.runtimes.kubernetes.budget import budget, correction, trimmed_budget
from headrace_operator.runtimes.kubernetes.budgets import Budgets
from headrace_operator.runtimes.kubernetes.marks import MARKS, change, is_marked
from headrace_operator.seams.errors import RuntimeUnavailableError

KEY = QueueKey("post", "emails")
KARPENTER, AUTOSCALER = MARKS


def stored(**spec: Any) -> dict[str, Any]:
    """A budget of ours as the API server tells it, trimmed, after somebody has changed `spec`."""
    made = budget(KEY, "uid-1", 1)
    made["metadata"] |= {"uid": "u", "resourceVersion": "7", "creationTimestamp": "2030-01-31T12:00:00Z"}
    made["spec"] |= spec
    return trimmed_budget(made | {"status": {"disruptionsAllowed": 1}})


def merged(document: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A merge patch applied, as RFC 7386 says."""
    result = dict(document)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            below = result.get(name)
            result[name] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[name] = value
    return result


def test_a_budget_is_about_all_versions_and_goes_with_its_queue() -> None:
    made = budget(KEY, "uid-1", "25%")
    assert made["metadata"]["name"] == "emails"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    assert made["spec"] == {
        "maxUnavailable": "25%",
        "selector": {"matchLabels": {"headrace.dev/queue": "emails"}},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def test_a_budget_as_wanted_needs_no_write() -> None:
    assert correction(stored(), KEY, 1) is None


@pytest.mark.parametrize(
    "spec",
    [
        {"maxUnavailable": 5},
        {"minAvailable": 1},
        {"unhealthyPodEvictionPolicy": "IfHealthyBudget"},
        {"selector": {}},
        {"selector": {"matchLabels": {"app": "x"}}},
        {"selector": {"matchLabels": {"headrace.dev/queue": "emails", "app": "x"}}},
        {"selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}},
    ],
    ids=str,
)
def test_whatever_was_done_to_a_budget_is_mended(spec: dict[str, Any]) -> None:
    found = stored(**spec)
    patch = correction(found, KEY, 1)
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "7"}
    assert merged(found, patch)["spec"] == budget(KEY, "uid-1", 1)["spec"]


TEMPLATES: list[dict[str, str]] = [{}, {"team": "post"}, {KARPENTER: "true"}, {AUTOSCALER: "true"}, dict(MARKS)]
"""Annotations that people may have given their pods."""


@pytest.mark.parametrize("own", TEMPLATES, ids=str)
def test_marks_come_and_go_and_leave_what_people_have_said(own: dict[str, str]) -> None:
    assert change(own, wanted=False) == {}
    marked = merged(own, change(own, wanted=True))
    assert is_marked(marked)
    assert marked == {**MARKS, PROTECTED_ANNOTATION: marked[PROTECTED_ANNOTATION], **own}
    assert change(marked, wanted=True) == {}
    assert merged(marked, change(marked, wanted=False)) == own


class ForeignBudget:
    """An API server where somebody has a budget of that name, and a live copy that doesn't know it."""

    def __init__(self) -> None:
        self.requests = 0

    async def get(self, _path: str) -> dict[str, Any]:
        self.requests += 1
        return {"metadata": {"uid": "uid-1"}}

    async def create(self, _path: str, _body: Any) -> dict[str, Any]:
        self.requests += 1
        raise ApiConflictError("already exists")

    def budgets(self, _namespace: str) -> Any:
        return SimpleNamespace(get=lambda *_: None)


async def test_a_budget_that_cannot_be_made_is_not_asked_for_at_every_look() -> None:
    world: Any = ForeignBudget()
    budgets = Budgets(world, world)
    for _ in range(20):
        with pytest.raises(RuntimeUnavailableError, match="there is a PodDisruptionBudget emails already"):
            await budgets.keep(KEY, 1)
    assert world.requests == 2


class BusyBudget:
    """An API server whose own controller has changed the budget since the live copy was told of it."""

    def __init__(self, behind: int, labels: dict[str, str] | None = None) -> None:
        self.version = 7 + behind
        self.spec: Any = None
        self.labels = {QUEUE_LABEL: "emails"} if labels is None else labels
        self.known: list[Any] = []

    async def get(self, _path: str) -> dict[str, Any]:
        found = stored(maxUnavailable=5)
        found["metadata"] |= {"resourceVersion": str(self.version), "labels": self.labels}
        return found

    async def patch(self, _path: str, patch: Any) -> dict[str, Any]:
        if patch["metadata"]["resourceVersion"] != str(self.version):
            raise ApiConflictError("the object has been modified")
        self.spec = patch["spec"]
        return merged(await self.get(_path), patch)

    def budgets(self, _namespace: str) -> Any:
        return SimpleNamespace(get=lambda *_: stored(maxUnavailable=5), note=self.known.append)


@pytest.mark.parametrize("behind", [0, 1])
async def test_a_budget_that_changed_meanwhile_is_read_anew_and_mended(behind: int) -> None:
    world: Any = BusyBudget(behind)
    await Budgets(world, world).keep(KEY, 1)
    assert world.spec["maxUnavailable"] == 1
    assert [one["spec"]["maxUnavailable"] for one in world.known] == [1]


async def test_a_budget_that_is_ours_no_more_is_left_alone() -> None:
    world: Any = BusyBudget(1, labels={})
    with pytest.raises(RuntimeUnavailableError, match="there is a PodDisruptionBudget emails already"):
        await Budgets(world, world).keep(KEY, 1)
    assert world.spec is None
