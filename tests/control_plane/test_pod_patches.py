"""The chart's admission policy: the operator changes annotations of its own workers, and nothing else of any pod."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from headrace_operator.api.names import PROTECTED_ANNOTATION, QUEUE_LABEL
from headrace_operator.runtimes.kubernetes.pods import COST_ANNOTATION
from support.control_plane import ControlPlane
from support.helm import render
from support.kubectl import KubectlFailed

ANNOTATIONS = {COST_ANNOTATION: "-1000", PROTECTED_ANNOTATION: "all", "karpenter.sh/do-not-disrupt": "true"}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "an image": ("never their spec", {"spec": {"containers": [{"name": "worker", "image": "evil"}]}}),
    "its time to live": ("never their spec", {"spec": {"activeDeadlineSeconds": 1}}),
    "a label": ("never their labels", {"metadata": {"labels": {"app": "other"}}}),
    "its queue": ("never their labels", {"metadata": {"labels": {QUEUE_LABEL: None}}}),
    "a finalizer": ("never their finalizers", {"metadata": {"finalizers": ["example.org/stay"]}}),
    "owners": (
        "never their ownerReferences",
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}]}},
    ),
}


def pod(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "worker", "image": "none.invalid/worker:1"}]},
    }


class Account:
    """Patches pods of one namespace as the operator."""

    def __init__(self, plane: ControlPlane, namespace: str, kubeconfig: Path) -> None:
        self._plane, self._namespace, self._kubeconfig = plane, namespace, kubeconfig

    def patch(self, name: str, change: dict[str, Any]) -> None:
        """Raises KubectlFailed."""
        arguments = ("patch", "pod", name, "--type=strategic", f"--patch={json.dumps(change)}")
        self._plane.kubectl(f"--namespace={self._namespace}", *arguments, kubeconfig=self._kubeconfig)


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str, account: Path) -> Account:
    """Beside a worker and a pod of somebody else. Its policy is in force."""
    scope = f"--namespace={namespace}"
    for one in (pod("worker", {QUEUE_LABEL: "emails", "app": "mail"}), pod("foreign", {"app": "mail"})):
        control_plane.kubectl(scope, "create", "-f", "-", stdin=json.dumps(one))
    made = Account(control_plane, namespace, account)
    deadline = time.monotonic() + 30
    while True:  # the API server takes up a new policy a moment later
        try:
            made.patch("foreign", {"metadata": {"annotations": {"probe": str(time.monotonic())}}})
        except KubectlFailed:
            return made
        assert time.monotonic() < deadline, "the policy is not in force"
        time.sleep(0.1)


def test_annotations_of_workers_may_change(control_plane: ControlPlane, namespace: str, operator: Account) -> None:
    operator.patch("worker", {"metadata": {"annotations": ANNOTATIONS}})
    found = json.loads(control_plane.kubectl(f"--namespace={namespace}", "get", "pod", "worker", "-o=json"))
    assert ANNOTATIONS.items() <= found["metadata"]["annotations"].items()
    operator.patch("worker", {"metadata": {"annotations": dict.fromkeys(ANNOTATIONS)}})


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_nothing_else_of_a_worker_may_change(operator: Account, refused: tuple[str, dict[str, Any]]) -> None:
    says, change = refused
    with pytest.raises(KubectlFailed, match=says):
        operator.patch("worker", change)
    with pytest.raises(KubectlFailed, match=says):
        operator.patch("worker", {"metadata": {"annotations": ANNOTATIONS, **change.get("metadata", {})}} | {
            part: value for part, value in change.items() if part != "metadata"
        })  # fmt: skip


def test_no_other_pod_may_change(operator: Account) -> None:
    with pytest.raises(KubectlFailed, match="no pods but its workers"):
        operator.patch("foreign", {"metadata": {"annotations": ANNOTATIONS}})


def test_others_are_not_concerned(control_plane: ControlPlane, namespace: str, operator: Account) -> None:
    control_plane.kubectl(f"--namespace={namespace}", "label", "pod", "foreign", "worker", "more=labels")


def test_kubernetes_finds_its_expressions_sound(
    control_plane: ControlPlane, namespace: str, account: Path, helm_program: Path
) -> None:
    """The controller checks the types of what the expressions name, and warns in the status."""
    policies = [one for one in render(helm_program, namespace) if one["kind"] == "ValidatingAdmissionPolicy"]
    deadline = time.monotonic() + 30
    for name in [policy["metadata"]["name"] for policy in policies]:
        while True:
            found = json.loads(control_plane.kubectl("get", "validatingadmissionpolicy", name, "-o=json"))
            if "typeChecking" in found.get("status", {}):
                break
            assert time.monotonic() < deadline, found.get("status")
            time.sleep(0.1)
        assert found["status"]["typeChecking"].get("expressionWarnings", []) == [], name
