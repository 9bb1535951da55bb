"""Who may run what in the operator's pod: the chart's Roles and its admission policy, judged by the API server.

No kubelet is there to run anything, so what is let through ends with a complaint of another kind.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.control_plane import ControlPlane
from support.helm import render
from support.kubectl import KubectlFailed

POD = "headrace-7d9f8c6b5-x2x2x"
NOBODY_THERE = "does not have a host assigned"
OURS = ("headrace-operator", "cli")


def pod(name: str) -> dict[str, object]:
    container = {"name": "operator", "image": "none.invalid/operator:1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}


@pytest.fixture
def people(control_plane: ControlPlane, namespace: str, crds: None, helm_program: Path) -> Iterator[dict[str, Path]]:
    """A viewer, an editor and somebody who may only exec: kubeconfigs with the chart's Roles. And the pod."""
    wanted = ("Role", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    made = [one for one in render(helm_program, namespace) if one["kind"] in wanted]
    control_plane.apply(*made)
    where = f"--namespace={namespace}"
    found: dict[str, Path] = {}
    for person, roles in {"viewer": ("viewer", "exec"), "editor": ("editor", "exec"), "stranger": ("exec",)}.items():
        control_plane.kubectl("create", "serviceaccount", person, where)
        for role in roles:
            name, account = f"--role=headrace-{role}", f"--serviceaccount={namespace}:{person}"
            control_plane.kubectl("create", "rolebinding", f"{person}-{role}", where, name, account)
        found[person] = control_plane.service_account_kubeconfig(namespace, person)
    for name in (POD, "other-7d9f8c6b5-x2x2x"):
        control_plane.apply({**pod(name), "metadata": {"name": name, "namespace": namespace}})
    _wait_until_in_force(control_plane, found["stranger"], where)
    yield found
    for one in made:
        if one["kind"].startswith("Validating"):
            control_plane.kubectl("delete", one["kind"], one["metadata"]["name"], "--wait=false")


def _wait_until_in_force(plane: ControlPlane, kubeconfig: Path, where: str) -> None:
    """Roles and policies are learned of by watches, so a moment later."""
    deadline = time.monotonic() + 30
    while "only kubectl headrace" not in said(plane, kubeconfig, where, "sh"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def said(plane: ControlPlane, kubeconfig: Path | None, where: str, *command: str, pod: str = POD) -> str:
    """What the API server complains of."""
    with pytest.raises(KubectlFailed) as caught:
        plane.kubectl("exec", where, pod, "--", *command, kubeconfig=kubeconfig)
    return str(caught.value)


READING = {
    "stats": ("stats",),
    "jobs": ("jobs", "--state", "dead"),
    "show": ("show", "job-1"),
    "audit": ("audit",),
    "dlq list": ("dlq", "list", "--limit", "5"),
    "dlq show": ("dlq", "show", "job-1"),
}
CHANGING = {
    "payloads": ("show", "job-1", "--payload"),
    "guessing at payloads": ("dlq", "list", "--where", "to=ada"),
    "the same in one word": ("dlq", "list", "--where=to=ada"),
    "mending": ("audit", "--repair"),
    "purge": ("purge", "--yes"),
    "enqueue": ("enqueue", "mail"),
    "replay": ("dlq", "replay", "--all"),
    "export": ("dlq", "export"),
    "a verb of tomorrow": ("dlq", "frobnicate"),
}
FOREIGN = {
    "a shell": ("sh", "-c", "cat /var/run/secrets/kubernetes.io/serviceaccount/token"),
    "another command of ours": ("headrace", "stats", "q"),
    "the operator itself": ("headrace-operator",),
    "another verb of it": ("headrace-operator", "check", "--timeout", "1"),
    "no name": (*OURS, "stats", "q", "x"),
    "an option for a name": (*OURS, "--help", "a/b", "stats"),
    "a path for a name": (*OURS, "a/../b", "stats"),
    "no verb": (*OURS, "a/b"),
}


def test_who_may_what(control_plane: ControlPlane, namespace: str, people: dict[str, Path]) -> None:
    """In one test: the namespace, its people and the policy are made once."""
    where = f"--namespace={namespace}"
    for name, words in READING.items():
        for queue in (f"{namespace}/fleet", f"{namespace}/fleet/one.queue"):
            command = (*OURS, queue, *words)
            for person in ("viewer", "editor"):
                assert NOBODY_THERE in said(control_plane, people[person], where, *command), (person, name)
            refused = said(control_plane, people["stranger"], where, *command)
            assert f"needs the right to get WorkerQueue fleet in namespace {namespace}" in refused, name
    for name, words in CHANGING.items():
        command = (*OURS, f"{namespace}/fleet", *words)
        assert NOBODY_THERE in said(control_plane, people["editor"], where, *command), name
        for person in ("viewer", "stranger"):
            refused = said(control_plane, people[person], where, *command)
            assert f"needs the right to patch WorkerQueue fleet in namespace {namespace}" in refused, (person, name)
    elsewhere = said(control_plane, people["editor"], where, *OURS, "kube-system/fleet", "stats")
    assert "needs the right to get WorkerQueue fleet in namespace kube-system" in elsewhere
    for name, command in FOREIGN.items():
        refused = said(control_plane, people["editor"], where, *command)
        assert "in headrace's operator only kubectl headrace may run something" in refused, name
        assert NOBODY_THERE in said(control_plane, None, where, *command), f"an admin, {name}"
    assert NOBODY_THERE in said(control_plane, people["editor"], where, "sh", pod="other-7d9f8c6b5-x2x2x")
