"""A real cluster for the session, and a namespace of its own for each test that asks.

HEADRACE_E2E_KUBECONFIG names a cluster to use and keep. The first run on a machine builds what it lacks, which takes
minutes; where that can't be done these tests are skipped aloud, and fail where CI=true.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
from e2e.harness.kind_cluster import as_admin, load_images, new_cluster
from e2e.harness.machine import run_script
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.upgrade import BEFORE
from pytest_kubernetes.providers.base import AClusterManager

from support.helm import ROOT

KEPT = "HEADRACE_E2E_KUBECONFIG"
BUILD_SECONDS = 2400


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
        with steps("Docker and the images"):
            patch.setenv("DOCKER_HOST", run_script("e2e/docker/start.sh", seconds=BUILD_SECONDS))
            run_script("scripts/images.sh", "--e2e", seconds=BUILD_SECONDS)
        yield


@pytest.fixture(scope="session")
def machine(images: None, steps: Steps) -> Iterator[None]:
    """Docker with the images, and kind, kubectl and helm on PATH."""
    with pytest.MonkeyPatch.context() as patch:
        with steps("the programs"):
            before = run_script("e2e/programs.sh", seconds=BUILD_SECONDS)
            patch.setenv("PATH", before + os.environ["PATH"])
        yield


@pytest.fixture(scope="session")
def cluster(machine: None, k8s_manager: Callable[[str], type[AClusterManager]], steps: Steps) -> Iterator[Cluster]:
    """Three nodes with the images and the CRDs; deleted at the end unless HEADRACE_E2E_KUBECONFIG named it."""
    if kept := os.environ.get(KEPT):
        found = as_admin(Path(kept))
        _furnish(found, steps)
        yield found
        return
    with steps("the node's image"):
        image = run_script("e2e/node/build.sh", seconds=BUILD_SECONDS)
    manager = k8s_manager("kind")(f"headrace-{secrets.token_hex(3)}")
    with ExitStack() as stack:
        with steps("three nodes"):
            made = stack.enter_context(new_cluster(manager, image))
        _furnish(made, steps)
        yield made


def _furnish(cluster: Cluster, steps: Steps) -> None:
    with steps("images onto the nodes"):
        load_images(cluster)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", f"-f={ROOT / 'crds'}")


@pytest.fixture(scope="session")
def old_operator(cluster: Cluster, steps: Steps) -> None:
    """The operator of the release before, on the nodes."""
    with steps(f"the operator of {BEFORE}"):
        load_images(cluster, run_script("e2e/images/old-operator.sh", BEFORE, seconds=BUILD_SECONDS))


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh one."""
    name = f"e2e-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
