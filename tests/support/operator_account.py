"""What an operator finds in a cluster before it starts: a namespace, our CRDs, an account with the chart's rights."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.control_plane import ControlPlane
from support.helm import ROOT, render
from support.kubectl import KubectlFailed

GRANTED = (
    *("ServiceAccount", "Role", "RoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)
"""What the chart makes of an operator's identity."""


@contextmanager
def own_namespace(plane: ControlPlane) -> Iterator[str]:
    """A namespace in which pods are admitted; it and what is left in it are deleted, without waiting."""
    name = f"t-{secrets.token_hex(4)}"
    plane.kubectl("create", "namespace", name)
    plane.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=20s")
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


def serve_crds(plane: ControlPlane) -> None:
    """Apply crds/ and wait until they are served."""
    plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    deadline = time.monotonic() + 20
    while not _is_served(plane):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def operator_account(plane: ControlPlane, namespace: str, helm_program: Path) -> Iterator[Path]:
    """A kubeconfig that speaks as the operator's ServiceAccount, with the rights and limits that the chart gives it."""
    granted = [one for one in render(helm_program, namespace) if one["kind"] in GRANTED]
    plane.apply(*granted)
    kubeconfig = plane.service_account_kubeconfig(namespace, "headrace")
    # The API server's authorizer learns of a role by a watch, so a moment later.
    deadline = time.monotonic() + 10
    for question in (("list", "workerqueues"), ("list", "schedules"), ("list", "pods"), ("create", "leases")):
        while not _may(plane, kubeconfig, *question):
            assert time.monotonic() < deadline, question
            time.sleep(0.05)
    yield kubeconfig
    for one in granted:
        if "namespace" not in one["metadata"]:
            plane.kubectl("delete", one["kind"], one["metadata"]["name"], "--wait=false")


def _is_served(plane: ControlPlane) -> bool:
    try:
        plane.kubectl("get", "workerqueues,schedules")
    except KubectlFailed:
        return False
    return True


def _may(plane: ControlPlane, kubeconfig: Path, verb: str, kind: str) -> bool:
    try:
        return plane.kubectl("auth", "can-i", verb, kind, kubeconfig=kubeconfig).strip() == "yes"
    except KubectlFailed:
        return False
