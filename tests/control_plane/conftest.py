"""A real control plane for the session, and a namespace of its own for each test.

The first run on a machine builds Kubernetes' programs, which takes minutes: where they can't be built, these
tests are skipped aloud, and fail where CI=true.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.control_plane import ControlPlane
from support.kubernetes_programs import CONTROL_PLANE, ProgramsUnavailable, kubernetes_programs


def pytest_itemcollected(item: pytest.Item) -> None:
    """Time limits are for the tests here, not for the build that the first one's fixture may do."""
    item.add_marker(pytest.mark.timeout(func_only=True))


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of Kubernetes' programs."""
    try:
        return kubernetes_programs(*CONTROL_PLANE)
    except ProgramsUnavailable as exc:
        said = f"no control plane on this machine: {exc}"
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
