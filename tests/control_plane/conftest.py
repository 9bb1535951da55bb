"""A real control plane for the session, and a namespace of its own for each test.

The first run on a machine builds Kubernetes' programs, which takes minutes: where they can't be built, these
tests are skipped aloud, and fail where CI=true.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from support.control_plane import ControlPlane
from support.helm import find_helm
from support.kubernetes_programs import CONTROL_PLANE, ProgramsUnavailable, kubernetes_programs
from support.leave_out import leave_out
from support.live_fleet import StartFleet, live_fleet
from support.operator_account import operator_account, own_namespace, serve_crds


def pytest_itemcollected(item: pytest.Item) -> None:
    """Time limits are for the tests here, not for the build that the first one's fixture may do."""
    item.add_marker(pytest.mark.timeout(func_only=True))


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of Kubernetes' programs."""
    try:
        return kubernetes_programs(*CONTROL_PLANE)
    except ProgramsUnavailable as exc:
        leave_out(f"no control plane on this machine: {exc}")


@pytest.fixture(scope="session")
def helm_program() -> Path:
    """helm itself."""
    try:
        return find_helm()
    except ProgramsUnavailable as exc:
        leave_out(f"no helm on this machine: {exc}")


@pytest.fixture(scope="session")
def control_plane(programs: Path) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver and kube-controller-manager, for the whole session."""
    with ControlPlane(programs) as plane:
        yield plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """See own_namespace."""
    with own_namespace(control_plane) as name:
        yield name


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """Our CRDs, applied from crds/ and served."""
    serve_crds(control_plane)


@pytest.fixture
def account(control_plane: ControlPlane, namespace: str, crds: None, helm_program: Path) -> Iterator[Path]:
    """See operator_account."""
    with operator_account(control_plane, namespace, helm_program) as kubeconfig:
        yield kubeconfig


@pytest.fixture
def start_fleet(control_plane: ControlPlane, namespace: str, account: Path, tmp_path: Path) -> StartFleet:
    """`async with start_fleet() as fleet:` see live_fleet, which says what options there are."""
    return partial(live_fleet, control_plane, namespace, account, tmp_path)
