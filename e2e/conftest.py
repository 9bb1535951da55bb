"""A real cluster for the session, and a namespace of its own for each test that asks.

HEADRACE_E2E_KUBECONFIG names a cluster to use and keep. The first run on a machine builds what it lacks, which takes
minutes; where that can't be done these tests are skipped aloud, and fail where CI=true.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import pytest
from e2e.harness.machine import MachineUnfitError
from e2e.harness.preparation import docker_with_images, load_earlier_operator, programs, three_nodes
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.upgrade import BEFORE
from pytest_kubernetes.providers.base import AClusterManager

from support.leave_out import leave_out


def pytest_itemcollected(item: pytest.Item) -> None:
    """Time limits are for the tests here, not for the cluster that the first one's fixture may make."""
    if item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(func_only=True))


@pytest.fixture(scope="session")
def steps(request: pytest.FixtureRequest) -> Steps:
    """Writes the time of each step at once, although pytest captures output."""
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(f"\n{line}", end="", flush=True)

    return Steps(write)


@pytest.fixture(scope="session")
def images(steps: Steps) -> Iterator[None]:
    """Docker, and in it what scripts/images.sh builds."""
    with pytest.MonkeyPatch.context() as patch:
        with steps("Docker and the images"), _or_left_out():
            patch.setenv("DOCKER_HOST", docker_with_images())
        yield


@pytest.fixture(scope="session")
def machine(images: None, steps: Steps) -> Iterator[None]:
    """Docker with the images, and kind, kubectl and helm on PATH."""
    with pytest.MonkeyPatch.context() as patch:
        with steps("the programs"), _or_left_out():
            patch.setenv("PATH", programs() + os.environ["PATH"])
        yield


@pytest.fixture(scope="session")
def cluster(machine: None, k8s_manager: Callable[[str], type[AClusterManager]], steps: Steps) -> Iterator[Cluster]:
    """See three_nodes."""
    with ExitStack() as stack:
        with _or_left_out():
            name = f"headrace-{secrets.token_hex(3)}"
            made = stack.enter_context(three_nodes(lambda: k8s_manager("kind")(name), steps))
        yield made


@pytest.fixture(scope="session")
def earlier_operator(cluster: Cluster, steps: Steps) -> None:
    """The operator of the release before, on the nodes."""
    with steps(f"the operator of {BEFORE}"), _or_left_out():
        load_earlier_operator(cluster)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh one."""
    name = f"e2e-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def _or_left_out() -> Iterator[None]:
    """What this machine can't do leaves out the tests that ask for it."""
    try:
        yield
    except MachineUnfitError as exc:
        leave_out(str(exc))
