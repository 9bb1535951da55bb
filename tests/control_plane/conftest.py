"""A real control plane for the session, and a namespace of its own for each test.

The first run on a machine builds Kubernetes' programs, which takes minutes: where they can't be built, these
tests are skipped aloud, and fail where CI=true.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from support.control_plane import ControlPlane, KubectlFailed
from support.helm import ROOT, find_helm, render
from support.kubernetes_programs import CONTROL_PLANE, ProgramsUnavailable, kubernetes_programs
from support.live_fleet import StartFleet, live_fleet


def pytest_itemcollected(item: pytest.Item) -> None:
    """Time limits are for the tests here, not for the build that the first one's fixture may do."""
    item.add_marker(pytest.mark.timeout(func_only=True))


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of Kubernetes' programs."""
    try:
        return kubernetes_programs(*CONTROL_PLANE)
    except ProgramsUnavailable as exc:
        _leave_out(f"no control plane on this machine: {exc}")


@pytest.fixture(scope="session")
def helm_program() -> Path:
    """helm itself."""
    try:
        return find_helm()
    except ProgramsUnavailable as exc:
        _leave_out(f"no helm on this machine: {exc}")


def _leave_out(said: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


@pytest.fixture(scope="session")
def control_plane(programs: Path) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver and kube-controller-manager, for the whole session."""
    with ControlPlane(programs) as plane:
        yield plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace in which pods are admitted; it and what is left in it are deleted, without waiting."""
    name = f"t-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    control_plane.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=20s")
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """Our CRDs, applied from crds/ and served."""
    control_plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    deadline = time.monotonic() + 20
    while not _is_served(control_plane):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_served(plane: ControlPlane) -> bool:
    try:
        plane.kubectl("get", "workerqueues")
    except KubectlFailed:
        return False
    return True


@pytest.fixture
def account(control_plane: ControlPlane, namespace: str, crds: None, helm_program: Path) -> Path:
    """A kubeconfig that speaks as the operator's ServiceAccount, with the rights that the chart gives it."""
    granted = ("ServiceAccount", "Role", "RoleBinding")
    control_plane.apply(*(one for one in render(helm_program, namespace) if one["kind"] in granted))
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "headrace")
    # The API server's authorizer learns of a role by a watch, so a moment later.
    deadline = time.monotonic() + 10
    for question in (("list", "workerqueues"), ("list", "pods"), ("create", "leases")):
        while not _may(control_plane, kubeconfig, *question):
            assert time.monotonic() < deadline, question
            time.sleep(0.05)
    return kubeconfig


def _may(plane: ControlPlane, kubeconfig: Path, verb: str, kind: str) -> bool:
    try:
        return plane.kubectl("auth", "can-i", verb, kind, kubeconfig=kubeconfig).strip() == "yes"
    except KubectlFailed:
        return False


@pytest.fixture
def start_fleet(control_plane: ControlPlane, namespace: str, account: Path, tmp_path: Path) -> StartFleet:
    """`async with start_fleet() as fleet:` see live_fleet, which says what options there are."""
    return partial(live_fleet, control_plane, namespace, account, tmp_path)
